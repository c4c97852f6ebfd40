//! `POST /payments/pay`: each row of the contract, and repeats.

use money::Currency;
use serde_json::json;

use crate::support::{every_world, is_replayed};

#[tokio::test]
async fn a_payment_is_made_and_described() {
    for world in every_world().await {
        let ani = world.bank.customer(100_000).await;
        let body =
            json!({"wallet_id": ani.wallet_id, "merchant": "  Tokopedia ", "amount": 40_000});
        let answer = world.client(&ani).post("/payments/pay", body).await;
        let expected = json!({
            "message": "Payment successful",
            "payment": {
                "id": 1, "user_id": ani.user_id, "wallet_id": ani.wallet_id, "merchant": "Tokopedia",
                "amount": 40_000, "currency": "IDR", "status": "completed", "payment_method": "wallet",
                "refunded": 0, "refundable": 40_000,
                "created_at": world.bank.clock.now().rfc3339(),
            }
        });
        assert_eq!(answer.expect(201), expected);
        assert!(!is_replayed(&answer));
        assert_eq!(world.bank.balance(ani.wallet_id).await, 60_000);
        assert_eq!(world.pay(&ani, "Shopee", 60_000).await["id"], 2);
        assert_eq!(world.bank.balance(ani.wallet_id).await, 0);
    }
}

#[tokio::test]
async fn a_payment_that_may_not_be_is_refused_and_leaves_no_trace() {
    for world in every_world().await {
        let (ani, budi) = (
            world.bank.customer(1_000).await,
            world.bank.customer(1_000).await,
        );
        let cold = world.bank.customer(1_000).await;
        world.bank.freeze(cold.wallet_id).await;
        let before = world.bank.log().await;
        let cases = [
            (
                &ani,
                ani.wallet_id,
                1_001,
                "Insufficient balance",
                "insufficient_balance",
            ),
            (&ani, budi.wallet_id, 1, "Invalid wallet", "not_owner"),
            (&ani, 999_999, 1, "Invalid wallet", "wallet_not_found"),
            (
                &cold,
                cold.wallet_id,
                1,
                "Invalid wallet",
                "wallet_not_active",
            ),
        ];
        for (who, wallet_id, amount, sentence, code) in cases {
            let body = json!({"wallet_id": wallet_id, "merchant": "Tokopedia", "amount": amount});
            let answer = world.client(who).post("/payments/pay", body).await;
            assert_eq!(answer.expect_error(400, sentence)["code"], code);
        }
        assert_eq!(world.bank.log().await, before);
    }
}

#[tokio::test]
async fn a_repeat_with_its_key_pays_once_and_answers_the_same() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        let client = world.client(&ani);
        let body = json!({"wallet_id": ani.wallet_id, "merchant": "Tokopedia", "amount": 100});
        let first = client
            .post_with_key("/payments/pay", "order-1", body.clone())
            .await;
        first.expect(201);
        assert!(!is_replayed(&first));
        world.bank.clock.advance(std::time::Duration::from_secs(60));
        // Also through another process.
        let (_server, other) = world.another().await;
        for client in [client.clone(), other.with_token(&ani.token)] {
            let again = client
                .post_with_key("/payments/pay", "order-1", body.clone())
                .await;
            again.expect(201);
            assert!(is_replayed(&again));
            assert_eq!(again.bytes, first.bytes);
        }
        assert_eq!(world.bank.balance(ani.wallet_id).await, 900);

        for (field, value) in [("amount", json!(101)), ("merchant", json!("Shopee"))] {
            let mut changed = body.clone();
            changed[field] = value;
            let answer = client
                .post_with_key("/payments/pay", "order-1", changed)
                .await;
            answer.expect_error(422, "Idempotency key reused");
        }
        assert_eq!(world.bank.balance(ani.wallet_id).await, 900);
    }
}

#[tokio::test]
async fn a_key_belongs_to_its_user_and_its_route() {
    for world in every_world().await {
        let (ani, budi) = (
            world.bank.customer(1_000).await,
            world.bank.customer(1_000).await,
        );
        for who in [&ani, &budi] {
            let body = json!({"wallet_id": who.wallet_id, "merchant": "Tokopedia", "amount": 100});
            let answer = world
                .client(who)
                .post_with_key("/payments/pay", "1", body)
                .await;
            answer.expect(201);
            assert!(!is_replayed(&answer));
        }
        let body =
            json!({"from_wallet_id": ani.wallet_id, "to_user_id": budi.user_id, "amount": 100});
        let answer = world
            .client(&ani)
            .post_with_key("/payments/transfer", "1", body)
            .await;
        answer.expect(201);
        assert!(!is_replayed(&answer));
        assert_eq!(world.bank.balance(ani.wallet_id).await, 800);
    }
}

#[tokio::test]
async fn a_refused_payment_may_be_repeated_with_its_key_when_there_is_money() {
    for world in every_world().await {
        let ani = world.bank.customer(0).await;
        let body = json!({"wallet_id": ani.wallet_id, "merchant": "Tokopedia", "amount": 100});
        let client = world.client(&ani);
        let pay = || client.post_with_key("/payments/pay", "k", body.clone());
        pay().await.expect_error(400, "Insufficient balance");
        world.bank.top_up(ani.user_id, ani.wallet_id, 100).await;
        let answer = pay().await;
        answer.expect(201);
        assert!(!is_replayed(&answer));
    }
}

#[tokio::test]
async fn requests_with_one_key_at_once_pay_once() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        let client = world.client(&ani);
        let body = json!({"wallet_id": ani.wallet_id, "merchant": "Tokopedia", "amount": 100});
        let answers = (0..20).map(|_| client.post_with_key("/payments/pay", "one", body.clone()));
        let answers = futures_util::future::join_all(answers).await;
        for answer in &answers {
            answer.expect(201);
            assert_eq!(answer.bytes, answers[0].bytes);
        }
        let first = answers.iter().filter(|answer| !is_replayed(answer));
        assert_eq!(first.count(), 1);
        assert_eq!(world.bank.balance(ani.wallet_id).await, 900);
    }
}

#[tokio::test]
async fn payments_at_once_never_spend_more_than_there_is() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        let client = world.client(&ani);
        let body = json!({"wallet_id": ani.wallet_id, "merchant": "Tokopedia", "amount": 501});
        let answers = (0..50).map(|_| client.post("/payments/pay", body.clone()));
        let answers = futures_util::future::join_all(answers).await;
        let paid = answers.iter().filter(|answer| answer.status == 201);
        assert_eq!(paid.count(), 1);
        for answer in answers.iter().filter(|answer| answer.status != 201) {
            answer.expect_error(400, "Insufficient balance");
        }
        assert_eq!(world.bank.balance(ani.wallet_id).await, 499);
    }
}

#[tokio::test]
async fn a_payment_has_the_currency_of_its_wallet() {
    for world in every_world().await {
        let ani = world.bank.customer(0).await;
        let dollars = world
            .bank
            .open(ani.user_id, "USD".parse::<Currency>().unwrap())
            .await;
        world.bank.top_up(ani.user_id, dollars, 500).await;
        let body = json!({"wallet_id": dollars, "merchant": "GitHub", "amount": 400});
        let answer = world.client(&ani).post("/payments/pay", body).await;
        assert_eq!(answer.expect(201)["payment"]["currency"], "USD");
    }
}
