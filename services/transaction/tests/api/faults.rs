//! The ledger is away, the model is set back, or its database was written to meanwhile.

use serde_json::json;
use testing::wait_until;

use crate::support::{World, each, every_world, is_behind};

#[tokio::test]
async fn without_the_ledger_reads_say_that_they_may_be_behind() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        let client = world.client(&ani);
        let known = client.get("/transactions").await;
        world.bank.link.cut();
        world.pay(&ani, "Tokopedia", 1).await;

        let wallet = format!("/transactions/wallet/{}", ani.wallet_id);
        for path in ["/transactions", &wallet, "/transactions/stats"] {
            let answer = client.get(path).await;
            answer.expect(200);
            assert!(is_behind(&answer), "{path}");
        }
        assert_eq!(client.get("/transactions").await.bytes, known.bytes);
        let missing = client.get("/transactions/999999").await;
        missing.expect_error(404, "Transaction not found");
        assert!(is_behind(&missing));
        client.get("/readyz").await.expect(200);

        // What is known can be recorded; what is not known might exist.
        let body = |wallet_id| json!({"wallet_id": wallet_id, "type": "topup", "amount": 1, "description": "A gift"});
        let service = world.service("test");
        service
            .post("/transactions", body(ani.wallet_id))
            .await
            .expect(201);
        let answer = service.post("/transactions", body(999_999)).await;
        answer.expect_error(503, "Service unavailable");

        world.bank.link.open();
        wait_until("reads are up to date again", || async {
            !is_behind(&client.get("/transactions").await)
        })
        .await;
        assert_eq!(world.transactions(&ani).await.len(), 3);
        let answer = service.post("/transactions", body(999_999)).await;
        answer.expect_error(400, "Invalid wallet");
    }
}

#[tokio::test]
async fn a_model_that_is_built_anew_is_the_same() {
    for world in every_world().await {
        let (ani, budi) = (
            world.bank.customer(1_000).await,
            world.bank.customer(0).await,
        );
        world.pay(&ani, "Toko \"Ibu\" \\ Ñandú 💸 'x'", 1).await;
        for _ in 0..10 {
            world.send(&ani, &budi, 2).await;
        }
        let before = snapshot(&world, &ani, &budi).await;
        let (config, mut said) = (world.config(), Vec::new());
        transaction::rebuild(&config, &wallet_api::KINDS, true, &mut said)
            .await
            .unwrap();
        assert_eq!(snapshot(&world, &ani, &budi).await, before);
        let newest = &world.transactions(&ani).await;
        assert_eq!(
            each(newest, "description")[10],
            "Payment to Toko \"Ibu\" \\ Ñandú 💸 'x'"
        );
    }
}

async fn snapshot(
    world: &World,
    ani: &test_bank::Customer,
    budi: &test_bank::Customer,
) -> Vec<String> {
    let mut texts = Vec::new();
    for who in [ani, budi] {
        for path in ["/transactions", "/transactions/stats"] {
            let answer = world.client(who).get(path).await;
            assert!(!is_behind(&answer));
            texts.push(answer.text());
        }
    }
    texts
}
