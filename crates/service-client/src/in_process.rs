//! Calls to a service that is in this process.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, HttpBody, to_bytes};
use bytes::Bytes;
use http::Extensions;
use http_body::Frame;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};
use tower::ServiceExt as _;

use crate::is_stream;

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
        if is_stream(&head.headers) {
            let body = reqwest::Body::wrap(Streamed(Mutex::new(body)));
            return Ok(http::Response::from_parts(head, body).into());
        }
        // It is in memory already.
        let body = to_bytes(body, usize::MAX)
            .await
            .map_err(Error::middleware)?;
        Ok(http::Response::from_parts(head, body).into())
    }
}

/// A body that is passed on as it comes. The lock is for the client alone, which wants bodies that can be shared; it is never waited for.
struct Streamed(Mutex<Body>);

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, axum::Error>>> {
        let body = self.get_mut().0.get_mut();
        Pin::new(body.unwrap_or_else(PoisonError::into_inner)).poll_frame(context)
    }
}
