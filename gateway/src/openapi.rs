//! The public API's document, put together from what each service says of itself and from the table of routes: it
//! promises nothing that is not routed, and what all calls have in common (the token, the idempotency key, the error body)
//! is described once.

mod components;
mod errors;

use axum::routing::MethodFilter;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, PathItem};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, License, ObjectBuilder, OpenApi, OpenApiBuilder,
    Paths, RefOr, Required, Response, ResponseBuilder, Schema, Server, Type,
};

use self::components::{BEHIND, REPLAYED, SECURITY_SCHEME};
use self::errors::Common;
use crate::public_config;
use crate::routes::{PREFIXES, ROUTES, Route, Token};
use crate::upstream::Upstream;

const ABOUT: &str = "A digital wallet.

**Amounts** are whole numbers in the smallest unit that a currency uses here; IDR counts whole rupiah. **Times** are of RFC 3339, in UTC. \
Every path under `/api/v1` also exists under `/api`.

**Errors** have one body, `ErrorBody`, whose `code` has the table of all codes. Beside what each call names, any request can be answered with \
400 `bad_request` or `invalid_host`, 404 `endpoint_not_found`, 405 `method_not_allowed`, 408 `request_timeout`, 413 `body_too_large`, 414 \
`uri_too_long`, and 431 `headers_too_large`. Every answer has the header `X-Trace-Id`.

**Repeats** are safe with an `Idempotency-Key`.";

/// The groups of calls, in the order of a reader's first steps.
const TAGS: [(&str, &str); 6] = [
    ("Users", "Accounts of people, and their sessions."),
    ("Wallets", "Wallets and their balances."),
    (
        "Payments",
        "Money that goes to merchants and to other users.",
    ),
    ("Transactions", "History, statistics and receipts."),
    ("Configuration", "Facts that a page needs before a log-in."),
    ("Health", "The state of the services."),
];

/// The public API's document: of what the services offer that which the gateway routes, under its prefix.
///
/// # Panics
/// When two services give one name to different schemas, or the table routes a call twice: the document would be wrong.
pub fn openapi(services: Vec<OpenApi>) -> OpenApi {
    let mut paths = Paths::new();
    let mut components = components::components();
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
        .description(Some(ABOUT))
        .license(Some({
            let mut license = License::new("MIT");
            license.identifier = Some("MIT".to_owned());
            license
        }))
        .build();
    let tags = TAGS.map(|(name, description)| {
        TagBuilder::new()
            .name(name)
            .description(Some(description))
            .build()
    });
    let mut document = OpenApiBuilder::new()
        .info(info)
        // Where the document is, also behind a proxy that has the gateway under a path of its own.
        .servers(Some([Server::new(".")]))
        .tags(Some(tags))
        .paths(paths)
        .components(Some(components))
        .build();
    drop_unused_schemas(&mut document);
    let schemas = document.components.iter().flat_map(|all| &all.schemas);
    let without_required: Vec<String> = schemas
        .filter(|(_, schema)| has_nothing_required(schema))
        .map(|(name, _)| format!("#/components/schemas/{name}"))
        .collect();
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.post, &mut item.put].into_iter().flatten() {
            allow_no_body(operation, &without_required);
        }
    }
    document
}

fn has_nothing_required(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(object)) if object.required.is_empty())
}

/// A body may be left out where it has to say nothing: servers take an empty one as `{}`.
fn allow_no_body(operation: &mut Operation, without_required: &[String]) {
    let Some(RefOr::T(body)) = &mut operation.request_body else {
        return;
    };
    let has_something_required = body.content.values().any(|content| {
        let schema = match content {
            RefOr::T(content) => content.schema.as_ref(),
            RefOr::Ref(_) => None,
        };
        !matches!(schema, Some(RefOr::Ref(named)) if without_required.contains(&named.ref_location))
    });
    body.required = Some(if has_something_required {
        Required::True
    } else {
        Required::False
    });
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
    operation.tags = Some(vec![group(route.upstream).to_owned()]);
    let needs_token = route.token == Token::Needed;
    let scheme = SecurityRequirement::new(SECURITY_SCHEME, std::iter::empty::<&str>());
    operation.security = Some(if needs_token {
        vec![scheme]
    } else {
        Vec::new()
    });
    if route.takes_key {
        let parameters = operation.parameters.get_or_insert_default();
        parameters.push(components::key_reference());
    }
    let has_body = operation.request_body.is_some();
    let responses = &mut operation.responses.responses;
    let mut bad_request = Vec::new();
    if let Some(RefOr::T(response)) = responses.get("400") {
        bad_request.push(response.description.clone());
    }
    for (given, errors) in [
        (has_body, errors::WRONG_BODY),
        (route.takes_key, errors::WRONG_KEY),
    ] {
        if given {
            bad_request.push(errors.to_owned());
        }
    }
    if !bad_request.is_empty() {
        let response = Response::new(bad_request.join("; "));
        responses.insert("400".to_owned(), response.into());
    }
    for (status, response) in responses.iter_mut() {
        if let RefOr::T(response) = response {
            if status.starts_with('2') {
                add_headers(route, response);
            } else {
                *response = errors::response(status, &response.description);
            }
        }
    }
    let mut add = |common: &[Common]| {
        for one in common {
            let response = responses.entry(one.status.to_owned());
            response.or_insert_with(|| one.reference());
        }
    };
    add(&errors::OF_EVERY_CALL);
    if needs_token {
        add(&errors::OF_TOKENS);
    }
    if route.takes_key {
        add(&errors::OF_KEYS);
    }
    if has_body {
        add(&errors::OF_BODIES);
    }
    operation
}

/// The headers of a good answer.
fn add_headers(route: &Route, response: &mut Response) {
    let follows_the_ledger = [Upstream::Payment, Upstream::Transaction];
    let is_read = route.method == MethodFilter::GET && !route.streams;
    let may_be_behind = follows_the_ledger.contains(&route.upstream)
        || route
            .asked
            .is_some_and(|(_, upstream)| follows_the_ledger.contains(&upstream));
    for (given, header) in [
        (route.takes_key, REPLAYED),
        (is_read && may_be_behind, BEHIND),
    ] {
        if given {
            let headers = &mut response.headers;
            headers.insert(header.name.to_owned(), header.reference());
        }
    }
}

fn group(upstream: Upstream) -> &'static str {
    match upstream {
        Upstream::User => "Users",
        Upstream::Wallet => "Wallets",
        Upstream::Transaction => "Transactions",
        Upstream::Payment => "Payments",
    }
}

/// Drops the schemas of calls that are not routed, and those that only they name.
fn drop_unused_schemas(document: &mut OpenApi) {
    loop {
        let text = serde_json::to_string(document).unwrap_or_default();
        let Some(components) = &mut document.components else {
            return;
        };
        let before = components.schemas.len();
        let is_named = |name: &str| text.contains(&format!("\"#/components/schemas/{name}\""));
        components.schemas.retain(|name, _| is_named(name));
        if components.schemas.len() == before {
            return;
        }
    }
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
        })
        .build();
    let report = || {
        ObjectBuilder::new()
            .property("service", state(&[crate::NAME]))
            .property("status", state(&["healthy", "degraded"]))
            .property("services", services.clone())
            .required("service")
            .required("status")
            .required("services")
    };
    let word = || ObjectBuilder::new().schema_type(Type::String);
    let failed = report()
        .property("error", word())
        .property("code", state(&["degraded"]))
        .property("message", word())
        .required("error")
        .required("code")
        .required("message");
    let answer = |description: &str, report: ObjectBuilder| {
        let body = ContentBuilder::new().schema(Some(report.build())).build();
        ResponseBuilder::new()
            .description(description)
            .content("application/json", body)
            .build()
    };
    OperationBuilder::new()
        .tag("Health")
        .securities(Some([]))
        .operation_id(Some("getHealth"))
        .summary(Some("Says whether every service works"))
        .response("200", answer("Every service works.", report()))
        .response("503", answer("At least one service does not work.", failed))
        .build()
}
