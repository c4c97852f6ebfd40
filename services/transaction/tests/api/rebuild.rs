//! `transaction-service rebuild`, as an operator runs it.

use serde_json::json;
use store::DatabaseConfig;
use testing::{Said, every_database, run_command, wait_until};

use crate::support::{World, every_world};

async fn rebuild(database: &DatabaseConfig, words: &[&str]) -> Said {
    let words = [&["rebuild"], words].concat();
    let program = env!("CARGO_BIN_EXE_transaction-service");
    run_command(program, &words, database, &[]).await
}

/// History says to be of another ledger.
async fn estrange(world: &World) {
    let other = if world.config().url.starts_with("sqlite") {
        "update feed_position set ledger = x'00000000000000000000000000000007'"
    } else {
        "update feed_position set ledger = '00000000-0000-0000-0000-000000000007'"
    };
    world.execute(&[other]).await;
}

#[tokio::test]
async fn history_is_built_anew_with_yes_and_what_services_recorded_stays() {
    for world in every_world().await {
        let (ani, budi) = (
            world.bank.customer(10_000).await,
            world.bank.customer(0).await,
        );
        world.pay(&ani, "Tokopedia", 5).await;
        world.send(&ani, &budi, 7).await;
        let record = json!({"wallet_id": ani.wallet_id, "type": "topup", "amount": 11, "description": "Old counter"});
        let recorded = world
            .service("gateway")
            .post("/transactions", record.clone())
            .await;
        recorded.expect(201);
        let mut listed = world.transactions(&ani).await;
        let stats = world
            .client(&ani)
            .get("/transactions/stats")
            .await
            .expect(200);
        estrange(&world).await;
        wait_until("history is not of this ledger", async || {
            world.nobody().get("/readyz").await.status == 503
        })
        .await;
        for refused in [
            world.client(&ani).get("/transactions").await,
            world.client(&ani).get("/transactions/stats").await,
            world.service("gateway").post("/transactions", record).await,
        ] {
            let error = refused.expect_error(503, "Service unavailable");
            assert_eq!(error["code"], "ledger_mismatch");
        }

        let before = transaction::position(&world.config(), &wallet_api::KINDS)
            .await
            .unwrap();
        let plan = rebuild(&world.config(), &[]).await;
        plan.expect(
            1,
            &[
                "1 entries that services recorded stay",
                "nothing was changed; --yes does the above",
            ],
        );
        assert_eq!(
            transaction::position(&world.config(), &wallet_api::KINDS)
                .await
                .unwrap(),
            before
        );

        rebuild(&world.config(), &["--yes"])
            .await
            .expect(0, &["Done."]);
        wait_until("the service goes on by itself", async || {
            world.nobody().get("/readyz").await.status == 200
        })
        .await;
        let by_id = |entry: &serde_json::Value| entry["id"].as_i64();
        let mut again = world.transactions(&ani).await;
        listed.sort_by_key(by_id);
        again.sort_by_key(by_id);
        assert_eq!(again, listed);
        let stats_again = world.client(&ani).get("/transactions/stats").await;
        assert_eq!(stats_again.expect(200), stats);
    }
}

#[tokio::test]
async fn pages_of_before_are_not_shown_after_history_was_built_anew() {
    for world in every_world().await {
        let ani = world.bank.customer(10_000).await;
        world.pay(&ani, "Tokopedia", 5).await;
        let listed = world.transactions(&ani).await;
        assert_eq!(world.transactions(&ani).await, listed, "kept");
        // History of another ledger, with as many entries.
        world
            .execute(&["update history set amount = 6 where amount = 5"])
            .await;
        assert_eq!(world.transactions(&ani).await, listed, "still kept");
        estrange(&world).await;
        wait_until("history is not of this ledger", async || {
            world.nobody().get("/readyz").await.status == 503
        })
        .await;
        let back = "update feed_position set ledger = null";
        world.execute(&[back]).await;
        wait_until("it is again", async || {
            world.nobody().get("/readyz").await.status == 200
        })
        .await;
        assert_ne!(world.transactions(&ani).await, listed);
    }
}

#[tokio::test]
async fn what_cannot_be_built_anew_is_said_and_nothing_is_made() {
    for database in every_database().await {
        let config = database.config("transaction");
        let said = rebuild(&config, &["--yes"]).await;
        match config.url.strip_prefix("sqlite://") {
            Some(file) => {
                said.expect(1, &["transaction.db is missing"]);
                assert!(!std::path::Path::new(file).exists());
            }
            None => {
                said.expect(1, &["the database is not migrated"]);
            }
        }
    }
}
