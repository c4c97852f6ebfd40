//! A handler that panics costs one request its answer, and nothing else.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use axum::Router;
use axum::routing::get;
use clock::Clock;
use http_server::{Health, Metrics, Service, Workers};
use testing::{TestClient, TestServer};

#[tokio::test]
async fn a_panic_is_answered_and_counted() {
    let (listener, _) = TestServer::listener().await;
    let router = Router::new().route("/works", get(async || "ok")).route(
        "/panics",
        get(async || -> &str { panic!("a secret of the inside") }),
    );
    let service = Service {
        name: "some-service",
        router,
        own_health: false,
        health: Health::new("some-service", Clock::system()),
        metrics: Metrics::new().unwrap(),
        workers: Workers::default(),
    };
    let server = TestServer::start(service, listener);
    let client = TestClient::new(server.url());
    for _ in 0..2 {
        let answer = client.get("/panics").await;
        answer.expect_error(500, "Internal server error");
        assert!(!answer.text().contains("secret"));
    }
    assert_eq!(client.get("/works").await.status, 200);
    let metrics = client.get("/metrics").await.text();
    let line =
        "http_request_duration_seconds_count{method=\"GET\",route=\"/panics\",status=\"500\"} 2";
    assert!(metrics.contains(line), "{metrics}");
    assert!(metrics.contains("http_requests_in_flight 1"), "{metrics}");
}
