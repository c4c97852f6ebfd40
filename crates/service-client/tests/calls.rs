//! Which calls are made again, and what a caller learns when one fails. The other side is a socket, so that it can break where
//! it likes.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use auth::{ServiceIdentity, ServiceKeys};
use axum::Router;
use clock::Clock;
use http::{Extensions, HeaderMap, Method, StatusCode};
use reqwest::{Request, Response};
use service_client::{
    BodyError, CallError, ConnectOptions, Failure, Repeatable, RetryCounters, ServiceClient,
    connect, connect_in_process, read_body,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What the other side does with a request.
#[derive(Clone, Copy)]
enum Does {
    /// It reads it, and breaks the connection.
    Breaks,
    /// It answers with this status and body.
    Answers(u16, &'static str),
    /// It says nothing.
    Hangs,
    /// It answers in chunks without end, and so without a length.
    Floods,
}

/// The other side. It does what the script says, request by request, and the last thing ever after.
struct Peer {
    url: String,
    requests: Arc<AtomicUsize>,
}

impl Peer {
    async fn start(script: &'static [Does]) -> Peer {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = requests.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, script, counted.clone()));
            }
        });
        Peer { url, requests }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, script: &[Does], requests: Arc<AtomicUsize>) {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut part = [0; 1024];
        match stream.read(&mut part).await {
            Ok(length) if length > 0 => request.extend_from_slice(&part[..length]),
            _ => return,
        }
    }
    let number = requests.fetch_add(1, Ordering::SeqCst);
    match script[number.min(script.len() - 1)] {
        Does::Breaks => {}
        Does::Hangs => std::future::pending().await,
        Does::Floods => {
            let head = "HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n";
            let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x1_0000));
            let mut written = stream.write_all(head.as_bytes()).await;
            // Until the other side has had enough.
            while written.is_ok() {
                written = stream.write_all(chunk.as_bytes()).await;
            }
        }
        Does::Answers(status, body) => {
            let answer = format!(
                "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }
}

const OK: Does = Does::Answers(200, "{}");

fn options() -> ConnectOptions {
    ConnectOptions {
        timeout: Duration::from_millis(300),
        ..ConnectOptions::default()
    }
}

struct Call {
    method: Method,
    key: bool,
    repeatable: bool,
}

fn call(method: Method) -> Call {
    Call {
        method,
        key: false,
        repeatable: false,
    }
}

async fn send(url: &str, call: Call, retries: &RetryCounters) -> Result<Response, Failure> {
    let http = connect("peer", &options(), Some(retries)).unwrap();
    let mut request = Request::new(call.method, url.parse().unwrap());
    let mut extensions = Extensions::new();
    if call.key {
        let key = "k".parse().unwrap();
        request.headers_mut().insert("idempotency-key", key);
    }
    if call.repeatable {
        extensions.insert(Repeatable);
    }
    http.execute_with_extensions(request, &mut extensions)
        .await
        .map_err(|error| Failure::of(&error))
}

async fn attempts(script: &'static [Does], call: Call) -> (Result<u16, Failure>, usize) {
    let peer = Peer::start(script).await;
    let result = send(&peer.url, call, &RetryCounters::new().unwrap()).await;
    (
        result.map(|answer| answer.status().as_u16()),
        peer.requests(),
    )
}

#[tokio::test]
async fn what_may_be_done_twice_is_made_again_after_the_connection_broke() {
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE] {
        let result = attempts(&[Does::Breaks, Does::Breaks, OK], call(method.clone())).await;
        assert_eq!(result, (Ok(200), 3), "{method}");
    }
    let with_key = Call {
        key: true,
        ..call(Method::POST)
    };
    assert_eq!(attempts(&[Does::Breaks, OK], with_key).await, (Ok(200), 2));
    let repeatable = Call {
        repeatable: true,
        ..call(Method::POST)
    };
    assert_eq!(
        attempts(&[Does::Breaks, OK], repeatable).await,
        (Ok(200), 2)
    );
}

#[tokio::test]
async fn what_may_not_is_made_once() {
    let broken = attempts(&[Does::Breaks, OK], call(Method::POST)).await;
    assert_eq!(broken, (Err(Failure::Broken), 1));
    let refused = attempts(&[Does::Answers(503, "{}"), OK], call(Method::POST)).await;
    assert_eq!(refused, (Ok(503), 1));
}

#[tokio::test]
async fn a_call_that_could_not_be_made_is_made_again_whatever_it_is() {
    // A port that was just given back: nobody listens there.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let retries = RetryCounters::new().unwrap();
    let metrics = retries.of("peer");
    let result = send(&url, call(Method::POST), &retries).await;
    assert_eq!(result.map(|_| ()), Err(Failure::NotConnected));
    assert_eq!(metrics.retries.get(), 3);
}

#[tokio::test]
async fn only_answers_that_say_that_nothing_was_done_are_asked_for_again() {
    for status in [502, 503] {
        let script: &[Does] = match status {
            502 => &[Does::Answers(502, "{}"), OK],
            _ => &[Does::Answers(503, "{}"), OK],
        };
        assert_eq!(attempts(script, call(Method::GET)).await, (Ok(200), 2));
    }
    for script in [
        &[Does::Answers(500, "{}"), OK],
        &[Does::Answers(504, "{}"), OK],
        &[Does::Answers(409, "{}"), OK],
        &[Does::Answers(429, "{}"), OK],
    ] {
        let (result, attempts) = attempts(script, call(Method::GET)).await;
        assert!(result.is_ok_and(|status| status >= 400));
        assert_eq!(attempts, 1);
    }
}

#[tokio::test]
async fn the_last_answer_counts() {
    let result = attempts(&[Does::Answers(503, "{}")], call(Method::GET)).await;
    assert_eq!(result, (Ok(503), 4));
}

#[tokio::test]
async fn a_call_that_took_too_long_is_not_made_again() {
    let result = attempts(&[Does::Hangs, OK], call(Method::GET)).await;
    assert_eq!(result, (Err(Failure::TimedOut), 1));
}

/// A service that only fails gets few calls beyond those that were asked for: 10 a second over 10 seconds, and a fifth.
#[tokio::test]
async fn repeats_are_paid_from_a_budget() {
    const CALLERS: usize = 20;
    const CALLS: usize = CALLERS * 10;
    let peer = Peer::start(&[Does::Answers(503, "{}")]).await;
    let retries = RetryCounters::new().unwrap();
    let metrics = retries.of("peer");
    let http = connect("peer", &ConnectOptions::default(), Some(&retries)).unwrap();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (http, url) = (http.clone(), peer.url.clone());
        callers.spawn(async move {
            for _ in 0..CALLS / CALLERS {
                assert_eq!(http.get(&url).send().await.unwrap().status(), 503);
            }
        });
    }
    callers.join_all().await;
    let repeats = usize::try_from(metrics.retries.get()).unwrap();
    assert_eq!(peer.requests(), CALLS + repeats);
    assert!((100..=100 + CALLS / 5).contains(&repeats), "{repeats}");
    assert!(metrics.budget_exhausted.get() > 0);
}

async fn ask(peer: &Peer) -> Result<serde_json::Value, CallError> {
    ask_within(peer, options().timeout).await
}

async fn ask_within(peer: &Peer, timeout: Duration) -> Result<serde_json::Value, CallError> {
    let options = ConnectOptions {
        timeout,
        ..ConnectOptions::default()
    };
    let keys = ServiceKeys::from_secrets(
        "a secret of tests, longer than 32 bytes",
        None,
        Clock::system(),
    )
    .unwrap();
    ServiceClient::new(
        "peer",
        &peer.url,
        ServiceIdentity::new("tester", keys),
        &options,
        Some(&RetryCounters::new().unwrap()),
    )
    .unwrap()
    .get("/x", &())
    .await
}

#[tokio::test]
async fn a_caller_learns_how_its_call_failed() {
    let peer = Peer::start(&[Does::Hangs]).await;
    assert!(matches!(
        ask(&peer).await,
        Err(CallError::Timeout { service: "peer" })
    ));

    let peer = Peer::start(&[Does::Breaks]).await;
    assert!(matches!(
        ask(&peer).await,
        Err(CallError::Unreachable { .. })
    ));
    assert_eq!(peer.requests(), 4);

    let peer = Peer::start(&[Does::Answers(200, "not JSON")]).await;
    assert!(matches!(ask(&peer).await, Err(CallError::Malformed { .. })));

    let peer = Peer::start(&[Does::Answers(404, r#"{"error":"Not here","code":"gone"}"#)]).await;
    match ask(&peer).await {
        Err(CallError::Refused { status, body, .. }) => {
            assert_eq!((status.as_u16(), body.code.as_ref()), (404, "gone"));
        }
        other => panic!("{other:?}"),
    }

    let peer = Peer::start(&[Does::Answers(200, r#"{"a":1}"#)]).await;
    assert_eq!(ask(&peer).await.unwrap()["a"], 1);
}

#[tokio::test]
async fn an_answer_without_a_length_is_read_up_to_the_limit() {
    const LIMIT: usize = 100_000;
    let peer = Peer::start(&[Does::Floods]).await;
    let http = connect("peer", &ConnectOptions::default(), None).unwrap();
    let answer = http.get(&peer.url).send().await.unwrap();
    match read_body(answer, LIMIT).await {
        Err(BodyError::TooLarge { bytes_max }) => assert_eq!(bytes_max, LIMIT),
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        ask_within(&peer, Duration::from_secs(60)).await,
        Err(CallError::Malformed { service: "peer" })
    ));
    assert_eq!(peer.requests(), 2, "it is not asked again");
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_read() {
    const BODY: &str = "twelve bytes";
    let peer = Peer::start(&[Does::Answers(200, BODY)]).await;
    let http = connect("peer", &options(), None).unwrap();
    let read = async |bytes_max| {
        let answer = http.get(&peer.url).send().await.unwrap();
        read_body(answer, bytes_max).await
    };
    assert_eq!(read(BODY.len()).await.unwrap(), BODY);
    assert!(matches!(
        read(BODY.len() - 1).await,
        Err(BodyError::TooLarge { .. })
    ));
}

#[tokio::test]
async fn a_service_in_the_same_process_gets_what_is_sent_and_is_asked_again_where_that_is_safe() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = requests.clone();
    let echo = async move |request: axum::extract::Request| {
        let number = counted.fetch_add(1, Ordering::SeqCst);
        if number == 0 {
            return (
                StatusCode::SERVICE_UNAVAILABLE,
                HeaderMap::new(),
                String::new(),
            );
        }
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1024).await.unwrap();
        let text = format!(
            "{} {} {}",
            head.method,
            head.uri.path(),
            body.escape_ascii()
        );
        (StatusCode::CREATED, head.headers, text)
    };
    let routes = Router::new().fallback(echo);
    // Nobody listens there.
    let url = "http://127.0.0.1:1/payments/pay";
    let retries = RetryCounters::new().unwrap();
    let metrics = retries.of("peer");
    let http = connect_in_process("peer", &options(), Some(&retries), routes).unwrap();
    let answer = http
        .post(url)
        .header("idempotency-key", "k")
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["idempotency-key"], "k");
    assert_eq!(answer.text().await.unwrap(), "POST /payments/pay {}");
    assert_eq!(requests.load(Ordering::SeqCst), 2);
    assert_eq!(metrics.retries.get(), 1);
}
