//! JSON bodies: bounded, strict, and with a clear error for each way to be wrong.

use api_error::ApiError;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest body of a request.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// How much more than the largest is read before the answer.
const FORGOTTEN_BYTES_MAX: usize = 1024 * 1024;

/// A layer on a route that takes larger bodies, or only smaller ones: `axum::Extension(BodyLimit(bytes))`.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit(pub usize);

/// A JSON body. As an extractor it takes an empty body as `{}`, so that what is missing is said by the field's own error.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Self::Rejection> {
        let is_json = has_json_type(request.headers());
        let body = read_body(request).await?;
        if body.is_empty() {
            return parse(b"{}").map(Json);
        }
        if !is_json {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported media type",
                "unsupported_media_type",
            )
            .message("Send JSON, with Content-Type: application/json"));
        }
        parse(&body).map(Json)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// The whole body of a request, which has at most [`MAX_BODY_BYTES`], unless the route has a [`BodyLimit`]. Some of what is too
/// much is read too, and forgotten: a connection that is closed while the client still writes takes the answer away from it.
pub async fn read_body(request: Request) -> Result<Bytes, ApiError> {
    let limit = request.extensions().get::<BodyLimit>();
    let limit = limit.map_or(MAX_BODY_BYTES, |limit| limit.0);
    let mut chunks = request.into_body().into_data_stream();
    // Nearly always the only one, and then not copied.
    let mut first = Bytes::new();
    let mut whole = Vec::new();
    let mut size: usize = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| {
            ApiError::bad_request("Invalid request body", "invalid_body")
                .message("The body did not arrive whole")
        })?;
        size = size.saturating_add(chunk.len());
        if size > limit.saturating_add(FORGOTTEN_BYTES_MAX) {
            break;
        } else if size > limit {
            continue;
        } else if first.is_empty() {
            first = chunk;
        } else {
            if whole.is_empty() {
                whole.extend_from_slice(&first);
            }
            whole.extend_from_slice(&chunk);
        }
    }
    if size > limit {
        return Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Request body too large",
            "body_too_large",
        ));
    }
    Ok(if whole.is_empty() {
        first
    } else {
        whole.into()
    })
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // serde would also take an array, with the fields in their order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(
            ApiError::bad_request("Invalid request body", "invalid_body")
                .message("The body is a JSON object"),
        );
    }
    serde_json::from_slice(body).map_err(|error| {
        let detail = error.to_string();
        let code = if detail.starts_with("unknown field") {
            "unknown_field"
        } else {
            "invalid_body"
        };
        // The detail names fields and positions of the client's own text, and nothing from inside.
        ApiError::bad_request("Invalid request body", code).message(detail)
    })
}

fn has_json_type(headers: &HeaderMap) -> bool {
    let Some(Ok(value)) = headers
        .get(header::CONTENT_TYPE)
        .map(|value| value.to_str())
    else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}
