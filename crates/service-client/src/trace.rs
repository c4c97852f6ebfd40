//! The trace goes along with every call.

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next, Result};
use telemetry::Trace;
use tracing::{Instrument as _, Span};

/// Writes the trace context into the headers. Where the trace is recorded each attempt gets a span of its own; where it is
/// not, a span would only cost.
pub(crate) struct PropagateTrace {
    pub(crate) service: &'static str,
}

#[async_trait::async_trait]
impl Middleware for PropagateTrace {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let current = Trace::of(&Span::current());
        if !current.as_ref().is_some_and(Trace::is_recorded) {
            if let Some(trace) = current {
                trace.inject(request.headers_mut());
            }
            return next.run(request, extensions).await;
        }
        // At the highest level, so that LOG_LEVEL takes no span out of a trace.
        let span = tracing::error_span!(
            "call",
            otel.name = %format_args!("{} {}", request.method(), self.service),
            otel.kind = "client",
            otel.status_code = tracing::field::Empty,
            peer.service = self.service,
            http.request.method = %request.method(),
            http.response.status_code = tracing::field::Empty,
        );
        if let Some(trace) = Trace::of(&span) {
            trace.inject(request.headers_mut());
        }
        let result = next.run(request, extensions).instrument(span.clone()).await;
        match &result {
            Ok(response) => {
                let status = response.status();
                span.record("http.response.status_code", i64::from(status.as_u16()));
                if status.is_client_error() || status.is_server_error() {
                    span.record("otel.status_code", "ERROR");
                }
            }
            Err(_) => {
                span.record("otel.status_code", "ERROR");
            }
        }
        result
    }
}
