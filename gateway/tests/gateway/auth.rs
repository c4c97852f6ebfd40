//! Who gets past the gateway.

use ::auth::{Revocation, RevokedSubject};
use http::Method;
use testing::{TestClient, TestServer, wait_until};
use tokio::task::JoinSet;

use crate::routing::CALLS;
use crate::world::{
    Fake, SERVICES, World, claims, config, expired_token, foreign_token, nobody, service_token,
    signing_keys, start, tampered_token, token,
};

/// Each call that needs a token, with each kind of bad one, all at once.
#[tokio::test]
async fn no_bad_token_gets_past() {
    let world = World::start().await;
    let bearer = |token: String| Some(format!("Bearer {token}"));
    let cases = [
        (None, "Token is missing"),
        (Some(String::new()), "Token is missing"),
        (Some("Bearer".to_owned()), "Invalid token"),
        (Some("Basic dXNlcjpwYXNz".to_owned()), "Invalid token"),
        (bearer("not.a.token".to_owned()), "Invalid token"),
        (bearer("x".repeat(4000)), "Invalid token"),
        (bearer(tampered_token()), "Invalid token"),
        (bearer(foreign_token()), "Invalid token"),
        (bearer(service_token()), "Invalid token"),
        (bearer(expired_token()), "Token has expired"),
    ];
    let mut calls = JoinSet::new();
    for prefix in ["/api", "/api/v1"] {
        for (_, method, path, needs_token) in &CALLS {
            if !needs_token {
                continue;
            }
            for (header, sentence) in &cases {
                let (client, method) = (world.client.clone(), method.clone());
                let (header, sentence) = (header.clone(), *sentence);
                let target = format!("{prefix}{path}");
                calls.spawn(async move { refused(client, method, target, header, sentence).await });
            }
        }
    }
    let results = calls.join_all().await;
    let protected = CALLS.iter().filter(|(.., needs_token)| *needs_token);
    assert_eq!(results.len(), 2 * protected.count() * cases.len());
    let seen = world.seen();
    assert!(seen.is_empty(), "{seen:?}");
}

async fn refused(
    client: TestClient,
    method: Method,
    target: String,
    header: Option<String>,
    sentence: &'static str,
) {
    let headers = header.iter().map(|value| ("authorization", value.as_str()));
    let headers: Vec<_> = headers.collect();
    let answer = client.send(method, &target, None, &headers).await;
    answer.expect_error(401, sentence);
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn two_tokens_are_none() {
    let world = World::start().await;
    let (one, two) = (format!("Bearer {}", token()), "Bearer x".to_owned());
    let headers = [("authorization", one.as_str()), ("authorization", &two)];
    let answer = world
        .client
        .send(Method::GET, "/api/v1/wallets", None, &headers)
        .await;
    answer.expect_error(401, "Invalid token");
}

#[tokio::test]
async fn an_ended_session_stays_outside() {
    let world = World::start().await;
    world.user().get("/api/v1/wallets").await.expect(200);
    world.services[0].set_sessions(|update| {
        update.revocations.push(Revocation {
            subject: RevokedSubject::Session(claims().sid),
            expires_at: claims().exp,
        });
    });
    wait_until("the session is refused", async || {
        world.user().get("/api/v1/wallets").await.status == 401
    })
    .await;
    let mut other = claims();
    other.sid = "session-2".to_owned();
    let other = signing_keys().sign(&other).unwrap();
    world
        .client
        .with_token(other)
        .get("/api/v1/wallets")
        .await
        .expect(200);
}

/// Without keys nobody can tell whether a token is good, so it is not said to be bad.
#[tokio::test]
async fn without_keys_the_gateway_is_not_ready_and_says_so() {
    let (listener, wallet) = TestServer::listener().await;
    let service = Fake::new(SERVICES[1]);
    service.serve(listener);
    let gateway = start(config([
        nobody().await,
        wallet,
        nobody().await,
        nobody().await,
    ]))
    .await;
    let client = TestClient::new(gateway.url());
    let ready = client.get("/readyz").await.expect(503);
    assert!(ready["failing"]["signing_keys"].is_string(), "{ready}");
    client.get("/livez").await;
    client
        .with_token(token())
        .get("/api/v1/wallets")
        .await
        .expect_error(503, "Service unavailable");
    assert!(service.take().is_empty());
}
