//! Traces across processes: the gateway's own binary, a service in this process, and a collector that takes spans over OTLP.
//!
//! Logs and traces are set up once a process, so these tests are a binary of their own.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use ::auth::{ServiceKeyConfig, SessionUpdate};
use axum::Router;
use axum::routing::{get, post};
use clock::Clock;
use http::{HeaderMap, Method};
use http_server::{Health, Metrics, Service, Workers};
use telemetry::TelemetryConfig;
use testing::{Collector, SECRET, SpanKind, TestClient, TestServer, hex, wait_until};

const CALLERS_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLERS_SPAN: &str = "00f067aa0ba902b7";

/// The gateway as an operator starts it. Killed when dropped.
struct Gateway {
    child: Child,
    client: TestClient,
    lines: Arc<Mutex<Vec<serde_json::Value>>>,
}

impl Gateway {
    async fn start(services: &str, settings: &[(&str, &str)]) -> Gateway {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
        command
            .arg("serve")
            .env_clear()
            .env("BIND", "127.0.0.1")
            .env("GATEWAY_PORT", "0")
            .env("SECRET_KEY", SECRET)
            .env("LOG_FORMAT", "json")
            .envs(settings.iter().copied())
            .stderr(Stdio::piped());
        for service in ["USER", "WALLET", "TRANSACTION", "PAYMENT"] {
            command.env(format!("{service}_SERVICE_URL"), services);
        }
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let read = lines.clone();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line)
                    .unwrap_or_else(|_| panic!("a line is not JSON: {line}"));
                read.lock().unwrap().push(line);
            }
        });
        wait_until("the gateway says its port", async || {
            port(&lines.lock().unwrap()).is_some()
        })
        .await;
        let port = port(&lines.lock().unwrap()).unwrap();
        let client = TestClient::new(format!("http://127.0.0.1:{port}"));
        wait_until("the gateway is ready", async || {
            client.get("/readyz").await.status == 200
        })
        .await;
        Gateway {
            child,
            client,
            lines,
        }
    }

    fn logged(&self, what: impl Fn(&serde_json::Value) -> bool) -> bool {
        self.lines.lock().unwrap().iter().any(what)
    }

    /// SIGTERM, and the end that follows.
    async fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        let child = Mutex::new(&mut self.child);
        wait_until("the gateway has ended", async || {
            child.lock().unwrap().try_wait().unwrap().is_some()
        })
        .await;
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn port(lines: &[serde_json::Value]) -> Option<u64> {
    lines
        .iter()
        .find(|line| line["message"] == "serving")
        .and_then(|line| line["port"].as_u64())
}

/// A service with the real scaffold around it. It keeps the headers of the last request.
async fn service() -> (TestServer, Arc<Mutex<HeaderMap>>) {
    let (listener, _) = TestServer::listener().await;
    let sessions = SessionUpdate {
        jwks: ServiceKeyConfig::from_secret(SECRET)
            .signing_keys()
            .unwrap()
            .jwks()
            .clone(),
        ..SessionUpdate::default()
    };
    let seen: Arc<Mutex<HeaderMap>> = Arc::default();
    let keep = seen.clone();
    let login = post(async move |headers: HeaderMap| {
        *keep.lock().unwrap() = headers;
        axum::Json(serde_json::json!({}))
    });
    let router = Router::new()
        .route("/internal/sessions", get(async || axum::Json(sessions)))
        .route("/auth/login", login);
    let service = Service {
        name: "user-service",
        router,
        own_health: false,
        health: Health::new("user-service", Clock::system()),
        metrics: Metrics::new().unwrap(),
        workers: Workers::default(),
    };
    (TestServer::start(service, listener), seen)
}

fn callers_header(flags: &str) -> String {
    format!("00-{CALLERS_TRACE}-{CALLERS_SPAN}-{flags}")
}

async fn login(client: &TestClient, traceparent: Option<&str>) -> String {
    let headers: Vec<_> = traceparent
        .map(|value| ("traceparent", value))
        .into_iter()
        .collect();
    let answer = client
        .send(Method::POST, "/api/v1/auth/login", None, &headers)
        .await;
    answer.expect(200);
    let ids: Vec<_> = answer.headers.get_all("x-trace-id").iter().collect();
    assert_eq!(ids.len(), 1);
    ids[0].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn without_a_collector_every_answer_and_line_names_its_trace() {
    let (service, seen) = service().await;
    let settings = [("LOG_LEVEL", "debug"), ("CONTINUE_TRACES", "true")];
    let gateway = Gateway::start(&service.url(), &settings).await;

    let own = login(&gateway.client, None).await;
    assert_eq!(own.len(), 32);
    let onward = seen.lock().unwrap()["traceparent"].clone();
    assert_eq!(onward.to_str().unwrap().split('-').nth(1), Some(&*own));

    let continued = login(&gateway.client, Some(&callers_header("01"))).await;
    assert_eq!(continued, CALLERS_TRACE);
    let onward = seen.lock().unwrap()["traceparent"].clone();
    assert_eq!(
        onward.to_str().unwrap().split('-').nth(1),
        Some(CALLERS_TRACE)
    );

    let answer = gateway.client.get("/api/v1/wallets").await;
    let body = answer.expect_error(401, "Token is missing");
    assert_eq!(
        body["trace_id"],
        answer.headers["x-trace-id"].to_str().unwrap()
    );

    for trace in [
        own.as_str(),
        CALLERS_TRACE,
        body["trace_id"].as_str().unwrap(),
    ] {
        wait_until("a line with the trace id", async || {
            gateway.logged(|line| line["trace_id"] == trace)
        })
        .await;
    }
    assert!(!gateway.logged(|line| line.to_string().contains(SECRET)));
    gateway.stop().await;
}

/// A quiet log must not cost the trace ids in answers.
#[tokio::test]
async fn trace_ids_do_not_depend_on_the_log_level() {
    let (service, _) = service().await;
    let gateway = Gateway::start(
        &service.url(),
        &[("LOG_LEVEL", "error,http_server::program=info")],
    )
    .await;
    assert_eq!(login(&gateway.client, None).await.len(), 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_of_two_processes_make_one_tree() {
    let (collector, url) = Collector::start().await;
    let config = TelemetryConfig {
        log_level: "info".to_owned(),
        log_format: None,
        otlp_endpoint: Some(url.clone()),
        trace_ratio: 1.0,
    };
    let guard = telemetry::init("user-service", &config).unwrap();
    let (service, _) = service().await;
    let gateway = Gateway::start(
        &service.url(),
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
            ("CONTINUE_TRACES", "true"),
        ],
    )
    .await;
    let trace = login(&gateway.client, Some(&callers_header("01"))).await;
    assert_eq!(trace, CALLERS_TRACE);
    // Both send what they have when they end.
    gateway.stop().await;
    tokio::task::spawn_blocking(move || drop(guard))
        .await
        .unwrap();
    wait_until("three spans have arrived", async || {
        collector.trace(&trace).len() == 3
    })
    .await;

    let spans = collector.trace(&trace);
    let find = |service: &str, kind: SpanKind| {
        spans
            .iter()
            .find(|(name, span)| name.contains(service) && span.kind == kind as i32)
            .map(|(_, span)| span)
            .unwrap_or_else(|| panic!("{service} has no {kind:?}: {spans:?}"))
    };
    let door = find("api-gateway", SpanKind::Server);
    let call = find("api-gateway", SpanKind::Client);
    let served = find("user-service", SpanKind::Server);
    assert_eq!(hex(&door.parent_span_id), CALLERS_SPAN);
    assert_eq!(call.parent_span_id, door.span_id);
    assert_eq!(served.parent_span_id, call.span_id);
    assert_eq!(door.name, "POST /api/v1/auth/login");
    assert_eq!(call.name, "POST user-service");
    assert_eq!(served.name, "POST /auth/login");
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_that_nobody_takes_are_counted() {
    let (service, _) = service().await;
    // Nothing listens there.
    let gateway = Gateway::start(
        &service.url(),
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"),
            ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ],
    )
    .await;
    login(&gateway.client, None).await;
    wait_until("lost spans are counted", async || {
        let metrics = gateway.client.get("/metrics").await.text();
        let lost = metrics
            .lines()
            .find_map(|line| line.strip_prefix("trace_spans_total{outcome=\"lost\"} "));
        lost.is_some_and(|lost| lost != "0")
    })
    .await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_decides_neither_what_is_recorded_nor_what_a_trace_is_called() {
    let (collector, url) = Collector::start().await;
    let (service, seen) = service().await;
    let settings = |ratio| {
        [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
            ("OTEL_TRACES_SAMPLER_ARG", ratio),
            ("LOG_LEVEL", "debug"),
        ]
    };
    // Nothing is to be recorded, whatever a stranger says.
    let gateway = Gateway::start(&service.url(), &settings("0")).await;
    let own = login(&gateway.client, Some(&callers_header("01"))).await;
    assert_ne!(own, CALLERS_TRACE);
    let onward = seen.lock().unwrap()["traceparent"].clone();
    assert!(onward.to_str().unwrap().starts_with(&format!("00-{own}-")));
    assert!(onward.to_str().unwrap().ends_with("-00"));
    wait_until("a line with its own trace id", async || {
        gateway.logged(|line| line["trace_id"] == own)
    })
    .await;
    assert!(!gateway.logged(|line| line["trace_id"] == CALLERS_TRACE));
    gateway.stop().await;
    assert!(collector.trace(&own).is_empty());
    // Everything is, also where a stranger says otherwise; and the caller's span is linked.
    let gateway = Gateway::start(&service.url(), &settings("1")).await;
    let own = login(&gateway.client, Some(&callers_header("00"))).await;
    assert_ne!(own, CALLERS_TRACE);
    gateway.stop().await;
    wait_until("the span has arrived", async || {
        !collector.trace(&own).is_empty()
    })
    .await;
    assert!(collector.trace(CALLERS_TRACE).is_empty());
    let spans = collector.trace(&own);
    let (_, door) = spans
        .iter()
        .find(|(_, span)| span.kind == SpanKind::Server as i32)
        .unwrap();
    let [link] = door.links.as_slice() else {
        panic!("{door:?}");
    };
    assert_eq!(hex(&link.trace_id), CALLERS_TRACE);
    assert_eq!(hex(&link.span_id), CALLERS_SPAN);
}
