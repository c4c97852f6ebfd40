//! The API's documents come out of the binary, and out of nothing else.

use http::Method;
use serde_json::Value;
use utoipa::openapi::path::{HttpMethod, OperationBuilder};
use utoipa::openapi::{InfoBuilder, ObjectBuilder, OpenApi, OpenApiBuilder, Paths};

use crate::world::World;

#[tokio::test]
async fn the_pages_load_nothing_from_elsewhere() {
    let world = World::start().await;
    assert!(
        world
            .client
            .get("/docs")
            .await
            .text()
            .contains("swagger-ui")
    );
    let page = world.client.get("/docs/").await;
    assert_eq!(page.status, 200);
    let page = page.text();
    let files: Vec<&str> = page
        .split(['"', '\''])
        .filter(|part| part.ends_with(".js") || part.ends_with(".css"))
        .collect();
    assert!(files.len() >= 3, "{page}");
    for file in files {
        assert!(!file.contains("//"), "{file} is somewhere else");
        let path = format!("/docs/{}", file.trim_start_matches("./"));
        assert_eq!(world.client.get(&path).await.status, 200, "{path}");
    }
    let start = world
        .client
        .get("/docs/swagger-initializer.js")
        .await
        .text();
    assert!(start.contains("/openapi.json"), "{start}");
    assert!(start.contains("\"validatorUrl\": \"none\""), "{start}");
    assert!(
        !start.contains("http://") && !start.contains("https://"),
        "{start}"
    );
}

/// Behind a proxy the pages have another address than the gateway knows.
#[tokio::test]
async fn every_address_in_the_pages_is_relative() {
    let world = World::start().await;
    for path in ["/", "/docs"] {
        let answer = world
            .raw(&format!(
                "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
            ))
            .await;
        assert!(answer.starts_with("HTTP/1.1 307"), "{answer}");
        assert!(answer.contains("\r\nlocation: docs/\r\n"), "{answer}");
    }
    let start = world
        .client
        .get("/docs/swagger-initializer.js")
        .await
        .text();
    assert!(start.contains("\"../openapi.json\""), "{start}");
    let document = world.client.get("/openapi.json").await.expect(200);
    assert_eq!(document["servers"][0]["url"], ".");
}

#[tokio::test]
async fn the_pages_are_in_nobodys_frame_and_keep_no_token() {
    let world = World::start().await;
    for path in [
        "/docs/",
        "/docs/swagger-initializer.js",
        "/docs/swagger-ui.css",
    ] {
        let answer = world.client.get(path).await;
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert_eq!(answer.headers["x-frame-options"], "DENY");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    }
    let page = world.client.get("/docs/").await.text();
    assert!(page.contains("<title>Dompet API</title>"), "{page}");
    let start = world
        .client
        .get("/docs/swagger-initializer.js")
        .await
        .text();
    assert!(!start.contains("\"persistAuthorization\": true"), "{start}");
}

#[tokio::test]
async fn the_document_is_served() {
    let world = World::start().await;
    let answer = world.client.get("/openapi.json").await;
    assert_eq!(answer.headers["content-type"], "application/json");
    let document = answer.expect(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(
        document["paths"]["/health"]["get"].is_object(),
        "{document}"
    );
    assert!(
        world
            .client
            .send(Method::HEAD, "/openapi.json", None, &[])
            .await
            .bytes
            .is_empty()
    );
}

fn service(calls: &[(HttpMethod, &str)], schema: &str) -> OpenApi {
    let mut paths = Paths::new();
    for (method, path) in calls {
        let operation = OperationBuilder::new().operation_id(Some("list")).build();
        paths.add_path_operation(*path, vec![method.clone()], operation);
    }
    let components = utoipa::openapi::ComponentsBuilder::new()
        .schema(schema, ObjectBuilder::new().build())
        .build();
    OpenApiBuilder::new()
        .info(InfoBuilder::new().title("x").version("1").build())
        .paths(paths)
        .components(Some(components))
        .build()
}

fn document(services: Vec<OpenApi>) -> Value {
    serde_json::to_value(gateway::openapi(services)).unwrap()
}

#[test]
fn the_document_has_what_is_routed_and_nothing_else() {
    let document = document(vec![
        service(
            &[
                (HttpMethod::Get, "/wallets"),
                (HttpMethod::Post, "/wallets"),
                (HttpMethod::Get, "/wallets/{wallet_id}"),
                (HttpMethod::Post, "/wallets/{wallet_id}/deduct"),
                (HttpMethod::Get, "/internal/log"),
            ],
            "Wallet",
        ),
        service(
            &[
                (HttpMethod::Get, "/transactions"),
                (HttpMethod::Post, "/transactions"),
                (HttpMethod::Get, "/health"),
            ],
            "Transaction",
        ),
        service(&[(HttpMethod::Post, "/auth/login")], "User"),
    ]);
    let paths = document["paths"].as_object().unwrap();
    let mut names: Vec<&str> = paths.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "/api/v1/auth/login",
            "/api/v1/config",
            "/api/v1/transactions",
            "/api/v1/wallets",
            "/api/v1/wallets/{wallet_id}",
            "/health",
        ]
    );
    assert!(paths["/api/v1/transactions"]["post"].is_null());

    let open = &paths["/api/v1/wallets"]["post"];
    assert_eq!(open["security"][0]["bearer"], Value::Array(Vec::new()));
    assert_eq!(
        open["parameters"][0]["$ref"],
        "#/components/parameters/IdempotencyKey"
    );
    assert_eq!(
        open["responses"]["401"]["$ref"],
        "#/components/responses/Unauthenticated"
    );
    assert_eq!(open["operationId"], "list");

    let login = &paths["/api/v1/auth/login"]["post"];
    assert_eq!(login["security"], Value::Array(Vec::new()));
    assert!(login["responses"]["401"].is_null());
    assert!(login["responses"]["504"].is_object());

    let components = &document["components"];
    assert_eq!(components["securitySchemes"]["bearer"]["scheme"], "bearer");
    // Nothing names the others.
    assert_eq!(
        components["schemas"]
            .as_object()
            .unwrap()
            .keys()
            .collect::<Vec<_>>(),
        ["ErrorBody"]
    );
    assert_eq!(
        components["responses"]["TimedOut"]["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/ErrorBody"
    );
}

#[test]
#[should_panic(expected = "Wallet means two things")]
fn one_name_for_two_schemas_is_found() {
    let mut other = service(&[], "Wallet");
    let schema = ObjectBuilder::new().description(Some("another")).build();
    if let Some(components) = &mut other.components {
        components
            .schemas
            .insert("Wallet".to_owned(), schema.into());
    }
    document(vec![service(&[], "Wallet"), other]);
}
