//! JSON bodies: bounded, strict, and with a clear error for each way to be wrong.

use api_error::ApiError;
use axum::body::{Bytes, HttpBody as _};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::body::TooSlow;

/// The largest body of a request.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// The byte order mark that some editors and languages put before a text. RFC 8259, section 8.1, lets a reader ignore it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A layer on a route that takes larger bodies, or only smaller ones: `axum::Extension(BodyLimit(bytes))`.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit(pub usize);

/// A JSON body. As an extractor it takes an empty body as `{}`, so that what is missing is said by the field's own error.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Self::Rejection> {
        let readable = readable(request.headers());
        let body = read_body(request).await?;
        let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&body);
        if body.is_empty() {
            return parse(b"{}").map(Json);
        }
        readable?;
        parse(body).map(Json)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// The whole body of a request, which has at most [`MAX_BODY_BYTES`], unless the route has a [`BodyLimit`]. What is left of one that is
/// too large is the server's affair: it lets the client read the answer.
pub async fn read_body(request: Request) -> Result<Bytes, ApiError> {
    let limit = request.extensions().get::<BodyLimit>();
    let limit = limit.map_or(MAX_BODY_BYTES, |limit| limit.0);
    let too_large = || {
        ApiError::of_status(StatusCode::PAYLOAD_TOO_LARGE)
            .message(format!("A body has at most {limit} bytes here"))
    };
    let body = request.into_body();
    if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(too_large());
    }
    let mut chunks = body.into_data_stream();
    // Nearly always the only one, and then not copied.
    let mut first = Bytes::new();
    let mut whole = Vec::new();
    let mut size: usize = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| broken(&error))?;
        size = size.saturating_add(chunk.len());
        if size > limit {
            return Err(too_large());
        } else if first.is_empty() {
            first = chunk;
        } else {
            if whole.is_empty() {
                whole.extend_from_slice(&first);
            }
            whole.extend_from_slice(&chunk);
        }
    }
    Ok(if whole.is_empty() {
        first
    } else {
        whole.into()
    })
}

fn broken(error: &axum::Error) -> ApiError {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(slow) = error.downcast_ref::<TooSlow>() {
            return ApiError::of_status(StatusCode::REQUEST_TIMEOUT).message(slow.in_words());
        }
        cause = error.source();
    }
    ApiError::bad_request("Invalid request body", "invalid_body")
        .message("The body did not arrive whole")
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

/// Returns whether the headers promise JSON as it can be read here: in UTF-8, and not compressed.
fn readable(headers: &HeaderMap) -> Result<(), ApiError> {
    let unsupported = |code, message: &'static str| {
        ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Unsupported media type",
            code,
        )
        .message(message)
    };
    let codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let mut codings = codings.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    if !codings.all(|coding| {
        let coding = coding.trim_ascii();
        coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")
    }) {
        return Err(unsupported(
            "unsupported_content_encoding",
            "Send the body as it is, without a Content-Encoding",
        ));
    }
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    if essence != "application/json"
        && !(essence.starts_with("application/") && essence.ends_with("+json"))
    {
        return Err(unsupported(
            "unsupported_media_type",
            "Send JSON, with Content-Type: application/json",
        ));
    }
    let mut parameters = parts.filter_map(|parameter| parameter.split_once('='));
    let is_utf8 = parameters
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .is_none_or(|(_, charset)| {
            let charset = charset.trim().trim_matches('"');
            ["utf-8", "utf8", "us-ascii"]
                .iter()
                .any(|known| charset.eq_ignore_ascii_case(known))
        });
    if !is_utf8 {
        return Err(unsupported(
            "unsupported_charset",
            "Send JSON in UTF-8, the only charset that it has (RFC 8259)",
        ));
    }
    Ok(())
}
