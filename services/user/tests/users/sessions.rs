//! Sessions that end: at once where they are ended, everywhere within two seconds, and for good.

use std::time::{Duration, Instant};

use auth::{RevokedSubject, ServiceIdentity, ServiceKeys, SessionUpdate, UserId, Verifier};
use clock::Timestamp;
use service_client::{ConnectOptions, RetryCounters, ServiceClient};
use store::{Database, on_read, sqlx};
use testing::{SECRET, wait_until};
use tokio_util::sync::CancellationToken;
use user_api::UserClient;

use crate::support::{EVERYWHERE, PASSWORD, TestUsers, every_service};

fn user_client(users: &TestUsers) -> UserClient {
    let keys = ServiceKeys::from_secrets(SECRET, None, users.clock.clone()).unwrap();
    let http = ServiceClient::new(
        user_api::SERVICE,
        &users.server.url(),
        ServiceIdentity::new("test-service", keys),
        &ConnectOptions::default(),
        Some(&RetryCounters::new().unwrap()),
    );
    UserClient::new(http.unwrap())
}

#[tokio::test]
async fn a_log_out_ends_one_session() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        let phone = users.log_in(&ani.email, PASSWORD).await;
        let phone = users.client.with_token(phone);
        let ended = phone.post("/auth/logout", serde_json::json!({})).await;
        assert_eq!(ended.status, 204);
        assert!(ended.bytes.is_empty());
        for _ in 0..2 {
            phone
                .get("/users/verify")
                .await
                .expect_error(401, "Invalid token");
        }
        let again = phone.post("/auth/logout", serde_json::json!({})).await;
        again.expect_error(401, "Invalid token");
        ani.client.get("/users/verify").await.expect(200);
    }
}

#[tokio::test]
async fn who_is_deleted_is_locked_out_everywhere_within_two_seconds() {
    for (_database, users) in every_service().await {
        let replica = users.another(|_| {}).await;
        // A service that follows, as the wallet service does.
        let verifier = Verifier::new(users.clock.clone());
        let stop = CancellationToken::new();
        tokio::spawn(user_client(&replica).follow_sessions(verifier.clone(), stop.clone()));
        wait_until("keys arrive", async || verifier.is_ready()).await;

        let ani = users.person("Ani").await;
        let at_replica = replica.client.with_token(&ani.token);
        at_replica.get("/users/verify").await.expect(200);
        assert!(verifier.verify(&ani.token).await.is_ok());

        let deleted = ani.client.delete("/users/1").await;
        let started = Instant::now();
        deleted.expect(200);
        let here = ani.client.get("/users/verify").await;
        here.expect_error(401, "Invalid token");
        wait_until("the replica knows", async || {
            at_replica.get("/users/verify").await.status == 401
        })
        .await;
        wait_until("the follower knows", async || {
            verifier.verify(&ani.token).await.is_err()
        })
        .await;
        assert!(started.elapsed() < EVERYWHERE, "{:?}", started.elapsed());
        stop.cancel();
    }
}

#[tokio::test]
async fn a_service_that_starts_later_knows_what_ended_before() {
    for (_database, users) in every_service().await {
        let (ani, budi) = (users.person("Ani").await, users.person("Budi").await);
        ani.client.delete("/users/1").await.expect(200);
        let ended = budi
            .client
            .post("/auth/logout", serde_json::json!({}))
            .await;
        assert_eq!(ended.status, 204);
        let later = users.another(|_| {}).await;
        for token in [&ani.token, &budi.token] {
            let client = later.client.with_token(token);
            let refused = client.get("/users/verify").await;
            refused.expect_error(401, "Invalid token");
        }
        let known = user_client(&later).find(ani.id).await.unwrap();
        assert_eq!(known, None);
        let known = user_client(&later).find(budi.id).await.unwrap();
        assert_eq!(known.unwrap().name, "Budi");
    }
}

#[tokio::test]
async fn a_followers_cursor_skips_nothing_while_many_end_at_once() {
    for (_database, users) in every_service().await {
        let replica = users.another(|_| {}).await;
        let ani = users.person("Ani").await;
        let mut tokens = Vec::new();
        for _ in 0..30 {
            tokens.push(users.log_in(&ani.email, PASSWORD).await);
        }
        let ending: Vec<_> = tokens
            .iter()
            .zip([&users, &replica].into_iter().cycle())
            .map(|(token, at)| {
                let client = at.client.with_token(token);
                tokio::spawn(async move {
                    let ended = client.post("/auth/logout", serde_json::json!({})).await;
                    assert_eq!(ended.status, 204, "{}", ended.text());
                })
            })
            .collect();
        let service = replica.as_service();
        let (mut cursor, mut seen) = (0, Vec::new());
        let deadline = Instant::now() + Duration::from_secs(10);
        // The row of a user has the newest number: what was read before is in it, too.
        while cursor < 30 {
            assert!(Instant::now() < deadline, "only {cursor} arrived");
            let path = format!("/internal/sessions?after={cursor}");
            let update = service.get(&path).await.expect(200);
            let update: SessionUpdate = serde_json::from_value(update).unwrap();
            assert!(update.cursor >= cursor);
            cursor = update.cursor;
            assert!(update.revocations.is_empty());
            seen.extend(update.ended);
        }
        for task in ending {
            task.await.unwrap();
        }
        assert_eq!(cursor, 30, "numbers have no gaps");
        let last = seen.last().unwrap();
        assert_eq!((last.user_id, last.kept.len()), (UserId(ani.id), 1));
        ani.client.get("/users/verify").await.expect(200);
        for token in &tokens {
            for at in [&users, &replica] {
                let client = at.client.with_token(token);
                wait_until("it is refused", async || {
                    client.get("/users/verify").await.status == 401
                })
                .await;
            }
        }
        assert_eq!(users.metric("revocations_total").await, 15.0);
    }
}

#[tokio::test]
async fn a_revocation_is_kept_as_long_as_a_token_can_need_it() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        ani.client.delete("/users/1").await.expect(200);
        let update = user_client(&users).sessions(0).await.unwrap();
        assert_eq!(update.revocations.len(), 1);
        let revocation = &update.revocations[0];
        assert_eq!(revocation.subject, RevokedSubject::User(UserId(1)));

        users.clock.advance(Duration::from_secs(48 * 60 * 60));
        let later = user_client(&users).sessions(0).await.unwrap();
        assert_eq!(later.revocations.len(), 1, "a clock was perhaps a day off");
        users.clock.advance(Duration::from_secs(60 * 60));
        let expired = user_client(&users).sessions(0).await.unwrap();
        assert!(expired.revocations.is_empty());
        assert_eq!(expired.cursor, 1);

        let database = Database::open(&users.config.database).await.unwrap();
        let kept = async || -> i64 {
            on_read!(&database, pool => {
                sqlx::query_scalar("select count(*) from revocations").fetch_one(pool).await
            })
            .unwrap()
        };
        assert_eq!(kept().await, 1);
        let _later = users.another(|_| {}).await;
        wait_until("a start forgets it", async || kept().await == 0).await;
    }
}

#[tokio::test]
async fn a_cursor_of_another_history_begins_anew() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        ani.client.delete("/users/1").await.expect(200);
        for after in [-7, 0, 1000] {
            let update = user_client(&users).sessions(after).await.unwrap();
            assert_eq!((update.cursor, update.revocations.len()), (1, 1));
        }
        let update = user_client(&users).sessions(1).await.unwrap();
        assert_eq!((update.cursor, update.revocations.len()), (1, 0));
    }
}

#[tokio::test]
async fn a_clock_that_was_behind_at_the_end_brings_no_token_back() {
    for (_database, users) in every_service().await {
        let (ani, budi) = (users.person("Ani").await, users.person("Budi").await);
        let right = users.clock.now();
        let behind = right.micros() - 28 * 3600 * 1_000_000;
        users.clock.set(Timestamp::from_micros(behind));
        ani.client.delete("/users/1").await.expect(200);
        let ended = budi
            .client
            .post("/auth/logout", serde_json::json!({}))
            .await;
        assert_eq!(ended.status, 204, "{}", ended.text());
        users.clock.set(right.plus(Duration::from_secs(60)));
        // One that never saw the wrong clock, and has forgotten what has expired.
        let replica = users.another(|_| {}).await;
        for at in [&users, &replica] {
            for person in [&ani, &budi] {
                let client = at.client.with_token(person.client.token().unwrap());
                client
                    .get("/users/verify")
                    .await
                    .expect_error(401, "Invalid token");
            }
        }
    }
}
