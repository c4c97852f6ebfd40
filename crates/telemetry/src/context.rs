//! W3C Trace Context: read from callers, written for those who are called.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Makes `span` a child of the caller's span, if the headers name one.
pub fn continue_trace(span: &Span, headers: &HeaderMap) {
    if !headers.contains_key(TRACEPARENT) {
        return;
    }
    let parent = TraceContextPropagator::new().extract(&Headers(headers));
    if parent.span().span_context().is_valid() {
        // It fails only where no OpenTelemetry layer is installed, as in most tests.
        let _ = span.set_parent(parent);
    }
}

/// Writes a span's context (`traceparent`, `tracestate`) into the headers of an outgoing request; without a trace they stay as
/// they are. By hand, because every call does it and the propagator allocates five times.
pub fn inject_trace(span: &Span, headers: &mut HeaderMap) {
    let context = span.context();
    let span = context.span();
    let context = span.span_context();
    if !context.is_valid() {
        return;
    }
    let parent = format!(
        "00-{:032x}-{:016x}-{:02x}",
        context.trace_id(),
        context.span_id(),
        context.trace_flags()
    );
    if let Ok(parent) = HeaderValue::try_from(parent) {
        headers.insert(TRACEPARENT, parent);
    }
    // The state belongs to the parent, so a stale one must not stay.
    headers.remove(TRACESTATE);
    let state = context.trace_state().header();
    if !state.is_empty()
        && let Ok(state) = HeaderValue::try_from(state)
    {
        headers.insert(TRACESTATE, state);
    }
}

/// Whether a span will be exported.
pub fn is_recorded(span: &Span) -> bool {
    span.context().span().is_recording()
}

/// The trace id of a span as 32 hexadecimal digits, if it is part of a trace.
pub fn trace_id(span: &Span) -> Option<String> {
    let context = span.context();
    let trace_id = context.span().span_context().trace_id();
    (trace_id != opentelemetry::trace::TraceId::INVALID).then(|| trace_id.to_string())
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}
