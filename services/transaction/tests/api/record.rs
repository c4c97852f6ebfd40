//! `POST /transactions`: what services record by hand.

use serde_json::json;

use crate::support::{each, every_world, is_replayed};

#[tokio::test]
async fn a_record_is_in_the_history_and_moves_no_money() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        let log = world.bank.log().await;
        let mut expected = Vec::new();
        for (count, kind) in ["topup", "payment", "transfer", "withdrawal"]
            .into_iter()
            .enumerate()
        {
            let body = json!({"wallet_id": ani.wallet_id, "type": kind, "amount": 5, "description": format!("A {kind}")});
            let answer = world.service("gateway").post("/transactions", body).await;
            let transaction = answer.expect(201)["transaction"].clone();
            assert_eq!(
                transaction,
                json!({
                    "id": (1_i64 << 52) + count as i64, "user_id": ani.user_id, "wallet_id": ani.wallet_id, "type": kind,
                    "direction": if kind == "topup" { "in" } else { "out" }, "amount": 5, "currency": "IDR",
                    "description": format!("A {kind}"), "status": "completed", "source": "recorded",
                    "created_at": world.bank.clock.now().rfc3339(),
                })
            );
            expected.insert(0, transaction);
        }
        let listed = world.transactions(&ani).await;
        assert_eq!(listed[..4], expected[..]);
        let path = format!("/transactions/{}", expected[0]["id"]);
        let shown = world.client(&ani).get(&path).await.expect(200);
        assert_eq!(shown["transaction"], expected[0]);
        let stats = world
            .client(&ani)
            .get("/transactions/stats")
            .await
            .expect(200);
        assert_eq!(stats["total_transactions"], 5);
        assert_eq!(stats["net_amount"], 1_005 - 5 - 5);
        assert_eq!(world.bank.log().await, log);
    }
}

#[tokio::test]
async fn a_repeat_with_its_key_records_once_and_answers_the_same() {
    for world in every_world().await {
        let ani = world.bank.customer(0).await;
        let body = json!({"wallet_id": ani.wallet_id, "type": "topup", "amount": 5, "description": "Old counter"});
        let service = world.service("gateway");
        let first = service
            .post_with_key("/transactions", "k", body.clone())
            .await;
        first.expect(201);
        assert!(!is_replayed(&first));
        world.bank.clock.advance(std::time::Duration::from_secs(60));
        let again = service
            .post_with_key("/transactions", "k", body.clone())
            .await;
        assert!(is_replayed(&again));
        assert_eq!(again.status, 201);
        assert_eq!(again.bytes, first.bytes);
        for (field, value) in [
            ("amount", json!(6)),
            ("type", json!("payment")),
            ("description", json!("New")),
        ] {
            let mut changed = body.clone();
            changed[field] = value;
            let answer = service.post_with_key("/transactions", "k", changed).await;
            answer.expect_error(422, "Idempotency key reused");
        }
        // Another service's key is another key.
        let other = world
            .service("payment-service")
            .post_with_key("/transactions", "k", body)
            .await;
        other.expect(201);
        assert!(!is_replayed(&other));
        assert_eq!(each(&world.transactions(&ani).await, "amount"), [5, 5]);
    }
}

#[tokio::test]
async fn records_with_one_key_at_once_are_one() {
    for world in every_world().await {
        let ani = world.bank.customer(0).await;
        let body = json!({"wallet_id": ani.wallet_id, "type": "topup", "amount": 5, "description": "Old counter"});
        let (_server, other) = world.another().await;
        let clients = [
            world.service("test"),
            other.with_token(world.bank.service_token("test")),
        ];
        let answers = clients.iter().cycle().take(20);
        let answers =
            answers.map(|client| client.post_with_key("/transactions", "k", body.clone()));
        let answers = futures_util::future::join_all(answers).await;
        for answer in &answers {
            answer.expect(201);
            assert_eq!(answer.bytes, answers[0].bytes);
        }
        assert_eq!(
            answers.iter().filter(|answer| !is_replayed(answer)).count(),
            1
        );
        assert_eq!(world.transactions(&ani).await.len(), 1);
        let stats = world
            .client(&ani)
            .get("/transactions/stats")
            .await
            .expect(200);
        assert_eq!(stats["total_topup"], 5);
    }
}
