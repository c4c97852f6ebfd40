//! The ledger hears of every deletion, now or later, and once is as good as twice.

use std::collections::HashSet;

use store::{Database, on_read, sqlx};
use testing::{every_database, wait_until};

use crate::support::{FakeLedger, TestUsers, config, every_service, manual_clock};

async fn in_outbox(users: &TestUsers) -> i64 {
    let database = Database::open(&users.config.database).await.unwrap();
    on_read!(&database, pool => {
        sqlx::query_scalar("select count(*) from closures").fetch_one(pool).await
    })
    .unwrap()
}

#[tokio::test]
async fn a_deletion_tells_the_ledger_at_once() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        ani.client.delete("/users/1").await.expect(200);
        let closed = users.ledger.closed();
        assert!(
            closed.iter().any(|(_, user_id)| *user_id == 1),
            "{closed:?}"
        );
        wait_until("the outbox is empty", async || in_outbox(&users).await == 0).await;
    }
}

#[tokio::test]
async fn a_deletion_does_not_need_the_ledger() {
    for database in every_database().await {
        let ledger = FakeLedger::deaf().await;
        let config = config(&database, &ledger.url);
        user::migrate(&config.database).await.unwrap();
        let users = TestUsers::run(config, manual_clock(), ledger).await;
        let (ani, budi) = (users.person("Ani").await, users.person("Budi").await);
        ani.client.delete("/users/1").await.expect(200);
        budi.client.delete("/users/2").await.expect(200);
        ani.client
            .get("/users")
            .await
            .expect_error(401, "Invalid token");
        assert_eq!(in_outbox(&users).await, 2);
        wait_until("it is seen that they wait", async || {
            users.metric("closures_pending").await >= 1.0
        })
        .await;

        // What waits outlives the process.
        let TestUsers {
            server,
            config,
            clock,
            ledger,
            ..
        } = users;
        server.stop().await;
        let users = TestUsers::run(config, clock, ledger).await;
        assert_eq!(in_outbox(&users).await, 2);

        users.ledger.listen();
        wait_until("the outbox is empty", async || in_outbox(&users).await == 0).await;
        let closed = users.ledger.closed();
        let ids: HashSet<i64> = closed.iter().map(|(_, user_id)| *user_id).collect();
        let keys: HashSet<&String> = closed.iter().map(|(key, _)| key).collect();
        assert_eq!(ids, HashSet::from([1, 2]));
        assert_eq!(
            keys.len(),
            2,
            "a repeat has the key of the first: {closed:?}"
        );
        wait_until("none waits", async || {
            users.metric("closures_pending").await == 0.0
        })
        .await;
    }
}
