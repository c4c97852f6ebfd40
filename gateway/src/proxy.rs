//! One request: who asks, what to pass on, what to say when no answer comes.

use std::net::IpAddr;
use std::time::Duration;

use api_error::ApiError;
use auth::{Caller, ServiceIdentity, TokenError, Verifier};
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use client_address::Proxies;
use http::header::SET_COOKIE;
use http::{HeaderMap, Method, StatusCode};
use service_client::Failure;

use crate::limits::{Counts, Limits, Refusal};
use crate::page_session::{self, Wanted};
use crate::routes::{Route, Session, Token};
use crate::streams::Streams;
use crate::upstream::{Answer, NoAnswer, Upstream, Upstreams};
use crate::{answer, headers};

/// Passes requests on.
pub(crate) struct Proxy {
    pub(crate) upstreams: Upstreams,
    pub(crate) streams: Streams,
    pub(crate) verifier: Verifier,
    pub(crate) request_timeout: Duration,
    /// The proxies that are believed when they say where a client is.
    pub(crate) proxies: Proxies,
    /// The proof that an address is handed on by the gateway.
    pub(crate) identity: ServiceIdentity,
    pub(crate) limits: Limits,
}

impl Proxy {
    /// Passes a request on to the route's service. The service's path is the request's without the prefix, byte for byte.
    pub(crate) async fn forward(
        &self,
        route: &'static Route,
        prefix: &'static str,
        request: Request,
    ) -> Response {
        let peer = client_address::peer(request.extensions());
        let client = self.proxies.client(peer, request.headers());
        if let Err(refusal) = self.limits.admit(route, client).await {
            return refusal.into_response();
        }
        let mut counts = Counts::default();
        let answer = self.answer(route, prefix, request, client, &mut counts);
        let mut response = answer.await.unwrap_or_else(Refusal::into_response);
        counts.put_into(response.headers_mut());
        response
    }

    /// Looks at the token, counts the user, and passes the request on.
    async fn answer(
        &self,
        route: &'static Route,
        prefix: &'static str,
        mut request: Request,
        client: IpAddr,
        counts: &mut Counts,
    ) -> Result<Response, Refusal> {
        let wanted = match route.session {
            Session::Begins => page_session::asks_for_cookie(request.headers())?,
            Session::Kept | Session::Ends => None,
        };
        let needs_token = route.token == Token::Needed;
        let page = page_session::take_up(request.headers_mut(), needs_token)?;
        if needs_token {
            let caller = match self.authenticate(request.headers()).await {
                Ok(caller) => caller,
                Err(error) if page.is_some() && error.status == StatusCode::UNAUTHORIZED => {
                    return Ok(forgotten(error.into_response()));
                }
                Err(error) => return Err(error.into()),
            };
            if page.is_some_and(|named| !named.is(caller.user_id)) {
                return Err(page_session::changed().into());
            }
            *counts = self
                .limits
                .admit_user(route, client, caller.user_id)
                .await?;
        }
        let passed = self.pass(route, prefix, request, wanted, client).await;
        if page.is_some() && route.session == Session::Ends {
            return Ok(forgotten(passed.unwrap_or_else(ApiError::into_response)));
        }
        Ok(passed?)
    }

    async fn pass(
        &self,
        route: &'static Route,
        prefix: &'static str,
        mut request: Request,
        wanted: Option<Wanted>,
        client: IpAddr,
    ) -> Result<Response, ApiError> {
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
        if upstream == Upstream::User {
            // Who tries passwords is slowed down there, by address.
            client_address::hand_on(onward.headers_mut(), client, &self.identity);
        }
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
            Ok(Ok(answer)) => Ok(pass_on(&method, answer, wanted)),
            Ok(Err(error)) => Err(no_answer(upstream, &error, limit)),
            Err(_) => Err(not_in_time(upstream, limit)),
        }
    }

    async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        match self.verifier.caller(headers).await {
            Ok(caller) => Ok(caller),
            // The token may be good: nobody can tell without the keys.
            Err(TokenError::Invalid) if !self.verifier.is_ready() => {
                Err(ApiError::unavailable("Tokens cannot be verified yet"))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The answer for the client; for a page that signs in with the token as a cookie.
fn pass_on(method: &Method, mut answer: Answer, wanted: Option<Wanted>) -> Response {
    let kept = wanted
        .filter(|_| answer.status.is_success())
        .and_then(|wanted| wanted.keep(&answer.body));
    let Some((body, cookie)) = kept else {
        return answer::pass_on(method, answer);
    };
    answer.body = body;
    let mut response = answer::pass_on(method, answer);
    response.headers_mut().insert(SET_COOKIE, cookie);
    response
}

/// The answer that also has the browser forget the session.
fn forgotten(mut response: Response) -> Response {
    page_session::forget(&mut response);
    response
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
