//! Calls to a service that is in this process.

use axum::Router;
use axum::body::{Body, to_bytes};
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};
use tower::ServiceExt as _;

/// Calls the routes, with the request as it would have been sent, and makes no connection.
pub(crate) struct CallRoutes(pub(crate) Router);

#[async_trait::async_trait]
impl Middleware for CallRoutes {
    async fn handle(
        &self,
        request: Request,
        _extensions: &mut Extensions,
        _next: Next<'_>,
    ) -> Result<Response> {
        let request = http::Request::<reqwest::Body>::try_from(request)?;
        let Ok(answer) = self.0.clone().oneshot(request.map(Body::new)).await;
        let (head, body) = answer.into_parts();
        // It is in memory already: what a service answers is not a stream.
        let body = to_bytes(body, usize::MAX)
            .await
            .map_err(Error::middleware)?;
        Ok(http::Response::from_parts(head, body).into())
    }
}
