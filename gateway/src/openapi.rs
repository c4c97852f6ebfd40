//! The public API's document, put together from what each service says of itself and from the table of routes: it
//! promises nothing that is not routed, and what all calls have in common (the token, the idempotency key, the error body)
//! is described once.

use api_error::ErrorBody;
use axum::routing::MethodFilter;
use utoipa::PartialSchema as _;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn, PathItem,
};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, License, ObjectBuilder, OpenApi, OpenApiBuilder,
    Paths, Ref, RefOr, Required, Response, ResponseBuilder, Server, Type,
};

use crate::public_config;
use crate::routes::{PREFIXES, ROUTES, Route, Token};
use crate::upstream::Upstream;

const SECURITY_SCHEME: &str = "bearer";
const KEY_HEADER: &str = "Idempotency-Key";
const KEY_PARAMETER: &str = "IdempotencyKey";
const ERROR_SCHEMA: &str = "ErrorBody";

/// The failures of any call: the status, the name of the response, what it means, and whether only calls that need a
/// token have it.
const COMMON_ERRORS: [(&str, &str, &str, bool); 3] = [
    (
        "401",
        "Unauthenticated",
        "`Token is missing`, `Invalid token` or `Token has expired`",
        true,
    ),
    (
        "503",
        "Unavailable",
        "`Service unavailable`. With the code `unavailable` nothing was done; with `outcome_unknown` the request may have been \
         carried out, and only a repeat with the same `Idempotency-Key` is safe",
        false,
    ),
    (
        "504",
        "Timeout",
        "`Request timeout`: the service did not respond in time, and may still carry the request out",
        false,
    ),
];

/// The failures of any call that has a body.
const BODY_ERRORS: [(&str, &str, &str); 3] = [
    (
        "408",
        "TooSlow",
        "`Request timeout`: the body did not arrive in time; nothing was done",
    ),
    (
        "413",
        "TooLarge",
        "`Request body too large`: more than 64 KiB",
    ),
    (
        "415",
        "UnsupportedMediaType",
        "`Unsupported media type`: the body is not `application/json`, not in UTF-8, or has a content coding",
    ),
];

/// The public API's document: of what the services offer that which the gateway routes, under its prefix.
///
/// # Panics
/// When two services give one name to different schemas, or the table routes a call twice: the document would be wrong.
pub fn openapi(services: Vec<OpenApi>) -> OpenApi {
    let mut paths = Paths::new();
    let mut components = common_components();
    for service in services {
        for (path, item) in service.paths.paths {
            for (method, operation) in operations(item) {
                if let Some(route) = find(&method, &path) {
                    let path = format!("{}{path}", PREFIXES[0]);
                    paths.add_path_operation(path, vec![method], describe(route, operation));
                }
            }
        }
        if let Some(theirs) = service.components {
            take_components(&mut components, theirs);
        }
    }
    paths.add_path_operation("/health", vec![HttpMethod::Get], health());
    let config = format!("{}{}", PREFIXES[0], public_config::PATH);
    paths.add_path_operation(config, vec![HttpMethod::Get], public_config::operation());
    let info = InfoBuilder::new()
        .title("Dompet API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "A digital wallet. Amounts are whole numbers in the smallest unit that a currency uses here; IDR counts whole \
             rupiah. Every path under `/api/v1` also exists under `/api`.",
        ))
        .license(Some(License::new("MIT")))
        .build();
    OpenApiBuilder::new()
        .info(info)
        // Where the document is, also behind a proxy that has the gateway under a path of its own.
        .servers(Some([Server::new(".")]))
        .paths(paths)
        .components(Some(components))
        .build()
}

/// The row for an operation. Templates are the same when only the names of their parameters differ.
fn find(method: &HttpMethod, path: &str) -> Option<&'static Route> {
    let wanted = match method {
        HttpMethod::Get => MethodFilter::GET,
        HttpMethod::Post => MethodFilter::POST,
        HttpMethod::Put => MethodFilter::PUT,
        HttpMethod::Delete => MethodFilter::DELETE,
        _ => return None,
    };
    let mut rows = ROUTES
        .iter()
        .filter(|route| route.method == wanted && segments(route.path).eq(segments(path)));
    let row = rows.next();
    assert!(rows.next().is_none(), "{path} is routed twice");
    row
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').map(|segment| {
        if segment.starts_with('{') {
            "{}"
        } else {
            segment
        }
    })
}

fn operations(item: PathItem) -> impl Iterator<Item = (HttpMethod, Operation)> {
    [
        (HttpMethod::Get, item.get),
        (HttpMethod::Post, item.post),
        (HttpMethod::Put, item.put),
        (HttpMethod::Delete, item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation?)))
}

/// Adds what the table knows to what the service says.
fn describe(route: &Route, mut operation: Operation) -> Operation {
    let group = group(route.upstream);
    operation.tags = Some(vec![group.to_owned()]);
    // Handlers of different services may have one name; in the document it must be unique.
    operation.operation_id = operation
        .operation_id
        .map(|id| format!("{}_{id}", group.to_lowercase()));
    let needs_token = route.token == Token::Needed;
    operation.security = needs_token.then(|| {
        vec![SecurityRequirement::new(
            SECURITY_SCHEME,
            std::iter::empty::<&str>(),
        )]
    });
    if route.takes_key {
        let parameters = operation.parameters.get_or_insert_default();
        parameters.retain(|parameter| !is_key(parameter));
        parameters.push(RefOr::Ref(Ref::new(format!(
            "#/components/parameters/{KEY_PARAMETER}"
        ))));
    }
    if operation.request_body.is_some() {
        for (status, name, _) in BODY_ERRORS {
            let responses = &mut operation.responses.responses;
            let response = responses.entry(status.to_owned());
            response.or_insert_with(|| Ref::from_response_name(name).into());
        }
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            // The specification requires one.
            response.description = meaning(status).to_owned();
        }
    }
    for (status, name, _, only_with_token) in COMMON_ERRORS {
        if needs_token || !only_with_token {
            operation
                .responses
                .responses
                .entry(status.to_owned())
                .or_insert_with(|| Ref::from_response_name(name).into());
        }
    }
    operation
}

/// The meaning of a status where the service says no more.
fn meaning(status: &str) -> &'static str {
    match status {
        "200" => "Done",
        "201" => "Made",
        "400" => "Something in the request is wrong; `code` and `field` say what",
        "401" => "`Token is missing`, `Invalid token` or `Token has expired`",
        "403" => "`Unauthorized`: somebody else's, or not in a state for it",
        "404" => "It is not there",
        "422" => "`Idempotency key reused`: the key came with another request before",
        _ => "It failed; `code` and `message` say why",
    }
}

fn is_key<P: serde::Serialize>(parameter: &P) -> bool {
    serde_json::to_value(parameter).is_ok_and(|parameter| {
        parameter["name"]
            .as_str()
            .is_some_and(|name| name.eq_ignore_ascii_case(KEY_HEADER))
    })
}

fn group(upstream: Upstream) -> &'static str {
    match upstream {
        Upstream::User => "Users",
        Upstream::Wallet => "Wallets",
        Upstream::Transaction => "Transactions",
        Upstream::Payment => "Payments",
    }
}

fn common_components() -> Components {
    let mut components = Components::new();
    components.add_security_scheme(
        SECURITY_SCHEME,
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .bearer_format("JWT")
                .description(Some(
                    "The `token` of a registration or a log-in; it lives 24 hours",
                ))
                .build(),
        ),
    );
    let key = ParameterBuilder::new()
        .name(KEY_HEADER)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "1 to 255 visible ASCII characters of the client's choice, such as a UUID. A repeat with the same key and the same \
             body gets the first answer again and does nothing a second time; with another body it is refused with 422",
        ))
        .schema(Some(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .min_length(Some(1))
                .max_length(Some(255)),
        ))
        .build();
    components
        .parameters
        .insert(KEY_PARAMETER.to_owned(), key.into());
    components
        .schemas
        .insert(ERROR_SCHEMA.to_owned(), ErrorBody::schema());
    for (_, name, description) in BODY_ERRORS {
        components
            .responses
            .insert(name.to_owned(), error_response(description).into());
    }
    for (_, name, description, _) in COMMON_ERRORS {
        components
            .responses
            .insert(name.to_owned(), error_response(description).into());
    }
    components
}

fn error_response(description: &str) -> Response {
    let body = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(ERROR_SCHEMA)))
        .build();
    ResponseBuilder::new()
        .description(description)
        .content("application/json", body)
        .build()
}

fn take_components(ours: &mut Components, theirs: Components) {
    for (name, schema) in theirs.schemas {
        let known = ours.schemas.entry(name.clone()).or_insert(schema.clone());
        assert!(*known == schema, "the schema {name} means two things");
    }
    for (name, response) in theirs.responses {
        ours.responses.entry(name).or_insert(response);
    }
}

fn health() -> Operation {
    let state = |words: &[&str]| {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(words.iter().map(|word| (*word).to_owned())))
            .build()
    };
    let one = || state(&["healthy", "unhealthy", "unreachable"]);
    let services = Upstream::ALL
        .into_iter()
        .fold(ObjectBuilder::new(), |object, upstream| {
            object
                .property(upstream.name(), one())
                .required(upstream.name())
        });
    let report = ObjectBuilder::new()
        .property("service", state(&[crate::NAME]))
        .property("status", state(&["healthy", "degraded"]))
        .property("services", services)
        .required("service")
        .required("status")
        .required("services")
        .build();
    let answer = |description: &str| {
        let body = ContentBuilder::new().schema(Some(report.clone())).build();
        ResponseBuilder::new()
            .description(description)
            .content("application/json", body)
            .build()
    };
    OperationBuilder::new()
        .tag("Health")
        .operation_id(Some("health"))
        .summary(Some("Whether every service works"))
        .response("200", answer("All of them do"))
        .response("503", answer("At least one does not"))
        .build()
}
