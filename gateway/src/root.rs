//! `/`: who opens the address in a browser is led to the documents.

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::routing::get;

/// `/`. The address of the documents is relative, so that it holds where a proxy has the gateway under a path of its own.
pub(crate) fn routes() -> Router {
    let lead_on = async || (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, "docs/")]);
    Router::new().route("/", get(lead_on))
}
