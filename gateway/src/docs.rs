//! The API's documents: `/openapi.json`, and pages at `/docs` that read it. Both come out of the binary: nothing is loaded from
//! elsewhere, neither when it is built nor when it is read.
//!
//! The document is the snapshot in the repository, made by [`crate::openapi()`] and checked by a test, so that it changes only
//! where a reviewer sees it.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::get;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// The committed snapshot.
const SNAPSHOT: &str = include_str!("../../docs/openapi.json");

/// How long a browser may use the document without asking again.
const CACHE: &str = "public, max-age=300";

/// `/docs` and `/openapi.json`.
pub(crate) fn routes() -> Router {
    let document = get(async || {
        let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, CACHE)];
        (headers, SNAPSHOT)
    });
    let pages = Config::from("/openapi.json")
        .try_it_out_enabled(true)
        .persist_authorization(true)
        // Swagger UI would send the document's address to a validator on the internet.
        .validator_url("none");
    Router::new()
        .route("/openapi.json", document)
        .merge(SwaggerUi::new("/docs").config(pages))
        .method_not_allowed_fallback(async || http_server::method_not_allowed())
}
