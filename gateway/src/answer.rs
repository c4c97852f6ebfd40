//! The answer of a service, on its way to the client: unchanged, but an error always has a `message`.

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::headers;
use crate::upstream::Answer;

/// An error body that is longer is passed on as it is.
const ERROR_BYTES_MAX: usize = 16 * 1024;

/// The answer for the client.
pub(crate) fn pass_on(method: &Method, answer: Answer) -> Response {
    let Answer {
        status,
        headers,
        mut body,
        after_unclear: _,
    } = answer;
    if (status.is_client_error() || status.is_server_error())
        && is_json(&headers)
        && let Some(completed) = with_message(&body)
    {
        body = completed;
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers::for_client(method, headers);
    response
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

/// The error body with its sentence as `message`, if it has a sentence and no message. Everything else stays byte for byte.
fn with_message(body: &Bytes) -> Option<Bytes> {
    #[derive(Deserialize)]
    struct Error {
        error: String,
        message: Option<IgnoredAny>,
    }
    if body.len() > ERROR_BYTES_MAX {
        return None;
    }
    let error: Error = serde_json::from_slice(body).ok()?;
    if error.message.is_some() {
        return None;
    }
    let open = body.trim_ascii_end().strip_suffix(b"}")?;
    let message = serde_json::to_string(&error.error).ok()?;
    Some(
        [open, b",\"message\":", message.as_bytes(), b"}"]
            .concat()
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(body: &'static str) -> Option<String> {
        with_message(&Bytes::from_static(body.as_bytes()))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    #[test]
    fn an_error_gets_its_sentence_as_message_unless_it_has_one() {
        assert_eq!(
            completed("{\"error\":\"Say \\\"please\\\"\",\"code\":\"x\"}\n").as_deref(),
            Some(
                "{\"error\":\"Say \\\"please\\\"\",\"code\":\"x\",\"message\":\"Say \\\"please\\\"\"}"
            )
        );
        for unchanged in [
            "{\"error\":\"No\",\"message\":\"because\"}",
            "{\"detail\":\"no sentence\"}",
            "[]",
            "not JSON",
            "",
        ] {
            assert_eq!(completed(unchanged), None, "{unchanged}");
        }
    }
}
