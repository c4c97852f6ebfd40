//! Who tries passwords is let in slower and slower, and nobody else is. Tries are counted where a restart does not lose them.

use std::time::Duration;

use auth::{ServiceIdentity, ServiceKeys};
use serde_json::json;
use store::{Database, on_read, sqlx};
use testing::{Answer, SECRET, TestClient};
use user::PasswordTries;

use crate::support::{PASSWORD, TestUsers, every_service, registration};

const WRONG: &str = "wrong horse";

/// A client that the gateway says comes from this address.
fn from(users: &TestUsers, address: &str) -> TestClient {
    let keys = ServiceKeys::from_secrets(SECRET, None, users.clock.clone()).unwrap();
    let proof = ServiceIdentity::new("api-gateway", keys).token().unwrap();
    users
        .client
        .with_header("x-client-address", address)
        .with_header("x-client-address-proof", &proof)
}

async fn log_in(client: &TestClient, email: &str, password: &str) -> Answer {
    let body = json!({"email": email, "password": password});
    client.post("/auth/login", body).await
}

/// Wrong passwords until one is refused; gives how many were free, and the refusal.
async fn free_tries(client: &TestClient, email: &str) -> (usize, Answer) {
    for free in 0..200 {
        let answer = log_in(client, email, WRONG).await;
        if answer.status != 401 {
            return (free, answer);
        }
    }
    panic!("nobody is refused");
}

fn retry_after(refused: &Answer) -> u64 {
    let error = refused.expect_error(429, "Too many requests");
    assert_eq!(error["code"], "too_many_requests");
    refused.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test]
async fn a_stranger_is_slower_and_slower_and_the_owner_is_not() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        let stranger = from(&users, "203.0.113.7");
        let (free, refused) = free_tries(&stranger, &ani.email).await;
        assert_eq!(free, 5);
        let mut waits = vec![retry_after(&refused)];
        let hashes = users.hashes().await;
        assert_eq!(log_in(&stranger, &ani.email, WRONG).await.status, 429);
        assert_eq!(users.hashes().await, hashes, "a refused try is not hashed");
        for _ in 0..3 {
            users
                .clock
                .advance(Duration::from_secs(*waits.last().unwrap()));
            log_in(&stranger, &ani.email, WRONG).await.expect(401);
            let refused = log_in(&stranger, &ani.email, WRONG).await;
            waits.push(retry_after(&refused));
        }
        assert_eq!(waits, [1, 2, 4, 8]);
        // The right password does not get in either, before its time.
        assert_eq!(log_in(&stranger, &ani.email, PASSWORD).await.status, 429);

        // Ani registered from here: what strangers do is nothing to her.
        for _ in 0..20 {
            users.log_in(&ani.email, PASSWORD).await;
        }
        // And from where she never was, the first try is free.
        let abroad = from(&users, "198.51.100.1");
        log_in(&abroad, &ani.email, PASSWORD).await.expect(200);
        // Her success does not help the stranger.
        assert_eq!(log_in(&stranger, &ani.email, WRONG).await.status, 429);
    }
}

#[tokio::test]
async fn a_restart_and_a_second_replica_give_no_new_tries() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        free_tries(&from(&users, "203.0.113.7"), &ani.email).await;
        let restarted = users.another(|_| {}).await;
        let there = from(&restarted, "203.0.113.7");
        retry_after(&log_in(&there, &ani.email, PASSWORD).await);
        assert_eq!(restarted.hashes().await, 0.0);
    }
}

#[tokio::test]
async fn an_unknown_account_is_counted_like_one_that_is_there() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        let stranger = from(&users, "203.0.113.7");
        for email in [ani.email.as_str(), "nobody@example.com", "not an address"] {
            let (free, refused) = free_tries(&stranger, email).await;
            assert_eq!((free, retry_after(&refused)), (5, 1), "{email}");
        }
        // However it is written.
        let refused = log_in(&stranger, "ANI@Example.COM", WRONG).await;
        retry_after(&refused);
    }
}

#[tokio::test]
async fn strangers_from_everywhere_have_one_try_each() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        for n in 0..20 {
            let stranger = from(&users, &format!("203.0.113.{n}"));
            log_in(&stranger, &ani.email, WRONG).await.expect(401);
        }
        let next = from(&users, "198.51.100.1");
        let (free, refused) = free_tries(&next, &ani.email).await;
        assert_eq!((free, retry_after(&refused)), (1, 60));
        // The owner gets in from a new address, too, and from a known one as ever.
        log_in(&from(&users, "198.51.100.2"), &ani.email, PASSWORD)
            .await
            .expect(200);
        users.log_in(&ani.email, PASSWORD).await;
        // In time it is forgiven.
        users.clock.advance(Duration::from_secs(3600));
        let (free, _) = free_tries(&from(&users, "198.51.100.3"), &ani.email).await;
        assert_eq!(free, 5);
    }
}

#[tokio::test]
async fn one_address_cannot_try_every_account() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        let budi = users.person("Budi").await;
        let stranger = from(&users, "2001:db8:1:2::7");
        let mut refused = None;
        for n in 0..100 {
            let answer = log_in(&stranger, &format!("{n}@example.com"), WRONG).await;
            if answer.status != 401 {
                refused = Some((n, answer));
                break;
            }
        }
        let (free, answer) = refused.unwrap();
        assert_eq!((free, retry_after(&answer)), (60, 1));
        // Another address of the same network is the same; a success elsewhere does not change it.
        let neighbour = from(&users, "2001:db8:1:2:ffff::1");
        retry_after(&log_in(&neighbour, &budi.email, PASSWORD).await);
        let elsewhere = from(&users, "2001:db8:1:3::7");
        log_in(&elsewhere, &budi.email, PASSWORD).await.expect(200);
        retry_after(&log_in(&neighbour, "new@example.com", WRONG).await);
        // Somebody who is known at this address goes on.
        let minute = Duration::from_secs(60);
        users.clock.advance(minute);
        log_in(&neighbour, &ani.email, PASSWORD).await.expect(200);
        log_in(&stranger, "other@example.com", WRONG)
            .await
            .expect(401);
        retry_after(&log_in(&stranger, "another@example.com", WRONG).await);
        for _ in 0..10 {
            log_in(&neighbour, &ani.email, PASSWORD).await.expect(200);
        }
    }
}

#[tokio::test]
async fn only_the_gateway_says_where_a_client_is() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        let claims = |address: &str| users.client.with_header("x-client-address", address);
        // Whatever they claim, they are at the connection's address: known, with ten tries.
        let mut free = 0;
        while log_in(&claims(&format!("203.0.113.{free}")), &ani.email, WRONG)
            .await
            .status
            == 401
        {
            free += 1;
        }
        assert_eq!(free, 10);
        let forged = claims("203.0.113.99").with_header("x-client-address-proof", &ani.token);
        retry_after(&log_in(&forged, &ani.email, PASSWORD).await);
        // A connection from another address of this machine is another client.
        let elsewhere = TestClient::from_address(users.server.url(), [127, 0, 0, 2]);
        log_in(&elsewhere, &ani.email, PASSWORD).await.expect(200);
    }
}

#[tokio::test]
async fn taken_addresses_are_found_out_slowly() {
    for (_database, users) in every_service().await {
        users.person("Ani").await;
        let stranger = from(&users, "203.0.113.7");
        let probe = || stranger.post("/auth/register", registration("Eve", "ani@example.com"));
        let mut taken = 0;
        let refused = loop {
            let answer = probe().await;
            if answer.status != 400 {
                break answer;
            }
            taken += 1;
        };
        assert_eq!((taken, retry_after(&refused)), (30, 1));
        // Registrations count for nothing: a whole office may register.
        for n in 0..40 {
            let office = from(&users, "198.51.100.1");
            let body = registration("Budi", &format!("budi{n}@example.com"));
            office.post("/auth/register", body).await.expect(201);
        }
    }
}

#[tokio::test]
async fn a_key_of_registration_is_the_callers_own() {
    for (_database, users) in every_service().await {
        let ani = registration("Ani", "ani@example.com");
        let here = from(&users, "203.0.113.7");
        let there = from(&users, "198.51.100.1");
        let first = here
            .post_with_key("/auth/register", "k1", ani.clone())
            .await;
        first.expect(201);
        // A stranger's registration under the same key is a registration.
        let budi = registration("Budi", "budi@example.com");
        there
            .post_with_key("/auth/register", "k1", budi)
            .await
            .expect(201);
        // A repeat is known from wherever it comes.
        let again = there
            .post_with_key("/auth/register", "k1", ani.clone())
            .await;
        assert_eq!(again.bytes, first.bytes);
        // The caller who uses a key twice is told.
        let cici = registration("Cici", "cici@example.com");
        let answer = here.post_with_key("/auth/register", "k1", cici).await;
        answer.expect_error(422, "Idempotency key reused");

        // A password cannot be found out by repeating: wrong ones count like those of a log-in.
        let eve = from(&users, "192.0.2.1");
        let mut guesses = 0;
        let refused = loop {
            let mut guess = ani.clone();
            guess["password"] = json!(format!("password {guesses}"));
            let answer = eve.post_with_key("/auth/register", "k1", guess).await;
            if answer.status != 422 {
                break answer;
            }
            guesses += 1;
        };
        assert_eq!((guesses, retry_after(&refused)), (5, 1));
        retry_after(&log_in(&eve, "ani@example.com", WRONG).await);
    }
}

#[tokio::test]
async fn the_numbers_are_settings_and_off_is_no_limit() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        let strict = users
            .another(|config| config.password_tries = "known=2,address=off".parse().unwrap())
            .await;
        let (free, _) = free_tries(&strict.client, &ani.email).await;
        assert_eq!(free, 2);
        let open = users
            .another(|config| {
                config.password_tries = PasswordTries {
                    known: u32::MAX,
                    ..PasswordTries::default()
                };
            })
            .await;
        // What one replica remembers of a refusal is not another's.
        log_in(&open.client, &ani.email, PASSWORD).await.expect(200);
    }
}

#[tokio::test]
async fn what_is_kept_says_nothing_and_does_not_stay() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        free_tries(&from(&users, "203.0.113.7"), &ani.email).await;
        let database = Database::open(&users.config.database).await.unwrap();
        let kept: Vec<Vec<u8>> = on_read!(&database, pool => {
            sqlx::query_scalar("select subject from tries").fetch_all(pool).await
        })
        .unwrap();
        // Account with address, account, address; and Ani's registration, given back.
        assert_eq!(kept.len(), 4);
        assert!(kept.iter().all(|subject| subject.len() == 32));
        users.log_in(&ani.email, PASSWORD).await;
    }
}
