//! The API's documents: `/openapi.json`, and pages at `/docs/` that read it. Both come out of the binary: nothing is loaded from
//! elsewhere, neither when it is built nor when it is read. Every address in them is relative, so that they also work where a
//! proxy has the gateway under a path of its own.
//!
//! The document is the snapshot in the repository, made by [`crate::openapi()`] and checked by a test, so that it changes only
//! where a reviewer sees it.

use std::sync::Arc;

use api_error::ApiError;
use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION,
    REFERRER_POLICY, X_FRAME_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa_swagger_ui::Config;

/// The committed snapshot.
const SNAPSHOT: &str = include_str!("../../docs/openapi.json");

/// The time that a browser may use the document without asking again.
const CACHE: &str = "public, max-age=300";

/// The pages run their own scripts, call this API, and are in nobody's frame. Swagger UI sets styles in elements, and its icons are
/// `data:` addresses.
const CONTENT_SECURITY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The name that Swagger UI gives its page.
const THEIR_TITLE: &str = "<title>Swagger UI</title>";
const TITLE: &str = "<title>Dompet API</title>";

/// `/docs` and `/openapi.json`.
pub(crate) fn routes() -> Router {
    let document = get(async || {
        let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, CACHE)];
        (headers, SNAPSHOT)
    });
    // A token that the page kept would outlive the visit.
    let config = Config::from("../openapi.json")
        .try_it_out_enabled(true)
        .persist_authorization(false)
        // Swagger UI would send the document's address to a validator on the internet.
        .validator_url("none");
    let config = Arc::new(config);
    let first = config.clone();
    Router::new()
        .route("/openapi.json", document)
        .route(
            "/docs",
            get(async || (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, "docs/")])),
        )
        .route("/docs/", get(async move || page("index.html", &first)))
        .route(
            "/docs/{*file}",
            get(async move |Path(file): Path<String>| page(&file, &config)),
        )
}

/// One file of Swagger UI.
fn page(name: &str, config: &Arc<Config<'static>>) -> Response {
    let file = match utoipa_swagger_ui::serve(name, config.clone()) {
        Ok(Some(file)) => file,
        Ok(None) => return ApiError::of_status(StatusCode::NOT_FOUND).into_response(),
        Err(error) => {
            tracing::error!(error = &*error, name, "a page could not be made");
            return ApiError::internal().into_response();
        }
    };
    let body = match std::str::from_utf8(&file.bytes) {
        Ok(text) if text.contains(THEIR_TITLE) => Body::from(text.replace(THEIR_TITLE, TITLE)),
        _ => Body::from(file.bytes.into_owned()),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    if let Ok(content_type) = HeaderValue::try_from(file.content_type) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    if file.gzpipped {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, CONTENT_SECURITY),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, CACHE),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
