//! Headers for one hop stay on that hop.

use axum::response::IntoResponse as _;
use http::StatusCode;

use crate::world::{World, token};

#[tokio::test]
async fn on_the_way_there() {
    let world = World::start().await;
    let token = token();
    let answer = world
        .raw(&format!(
            "POST /api/v1/payments/pay HTTP/1.1\r\nhost: wallet.example.com\r\nauthorization: Bearer {token}\r\n\
             connection: close, x-one-hop\r\nx-one-hop: 1\r\nkeep-alive: timeout=5\r\nproxy-authorization: Basic x\r\n\
             te: trailers\r\nupgrade: websocket\r\nx-other: kept\r\ntransfer-encoding: chunked\r\n\r\n\
             2\r\n{{}}\r\n0\r\n\r\n"
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = world.service("payment-service").take();
    let headers = &seen[0].headers;
    for gone in [
        "connection",
        "x-one-hop",
        "keep-alive",
        "proxy-authorization",
        "te",
        "upgrade",
        "transfer-encoding",
    ] {
        assert!(!headers.contains_key(gone), "{gone}");
    }
    assert_eq!(headers["x-other"], "kept");
    assert_eq!(headers["content-length"], "2");
    assert_ne!(headers["host"], "wallet.example.com");
    assert_eq!(seen[0].body, "{}");
}

#[tokio::test]
async fn on_the_way_back() {
    let world = World::start().await;
    world.service("wallet-service").answers(async |_| {
        let headers = [
            ("connection", "close, x-one-hop"),
            ("x-one-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("idempotency-replayed", "true"),
            ("x-trace-id", "of-the-service"),
            ("content-type", "application/json"),
        ];
        (StatusCode::OK, headers, "{}").into_response()
    });
    let answer = world.user().get("/api/v1/wallets").await;
    for gone in ["connection", "x-one-hop", "keep-alive"] {
        assert!(!answer.headers.contains_key(gone), "{gone}");
    }
    assert_eq!(answer.headers["idempotency-replayed"], "true");
    assert_eq!(answer.headers["content-length"], "2");
    assert_eq!(answer.headers.get_all("x-trace-id").iter().count(), 1);
}

/// A client that waits to be told to send its body is told so by the gateway.
#[tokio::test]
async fn expectations_end_at_the_gateway() {
    let world = World::start().await;
    let answer = world
        .raw(&format!(
            "POST /api/v1/wallets HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nexpect: 100-continue\r\n\
             content-length: 2\r\nconnection: close\r\n\r\n{{}}",
            token()
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 100"), "{answer}");
    assert!(answer.contains("HTTP/1.1 200"), "{answer}");
    let seen = world.service("wallet-service").take();
    assert!(!seen[0].headers.contains_key("expect"));
}
