//! The ledger is away, silent, or loses its answers: nothing is paid twice, and everybody is told what is known.

use serde_json::json;
use testing::{every_database, wait_until};

use crate::support::{World, every_world, is_behind, is_replayed};

#[tokio::test]
async fn without_the_ledger_nothing_is_paid_and_reads_say_that_they_may_be_behind() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        let payment = world.pay(&ani, "Tokopedia", 1).await;
        let client = world.client(&ani);
        client.get("/payments").await.expect(200);
        world.bank.link.cut();

        let list = client.get("/payments").await;
        assert_eq!(list.expect(200), json!({"payments": [payment]}));
        assert!(is_behind(&list));
        assert!(is_behind(&client.get("/payments/1").await));
        let missing = client.get("/payments/2").await;
        missing.expect_error(404, "Payment not found");
        assert!(is_behind(&missing));

        let body = json!({"wallet_id": ani.wallet_id, "merchant": "Shopee", "amount": 2});
        let answer = client
            .post_with_key("/payments/pay", "k", body.clone())
            .await;
        let error = answer.expect_error(503, "Service unavailable");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("same Idempotency-Key"), "{message}");
        assert_eq!(answer.headers["retry-after"], "1");
        let error = client.post("/payments/pay", body.clone()).await;
        let message = error.expect_error(503, "Service unavailable")["message"].to_string();
        assert!(message.contains("look at your transactions"), "{message}");
        // The service itself is well: it goes on serving reads.
        client.get("/readyz").await.expect(200);

        world.bank.link.open();
        wait_until("reads are up to date again", || async {
            !is_behind(&client.get("/payments").await)
        })
        .await;
        client
            .post_with_key("/payments/pay", "k", body)
            .await
            .expect(201);
        assert_eq!(world.bank.balance(ani.wallet_id).await, 997);
    }
}

#[tokio::test]
async fn as_many_orders_as_may_travel_together_do() {
    for world in every_world().await {
        let ani = world.bank.customer(10_000).await;
        let entropy = clock::Entropy::system();
        let order = || ledger_api::Order {
            key: ledger_api::Uuid::from_bytes(entropy.bytes16()),
            operation: wallet_api::pay(
                ani.wallet_id,
                ani.user_id,
                // The longest name there can be, in the longest characters.
                "\u{1F6D2}".repeat(200),
                money::Amount::new(1).unwrap(),
            ),
        };
        // Two calls take what is there at once; the others gather behind them.
        let orders = (0..3 * ledger_api::ORDERS_MAX).map(|_| world.bank.ledger.submit(order()));
        for outcome in futures_util::future::join_all(orders).await {
            assert!(matches!(
                outcome.unwrap(),
                ledger_api::Outcome::Accepted { .. }
            ));
        }
    }
}

#[tokio::test]
async fn one_lost_answer_is_asked_for_again_unseen() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        let body = json!({"wallet_id": ani.wallet_id, "merchant": "Tokopedia", "amount": 100});
        for count in 1..=5 {
            world.bank.link.lose_answers(1);
            let answer = world.client(&ani).post("/payments/pay", body.clone()).await;
            answer.expect(201);
            assert!(!is_replayed(&answer));
            assert_eq!(world.bank.balance(ani.wallet_id).await, 1_000 - 100 * count);
        }
    }
}

#[tokio::test]
async fn a_payment_whose_answer_is_lost_is_there_once_when_it_is_repeated() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        let client = world.client(&ani);
        let body = json!({"wallet_id": ani.wallet_id, "merchant": "Tokopedia", "amount": 100});
        world.bank.link.lose_answers(usize::MAX);
        let answer = client
            .post_with_key("/payments/pay", "k", body.clone())
            .await;
        answer.expect_error(503, "Service unavailable");
        assert!(world.bank.link.answers_lost() > 0);
        // The money has moved, although nobody said so.
        assert_eq!(world.bank.balance(ani.wallet_id).await, 900);
        world.bank.link.lose_answers(0);
        let answer = client.post_with_key("/payments/pay", "k", body).await;
        answer.expect(201);
        assert!(is_replayed(&answer));
        assert_eq!(world.bank.balance(ani.wallet_id).await, 900);
        let list = client.get("/payments").await.expect(200);
        assert_eq!(list["payments"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_refusal_is_told_only_when_no_attempt_before_may_still_be_carried_out() {
    for world in every_world().await {
        let ani = world.bank.customer(50).await;
        let client = world.client(&ani);
        let body = json!({"wallet_id": ani.wallet_id, "merchant": "Tokopedia", "amount": 100});
        world.bank.link.lose_answers(1);
        let answer = client
            .post_with_key("/payments/pay", "k", body.clone())
            .await;
        answer.expect_error(503, "Service unavailable");
        assert_eq!(world.bank.link.answers_lost(), 1);
        let answer = client.post_with_key("/payments/pay", "k", body).await;
        answer.expect_error(400, "Insufficient balance");
    }
}

/// On one database only: the time that a call may take passes for real.
#[tokio::test]
async fn a_ledger_that_does_not_answer_is_a_timeout() {
    let database = every_database().await.remove(0);
    let world = World::start(database).await;
    let ani = world.bank.customer(1_000).await;
    let client = world.client(&ani);
    world.bank.link.silence();
    let body = json!({"wallet_id": ani.wallet_id, "merchant": "Tokopedia", "amount": 100});
    let (paid, list) = tokio::join!(
        client.post_with_key("/payments/pay", "k", body.clone()),
        client.get("/payments")
    );
    let error = paid.expect_error(504, "Request timeout");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("same Idempotency-Key"), "{message}");
    assert!(is_behind(&list));
    assert_eq!(list.expect(200), json!({"payments": []}));
    world.bank.link.cut();
    world.bank.link.open();
    client
        .post_with_key("/payments/pay", "k", body)
        .await
        .expect(201);
    assert_eq!(world.bank.balance(ani.wallet_id).await, 900);
}
