//! W3C Trace Context: read from callers, written for those who are called.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The use that is made of the trace that a caller names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallersTrace {
    /// The request is part of it, and recorded if the caller says so.
    GoesOn,
    /// The request begins a trace of its own with a link to it: a stranger decides neither what is recorded nor what the log is searched by.
    IsLinked,
}

/// The trace that a span is part of.
pub struct Trace(Context);

impl Trace {
    /// The trace of a span; `None` where nobody makes traces, as in most tests.
    pub fn of(span: &Span) -> Option<Trace> {
        let context = span.context();
        let is_valid = context.span().span_context().is_valid();
        is_valid.then_some(Trace(context))
    }

    /// The trace of a span that a request begins. Where the request's headers name the caller's span, `callers` says what becomes of that.
    pub fn begin(span: &Span, headers: &HeaderMap, callers: CallersTrace) -> Option<Trace> {
        if headers.contains_key(TRACEPARENT) {
            let parent = TraceContextPropagator::new().extract(&Headers(headers));
            let context = parent.span().span_context().clone();
            if context.is_valid() {
                match callers {
                    CallersTrace::GoesOn => {
                        // It fails only where no OpenTelemetry layer is installed.
                        let _ = span.set_parent(parent);
                    }
                    CallersTrace::IsLinked => span.add_link(context),
                }
            }
        }
        Trace::of(span)
    }

    /// The trace id, as 32 hexadecimal digits.
    pub fn id(&self) -> String {
        let mut text = [0; 32];
        let id = self.0.span().span_context().trace_id();
        write_hex(&mut text, &id.to_bytes());
        text.iter().map(|digit| char::from(*digit)).collect()
    }

    /// Returns whether the span will be exported, so that it is worth describing.
    pub fn is_recorded(&self) -> bool {
        self.0.span().is_recording()
    }

    /// Names the span anew: its name is part of how it begins, when nobody knows yet whether it will be exported.
    pub fn rename(&self, name: String) {
        self.0.span().update_name(name);
    }

    /// Writes the context (`traceparent`, `tracestate`) into the headers of an outgoing request. By hand, because every call
    /// does it and the propagator allocates five times.
    pub fn inject(&self, headers: &mut HeaderMap) {
        let span = self.0.span();
        let context = span.span_context();
        let mut parent = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_hex(&mut parent[3..35], &context.trace_id().to_bytes());
        write_hex(&mut parent[36..52], &context.span_id().to_bytes());
        write_hex(&mut parent[53..55], &[context.trace_flags().to_u8()]);
        if let Ok(parent) = HeaderValue::from_bytes(&parent) {
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
}

/// Two digits a byte. Every request has several of these, and `format!` takes thousands of instructions for each.
fn write_hex(digits: &mut [u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_digits() {
        let mut digits = [0; 8];
        write_hex(&mut digits, &[0x00, 0x1f, 0xa0, 0xff]);
        assert_eq!(&digits, b"001fa0ff");
    }
}
