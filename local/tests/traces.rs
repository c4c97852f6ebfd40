//! One payment is one tree of spans, from the gateway over the payment service to the ledger, although orders of many
//! payments may travel in one call.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod process;

use process::{command, start};
use serde_json::json;
use testing::{Collector, Span, SpanKind, TestClient, attribute, hex, wait_until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// The server span of a service.
fn server<'a>(spans: &'a [(String, Span)], service: &str) -> Option<&'a Span> {
    let serves = |span: &&Span| {
        span.kind == SpanKind::Server as i32
            && attribute(&span.attributes, "service").as_deref() == Some(service)
    };
    spans.iter().map(|(_, span)| span).find(serves)
}

/// The span that this one is inside of.
fn parent<'a>(spans: &'a [(String, Span)], span: &Span) -> &'a Span {
    let of = |other: &&Span| other.span_id == span.parent_span_id;
    let spans = spans.iter().map(|(_, span)| span);
    spans
        .clone()
        .find(of)
        .unwrap_or_else(|| panic!("{} hangs in the air", span.name))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_one_tree_from_the_gateway_to_the_ledger() {
    let (collector, url) = Collector::start().await;
    let folder = tempfile::tempdir().unwrap();
    let ports = testing::free_ports();
    let mut process = start(
        folder.path(),
        ports,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
            ("CONTINUE_TRACES", "true"),
        ],
    )
    .await;
    let api = TestClient::new(format!("http://127.0.0.1:{}/api/v1", ports[0]));
    let login = json!({"email": "john@example.com", "password": "password123"});
    let token = api.post("/auth/login", login).await.expect(200)["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let body = json!({"wallet_id": 1, "merchant": "Tokopedia", "amount": 1})
        .to_string()
        .into_bytes();
    let traceparent = format!("00-{TRACE}-{CALLER}-01");
    let headers = [
        ("content-type", "application/json"),
        ("traceparent", traceparent.as_str()),
    ];
    let answer = api
        .with_token(token)
        .send_raw(reqwest::Method::POST, "/payments/pay", body, &headers)
        .await;
    answer.expect(201);
    assert_eq!(answer.headers["x-trace-id"], TRACE);

    wait_until(
        "the ledger's span has arrived, and the gateway's",
        || async {
            let spans = collector.trace(TRACE);
            server(&spans, "wallet-service").is_some() && server(&spans, "api-gateway").is_some()
        },
    )
    .await;
    let spans = collector.trace(TRACE);
    let ledger = server(&spans, "wallet-service").unwrap();
    assert_eq!(ledger.name, "POST /internal/orders");
    let payment = parent(&spans, parent(&spans, ledger));
    assert_eq!(payment.name, "POST /payments/pay");
    let gateway = parent(&spans, parent(&spans, payment));
    assert_eq!(gateway.name, "POST /api/v1/payments/pay");
    assert_eq!(hex(&gateway.parent_span_id), CALLER);
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(
        command(folder.path(), ports)
            .arg("verify")
            .status()
            .unwrap()
            .success()
    );
}
