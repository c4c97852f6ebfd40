//! Passwords cost the same whoever asks, and no more of them wait than can be served.

use std::time::{Duration, Instant};

use serde_json::json;
use store::{Database, on_read, sqlx};
use testing::wait_until;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use user::PasswordTries;

use crate::support::{PASSWORD, TestUsers, every_service, registration};

/// The time that a log-in may take in the midst of a flood. A dev build hashes several times slower than a release build, and other tests run
/// beside this one.
const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn an_unknown_address_costs_what_a_wrong_password_costs() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        for (email, password, status) in [
            (ani.email.as_str(), PASSWORD, 200),
            (ani.email.as_str(), "wrong horse", 401),
            ("nobody@example.com", PASSWORD, 401),
            ("not an address", PASSWORD, 401),
        ] {
            let before = users.hashes().await;
            let body = json!({"email": email, "password": password});
            users.client.post("/auth/login", body).await.expect(status);
            assert_eq!(users.hashes().await, before + 1.0, "{email} {password}");
        }
    }
}

#[tokio::test]
async fn what_is_kept_is_argon2id_and_follows_the_cost() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        assert!(
            stored_hash(&users)
                .await
                .starts_with("$argon2id$v=19$m=64,t=1,p=1$")
        );
        let dearer = users.another(|config| config.argon2_memory_kib = 128).await;
        for hashes in [2.0, 3.0] {
            dearer.log_in(&ani.email, PASSWORD).await;
            assert_eq!(dearer.hashes().await, hashes);
            assert!(
                stored_hash(&users)
                    .await
                    .starts_with("$argon2id$v=19$m=128,t=1,p=1$")
            );
        }
    }
}

async fn stored_hash(users: &TestUsers) -> String {
    let database = Database::open(&users.config.database).await.unwrap();
    on_read!(&database, pool => {
        sqlx::query_scalar("select password_hash from users where id = 1").fetch_one(pool).await
    })
    .unwrap()
}

#[tokio::test]
async fn too_many_at_once_are_told_to_come_back() {
    for database in testing::every_database().await {
        let users = TestUsers::start(&database, |config| {
            config.argon2_memory_kib = 19_456;
            config.max_password_hashes = 1;
        })
        .await;
        let tasks: Vec<_> = (0..100)
            .map(|n| {
                let client = users.client.clone();
                let body = json!({"email": format!("{n}@example.com"), "password": PASSWORD});
                tokio::spawn(async move { client.post("/auth/login", body).await })
            })
            .collect();
        let (mut served, mut refused) = (0.0, 0.0);
        for task in tasks {
            let answer = task.await.unwrap();
            if answer.status == 401 {
                served += 1.0;
                continue;
            }
            let error = answer.expect_error(503, "Service unavailable");
            assert_eq!(error["code"], "overloaded");
            assert_eq!(answer.headers["retry-after"], "1");
            refused += 1.0;
        }
        assert!(refused > 0.0 && served >= 33.0, "{served} {refused}");
        assert_eq!(users.hashes().await, served);
        assert_eq!(
            users
                .metric("password_hashes_refused_total{line=\"log_in\"}")
                .await,
            refused
        );
        assert_eq!(users.metric("password_hashes_waiting").await, 0.0);
        let body = registration("Ani", "ani@example.com");
        users.client.post("/auth/register", body).await.expect(201);
    }
}

#[tokio::test]
async fn floods_of_log_ins_and_registrations_keep_nobody_else_out() {
    for database in testing::every_database().await {
        let users = TestUsers::start(&database, |config| {
            config.argon2_memory_kib = 19_456;
            config.password_tries = PasswordTries::ON_ONE_MACHINE;
        })
        .await;
        let ani = users.person("Ani").await;
        let budi = users.person("Budi").await;
        let stop = CancellationToken::new();
        let flood = TaskTracker::new();
        for n in 0..200_usize {
            let (client, stop) = (users.client.clone(), stop.clone());
            let email = budi.email.clone();
            flood.spawn(async move {
                for turn in 0.. {
                    let (path, body) = match n % 4 {
                        // The right password, wrong ones, unknown addresses, and registrations: all from the address that Ani is at.
                        0 => ("/auth/login", json!({"email": email, "password": PASSWORD})),
                        1 => ("/auth/login", json!({"email": email, "password": "wrong horse"})),
                        2 => ("/auth/login", json!({"email": format!("{n}-{turn}@example.com"), "password": PASSWORD})),
                        _ => ("/auth/register", registration("Eve", &format!("{n}-{turn}@example.com"))),
                    };
                    tokio::select! {
                        () = stop.cancelled() => return,
                        _ = client.post(path, body) => {}
                    }
                }
            });
        }
        flood.close();
        wait_until("the queue is full", async || {
            users.metric("password_hashes_waiting").await > 60.0
        })
        .await;
        for _ in 0..30 {
            let began = Instant::now();
            users.log_in(&ani.email, PASSWORD).await;
            assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
        }
        stop.cancel();
        flood.wait().await;
    }
}
