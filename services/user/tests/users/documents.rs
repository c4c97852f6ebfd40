//! The OpenAPI document, and what it says about each route.

use serde_json::Value;

/// Method, path and operation of every documented route.
pub(crate) fn operations() -> Vec<(String, String, Value)> {
    let document = serde_json::to_value(user::openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_uppercase();
            operations.push((method, path.clone(), operation.clone()));
        }
    }
    operations
}

#[test]
fn every_public_route_is_documented() {
    let mut routes: Vec<String> = operations()
        .iter()
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    routes.sort();
    assert_eq!(
        routes,
        [
            "DELETE /users/{id}",
            "DELETE /users/{id}/sessions",
            "DELETE /users/{id}/sessions/{session_id}",
            "GET /.well-known/jwks.json",
            "GET /admin/audit",
            "GET /users",
            "GET /users/lookup",
            "GET /users/verify",
            "GET /users/{id}",
            "GET /users/{id}/sessions",
            "POST /auth/login",
            "POST /auth/logout",
            "POST /auth/register",
            "PUT /users/{id}",
            "PUT /users/{id}/password",
            "PUT /users/{id}/status",
        ]
    );
}

#[test]
fn every_operation_says_what_comes_back() {
    for (method, path, operation) in operations() {
        let route = format!("{method} {path}");
        assert!(operation["operationId"].is_string(), "{route}");
        assert!(operation["summary"].is_string(), "{route}");
        for (status, response) in operation["responses"].as_object().unwrap() {
            if status.starts_with('2') && status != "204" {
                let body = &response["content"]["application/json"];
                assert!(body.is_object(), "{route} {status}");
            }
        }
    }
}

#[test]
fn every_schema_that_is_named_is_there() {
    let document = serde_json::to_value(user::openapi()).unwrap();
    let text = document.to_string();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for named in text.split("\"#/components/schemas/").skip(1) {
        let name = named.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
    let register = &schemas["RegisterRequest"];
    assert_eq!(
        register["required"],
        serde_json::json!(["name", "email", "phone", "password"])
    );
    assert_eq!(register["properties"]["password"]["format"], "password");
}
