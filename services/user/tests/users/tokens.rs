//! Tokens that are missing, broken, expired, foreign, or of the other kind; and the rotation of the key that signs them.

use std::time::Duration;

use auth::{Claims, Role, SigningKeys, UserId};
use reqwest::Method;
use testing::{Answer, SECRET, TestClient};

use crate::documents::operations;
use crate::support::{TestUsers, every_service, service_token};

const OTHER_SECRET: &str = "another secret of tests, also long enough";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The routes that need no token; the gateway's table, from which the document says so, has the same.
const OPEN: [&str; 3] = ["/auth/register", "/auth/login", "/.well-known/jwks.json"];

/// Calls every documented route that needs a token.
async fn call_each(client: &TestClient) -> Vec<Answer> {
    let mut answers = Vec::new();
    for (method, path, _) in operations() {
        if OPEN.contains(&path.as_str()) {
            continue;
        }
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let path = path.replace("{id}", "1").replace("{session_id}", "a");
        answers.push(client.send(method, &path, None, &[]).await);
    }
    assert!(answers.len() >= 6);
    answers
}

#[tokio::test]
async fn every_route_refuses_what_is_not_a_users_token() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        for answer in call_each(&users.client).await {
            answer.expect_error(401, "Token is missing");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
        let now = users.clock.now();
        let claims = Claims::new(UserId(ani.id), Role::Admin, "s".to_owned(), now);
        let foreign = SigningKeys::from_secrets(OTHER_SECRET, None).unwrap();
        let mut claims_of_another = claims.clone();
        claims_of_another.iss = "somebody".to_owned();
        let own = SigningKeys::from_secrets(SECRET, None).unwrap();
        let (head, rest) = ani.token.split_once('.').unwrap();
        let (payload, signature) = rest.split_once('.').unwrap();
        // {"alg":"none","typ":"JWT"}
        let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.");
        let swapped = format!("{head}.{signature}.{payload}");
        for token in [
            "x",
            "a.b.c",
            &ani.token[..ani.token.len() - 4],
            &swapped,
            &unsigned,
            &"x".repeat(5000),
            &foreign.sign(&claims).unwrap(),
            &own.sign(&claims_of_another).unwrap(),
            &service_token(SECRET, &users.clock),
        ] {
            for answer in call_each(&users.client.with_token(token)).await {
                answer.expect_error(401, "Invalid token");
            }
        }
        for header in ["Basic abc", "Bearer", &format!("Token {}", ani.token)] {
            let headers = [("authorization", header)];
            let answer = users.client.send(Method::GET, "/users", None, &headers);
            answer.await.expect_error(401, "Invalid token");
        }
        let lower = format!("bearer {}", ani.token);
        let headers = [("authorization", lower.as_str())];
        let answer = users.client.send(Method::GET, "/users", None, &headers);
        answer.await.expect(200);
    }
}

#[tokio::test]
async fn a_token_lives_a_day() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        users.clock.advance(DAY - Duration::from_secs(1));
        ani.client.get("/users/verify").await.expect(200);
        users.clock.advance(Duration::from_secs(1));
        for answer in call_each(&ani.client).await {
            answer.expect_error(401, "Token has expired");
        }
        let token = users.log_in(&ani.email, crate::support::PASSWORD).await;
        let again = users.client.with_token(token);
        again.get("/users/verify").await.expect(200);
    }
}

#[tokio::test]
async fn internal_routes_are_for_services() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        for path in ["/internal/users/1", "/internal/sessions?after=0"] {
            let refused = users.client.get(path).await;
            refused.expect_error(401, "Token is missing");
            for token in ["x", &service_token(OTHER_SECRET, &users.clock)] {
                let refused = users.client.with_token(token).get(path).await;
                refused.expect_error(401, "Invalid token");
            }
            ani.client.get(path).await.expect_error(403, "Unauthorized");
            users.as_service().get(path).await.expect(200);
        }
        let known = users.as_service().get("/internal/users/1").await;
        assert_eq!(
            known.expect(200),
            serde_json::json!({"id": 1, "name": "Ani"})
        );
        ani.client.delete("/users/1").await.expect(200);
        let gone = users.as_service().get("/internal/users/1").await;
        gone.expect_error(404, "User not found");
    }
}

#[tokio::test]
async fn the_key_is_rotated_without_a_log_out() {
    for (_database, old) in every_service().await {
        let ani = old.person("Ani").await;
        let rotating = old
            .another(|config| {
                config.keys.secret_key = Some(OTHER_SECRET.to_owned());
                config.keys.secret_key_previous = Some(SECRET.to_owned());
            })
            .await;
        let kids = |jwks: serde_json::Value| -> Vec<String> {
            let keys = jwks["keys"].as_array().unwrap();
            keys.iter().map(|key| key["kid"].to_string()).collect()
        };
        let jwks = async |users: &TestUsers| {
            kids(users.client.get("/.well-known/jwks.json").await.expect(200))
        };
        let (before, during) = (jwks(&old).await, jwks(&rotating).await);
        assert_eq!(during.len(), 2);
        assert_eq!(during[1], before[0], "the new key comes first");

        let with_old_token = rotating.client.with_token(&ani.token);
        with_old_token.get("/users/verify").await.expect(200);
        let new_token = rotating.log_in(&ani.email, crate::support::PASSWORD).await;

        let rotated = old
            .another(|config| config.keys.secret_key = Some(OTHER_SECRET.to_owned()))
            .await;
        assert_eq!(jwks(&rotated).await, during[..1]);
        let verify = |token: &str| {
            let client = rotated.client.with_token(token);
            async move { client.get("/users/verify").await }
        };
        verify(&new_token).await.expect(200);
        verify(&ani.token).await.expect_error(401, "Invalid token");
    }
}
