//! What calls have in common, described once: the token, the idempotency key, headers of answers, failed answers.

use http_server::IDEMPOTENCY_KEY_BYTES_MAX;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{Http, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, ObjectBuilder, Ref, RefOr, Required, Type};

use super::errors::{self, Common};

pub(super) const SECURITY_SCHEME: &str = "bearer";
const KEY_HEADER: &str = "Idempotency-Key";
const KEY_PARAMETER: &str = "IdempotencyKey";

/// A header that answers of some calls have.
pub(super) struct AnswerHeader {
    pub(super) name: &'static str,
    component: &'static str,
    description: &'static str,
}

pub(super) const REPLAYED: AnswerHeader = AnswerHeader {
    name: "Idempotency-Replayed",
    component: "IdempotencyReplayed",
    description: "`true` when this is the first answer, come again. Left out otherwise.",
};

pub(super) const BEHIND: AnswerHeader = AnswerHeader {
    name: "X-Data-Behind",
    component: "DataBehind",
    description: "`true` while the ledger cannot be reached: the newest may be missing. Left out otherwise.",
};

impl AnswerHeader {
    pub(super) fn reference(&self) -> RefOr<Header> {
        RefOr::Ref(Ref::new(format!("#/components/headers/{}", self.component)))
    }

    fn header(&self) -> Header {
        HeaderBuilder::new()
            .description(Some(self.description))
            .schema(Some(
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .enum_values(Some(["true"])),
            ))
            .build()
    }
}

pub(super) fn components() -> Components {
    let mut components = Components::new();
    components.add_security_scheme(SECURITY_SCHEME, SecurityScheme::Http(token()));
    let parameters = &mut components.parameters;
    parameters.insert(KEY_PARAMETER.to_owned(), key().into());
    for header in [REPLAYED, BEHIND] {
        let headers = &mut components.headers;
        headers.insert(header.component.to_owned(), header.header().into());
    }
    let schemas = &mut components.schemas;
    schemas.insert(errors::SCHEMA.to_owned(), errors::schema());
    for common in Common::every() {
        let responses = &mut components.responses;
        responses.insert(common.name.to_owned(), common.response().into());
    }
    components
}

fn token() -> Http {
    HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(
            "The `token` of a registration or a log-in. It lives 24 hours.",
        ))
        .build()
}

pub(super) fn key_reference() -> RefOr<Parameter> {
    RefOr::Ref(Ref::new(format!("#/components/parameters/{KEY_PARAMETER}")))
}

fn key() -> Parameter {
    ParameterBuilder::new()
        .name(KEY_HEADER)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "A word of the client's choice, such as a UUID, for this call and its repeats. A repeat with the same key and the same body \
             gets the first answer again, and nothing is done a second time. With another body it is refused with 422.",
        ))
        .schema(Some(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .min_length(Some(1))
                .max_length(Some(IDEMPOTENCY_KEY_BYTES_MAX))
                // Visible ASCII.
                .pattern(Some("^[!-~]+$")),
        ))
        .build()
}
