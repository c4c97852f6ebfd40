//! The layer around all routes of a port together: pages of other origins (CORS), headers that every answer has, and the body's way in
//! ([`crate::body`]). It is not around routes that another service calls within the process, whose front is the gateway's.
//!
//! What must hold: every answer can be read by the page that asked, also 404, 504 and what a panic left, at every port alike.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL, HOST, HeaderName, LOCATION, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, Request, Version};
use hyper::body::Incoming;
use tower::util::MapRequest;
use tower::{Layer as _, ServiceExt as _};
use tower_http::cors::{AllowHeaders, AllowOrigin, AllowPrivateNetwork, Cors, CorsLayer};

use crate::body;

/// The time that a browser may remember what CORS allows.
const CORS_MAX_AGE: Duration = Duration::from_secs(3600);

/// Marks a question for a resource's methods that no browser asks before a request.
#[derive(Clone, Copy)]
struct PlainOptions;

/// Marks a request of HTTP/1.1 that names no host, or two (RFC 9112, section 3.2): a cache in front could be told another one. Such a
/// request is refused where it can be traced and counted.
#[derive(Clone, Copy)]
pub(crate) struct WrongHost;

/// The changes to a request before its route is looked for.
type Change = fn(Request<Body>) -> Request<Body>;

/// The routes of one port, with what is around all of them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Front {
    routes: Cors<MapRequest<Router, Change>>,
    body_limit: Duration,
}

impl Front {
    /// `origins` are those whose pages may call; bodies have to arrive within `body_limit`.
    pub(crate) fn new(routes: Router, origins: &[String], body_limit: Duration) -> Front {
        let restore: fn(Request<Body>) -> Request<Body> = restore_options;
        Front {
            routes: cors(origins).layer(MapRequest::new(routes, restore)),
            body_limit,
        }
    }

    /// Answers a request.
    pub(crate) async fn answer(self, request: Request<Incoming>) -> Result<Response, Infallible> {
        let (mut request, rest) = body::lend(request, self.body_limit);
        hide_options(&mut request);
        mark_host(&mut request);
        let mut response = self.routes.oneshot(request).await?;
        if let Some(rest) = rest {
            rest.settle(&mut response).await;
        }
        let headers = response.headers_mut();
        headers
            .entry(X_CONTENT_TYPE_OPTIONS)
            .or_insert(HeaderValue::from_static("nosniff"));
        // Balances, tokens and names are nobody's but the caller's; what may be kept says so itself.
        headers
            .entry(CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        Ok(response)
    }
}

/// The layer for CORS takes every OPTIONS for a browser's question before a request. One that is none passes it as a GET, so that
/// the routes answer it and the answer still has the headers of CORS.
fn hide_options(request: &mut Request<Body>) {
    if request.method() == Method::OPTIONS
        && !request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    {
        request.extensions_mut().insert(PlainOptions);
        *request.method_mut() = Method::GET;
    }
}

fn mark_host(request: &mut Request<Body>) {
    let hosts = request.headers().get_all(HOST).iter().count();
    let is_right = hosts == 1 || (hosts == 0 && request.version() != Version::HTTP_11);
    if !is_right {
        request.extensions_mut().insert(WrongHost);
    }
}

fn restore_options(mut request: Request<Body>) -> Request<Body> {
    if request.extensions_mut().remove::<PlainOptions>().is_some() {
        *request.method_mut() = Method::OPTIONS;
    }
    request
}

/// The pages of other origins that may call. Tokens travel in a header that a page sets itself, never in a cookie, so allowing every
/// origin gives no page what it does not have. Any request header is allowed: a page's tracing or its framework adds its own.
fn cors(origins: &[String]) -> CorsLayer {
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        // The command line has seen to it that they are origins.
        AllowOrigin::list(
            origins
                .iter()
                .filter_map(|origin| HeaderValue::try_from(origin).ok()),
        )
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
        ])
        // `*` would not cover Authorization.
        .allow_headers(AllowHeaders::mirror_request())
        // A page on the internet may talk to a wallet on its reader's own machine or network.
        .allow_private_network(AllowPrivateNetwork::yes())
        .expose_headers([
            LOCATION,
            RETRY_AFTER,
            HeaderName::from_static("x-trace-id"),
            HeaderName::from_static("x-data-behind"),
            HeaderName::from_static("ratelimit"),
            HeaderName::from_static("ratelimit-policy"),
            crate::REPLAYED_HEADER,
        ])
        .max_age(CORS_MAX_AGE)
}
