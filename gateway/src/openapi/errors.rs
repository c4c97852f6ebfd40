//! How the document tells what can go wrong. A service writes one line for each status of a route, `<sentence>: <code>, <code>; <sentence>:
//! <code>`; here it becomes a list with what each code means, and an example of each.
//!
//! What must hold: a code that the document names is in [`api_error::CODES`], with the status that it stands at.

use std::fmt::Write as _;

use api_error::{Code, ErrorBody};
use serde_json::json;
use utoipa::PartialSchema as _;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::{
    ContentBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Schema, Type,
};

/// The name of the schema of every failed answer.
pub(super) const SCHEMA: &str = "ErrorBody";

/// A response that calls have in common.
pub(super) struct Common {
    pub(super) status: &'static str,
    /// Its name among the components.
    pub(super) name: &'static str,
    lead: &'static str,
    errors: &'static str,
    /// Whether `Retry-After` can come with it.
    has_retry_after: bool,
}

/// Of every call that a service answers.
pub(super) const OF_EVERY_CALL: [Common; 4] = [
    Common {
        status: "429",
        name: "TooManyRequests",
        lead: "Nothing was done. The same call is let in after `Retry-After` seconds.",
        errors: "Too many requests: too_many_requests",
        has_retry_after: true,
    },
    common(
        "500",
        "Failed",
        "Whether it was done is unknown.",
        "Internal server error: internal",
    ),
    Common {
        status: "503",
        name: "Unavailable",
        lead: "Whether it was done is unknown, but with `overloaded`. A repeat with the same `Idempotency-Key` is safe.",
        errors: "Service unavailable: unavailable, overloaded, outcome_unknown, ledger_mismatch, storage_full, storage_read_only, \
                 storage_unwritable",
        has_retry_after: true,
    },
    common(
        "504",
        "TimedOut",
        "Whether it was done is unknown: the service may still carry it out. A repeat with the same `Idempotency-Key` is safe.",
        "Request timeout: timeout",
    ),
];

/// Of every call that needs a token.
pub(super) const OF_TOKENS: [Common; 1] = [common(
    "401",
    "Unauthenticated",
    "Nothing was done.",
    "Token is missing: token_missing; Invalid token: token_invalid, token_scheme; Token has expired: token_expired",
)];

/// Of every call that takes an `Idempotency-Key`.
pub(super) const OF_KEYS: [Common; 1] = [common(
    "422",
    "KeyReused",
    "Nothing was done.",
    "Idempotency key reused: idempotency_key_reused",
)];

/// Of every call with a body.
pub(super) const OF_BODIES: [Common; 3] = [
    common(
        "408",
        "TooSlow",
        "Nothing was done.",
        "Request timeout: request_timeout",
    ),
    common(
        "413",
        "TooLarge",
        "Nothing was done.",
        "Request body too large: body_too_large",
    ),
    common(
        "415",
        "UnsupportedMediaType",
        "Nothing was done.",
        "Unsupported media type: unsupported_media_type, unsupported_charset, unsupported_content_encoding",
    ),
];

/// What a call with a body, or with a key, can be told with 400 besides what its service says.
pub(super) const WRONG_BODY: &str =
    "Invalid request body: invalid_body; Invalid value: not_storable";
pub(super) const WRONG_KEY: &str = "Invalid idempotency key: invalid_idempotency_key";

const fn common(
    status: &'static str,
    name: &'static str,
    lead: &'static str,
    errors: &'static str,
) -> Common {
    Common {
        status,
        name,
        lead,
        errors,
        has_retry_after: false,
    }
}

impl Common {
    pub(super) fn every() -> impl Iterator<Item = &'static Common> {
        OF_EVERY_CALL
            .iter()
            .chain(&OF_TOKENS)
            .chain(&OF_KEYS)
            .chain(&OF_BODIES)
    }

    pub(super) fn reference(&self) -> RefOr<Response> {
        Ref::from_response_name(self.name).into()
    }

    pub(super) fn response(&self) -> Response {
        let mut response = response(self.status, self.errors);
        response.description = format!("{}\n\n{}", self.lead, response.description);
        if self.has_retry_after {
            let seconds = HeaderBuilder::new()
                .description(Some("Seconds after which a repeat makes sense."))
                .schema(Some(ObjectBuilder::new().schema_type(Type::Integer)));
            let headers = &mut response.headers;
            headers.insert("Retry-After".to_owned(), seconds.build().into());
        }
        response
    }
}

/// The response of a status with these errors.
///
/// # Panics
/// When a code is not in the table, or not with this status: the document would be wrong.
pub(super) fn response(status: &str, errors: &str) -> Response {
    let mut description = String::new();
    let mut body = ContentBuilder::new().schema(Some(Ref::from_schema_name(SCHEMA)));
    for (sentence, code) in parse(errors) {
        let code = known(status, code);
        let _ = writeln!(
            description,
            "- `{sentence}`, `{}`: {}.",
            code.code, code.meaning
        );
        let example = json!({"error": sentence, "code": code.code, "message": code.meaning});
        let example = ExampleBuilder::new().value(Some(example)).build();
        body = body.examples_from_iter([(code.code, example)]);
    }
    ResponseBuilder::new()
        .description(description.trim_end())
        .content("application/json", body.build())
        .build()
}

/// Each sentence with each of its codes.
fn parse(errors: &str) -> impl Iterator<Item = (&str, &str)> {
    errors.split(';').flat_map(move |group| {
        let (sentence, codes) = group
            .split_once(':')
            .unwrap_or_else(|| panic!("no `<sentence>: <code>`: {errors}"));
        codes
            .split(',')
            .map(move |code| (sentence.trim(), code.trim()))
    })
}

fn known(status: &str, code: &str) -> &'static Code {
    let row = api_error::find(code).unwrap_or_else(|| panic!("{code} is not in api_error::CODES"));
    let is_its_status = |number: &u16| number.to_string() == status;
    assert!(
        row.statuses.iter().any(is_its_status),
        "{code} does not come with {status}"
    );
    row
}

/// The schema of every failed answer, with the table of codes.
pub(super) fn schema() -> RefOr<Schema> {
    let mut schema = ErrorBody::schema();
    if let RefOr::T(Schema::Object(object)) = &mut schema
        && let Some(RefOr::T(Schema::Object(code))) = object.properties.get_mut("code")
    {
        code.description = Some(format!(
            "A stable word for programs. More may come.\n\n{}",
            api_error::table()
        ));
    }
    schema
}
