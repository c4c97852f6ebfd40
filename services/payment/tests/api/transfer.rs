//! `POST /payments/transfer`: each row of the contract, and repeats.

use ledger_api::{Actor, Operation, Service};
use money::{Amount, Currency};
use serde_json::json;

use crate::support::{every_world, is_replayed};

#[tokio::test]
async fn money_goes_to_another_user() {
    for world in every_world().await {
        let (ani, budi) = (
            world.bank.customer(1_000).await,
            world.bank.customer(5).await,
        );
        let body =
            json!({"from_wallet_id": ani.wallet_id, "to_user_id": budi.user_id, "amount": 300});
        let answer = world.client(&ani).post("/payments/transfer", body).await;
        let expected = json!({
            "message": "Transfer successful", "from_wallet_id": ani.wallet_id, "to_wallet_id": budi.wallet_id,
            "amount": 300, "currency": "IDR", "created_at": world.bank.clock.now().rfc3339(),
        });
        assert_eq!(answer.expect(201), expected);
        assert_eq!(world.bank.balance(ani.wallet_id).await, 700);
        assert_eq!(world.bank.balance(budi.wallet_id).await, 305);
        // It is no payment, for neither of them.
        for who in [&ani, &budi] {
            let list = world.client(who).get("/payments").await.expect(200);
            assert_eq!(list, json!({"payments": []}));
        }
    }
}

#[tokio::test]
async fn a_transfer_that_may_not_be_is_refused_and_leaves_no_trace() {
    for world in every_world().await {
        let bank = &world.bank;
        let (ani, budi) = (bank.customer(1_000).await, bank.customer(1_000).await);
        let cold = bank.customer(1_000).await;
        bank.freeze(cold.wallet_id).await;
        let (nobody, _) = bank.stranger();
        let dollars = bank
            .open(ani.user_id, "USD".parse::<Currency>().unwrap())
            .await;
        bank.top_up(ani.user_id, dollars, 500).await;
        let by = Actor::Service(Service::Wallet);
        let limits = Vec::new();
        bank.carry_out(Operation::SetLimits { limits, by }).await;
        let full = bank.customer(Amount::MAX.units()).await;
        let before = bank.log().await;

        let source = "Invalid source wallet";
        let destination = "Destination user not found";
        let cases = [
            (
                &ani,
                ani.wallet_id,
                budi.user_id,
                1_001,
                400,
                "Insufficient balance",
                "insufficient_balance",
            ),
            (
                &ani,
                budi.wallet_id,
                budi.user_id,
                1,
                400,
                source,
                "not_owner",
            ),
            (
                &ani,
                999_999,
                budi.user_id,
                1,
                400,
                source,
                "wallet_not_found",
            ),
            (
                &cold,
                cold.wallet_id,
                ani.user_id,
                1,
                400,
                source,
                "wallet_not_active",
            ),
            (
                &ani,
                ani.wallet_id,
                ani.user_id,
                1,
                400,
                source,
                "same_wallet",
            ),
            (
                &ani,
                ani.wallet_id,
                nobody,
                1,
                404,
                destination,
                "destination_not_found",
            ),
            (
                &ani,
                dollars,
                budi.user_id,
                1,
                404,
                destination,
                "destination_not_found",
            ),
            (
                &ani,
                ani.wallet_id,
                cold.user_id,
                1,
                404,
                destination,
                "destination_not_found",
            ),
            (
                &ani,
                ani.wallet_id,
                full.user_id,
                1,
                404,
                destination,
                "destination_not_found",
            ),
        ];
        for (who, from, to, amount, status, sentence, code) in cases {
            let body = json!({"from_wallet_id": from, "to_user_id": to, "amount": amount});
            let answer = world.client(who).post("/payments/transfer", body).await;
            assert_eq!(answer.expect_error(status, sentence)["code"], code);
        }
        assert_eq!(bank.log().await, before);
    }
}

#[tokio::test]
async fn a_repeat_with_its_key_sends_once_and_answers_the_same() {
    for world in every_world().await {
        let (ani, budi) = (
            world.bank.customer(1_000).await,
            world.bank.customer(0).await,
        );
        let client = world.client(&ani);
        let body =
            json!({"from_wallet_id": ani.wallet_id, "to_user_id": budi.user_id, "amount": 300});
        let path = "/payments/transfer";
        let first = client.post_with_key(path, "rent", body.clone()).await;
        first.expect(201);
        world.bank.clock.advance(std::time::Duration::from_secs(60));
        let again = client.post_with_key(path, "rent", body.clone()).await;
        assert!(is_replayed(&again));
        assert_eq!(again.bytes, first.bytes);
        let mut changed = body;
        changed["amount"] = json!(301);
        let answer = client.post_with_key(path, "rent", changed).await;
        answer.expect_error(422, "Idempotency key reused");
        assert_eq!(world.bank.balance(budi.wallet_id).await, 300);
    }
}

#[tokio::test]
async fn opposite_transfers_at_once_keep_the_total() {
    for world in every_world().await {
        let (ani, budi) = (
            world.bank.customer(1_000).await,
            world.bank.customer(1_000).await,
        );
        let send = |from: &test_bank::Customer, to: i64| {
            let client = world.client(from);
            let body = json!({"from_wallet_id": from.wallet_id, "to_user_id": to, "amount": 7});
            async move { client.post("/payments/transfer", body).await }
        };
        let there = (0..50).map(|_| send(&ani, budi.user_id));
        let back = (0..50).map(|_| send(&budi, ani.user_id));
        let (there, back) = tokio::join!(
            futures_util::future::join_all(there),
            futures_util::future::join_all(back)
        );
        for answer in there.iter().chain(&back) {
            answer.expect(201);
        }
        let balance =
            world.bank.balance(ani.wallet_id).await + world.bank.balance(budi.wallet_id).await;
        assert_eq!(balance, 2_000);
    }
}
