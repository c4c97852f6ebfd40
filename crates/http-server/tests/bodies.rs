//! A body that is too large is refused so that its sender can read the refusal.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use axum::Router;
use axum::routing::post;
use clock::Clock;
use http_server::{Health, HttpConfig, Json, MAX_BODY_BYTES, Metrics, Service, Workers, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// What a client sees that sends a body of `size` bytes in pieces, and reads only when all of it is written.
async fn answer_to(size: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let service = Service {
        name: "test-service",
        router: Router::new().route(
            "/",
            post(async |_: Json<serde_json::Map<String, serde_json::Value>>| "here"),
        ),
        own_health: false,
        health: Health::new("test-service", Clock::system()),
        metrics: Metrics::new().unwrap(),
        workers: Workers::default(),
    };
    let config = HttpConfig::default();
    let server = tokio::spawn(serve(service, listener, config, stop.clone()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {size}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let body = format!("{{{}}}", " ".repeat(size - 2));
    for piece in body.as_bytes().chunks(10_000) {
        stream.write_all(piece).await.unwrap();
        // As from far away: the server sees that it is too much before all of it was sent.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    stop.cancel();
    server.await.unwrap();
    text
}

#[tokio::test]
async fn the_sender_of_too_much_can_read_the_refusal() {
    for size in [MAX_BODY_BYTES + 1, 10 * MAX_BODY_BYTES] {
        let answer = answer_to(size).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{size}: {answer}");
        assert!(answer.contains("body_too_large"), "{size}: {answer}");
    }
}

#[tokio::test]
async fn a_body_in_pieces_is_read_up_to_the_limit() {
    for size in [2, 9_999, 30_000, MAX_BODY_BYTES] {
        let answer = answer_to(size).await;
        assert!(answer.ends_with("here"), "{size}: {answer}");
    }
}
