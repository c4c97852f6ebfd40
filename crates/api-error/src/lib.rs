//! The one shape of a failed answer: `{"error", "code", "message", "field"?, "trace_id"?}`.
//!
//! `error` is a short sentence that clients of the contract compare with; `code` is stable and meant for programs;
//! `message` has the detail for a person, or the sentence again where there is none. An answer never repeats an internal
//! cause: that goes to the log, once, where the failure is handled.

mod codes;

pub use codes::{CODES, Code, Reader, find, table};

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// The body of a failed answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ErrorBody {
    /// A short sentence. Clients of the original system compare with it.
    #[schema(value_type = String, example = "Insufficient balance")]
    pub error: Cow<'static, str>,
    /// A stable word for programs.
    #[serde(default)]
    #[schema(value_type = String, required, pattern = "^[a-z_]+$", example = "insufficient_balance")]
    pub code: Cow<'static, str>,
    /// The detail, for a person; the sentence again where there is none.
    #[serde(default)]
    #[schema(value_type = String, required, example = "There is less in the wallet")]
    pub message: Option<Cow<'static, str>>,
    /// The field of the request that the error is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, example = "amount")]
    pub field: Option<Cow<'static, str>>,
    /// The W3C trace id of the request, to find it in traces and logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, pattern = "^[0-9a-f]{32}$", example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    pub trace_id: Option<String>,
    /// Figures that belong to the code, such as those of a limit.
    #[serde(flatten)]
    #[schema(ignore)]
    pub details: Details,
}

/// Further fields of a failed answer, by their names.
pub type Details = BTreeMap<Cow<'static, str>, serde_json::Value>;

/// A failed answer.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body that the client reads. Boxed, so that a `Result` with this error stays small.
    pub body: Box<ErrorBody>,
    /// Seconds after which a repeat makes sense (`Retry-After`).
    pub retry_after_s: Option<u32>,
}

impl ApiError {
    /// An error with its status, its sentence and its stable code.
    pub fn new(
        status: StatusCode,
        sentence: impl Into<Cow<'static, str>>,
        code: &'static str,
    ) -> ApiError {
        debug_assert!(
            codes::find(code).is_some(),
            "{code} is not in api_error::CODES, which documents show to clients"
        );
        ApiError {
            status,
            body: Box::new(ErrorBody {
                error: sentence.into(),
                code: code.into(),
                message: None,
                field: None,
                trace_id: None,
                details: Details::new(),
            }),
            retry_after_s: None,
        }
    }

    /// The error of a status when nothing better is known.
    pub fn of_status(status: StatusCode) -> ApiError {
        let (sentence, code) = match status.as_u16() {
            400 => ("Bad request", "bad_request"),
            401 => ("Invalid token", "token_invalid"),
            403 => ("Unauthorized", "forbidden"),
            404 => ("Endpoint not found", "endpoint_not_found"),
            405 => ("Method not allowed", "method_not_allowed"),
            408 => ("Request timeout", "request_timeout"),
            413 => ("Request body too large", "body_too_large"),
            414 => ("Address too long", "uri_too_long"),
            415 => ("Unsupported media type", "unsupported_media_type"),
            429 => ("Too many requests", "too_many_requests"),
            431 => ("Headers too large", "headers_too_large"),
            503 => ("Service unavailable", "unavailable"),
            504 => ("Request timeout", "timeout"),
            status if (400..=499).contains(&status) => ("Bad request", "refused"),
            _ => ("Internal server error", "internal"),
        };
        Self::new(status, sentence, code)
    }

    /// 400.
    pub fn bad_request(sentence: &'static str, code: &'static str) -> ApiError {
        Self::new(StatusCode::BAD_REQUEST, sentence, code)
    }

    /// 401.
    pub fn unauthenticated(sentence: &'static str, code: &'static str) -> ApiError {
        Self::new(StatusCode::UNAUTHORIZED, sentence, code)
    }

    /// 403.
    pub fn forbidden(sentence: &'static str, code: &'static str) -> ApiError {
        Self::new(StatusCode::FORBIDDEN, sentence, code)
    }

    /// 404.
    pub fn not_found(sentence: &'static str, code: &'static str) -> ApiError {
        Self::new(StatusCode::NOT_FOUND, sentence, code)
    }

    /// 409.
    pub fn conflict(sentence: &'static str, code: &'static str) -> ApiError {
        Self::new(StatusCode::CONFLICT, sentence, code)
    }

    /// 500, for what should not happen. The cause belongs in the log.
    pub fn internal() -> ApiError {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal server error",
            "internal",
        )
    }

    /// 503 for a part that cannot be reached now; a repeat is worth it.
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> ApiError {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Service unavailable",
            "unavailable",
        )
        .message(message)
        .retry_after(1)
    }

    /// 504 for a part that did not answer in time.
    pub fn timeout(message: impl Into<Cow<'static, str>>) -> ApiError {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "Request timeout", "timeout").message(message)
    }

    /// 422: the same idempotency key came with another request.
    pub fn idempotency_key_reused() -> ApiError {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Idempotency key reused",
            "idempotency_key_reused",
        )
        .message("This Idempotency-Key was used for another request; a new request needs a new key")
    }

    /// Adds the detail for a person.
    #[must_use]
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> ApiError {
        self.body.message = Some(message.into());
        self
    }

    /// Names the field of the request that the error is about.
    #[must_use]
    pub fn field(mut self, field: impl Into<Cow<'static, str>>) -> ApiError {
        self.body.field = Some(field.into());
        self
    }

    /// Adds a field of the code's own, such as a figure that the client would otherwise have to read out of a sentence.
    #[must_use]
    pub fn detail(mut self, name: &'static str, value: impl Into<serde_json::Value>) -> ApiError {
        self.body.details.insert(name.into(), value.into());
        self
    }

    /// Tells the client after how many seconds a repeat makes sense.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> ApiError {
        self.retry_after_s = Some(seconds);
        self
    }
}

impl IntoResponse for ApiError {
    /// Writes the body, and leaves the error in the response's extensions: the server's outermost layer adds the trace id.
    fn into_response(mut self) -> Response {
        if self.body.message.is_none() {
            self.body.message = Some(self.body.error.clone());
        }
        let mut response = (self.status, Json(&*self.body)).into_response();
        if let Some(seconds) = self.retry_after_s {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}
