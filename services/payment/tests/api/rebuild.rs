//! `payment-service rebuild`, as an operator runs it.

use serde_json::Value;
use store::DatabaseConfig;
use testing::{Said, every_database, run_command, wait_until};

use crate::support::{World, every_world};

async fn rebuild(database: &DatabaseConfig, words: &[&str]) -> Said {
    let words = [&["rebuild"], words].concat();
    run_command(env!("CARGO_BIN_EXE_payment-service"), &words, database, &[]).await
}

/// The payments' database says to be of another ledger.
async fn estrange(world: &World) {
    let other = if world.config().url.starts_with("sqlite") {
        "update feed_position set ledger = x'00000000000000000000000000000007'"
    } else {
        "update feed_position set ledger = '00000000-0000-0000-0000-000000000007'"
    };
    let database = store::Database::open(&world.config()).await.unwrap();
    testing::execute(&database, other).await.unwrap();
    database.close().await;
}

#[tokio::test]
async fn payments_are_built_anew_with_yes_also_while_the_service_runs() {
    for world in every_world().await {
        let ani = world.bank.customer(10_000).await;
        for amount in 1..=3 {
            world.pay(&ani, "Tokopedia", amount).await;
        }
        let client = world.client(&ani);
        let listed = client.get("/payments").await.expect(200);
        estrange(&world).await;
        wait_until("the payments are not of this ledger", async || {
            world.nobody().get("/readyz").await.status == 503
        })
        .await;
        let ready = world.nobody().get("/readyz").await.text();
        assert!(ready.contains("another ledger"), "{ready}");
        let metrics = world.nobody().get("/metrics").await.text();
        assert!(metrics.contains("follower_ledger_mismatch 1"), "{metrics}");
        let refused = client.get("/payments").await;
        let error = refused.expect_error(503, "Service unavailable");
        assert_eq!(error["code"], "ledger_mismatch");
        // Money that is moved in a wrong ledger is lost when the right one is back.
        let log = world.bank.log().await;
        let body = serde_json::json!({"wallet_id": ani.wallet_id, "merchant": "x", "amount": 1});
        let refused = client.post("/payments/pay", body).await;
        let error = refused.expect_error(503, "Service unavailable");
        assert_eq!(error["code"], "ledger_mismatch");
        assert_eq!(world.bank.log().await, log);

        let before = payment::position(&world.config()).await.unwrap();
        let plan = rebuild(&world.config(), &[]).await;
        plan.expect(
            1,
            &[
                "all of them are forgotten",
                "nothing was changed; --yes does the above",
            ],
        );
        assert_eq!(payment::position(&world.config()).await.unwrap(), before);

        rebuild(&world.config(), &["--yes"])
            .await
            .expect(0, &["Done."]);
        wait_until("the service goes on by itself", async || {
            world.nobody().get("/readyz").await.status == 200
        })
        .await;
        assert_eq!(client.get("/payments").await.expect(200), listed);
        let payment: Value = world.pay(&ani, "Gojek", 4).await;
        assert_eq!(payment["id"], 4);
    }
}

#[tokio::test]
async fn what_cannot_be_built_anew_is_said_and_nothing_is_made() {
    for database in every_database().await {
        let config = database.config("payment");
        let said = rebuild(&config, &["--yes"]).await;
        match config.url.strip_prefix("sqlite://") {
            Some(file) => {
                said.expect(1, &["payment.db is missing"]);
                assert!(!std::path::Path::new(file).exists());
            }
            None => {
                said.expect(1, &["the database is not migrated"]);
            }
        }
    }
    let [closed] = testing::free_ports();
    let away = DatabaseConfig::at(format!("postgres://x@127.0.0.1:{closed}/x"));
    let place = format!("cannot connect to PostgreSQL at 127.0.0.1:{closed}");
    rebuild(&away, &["--yes"])
        .await
        .expect(1, &[&place, "connection refused"]);
}
