//! One request: who asks, what to pass on, what to say when no answer comes.

use std::time::Duration;

use api_error::ApiError;
use auth::{TokenError, Verifier};
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};
use service_client::Failure;

use crate::routes::{Route, Token};
use crate::streams::Streams;
use crate::upstream::{Answer, NoAnswer, Upstream, Upstreams};
use crate::{answer, headers};

/// Passes requests on.
pub(crate) struct Proxy {
    upstreams: Upstreams,
    streams: Streams,
    verifier: Verifier,
    request_timeout: Duration,
}

impl Proxy {
    pub(crate) fn new(
        upstreams: Upstreams,
        streams: Streams,
        verifier: Verifier,
        request_timeout: Duration,
    ) -> Proxy {
        Proxy {
            upstreams,
            streams,
            verifier,
            request_timeout,
        }
    }

    /// Passes a request on to the route's service. The service's path is the request's without the prefix, byte for byte.
    pub(crate) async fn forward(
        &self,
        route: &'static Route,
        prefix: &'static str,
        mut request: Request,
    ) -> Result<Response, ApiError> {
        if route.token == Token::Needed {
            self.authenticate(request.headers()).await?;
        }
        let uri = request.uri();
        let upstream = route.upstream_for(uri.query());
        let connection = self.upstreams.of(upstream);
        let url = uri
            .path()
            .strip_prefix(prefix)
            .and_then(|path| connection.url(path, uri.query()))
            .ok_or_else(|| ApiError::of_status(StatusCode::NOT_FOUND))?;
        let method = request.method().clone();
        let mut onward = reqwest::Request::new(method.clone(), url);
        *onward.headers_mut() = headers::for_service(std::mem::take(request.headers_mut()));
        let body = http_server::read_body(request).await?;
        if !body.is_empty() {
            *onward.body_mut() = Some(body.into());
        }
        let limit = route.timeout.unwrap_or(Duration::MAX);
        let limit = limit.min(self.request_timeout);
        if route.streams {
            let open = self.streams.open(connection, onward);
            return match tokio::time::timeout(limit, open).await {
                Ok(Ok(response)) => Ok(response),
                Ok(Err(error)) => Err(no_answer(upstream, &error, limit)),
                Err(_) => Err(not_in_time(upstream, limit)),
            };
        }
        match tokio::time::timeout(limit, connection.send(onward)).await {
            Ok(Ok(answer)) if is_not_the_last_word(&method, &answer) => Err(outcome_unknown()),
            Ok(Ok(answer)) => Ok(answer::pass_on(&method, answer)),
            Ok(Err(error)) => Err(no_answer(upstream, &error, limit)),
            Err(_) => Err(not_in_time(upstream, limit)),
        }
    }

    async fn authenticate(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        match self.verifier.caller(headers).await {
            Ok(_) => Ok(()),
            // The token may be good: nobody can tell without the keys.
            Err(TokenError::Invalid) if !self.verifier.is_ready() => {
                Err(ApiError::unavailable("Tokens cannot be verified yet"))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns whether a write was refused although an attempt before may have arrived: that one may still be carried out. That the key belongs to
/// another request does not change any more.
fn is_not_the_last_word(method: &Method, answer: &Answer) -> bool {
    answer.after_unclear
        && !method.is_safe()
        && answer.status.is_client_error()
        && answer.status != StatusCode::UNPROCESSABLE_ENTITY
}

/// The error that the client is told when a call failed. It is logged here, once.
fn no_answer(upstream: Upstream, error: &NoAnswer, limit: Duration) -> ApiError {
    tracing::warn!(
        upstream = upstream.name(),
        error = error as &dyn std::error::Error,
        "a request was passed on, and got no answer"
    );
    match error {
        NoAnswer::Failed(Failure::NotConnected, _) => {
            ApiError::unavailable("Could not connect to the service")
        }
        NoAnswer::Failed(Failure::TimedOut, _) => too_late(limit),
        NoAnswer::Failed(Failure::Broken, _) => outcome_unknown(),
        NoAnswer::TooLarge => ApiError::internal(),
        NoAnswer::TooMany => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Service unavailable",
            "overloaded",
        )
        .message("The service has too many requests already; this one was not carried out")
        .retry_after(1),
    }
}

fn not_in_time(upstream: Upstream, limit: Duration) -> ApiError {
    tracing::warn!(
        upstream = upstream.name(),
        "a request was passed on, and not answered in time"
    );
    too_late(limit)
}

fn too_late(limit: Duration) -> ApiError {
    ApiError::timeout(format!(
        "Service did not respond within {} seconds",
        limit.as_secs_f64()
    ))
}

/// The connection broke after the request may have arrived. Its own code: only with an idempotency key is a repeat safe.
fn outcome_unknown() -> ApiError {
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "Service unavailable",
        "outcome_unknown",
    )
    .message("A connection to the service broke before its answer; whether the request was carried out is unknown")
}
