//! The ledger hears of every deletion, now or later, and once is as good as twice.

use std::collections::{HashMap, HashSet};

use ledger_api::{Actor, Service};
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
        let own = (1, Actor::User(1));
        assert!(
            closed.iter().any(|(_, user_id, by)| (*user_id, *by) == own),
            "{closed:?}"
        );
        wait_until("the outbox is empty", async || in_outbox(&users).await == 0).await;
    }
}

#[tokio::test]
async fn the_ledger_is_told_who_asked_for_a_deletion_the_same_on_each_attempt() {
    for database in every_database().await {
        let ledger = FakeLedger::deaf().await;
        let mut config = config(&database, &ledger.url);
        config.admin_email = Some("root@example.com".to_owned());
        config.admin_password = Some("a long password".to_owned());
        user::migrate(&config.database).await.unwrap();
        let users = TestUsers::run(config, manual_clock(), ledger).await;
        let token = users.log_in("root@example.com", "a long password").await;
        let admin = users.client.with_token(token);
        let verified = admin.get("/users/verify").await.expect(200);
        let admin_id = verified["user"]["id"].as_i64().unwrap();
        let mut expected = HashMap::new();
        for (name, is_own) in [("Ani", true), ("Budi", false), ("Citra", true)] {
            let person = users.person(name).await;
            let client = if is_own { &person.client } else { &admin };
            let path = format!("/users/{}", person.id);
            client.delete(&path).await.expect(200);
            let by = if is_own { person.id } else { admin_id };
            expected.insert(person.id, Actor::User(by));
        }
        // A deletion that the release before noted, which did not know who asked.
        let (last, _) = expected.iter().max_by_key(|(id, _)| **id).unwrap();
        let (last, unknown) = (*last, Actor::Service(Service::User));
        expected.insert(last, unknown);
        let open = Database::open(&users.config.database).await.unwrap();
        let sql = format!("update closures set asked_by = null where user_id = {last}");
        testing::execute(&open, &sql).await.unwrap();

        users.ledger.listen();
        wait_until("the outbox is empty", async || in_outbox(&users).await == 0).await;
        let mut orders = HashMap::new();
        for (key, user_id, by) in users.ledger.closed() {
            assert_eq!(*orders.entry(key).or_insert((user_id, by)), (user_id, by));
        }
        assert_eq!(orders.into_values().collect::<HashMap<_, _>>(), expected);
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
        let ids: HashSet<i64> = closed.iter().map(|(_, user_id, _)| *user_id).collect();
        let keys: HashSet<&String> = closed.iter().map(|(key, _, _)| key).collect();
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
