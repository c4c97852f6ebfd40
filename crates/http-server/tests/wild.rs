//! HTTP as it is met: clients that close half, stall, send too much or nonsense, and pages of other origins. Over raw sockets, because
//! clients' libraries would not do any of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Extension, Router};
use clock::Clock;
use http_server::{Health, HttpConfig, Json, Metrics, Peer, Service, Workers};
use serde_json::{Map, Value};
use testing::{TestServer, wait_until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// Short enough for a test that waits for it, and long enough for one that must not.
const SHORT: Duration = Duration::from_millis(300);

struct World {
    server: TestServer,
    /// Lets the slow handler go on.
    release: Arc<Notify>,
    /// How often the slow handler was carried out.
    done: Arc<AtomicUsize>,
}

async fn world(change: impl FnOnce(&mut HttpConfig)) -> World {
    let (release, done) = (Arc::new(Notify::new()), Arc::<AtomicUsize>::default());
    let slow = {
        let (release, done) = (release.clone(), done.clone());
        async move || {
            release.notified().await;
            done.fetch_add(1, Ordering::SeqCst);
            "slow"
        }
    };
    let router = Router::new()
        .route("/here", get(async || "here").put(async || "put"))
        .route("/slow", post(slow))
        .route(
            "/peer",
            get(async |Extension(Peer(peer)): Extension<Peer>| peer.to_string()),
        )
        .route("/json", post(async |_: Json<Map<String, Value>>| "read"))
        .route("/refused", post(async || (StatusCode::UNAUTHORIZED, "no")))
        .route("/panics", get(async || -> &str { panic!("inside") }))
        .route("/never", get(std::future::pending::<&str>));
    let service = Service {
        name: "test-service",
        router,
        own_health: false,
        health: Health::new("test-service", Clock::system()),
        metrics: Metrics::new().unwrap(),
        workers: Workers::default(),
    };
    let mut config = HttpConfig::default();
    change(&mut config);
    let (listener, _) = TestServer::listener().await;
    World {
        server: TestServer::start_with(service, listener, config),
        release,
        done,
    }
}

struct Said {
    status: u16,
    head: String,
    body: String,
}

impl Said {
    fn of(answer: &[u8]) -> Said {
        let text = String::from_utf8_lossy(answer).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).unwrap_or_default();
        Said {
            status: status.parse().unwrap_or(0),
            head: head.to_lowercase(),
            body: body.to_owned(),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// It is an error of the API with this code.
    #[track_caller]
    fn is_error(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.body);
        let body: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(body["code"], code, "{body}");
        for field in ["error", "message"] {
            assert!(body[field].is_string(), "{field}: {body}");
        }
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert_eq!(self.header("access-control-allow-origin"), Some("*"));
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        body
    }
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Everything until the server closes.
async fn rest(stream: &mut TcpStream) -> Said {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    Said::of(&answer)
}

async fn say(world: &World, request: &str) -> Said {
    let mut stream = connect(world.server.address).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

fn ask(method: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n")
}

#[tokio::test]
async fn who_closes_half_is_answered() {
    let world = world(|_| {}).await;
    for _ in 0..20 {
        let mut stream = connect(world.server.address).await;
        let request = "POST /slow HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}";
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        world.release.notify_one();
        assert_eq!(rest(&mut stream).await.body, "slow");
    }
}

#[tokio::test]
async fn what_has_begun_is_done_whole_when_the_client_leaves() {
    let world = world(|_| {}).await;
    for round in 1..=10 {
        let mut stream = connect(world.server.address).await;
        stream
            .write_all(b"POST /slow HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let metrics = testing::TestClient::new(world.server.url());
        wait_until("the request is being worked on", async || {
            let text = metrics.get("/metrics").await.text();
            text.contains("http_requests_in_flight 2")
        })
        .await;
        drop(stream);
        world.release.notify_one();
        wait_until("it is done", async || {
            world.done.load(Ordering::SeqCst) == round
        })
        .await;
    }
}

#[tokio::test]
async fn a_request_of_http_1_1_names_one_host() {
    let world = world(|_| {}).await;
    let close = "connection: close\r\n\r\n";
    for hosts in ["", "host: a\r\nhost: b\r\n", "host: a\r\nhost: a\r\n"] {
        let answer = say(&world, &format!("GET /here HTTP/1.1\r\n{hosts}{close}")).await;
        answer.is_error(400, "invalid_host");
    }
    for request in [
        "GET /here HTTP/1.0\r\n\r\n".to_owned(),
        ask("GET", "/here", ""),
    ] {
        assert_eq!(say(&world, &request).await.body, "here");
    }
}

#[tokio::test]
async fn a_head_that_cannot_be_read_is_refused_in_json() {
    let world = world(|_| {}).await;
    let long = format!("/{}", "x".repeat(70_000));
    let many = "x: y\r\n".repeat(70);
    let large = format!("x: {}\r\n", "y".repeat(33 * 1024));
    for (request, status, code) in [
        ("nonsense\r\n\r\n".to_owned(), 400, "bad_request"),
        (
            "GET / HTTP/1.1\r\nno colon\r\n\r\n".to_owned(),
            400,
            "bad_request",
        ),
        (
            "\u{16}\u{3}\u{1}\u{2}\r\n\r\n".to_owned(),
            400,
            "bad_request",
        ),
        (ask("GET", &long, ""), 414, "uri_too_long"),
        (ask("GET", "/here", &many), 431, "headers_too_large"),
        (ask("GET", "/here", &large), 431, "headers_too_large"),
    ] {
        let answer = say(&world, &request).await;
        answer.is_error(status, code);
        assert_eq!(answer.header("connection"), Some("close"));
    }
}

#[tokio::test]
async fn a_silent_client_is_told_that_its_time_is_over() {
    let world = world(|config| {
        config.header_timeout = SHORT;
        config.body_timeout = SHORT;
    })
    .await;
    // In the first line, in the headers, in the body, and in a body that drips.
    say(&world, "GET /he")
        .await
        .is_error(408, "request_timeout");
    let headers = say(&world, "GET /here HTTP/1.1\r\nhost: x\r\n").await;
    headers.is_error(408, "request_timeout");
    let head = "POST /json HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
    let body = say(&world, head).await;
    body.is_error(408, "request_timeout");
    assert_eq!(body.header("connection"), Some("close"));
    let (mut reader, mut writer) = connect(world.server.address).await.into_split();
    writer.write_all(head.as_bytes()).await.unwrap();
    let drip = tokio::spawn(async move {
        while writer.write_all(b" ").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    });
    let mut answer = Vec::new();
    // The end may be a reset: the client went on.
    let _ = reader.read_to_end(&mut answer).await;
    Said::of(&answer).is_error(408, "request_timeout");
    drip.abort();
    // Who said nothing is told nothing.
    assert_eq!(say(&world, "").await.head, "");
}

#[tokio::test]
async fn a_kept_connection_that_rests_ends_without_a_word() {
    let world = world(|config| config.idle_timeout = SHORT).await;
    for request in [
        "GET /here HTTP/1.1\r\nhost: x\r\n\r\n",
        "POST /json HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
        "POST /refused HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}",
    ] {
        let answer = say(&world, request).await;
        assert_eq!(
            answer.head.matches("http/1.1").count(),
            1,
            "{}",
            answer.head
        );
        assert!(!answer.body.contains("HTTP/1.1"), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_refusal_before_the_body_leaves_the_connection_usable_or_says_that_it_ends() {
    let world = world(|_| {}).await;
    // A small body that comes late: the next request on the connection is answered.
    let mut stream = connect(world.server.address).await;
    stream
        .write_all(b"POST /refused HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n")
        .await
        .unwrap();
    stream.write_all(b"later").await.unwrap();
    let next = ask("GET", "/here", "");
    stream.write_all(next.as_bytes()).await.unwrap();
    let both = rest(&mut stream).await;
    assert!(both.body.ends_with("here"), "{}", both.body);
    // A large one: the client can write all of it, and then read the answer.
    let mut stream = connect(world.server.address).await;
    let size = 3 * 1024 * 1024;
    let head = format!("POST /refused HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; size]).await.unwrap();
    let answer = rest(&mut stream).await;
    answer.is_error(401, "token_invalid");
    assert_eq!(answer.header("connection"), Some("close"));
    // One that never comes.
    let mut stream = connect(world.server.address).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    answer.is_error(401, "token_invalid");
    assert_eq!(answer.header("connection"), Some("close"));
}

#[tokio::test]
async fn who_waits_to_be_told_is_told_only_what_is_wanted() {
    let world = world(|_| {}).await;
    let waits = "expect: 100-continue\r\ncontent-type: application/json\r\n";
    let refused = ask("POST", "/refused", &format!("{waits}content-length: 2\r\n"));
    say(&world, &refused).await.is_error(401, "token_invalid");
    let large = ask(
        "POST",
        "/json",
        &format!("{waits}content-length: 1000000\r\n"),
    );
    say(&world, &large).await.is_error(413, "body_too_large");
    let wanted = ask("POST", "/json", &format!("{waits}content-length: 2\r\n"));
    let answer = say(&world, &format!("{wanted}{{}}")).await;
    assert_eq!(answer.status, 100);
    assert!(answer.body.ends_with("read"), "{}", answer.body);
}

#[tokio::test]
async fn options_names_what_is_there() {
    let world = world(|_| {}).await;
    for (path, allow) in [
        ("/here", Some("get,head,put")),
        ("/slow", Some("post")),
        ("/", Some("get,head")),
        ("*", None),
    ] {
        let answer = say(
            &world,
            &ask("OPTIONS", path, "origin: https://a.example\r\n"),
        )
        .await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("allow"), allow, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    let nothing = say(&world, &ask("OPTIONS", "/nothing", "")).await;
    nothing.is_error(404, "endpoint_not_found");
    // HAProxy's check, as it is without configuration.
    let check = say(&world, "OPTIONS / HTTP/1.0\r\n\r\n").await;
    assert_eq!(check.status, 200);
    let wrong = say(&world, &ask("DELETE", "/here", "")).await;
    wrong.is_error(405, "method_not_allowed");
    assert_eq!(wrong.header("allow"), Some("get,head,put"));
}

#[tokio::test]
async fn every_error_can_be_read_by_a_page() {
    let world = world(|config| config.deadline = SHORT).await;
    let page = "origin: https://a.example\r\n";
    let type_of_text = format!("{page}content-type: text/plain\r\ncontent-length: 1\r\n");
    for (method, path, headers, status, code) in [
        ("GET", "/nothing", page, 404, "endpoint_not_found"),
        ("GET", "/here/", page, 404, "endpoint_not_found"),
        ("PATCH", "/here", page, 405, "method_not_allowed"),
        ("GET", "/panics", page, 500, "internal"),
        ("GET", "/never", page, 504, "timeout"),
        ("POST", "/refused", page, 401, "token_invalid"),
        (
            "POST",
            "/json",
            &type_of_text,
            415,
            "unsupported_media_type",
        ),
    ] {
        let request = format!("{}x", ask(method, path, headers));
        let answer = say(&world, &request).await;
        answer.is_error(status, code);
        let exposed = answer.header("access-control-expose-headers").unwrap();
        assert!(exposed.contains("x-trace-id"), "{exposed}");
    }
}

fn preflight(origin: &str) -> String {
    ask(
        "OPTIONS",
        "/here",
        &format!(
            "origin: {origin}\r\naccess-control-request-method: PATCH\r\n\
             access-control-request-headers: authorization,x-request-id,baggage,sentry-trace\r\n\
             access-control-request-private-network: true\r\n"
        ),
    )
}

#[tokio::test]
async fn a_page_may_send_any_header_and_use_any_method() {
    let world = world(|_| {}).await;
    let answer = say(&world, &preflight("https://a.example")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(
        answer.header("access-control-allow-headers"),
        Some("authorization,x-request-id,baggage,sentry-trace")
    );
    let methods = answer.header("access-control-allow-methods").unwrap();
    for method in ["get", "post", "put", "patch", "delete"] {
        assert!(methods.contains(method), "{methods}");
    }
    assert_eq!(answer.header("access-control-max-age"), Some("3600"));
    assert_eq!(
        answer.header("access-control-allow-private-network"),
        Some("true")
    );
}

#[tokio::test]
async fn a_list_of_origins_is_kept() {
    let world = world(|config| {
        config.cors_origins = vec![
            "https://a.example".to_owned(),
            "http://localhost:3000".to_owned(),
        ];
    })
    .await;
    for (origin, allowed) in [
        ("https://a.example", Some("https://a.example")),
        ("http://localhost:3000", Some("http://localhost:3000")),
        ("https://evil.example", None),
        ("null", None),
    ] {
        let asked = say(&world, &preflight(origin)).await;
        assert_eq!(
            asked.header("access-control-allow-origin"),
            allowed,
            "{origin}"
        );
        for path in ["/here", "/nothing"] {
            let answer = say(&world, &ask("GET", path, &format!("origin: {origin}\r\n"))).await;
            assert_eq!(
                answer.header("access-control-allow-origin"),
                allowed,
                "{origin}"
            );
            assert!(answer.header("vary").unwrap().contains("origin"));
        }
    }
}

#[tokio::test]
async fn a_handler_knows_who_holds_the_connection() {
    let world = world(|_| {}).await;
    let mut stream = connect(world.server.address).await;
    let own = stream.local_addr().unwrap().to_string();
    // Whatever a client says about addresses is only text.
    let named = "x-forwarded-for: 192.0.2.1\r\nforwarded: for=192.0.2.1\r\n";
    let request = ask("GET", "/peer", named);
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(rest(&mut stream).await.body, own);
}
