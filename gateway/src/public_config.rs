//! `GET /api/v1/config`: the part of the installation's configuration that a page needs before anybody has signed in. Only facts that a
//! stranger may know.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::get;
use bytes::Bytes;
use serde::Serialize;
use utoipa::openapi::path::{Operation, OperationBuilder};
use utoipa::openapi::{ContentBuilder, ResponseBuilder};
use utoipa::{PartialSchema as _, ToSchema};

use crate::routes::PREFIXES;

/// Its path, below a prefix.
pub(crate) const PATH: &str = "/config";

/// A login that comes with the demo data, and is no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({"email": "john@example.com", "password": "password123"}))]
pub struct DemoLogin {
    /// The address to log in with.
    pub email: String,
    /// The password that every demo user has.
    pub password: String,
}

#[derive(Serialize, ToSchema)]
struct ConfigBody {
    /// The logins of the demo data; empty where there is none.
    #[schema(inline)]
    demo_logins: Vec<DemoLogin>,
}

/// The route, under each prefix.
pub(crate) fn routes(demo_logins: Vec<DemoLogin>) -> anyhow::Result<Router> {
    let body: Bytes = serde_json::to_vec(&ConfigBody { demo_logins })?.into();
    let handler = get(async move || {
        let headers = [
            (CONTENT_TYPE, "application/json"),
            (CACHE_CONTROL, "no-store"),
        ];
        (headers, body.clone())
    });
    let router = PREFIXES.iter().fold(Router::new(), |router, prefix| {
        router.route(&format!("{prefix}{PATH}"), handler.clone())
    });
    Ok(router)
}

/// Its entry in the API's document.
pub(crate) fn operation() -> Operation {
    let body = ContentBuilder::new()
        .schema(Some(ConfigBody::schema()))
        .build();
    let answer = ResponseBuilder::new()
        .description("The public part of the configuration.")
        .content("application/json", body)
        .build();
    OperationBuilder::new()
        .tag("Configuration")
        .securities(Some([]))
        .operation_id(Some("getConfiguration"))
        .summary(Some("Shows the public part of the configuration"))
        .response("200", answer)
        .build()
}
