//! The layers around every request: a span in the caller's trace, a duration by route template, a deadline, an answer
//! where the code panicked, and the trace id in every error.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api_error::ApiError;
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::FutureExt as _;
use serde_json::json;
use telemetry::{CallersTrace, Trace};
use tracing::{Instrument as _, Span};

use crate::front::WrongHost;
use crate::json::MAX_BODY_BYTES;
use crate::serve::Service;
use crate::{Health, HttpConfig, Metrics, paths};

struct Around {
    health: Health,
    service: &'static str,
    metrics: Metrics,
    callers_trace: CallersTrace,
    deadline: Duration,
}

/// The service's routes with the probes and the layers around them.
pub(crate) fn app(service: &Service, config: &HttpConfig) -> Router {
    let continues = config.continue_traces.unwrap_or(!service.is_public_door());
    let metrics = service.metrics.clone();
    // Every request takes copies along: of one pointer.
    let around = Arc::new(Around {
        health: service.health.clone(),
        service: service.name,
        metrics: service.metrics.clone(),
        callers_trace: if continues {
            CallersTrace::GoesOn
        } else {
            CallersTrace::IsLinked
        },
        deadline: config.deadline,
    });
    let mut routes = service.router.clone().merge(probes(service));
    if config.public_metrics {
        routes = routes.route("/metrics", get(async move || metrics.render()));
    }
    let known = paths::known(&routes);
    routes
        .fallback(async move |request: Request| paths::not_found(&known, request).await)
        .method_not_allowed_fallback(paths::other_method)
        // One tuple is one layer: each call of `layer` would put every request into one more box.
        .layer((
            from_fn_with_state(around, around_request),
            DefaultBodyLimit::max(MAX_BODY_BYTES),
        ))
        // Without a state every request would put the handlers and layers together anew.
        .with_state(())
}

/// The probes, and a word at the port itself. The gateway has both of its own.
fn probes(service: &Service) -> Router {
    let probes = service.health.routes(!service.own_health);
    if service.own_health {
        return probes;
    }
    let name = service.name;
    let at_port = json!({
        "service": name,
        "message": "One service of Dompet; its paths have no prefix here. Whether it can serve is told by /readyz",
    });
    probes.route("/", get(async move || axum::Json(at_port.clone())))
}

async fn around_request(
    State(around): State<Arc<Around>>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let _in_flight = around.metrics.request_started();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    let (span, trace) = begin_span(&around, &method, route, request.headers());
    // Nothing that the handler held is looked at again after a panic.
    let refused = request
        .extensions()
        .get::<WrongHost>()
        .map(|_| wrong_host());
    let answer = async {
        match refused {
            Some(refusal) => refusal.into_response(),
            None => next.run(request).await,
        }
    };
    let answer = AssertUnwindSafe(answer).catch_unwind();
    let answer = tokio::time::timeout(around.deadline, answer.instrument(span.clone()));
    let mut response = match answer.await {
        Ok(Ok(response)) => response,
        // The panic is in the log, where it happened.
        Ok(Err(_)) => ApiError::internal().into_response(),
        Err(_) => ApiError::timeout(format!(
            "Service did not respond within {} seconds",
            around.deadline.as_secs_f64()
        ))
        .into_response(),
    };
    complete(&mut response);
    let status = response.status();
    if let Some(trace) = trace {
        if trace.is_recorded() {
            record_status(&span, status);
        }
        add_trace_id(&mut response, trace.id());
    }
    if around.health.is_draining() {
        // A client that keeps its connection would find it closed under its next request.
        response
            .headers_mut()
            .insert(http::header::CONNECTION, HeaderValue::from_static("close"));
    }
    let seconds = started.elapsed().as_secs_f64();
    around
        .metrics
        .request_finished(method_label(&method), route, status.as_str(), seconds);
    span.in_scope(|| log(around.service, &method, route, status, seconds));
    response
}

fn wrong_host() -> ApiError {
    ApiError::bad_request("Bad request", "invalid_host")
        .message("A request of HTTP/1.1 has one Host header")
}

/// Gives a failed answer the API's body where code that is not ours (an extractor, a page) made it.
fn complete(response: &mut Response) {
    let status = response.status();
    let is_failed = status.is_client_error() || status.is_server_error();
    if !is_failed || response.extensions().get::<ApiError>().is_some() {
        return;
    }
    let is_json = response
        .headers()
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    if !is_json {
        let old = std::mem::replace(response, ApiError::of_status(status).into_response());
        if let Some(allow) = old.headers().get(http::header::ALLOW) {
            response
                .headers_mut()
                .insert(http::header::ALLOW, allow.clone());
        }
    }
}

/// The span of a request, in its trace. It is described only where somebody will read that.
fn begin_span(
    around: &Around,
    method: &http::Method,
    route: &str,
    headers: &http::HeaderMap,
) -> (Span, Option<Trace>) {
    // At the highest level, so that LOG_LEVEL cannot take the trace ids away.
    let span = tracing::error_span!(
        "request",
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        service = tracing::field::Empty,
        http.request.method = tracing::field::Empty,
        http.route = tracing::field::Empty,
        http.response.status_code = tracing::field::Empty,
    );
    let trace = Trace::begin(&span, headers, around.callers_trace);
    if let Some(trace) = &trace
        && trace.is_recorded()
    {
        let method = method_label(method);
        trace.rename(format!("{method} {route}"));
        span.record("service", around.service);
        span.record("http.request.method", method);
        span.record("http.route", route);
    }
    (span, trace)
}

fn record_status(span: &Span, status: StatusCode) {
    // OpenTelemetry has no unsigned numbers: one would be exported as text.
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

fn log(service: &str, method: &http::Method, route: &str, status: StatusCode, seconds: f64) {
    let (method, status) = (method_label(method), status.as_u16());
    // Whoever asks a probe reads its answer; a start would fill the log with them.
    let is_probe = matches!(route, "/readyz" | "/health");
    if status >= 500 && !is_probe {
        tracing::warn!(service, method, route, status, seconds, "request failed");
    } else {
        tracing::debug!(service, method, route, status, seconds, "request");
    }
}

/// A client can invent methods; a metric must not grow with them.
fn method_label(method: &http::Method) -> &str {
    match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known,
        _ => "other",
    }
}

/// Every answer names its trace; an error also in its body.
fn add_trace_id(response: &mut Response, trace_id: String) {
    if let Some(mut error) = response.extensions_mut().remove::<ApiError>() {
        error.body.trace_id = Some(trace_id.clone());
        let headers = std::mem::take(response.headers_mut());
        *response = error.into_response();
        for (name, value) in headers {
            if let Some(name) = name
                && name != http::header::CONTENT_LENGTH
                && !response.headers().contains_key(&name)
            {
                response.headers_mut().insert(name, value);
            }
        }
    }
    if let Ok(value) = HeaderValue::try_from(trace_id) {
        response.headers_mut().insert("x-trace-id", value);
    }
}
