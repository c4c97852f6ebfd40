//! The end of a server, seen from its clients: no request fails because of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use clock::Clock;
use http_server::{Health, HttpConfig, Metrics, Service, Workers, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A service with a route that answers at once, and one that waits for `release`.
fn service(release: std::sync::Arc<Notify>) -> Service {
    let slow = move || async move {
        release.notified().await;
        "late"
    };
    Service {
        name: "test-service",
        router: Router::new()
            .route("/here", get(async || "here"))
            .route("/slow", get(slow)),
        own_health: false,
        health: Health::new("test-service", Clock::system()),
        metrics: Metrics::new().unwrap(),
        workers: Workers::default(),
    }
}

async fn ask(stream: &mut TcpStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
}

/// The answer's head and body, in lower case.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"here") && !text.ends_with(b"late") && !text.ends_with(b"}") {
        assert!(
            stream.read_buf(&mut text).await.unwrap() > 0,
            "closed without an answer"
        );
    }
    String::from_utf8(text).unwrap().to_lowercase()
}

#[tokio::test]
async fn a_kept_connection_is_told_before_it_is_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let config = HttpConfig {
        shutdown_delay: Duration::from_secs(30),
        ..HttpConfig::default()
    };
    let server = tokio::spawn(serve(
        service(Default::default()),
        listener,
        config,
        stop.clone(),
    ));

    let mut kept = TcpStream::connect(address).await.unwrap();
    ask(&mut kept, "/here").await;
    assert!(!answer(&mut kept).await.contains("connection: close"));
    stop.cancel();
    testing::wait_until("readiness flips", || async {
        let mut probe = TcpStream::connect(address).await.unwrap();
        ask(&mut probe, "/readyz").await;
        answer(&mut probe).await.starts_with("http/1.1 503")
    })
    .await;
    ask(&mut kept, "/here").await;
    let last = answer(&mut kept).await;
    assert!(
        last.starts_with("http/1.1 200") && last.contains("connection: close"),
        "{last}"
    );
    assert_eq!(kept.read(&mut [0; 1]).await.unwrap(), 0);
    server.abort();
}

#[tokio::test]
async fn an_open_request_finishes_and_then_the_server_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, release) = (CancellationToken::new(), std::sync::Arc::new(Notify::new()));
    let server = tokio::spawn(serve(
        service(release.clone()),
        listener,
        HttpConfig::default(),
        stop.clone(),
    ));
    let mut client = TcpStream::connect(address).await.unwrap();
    ask(&mut client, "/slow").await;
    let mut other = TcpStream::connect(address).await.unwrap();
    ask(&mut other, "/here").await;
    answer(&mut other).await;
    stop.cancel();
    testing::wait_until("nothing listens any more", || async {
        TcpStream::connect(address).await.is_err()
    })
    .await;
    assert!(!server.is_finished());
    release.notify_one();
    assert!(answer(&mut client).await.ends_with("late"));
    server.await.unwrap();
}
