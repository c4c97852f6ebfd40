//! A registration that is repeated under its key has the first answer, byte for byte.

use serde_json::json;
use testing::Answer;

use crate::support::{TestUsers, every_service, registration};

const REPLAYED: &str = "idempotency-replayed";

async fn register(users: &TestUsers, key: &str) -> Answer {
    let body = registration("Ani", "ani@example.com");
    users
        .client
        .post_with_key("/auth/register", key, body)
        .await
}

#[tokio::test]
async fn a_repeat_has_the_first_answer() {
    for (_database, users) in every_service().await {
        let first = register(&users, "k1").await;
        let body = first.expect(201);
        assert!(!first.headers.contains_key(REPLAYED));
        let ani = users.client.with_token(body["token"].as_str().unwrap());
        // What the user is called later does not change what was answered.
        ani.put("/users/1", json!({"name": "Ani Putri"}))
            .await
            .expect(200);
        users.clock.advance(std::time::Duration::from_secs(60));

        let other_process = users.another(|_| {}).await;
        let hashes = users.hashes().await;
        for at in [&users, &other_process] {
            let again = register(at, "k1").await;
            assert_eq!(again.status, 201);
            assert_eq!(again.headers[REPLAYED], "true");
            assert_eq!(again.headers["content-type"], "application/json");
            assert_eq!(again.bytes, first.bytes);
        }
        assert_eq!(users.hashes().await, hashes, "a repeat hashes nothing");
        ani.get("/users/verify").await.expect(200);

        let under_another_key = register(&users, "k2").await;
        under_another_key.expect_error(400, "Email already registered");
    }
}

#[tokio::test]
async fn another_body_under_the_same_key_is_refused() {
    for (_database, users) in every_service().await {
        register(&users, "k1").await.expect(201);
        for (field, value) in [
            ("name", "Budi"),
            ("email", "budi@example.com"),
            ("phone", "0812"),
            ("password", "another password"),
        ] {
            let mut body = registration("Ani", "ani@example.com");
            body[field] = json!(value);
            let answer = users
                .client
                .post_with_key("/auth/register", "k1", body)
                .await;
            let error = answer.expect_error(422, "Idempotency key reused");
            assert_eq!(error["code"], "idempotency_key_reused");
        }
        register(&users, "k1").await.expect(201);
    }
}

#[tokio::test]
async fn twenty_at_once_register_one_user() {
    for (_database, users) in every_service().await {
        let replica = users.another(|_| {}).await;
        let answers = at_once(20, |n| {
            let at = if n % 2 == 0 { &users } else { &replica };
            (at.client.clone(), "k1".to_owned(), "ani@example.com")
        })
        .await;
        let first: Vec<_> = answers
            .iter()
            .filter(|answer| !answer.headers.contains_key(REPLAYED))
            .collect();
        assert_eq!(first.len(), 1);
        for answer in &answers {
            assert_eq!(answer.status, 201, "{}", answer.text());
            assert_eq!(answer.bytes, first[0].bytes);
        }
        let token = first[0].json()["token"].as_str().unwrap().to_owned();
        let list = users.client.with_token(token).get("/users").await;
        assert_eq!(list.expect(200)["users"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn twenty_at_once_for_one_address_or_one_key() {
    for (_database, users) in every_service().await {
        // Twenty keys for one address: one gets it.
        let answers = at_once(20, |n| {
            (users.client.clone(), format!("a{n}"), "ani@example.com")
        })
        .await;
        let registered = answers.iter().filter(|answer| answer.status == 201);
        assert_eq!(registered.count(), 1);
        for answer in answers.iter().filter(|answer| answer.status != 201) {
            answer.expect_error(400, "Email already registered");
        }
        // One key for two addresses: one gets it, the other is told.
        let addresses = ["budi@example.com", "cici@example.com"];
        let answers = at_once(20, |n| {
            (users.client.clone(), "b".to_owned(), addresses[n % 2])
        })
        .await;
        let registered: Vec<_> = answers
            .iter()
            .filter(|answer| answer.status == 201)
            .collect();
        assert_eq!(registered.len(), 10);
        assert!(
            registered
                .iter()
                .all(|answer| answer.bytes == registered[0].bytes)
        );
        for answer in answers.iter().filter(|answer| answer.status != 201) {
            answer.expect_error(422, "Idempotency key reused");
        }
        let token = registered[0].json()["token"].as_str().unwrap().to_owned();
        let list = users.client.with_token(token).get("/users").await;
        assert_eq!(list.expect(200)["users"].as_array().unwrap().len(), 2);
    }
}

async fn at_once(
    count: usize,
    request: impl Fn(usize) -> (testing::TestClient, String, &'static str),
) -> Vec<Answer> {
    let tasks: Vec<_> = (0..count)
        .map(|n| {
            let (client, key, email) = request(n);
            tokio::spawn(async move {
                let body = registration("Ani", email);
                client.post_with_key("/auth/register", &key, body).await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn a_repeat_is_known_after_the_secret_was_rotated() {
    for (_database, users) in every_service().await {
        let first = register(&users, "k1").await.expect(201);
        let rotated = users
            .another(|config| {
                config.keys.secret_key_previous = config.keys.secret_key.take();
                config.keys.secret_key = Some("another secret of tests, also long".to_owned());
            })
            .await;
        let again = register(&rotated, "k1").await;
        assert_eq!(again.headers[REPLAYED], "true");
        assert_eq!(again.expect(201)["user"], first["user"]);
    }
}

#[tokio::test]
async fn a_repeat_does_not_bring_back_who_was_deleted() {
    for (_database, users) in every_service().await {
        let token = register(&users, "k1").await.expect(201)["token"].clone();
        let ani = users.client.with_token(token.as_str().unwrap());
        ani.delete("/users/1").await.expect(200);
        let again = register(&users, "k1").await;
        let error = again.expect_error(410, "User was deleted");
        assert!(!error.to_string().contains("ani@example.com"));
        register(&users, "k2").await.expect(201);
    }
}
