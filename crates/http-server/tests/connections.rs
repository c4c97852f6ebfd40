//! The door itself: how long a connection may say nothing, how many there may be, and what that costs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use clock::Clock;
use http_server::{Health, HttpConfig, Metrics, Probes, Service, Workers};
use testing::{TestClient, TestServer, wait_until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Short enough for a test that waits for it.
const SHORT: Duration = Duration::from_millis(300);
/// What would be too late, on a machine that has much to do.
const LATE: Duration = Duration::from_secs(20);
const REQUEST: &str = "GET /here HTTP/1.1\r\nhost: x\r\n\r\n";

fn service() -> Service {
    Service {
        name: "test-service",
        router: Router::new().route("/here", get(async || "here")),
        own_health: false,
        health: Health::new("test-service", Clock::system()),
        metrics: Metrics::new().unwrap(),
        workers: Workers::default(),
    }
}

async fn server(change: impl FnOnce(&mut HttpConfig)) -> TestServer {
    let mut config = HttpConfig::default();
    change(&mut config);
    let (listener, _) = TestServer::listener().await;
    TestServer::start_with(service(), listener, config)
}

async fn connect(server: &TestServer) -> TcpStream {
    TcpStream::connect(server.address).await.unwrap()
}

/// Sends a whole request and reads its answer.
async fn is_answered(stream: &mut TcpStream) {
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    while !text.ends_with(b"here") {
        let read = stream.read_buf(&mut text).await.unwrap();
        assert!(read > 0, "closed: {}", String::from_utf8_lossy(&text));
    }
    assert!(text.starts_with(b"HTTP/1.1 200"));
}

/// Everything until the server closes, whether in order or not.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// The value of a metric without labels.
async fn metric(server: &TestServer, name: &str) -> Option<f64> {
    let text = TestClient::new(server.url()).get("/metrics").await.text();
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}

#[tokio::test]
async fn a_head_has_a_time_of_its_own_and_rest_between_requests_another() {
    let server = server(|config| config.header_timeout = SHORT).await;
    let mut kept = connect(&server).await;
    is_answered(&mut kept).await;
    let begun = Instant::now();
    // A connection that says nothing at all is closed without a word.
    assert_eq!(rest(&mut connect(&server).await).await, "");
    assert!(begun.elapsed() >= SHORT);
    // By then the other has rested for longer, and is still there.
    is_answered(&mut kept).await;
    // Its next head has the short time again, whether it stops or drips.
    kept.write_all(b"GET /here HTTP/1.1\r\nx: ").await.unwrap();
    let answer = rest(&mut kept).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    let (mut reader, mut writer) = connect(&server).await.into_split();
    let drip = tokio::spawn(async move {
        while writer.write_all(b"G").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    });
    let mut answer = Vec::new();
    let _ = reader.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 408"));
    drip.abort();
    assert!(begun.elapsed() < LATE);
}

#[tokio::test]
async fn an_address_has_only_so_many_connections_and_is_told_so() {
    let server = server(|config| config.max_connections_per_address = Some(3)).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(&server).await;
        is_answered(&mut stream).await;
        held.push(stream);
    }
    let mut third = connect(&server).await;
    is_answered(&mut third).await;
    let mut one_more = connect(&server).await;
    let _ = one_more.write_all(REQUEST.as_bytes()).await;
    let answer = rest(&mut one_more).await;
    assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(
        answer.contains("\"code\":\"too_many_requests\""),
        "{answer}"
    );
    drop(third);
    wait_until("a place is free again", async || {
        let mut stream = connect(&server).await;
        let _ = stream.write_all(REQUEST.as_bytes()).await;
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.is_ok() && start == *b"HTTP/1.1 200"
    })
    .await;
    drop(held);
    wait_until("the connections are counted", async || {
        metric(&server, "http_connections ").await == Some(1.0)
    })
    .await;
    assert!(metric(&server, "http_connections_refused_total ").await >= Some(1.0));
    assert_eq!(
        metric(&server, "http_connections_max ").await,
        Some(10_000.0)
    );
}

#[tokio::test]
async fn a_full_door_takes_the_next_when_one_leaves() {
    let server = server(|config| config.max_connections = 2).await;
    let mut first = connect(&server).await;
    is_answered(&mut first).await;
    let mut second = connect(&server).await;
    is_answered(&mut second).await;
    let mut third = connect(&server).await;
    third.write_all(REQUEST.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    assert!(
        tokio::time::timeout(SHORT, third.read_exact(&mut start))
            .await
            .is_err(),
        "there was no place"
    );
    drop(first);
    third.read_exact(&mut start).await.unwrap();
    assert_eq!(start, *b"HTTP/1.1 200");
}

#[tokio::test]
async fn probes_have_a_port_of_their_own() {
    let service = service();
    let health = service.health.clone();
    let (listener, url) = TestServer::listener().await;
    let _probes = Probes::of([&service]).serve(listener).unwrap();
    let probes = TestClient::new(url);
    let (listener, _) = TestServer::listener().await;
    let config = HttpConfig {
        max_connections: 1,
        public_metrics: false,
        ..HttpConfig::default()
    };
    let server = TestServer::start_with(service, listener, config);
    let door = TestClient::new(server.url());
    assert_eq!(door.get("/livez").await.status, 200);
    assert_eq!(door.get("/metrics").await.status, 404, "it was taken away");
    drop(door);
    // Nobody else comes in.
    let mut held = connect(&server).await;
    is_answered(&mut held).await;
    assert_eq!(probes.get("/livez").await.status, 200);
    assert_eq!(probes.get("/readyz").await.status, 200);
    let metrics = probes.get("/metrics").await.text();
    assert!(metrics.contains("\nhttp_connections 1\n"), "{metrics}");
    assert!(metrics.contains("\nhttp_connections_max 1\n"), "{metrics}");
    // The service's own paths are not here.
    assert_eq!(probes.get("/here").await.status, 404);
    health.require("something", async || Err("is missing".to_owned()));
    let answer = probes.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("something: is missing"));
    drop(held);
}
