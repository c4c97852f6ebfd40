//! What a client is told when a service fails, and which requests are made again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;
use testing::{TestClient, wait_until};

use crate::world::{SHORT, World, breaking, nobody, token};

const WALLETS: &str = "/api/v1/wallets";
const TOP_UP: &str = "/api/v1/wallets/1/topup";
const PAY: &str = "/api/v1/payments/pay";

#[tokio::test]
async fn a_service_that_is_not_there() {
    let nobody = nobody().await;
    let world = World::with(|config| config.wallet_service_url = nobody).await;
    for _ in 0..2 {
        let answer = world.user().get(WALLETS).await;
        let body = answer.expect_error(503, "Service unavailable");
        assert_eq!(body["message"], "Could not connect to the service");
        assert_eq!(body["code"], "unavailable");
        assert_eq!(answer.headers["retry-after"], "1");
    }
    // The others are not touched by it.
    world.user().get("/api/v1/payments").await.expect(200);
}

#[tokio::test]
async fn a_service_that_does_not_answer() {
    let world = World::with(|config| config.request_timeout = SHORT).await;
    world
        .service("wallet-service")
        .answers(|_| std::future::pending());
    let body = world
        .user()
        .get(WALLETS)
        .await
        .expect_error(504, "Request timeout");
    assert_eq!(
        body["message"],
        "Service did not respond within 0.3 seconds"
    );
    assert_eq!(
        world.seen().len(),
        1,
        "what ran out of time is not repeated"
    );
}

#[tokio::test]
async fn a_service_that_hangs_does_not_take_every_place() {
    let world = World::with(|config| config.upstream_requests_max = 2).await;
    let wallets = world.service("wallet-service");
    wallets.answers(|_| std::future::pending());
    let user = world.user();
    let metrics = async || world.client.get("/metrics").await.text();
    let waiting = |count| {
        format!("gateway_upstream_requests_in_flight{{upstream=\"wallet-service\"}} {count}\n")
    };
    let others = async {
        wait_until("two wait", async || metrics().await.contains(&waiting(2))).await;
        let answer = user.post(TOP_UP, json!({"amount": 1})).await;
        let body = answer.expect_error(503, "Service unavailable");
        assert_eq!(body["code"], "overloaded");
        assert_eq!(answer.headers["retry-after"], "1");
        assert!(metrics().await.contains(
            "gateway_upstream_requests_turned_away_total{upstream=\"wallet-service\"} 1\n"
        ));
        let reached = wallets.take();
        assert!(
            reached.iter().all(|request| request.method == "GET"),
            "{reached:?}"
        );
        user.get("/api/v1/payments").await.expect(200);
    };
    tokio::select! {
        _ = user.get(WALLETS) => panic!("nobody answers"),
        _ = user.get(WALLETS) => panic!("nobody answers"),
        () = others => {}
    }
    wait_until("nobody waits", async || {
        metrics().await.contains(&waiting(0))
    })
    .await;
    wallets.answers(async |_| StatusCode::OK.into_response());
    // Their places are free again.
    world
        .service("wallet-service")
        .answers(async |_| "{}".into_response());
    user.get(WALLETS).await.expect(200);
}

#[tokio::test]
async fn a_body_that_never_ends_is_no_answer() {
    let world = World::with(|config| config.request_timeout = SHORT).await;
    world.service("wallet-service").answers(async |_| {
        Response::builder()
            .header("content-length", "10")
            .body(axum::body::Body::from_stream(
                futures_util::stream::pending::<Result<axum::body::Bytes, std::io::Error>>(),
            ))
            .unwrap()
    });
    world
        .user()
        .get(WALLETS)
        .await
        .expect_error(504, "Request timeout");
}

/// The deadline is for all attempts together.
#[tokio::test]
async fn repeats_do_not_get_more_time() {
    let world = World::with(|config| config.request_timeout = SHORT).await;
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = attempts.clone();
    world.service("wallet-service").answers(move |_| {
        let earlier = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            if earlier > 0 {
                std::future::pending::<()>().await;
            }
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    });
    let body = world
        .user()
        .get(WALLETS)
        .await
        .expect_error(504, "Request timeout");
    assert_eq!(
        body["message"],
        "Service did not respond within 0.3 seconds"
    );
    assert_eq!(attempts.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_read_is_repeated_after_the_connection_broke() {
    let (url, requests) = breaking(2).await;
    let world = World::with(|config| config.wallet_service_url = url).await;
    world.user().get(WALLETS).await.expect(200);
    assert_eq!(*requests.lock().unwrap(), 3);
    let metrics = world.client.get("/metrics").await.text();
    assert!(
        metrics.contains("client_retries_total{upstream=\"wallet-service\"} 2"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_payment_without_a_key_is_never_made_again() {
    let (url, requests) = breaking(1).await;
    let world = World::with(|config| config.payment_service_url = url).await;
    let body = world
        .user()
        .post(PAY, json!({"amount": 5}))
        .await
        .expect_error(503, "Service unavailable");
    assert_eq!(body["code"], "outcome_unknown");
    assert_eq!(*requests.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_payment_with_a_key_is_made_again() {
    let (url, requests) = breaking(1).await;
    let world = World::with(|config| config.payment_service_url = url).await;
    world
        .user()
        .post_with_key(PAY, "k", json!({"amount": 5}))
        .await
        .expect(200);
    assert_eq!(*requests.lock().unwrap(), 2);
}

#[tokio::test]
async fn a_refusal_after_an_attempt_in_the_dark_is_not_the_last_word() {
    let world = World::start().await;
    let service = world.service("payment-service");
    for (refusal, told) in [(400, 503), (403, 503), (422, 422)] {
        let attempts = AtomicUsize::new(0);
        service.answers(move |_| {
            let status = match attempts.fetch_add(1, Ordering::SeqCst) {
                0 => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::from_u16(refusal).unwrap(),
            };
            std::future::ready((status, "{}").into_response())
        });
        let user = world.user();
        let pay = || user.post_with_key(PAY, "k", json!({"amount": 5}));
        let answer = pay().await;
        assert_eq!(answer.status, told, "{refusal}");
        if told == 503 {
            assert_eq!(answer.json()["code"], "outcome_unknown");
        }
        // Nothing is in the dark any more: the same refusal is one.
        assert_eq!(pay().await.status, refusal);
    }
}

#[tokio::test]
async fn a_repeat_is_the_same_request() {
    let world = World::start().await;
    let service = world.service("payment-service");
    let attempts = AtomicUsize::new(0);
    service.answers(move |_| {
        let status = match attempts.fetch_add(1, Ordering::SeqCst) {
            0 => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::CREATED,
        };
        std::future::ready(status.into_response())
    });
    world
        .user()
        .post_with_key(PAY, "k", json!({"amount": 5}))
        .await
        .expect(201);
    let seen = service.take();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].body, r#"{"amount":5}"#);
    assert_eq!(seen[0].body, seen[1].body);
    assert_eq!(seen[0].headers, seen[1].headers);
}

#[tokio::test]
async fn errors_of_services_pass_unchanged_with_a_message() {
    let world = World::start().await;
    let service = world.service("payment-service");
    let answer = |status: u16, body: &'static str| {
        service.answers(move |_| {
            let status = StatusCode::from_u16(status).unwrap();
            let headers = [("content-type", "application/json"), ("x-extra", "kept")];
            std::future::ready((status, headers, body).into_response())
        });
    };

    answer(
        400,
        r#"{"error":"Invalid amount","code":"invalid_amount","field":"amount"}"#,
    );
    let refused = world.user().post(PAY, json!({})).await;
    assert_eq!(
        refused.text(),
        r#"{"error":"Invalid amount","code":"invalid_amount","field":"amount","message":"Invalid amount"}"#
    );
    assert_eq!(refused.status, 400);
    assert_eq!(refused.headers["x-extra"], "kept");

    answer(
        500,
        r#"{"error":"Internal server error","message":"sorry"}"#,
    );
    let failed = world.user().post(PAY, json!({})).await;
    assert_eq!(
        failed.text(),
        r#"{"error":"Internal server error","message":"sorry"}"#
    );
    assert_eq!(failed.status, 500);

    answer(201, r#"{"error":"not an error"}"#);
    let created = world.user().post(PAY, json!({})).await;
    assert_eq!(created.text(), r#"{"error":"not an error"}"#);
}

#[tokio::test]
async fn a_body_that_is_too_large_goes_nowhere() {
    let world = World::start().await;
    let largest = http_server::MAX_BODY_BYTES;
    let send = async |length: usize| {
        TestClient::new(world.gateway.url())
            .with_token(token())
            .send_raw(http::Method::POST, PAY, vec![b' '; length], &[])
            .await
    };
    send(largest).await.expect(200);
    assert_eq!(world.seen().len(), 1);
    send(largest + 1)
        .await
        .expect_error(413, "Request body too large");
    assert!(world.seen().is_empty());
}
