//! A collector that takes spans over OTLP (HTTP, protobuf), as OpenTelemetry's own does.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
pub use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use prost::Message as _;

use crate::TestServer;

/// The spans that have arrived, each with the process that it came from. Clones are the same.
#[derive(Clone, Default)]
pub struct Collector(Arc<Mutex<Vec<(String, Span)>>>);

impl Collector {
    /// A collector, and its URL for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub async fn start() -> (Collector, String) {
        let (listener, url) = TestServer::listener().await;
        let collector = Collector::default();
        let app = Router::new()
            .route("/v1/traces", post(collect))
            .with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (collector, url)
    }

    /// The spans of a trace, each with the process that it came from.
    pub fn trace(&self, id: &str) -> Vec<(String, Span)> {
        let spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spans
            .iter()
            .filter(|(_, span)| hex(&span.trace_id) == id)
            .cloned()
            .collect()
    }
}

async fn collect(State(collector): State<Collector>, body: Bytes) -> StatusCode {
    let Ok(export) = ExportTraceServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    for of_resource in export.resource_spans {
        let attributes = of_resource.resource.map(|resource| resource.attributes);
        let name = attribute(&attributes.unwrap_or_default(), "service.name");
        let mut spans = collector.0.lock().unwrap_or_else(PoisonError::into_inner);
        for span in of_resource.scope_spans.into_iter().flat_map(|of| of.spans) {
            spans.push((name.clone().unwrap_or_default(), span));
        }
    }
    StatusCode::OK
}

/// A text attribute of a span or resource.
pub fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match &found.value.as_ref()?.value {
        Some(Value::StringValue(text)) => Some(text.clone()),
        _ => None,
    }
}

/// Bytes as hexadecimal digits, as trace and span ids are written.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
