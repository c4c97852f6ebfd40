//! Requests that no route takes: a path that is not there is answered with the one that was meant, and a method that is not there with
//! those that are.

use api_error::ApiError;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, Uri};
use tower::ServiceExt as _;

/// A longer path is not looked at twice.
const PATH_BYTES_MAX: usize = 256;
/// The one version of the API.
const VERSION: &str = "v1";
/// More digits are no version.
const VERSION_DIGITS_MAX: usize = 4;
/// The prefix under which the gateway has the routes that services have at their root.
const PREFIXES: [&str; 2] = ["/api/v1", "/api"];

/// The same paths, where every route only says that it is there.
pub(crate) fn known(routes: &Router) -> Router {
    routes
        .clone()
        .route_layer(from_fn(async |_: Request, _| StatusCode::NO_CONTENT))
        .fallback(async || StatusCode::NOT_FOUND)
}

/// The answer where no route is.
pub(crate) async fn not_found(known: &Router, request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    if *method == Method::OPTIONS && path == "*" {
        // About the server as a whole (RFC 9110, section 9.3.7).
        return StatusCode::OK.into_response();
    }
    let error = ApiError::of_status(StatusCode::NOT_FOUND);
    if let Some((version, rest)) = other_version(path) {
        let same = format!("{}{rest}", PREFIXES[0]);
        let right = if is_there(known, &same).await {
            Some(same)
        } else {
            meant(known, &same).await
        };
        let right = right.map(|right| format!("; did you mean {right}?"));
        return error
            .message(format!(
                "There is no version {version} of this API, only {VERSION}{}",
                right.unwrap_or_default()
            ))
            .into_response();
    }
    match meant(known, path).await {
        Some(meant) => error.message(format!("There is no {path} here; did you mean {meant}?")),
        None => error,
    }
    .into_response()
}

/// The version that a path names, and what follows, where that is another one than ours.
fn other_version(path: &str) -> Option<(&str, &str)> {
    let named = path.strip_prefix("/api/")?;
    let (version, rest) = named.split_at(named.find('/').unwrap_or(named.len()));
    let number = version.strip_prefix(['v', 'V'])?;
    let is_version = (1..=VERSION_DIGITS_MAX).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_version && version != VERSION).then_some((version, rest))
}

/// The path that is there, if only the slashes or the prefix are wrong.
async fn meant(known: &Router, path: &str) -> Option<String> {
    if path.len() > PATH_BYTES_MAX {
        return None;
    }
    let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let plain = format!("/{}", segments.join("/"));
    let without = PREFIXES
        .iter()
        .filter_map(|prefix| plain.strip_prefix(prefix))
        .filter(|rest| rest.starts_with('/'))
        .map(str::to_owned);
    let with = format!("{}{plain}", PREFIXES[0]);
    let candidates = [plain.clone()].into_iter().chain(without).chain([with]);
    for candidate in candidates.filter(|candidate| candidate != path) {
        if is_there(known, &candidate).await {
            return Some(candidate);
        }
    }
    None
}

async fn is_there(known: &Router, path: &str) -> bool {
    let Ok(uri) = path.parse::<Uri>() else {
        return false;
    };
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = uri;
    match known.clone().oneshot(request).await {
        Ok(answer) => answer.status() != StatusCode::NOT_FOUND,
        Err(never) => match never {},
    }
}

/// The answer where a route is, but not for this method. The router adds `Allow`.
pub(crate) async fn other_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::OK.into_response();
    }
    ApiError::of_status(StatusCode::METHOD_NOT_ALLOWED)
        .message("Which methods there are is in the Allow header")
        .into_response()
}
