//! Which path reaches which service.

use http::Method;
use serde_json::json;

use crate::world::{SERVICES, World, token};

const USER: &str = SERVICES[0];
const WALLET: &str = SERVICES[1];
const TRANSACTION: &str = SERVICES[2];
const PAYMENT: &str = SERVICES[3];

/// The public API, written down a second time: the service, the method, the path, whether a token is needed.
pub(crate) const CALLS: [(&str, Method, &str, bool); 31] = [
    (USER, Method::POST, "/auth/register", false),
    (USER, Method::POST, "/auth/login", false),
    (USER, Method::POST, "/auth/logout", true),
    (USER, Method::GET, "/.well-known/jwks.json", false),
    (USER, Method::GET, "/users", true),
    (USER, Method::GET, "/users/verify", true),
    (USER, Method::GET, "/users/7", true),
    (USER, Method::PUT, "/users/7", true),
    (USER, Method::DELETE, "/users/7", true),
    (USER, Method::PUT, "/users/7/password", true),
    (USER, Method::PUT, "/users/7/status", true),
    (USER, Method::GET, "/users/lookup", true),
    (USER, Method::GET, "/admin/audit", true),
    (USER, Method::GET, "/users/7/sessions", true),
    (USER, Method::DELETE, "/users/7/sessions", true),
    (USER, Method::DELETE, "/users/7/sessions/s-1", true),
    (WALLET, Method::GET, "/wallets", true),
    (WALLET, Method::POST, "/wallets", true),
    (WALLET, Method::GET, "/wallets/7", true),
    (WALLET, Method::GET, "/wallets/7/balance", true),
    (WALLET, Method::POST, "/wallets/7/topup", true),
    (WALLET, Method::PUT, "/wallets/7/status", true),
    (PAYMENT, Method::GET, "/payments", true),
    (PAYMENT, Method::GET, "/payments/7", true),
    (PAYMENT, Method::POST, "/payments/pay", true),
    (PAYMENT, Method::POST, "/payments/transfer", true),
    (TRANSACTION, Method::GET, "/transactions", true),
    (TRANSACTION, Method::GET, "/transactions/stats", true),
    (TRANSACTION, Method::GET, "/transactions/7", true),
    (TRANSACTION, Method::GET, "/transactions/7/receipt", true),
    (TRANSACTION, Method::GET, "/transactions/wallet/7", true),
];

#[tokio::test]
async fn a_balance_of_the_past_is_asked_of_the_transaction_service() {
    let world = World::start().await;
    let client = world.user();
    for (query, service) in [
        ("?at=2026-11-22T08:15:30Z", TRANSACTION),
        ("?x=1&at=2026-11-22T08:15:30Z", TRANSACTION),
        ("?at", TRANSACTION),
        ("", WALLET),
        ("?", WALLET),
        ("?cat=1", WALLET),
        ("?x=at", WALLET),
    ] {
        let path = format!("/api/v1/wallets/7/balance{query}");
        let answer = client.get(&path).await.expect(200);
        assert_eq!(answer["service"], service, "{query}");
    }
}

#[tokio::test]
async fn every_call_reaches_its_service_under_both_prefixes() {
    let world = World::start().await;
    for prefix in ["/api", "/api/v1"] {
        for (service, method, path, needs_token) in &CALLS {
            let client = if *needs_token {
                world.user()
            } else {
                world.client.clone()
            };
            let has_body = matches!(*method, Method::POST | Method::PUT);
            let body = has_body.then(|| json!({"amount": 5}));
            let headers = [("idempotency-key", "k-1"), ("accept", "application/json")];
            let target = format!("{prefix}{path}?limit=2&before=%20a%2Fb");
            let answer = client
                .send(method.clone(), &target, body.clone(), &headers)
                .await
                .expect(200);
            assert_eq!(answer["service"], *service, "{method} {target}");

            let seen = world.seen();
            assert_eq!(seen.len(), 1, "{method} {target}");
            let (reached, request) = &seen[0];
            assert_eq!(reached, service);
            assert_eq!(request.method, *method);
            assert_eq!(request.path, *path);
            assert_eq!(request.query.as_deref(), Some("limit=2&before=%20a%2Fb"));
            assert_eq!(
                request.body,
                body.map(|body| body.to_string()).unwrap_or_default()
            );
            assert_eq!(request.headers["idempotency-key"], "k-1");
            assert_eq!(request.headers["accept"], "application/json");
            assert_eq!(
                request.headers.get("content-type").is_some(),
                has_body,
                "{method} {target}"
            );
            let bearer = request.headers.get("authorization");
            assert_eq!(bearer.is_some(), *needs_token);
        }
    }
}

#[tokio::test]
async fn the_public_keys_are_at_the_root_too() {
    let world = World::start().await;
    world.client.get("/.well-known/jwks.json").await.expect(200);
    let seen = world.service(USER).take();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].path, "/.well-known/jwks.json");
}

#[tokio::test]
async fn what_is_not_in_the_table_does_not_exist() {
    let world = World::start().await;
    let user = world.user();
    for (method, path) in [
        (Method::POST, "/wallets/7/deduct"),
        (Method::GET, "/internal/sessions"),
        (Method::GET, "/internal/users/1"),
        (Method::POST, "/internal/audit"),
        (Method::POST, "/internal/orders"),
        (Method::GET, "/internal/log"),
        (Method::GET, "/metrics"),
        (Method::GET, "/livez"),
        (Method::GET, "/readyz"),
        (Method::GET, "/wallets/"),
        (Method::GET, "//wallets"),
        (Method::GET, "/wallets/7/"),
        (Method::GET, "/wallets/7/balance/x"),
        (Method::GET, "/users/7/verify"),
        (Method::GET, "/WALLETS"),
        (Method::GET, ""),
        (Method::GET, "/"),
        (Method::GET, "/nothing"),
    ] {
        for prefix in ["/api", "/api/v1"] {
            let target = format!("{prefix}{path}");
            user.send(method.clone(), &target, None, &[])
                .await
                .expect_error(404, "Endpoint not found");
        }
    }
    for path in [
        "/wallets",
        "/users/1",
        "/internal/sessions",
        "/api/v2/users",
    ] {
        user.get(path).await.expect_error(404, "Endpoint not found");
    }
    assert!(world.seen().is_empty());
}

#[tokio::test]
async fn a_wrong_method_is_said_to_be_wrong() {
    let world = World::start().await;
    for (method, path) in [
        (Method::DELETE, "/api/v1/wallets"),
        (Method::PATCH, "/api/v1/users/7"),
        (Method::GET, "/api/v1/auth/login"),
        (Method::PUT, "/api/payments/pay"),
        (Method::DELETE, "/api/transactions"),
        (Method::POST, "/api/v1/transactions"),
        (Method::POST, "/health"),
        (Method::POST, "/openapi.json"),
    ] {
        let answer = world.user().send(method.clone(), path, None, &[]).await;
        answer.expect_error(405, "Method not allowed");
        assert!(answer.headers.contains_key("allow"), "{method} {path}");
        let options = world.user().send(Method::OPTIONS, path, None, &[]).await;
        assert_eq!(options.status, 200, "{path}");
        assert_eq!(options.headers["allow"], answer.headers["allow"], "{path}");
    }
    assert!(world.seen().is_empty());
}

/// What only services call is not shown by another method of its path.
#[tokio::test]
async fn a_resource_names_the_methods_that_clients_have() {
    let world = World::start().await;
    for (path, allow) in [
        ("/api/v1/transactions", "GET,HEAD"),
        ("/api/v1/wallets", "GET,HEAD,POST"),
        ("/api/users/7", "GET,HEAD,PUT,DELETE"),
        ("/", "GET,HEAD"),
    ] {
        let answer = world.client.send(Method::OPTIONS, path, None, &[]).await;
        assert_eq!(answer.status, 200, "{path}");
        let mut methods: Vec<&str> = answer.headers["allow"]
            .to_str()
            .unwrap()
            .split(',')
            .collect();
        let mut expected: Vec<&str> = allow.split(',').collect();
        methods.sort_unstable();
        expected.sort_unstable();
        assert_eq!(methods, expected, "{path}");
    }
    for path in ["/api/v1/wallets/7/deduct", "/internal/log", "/api/nothing"] {
        let answer = world.client.send(Method::OPTIONS, path, None, &[]).await;
        answer.expect_error(404, "Endpoint not found");
    }
}

#[tokio::test]
async fn a_path_with_a_wrong_slash_or_prefix_is_told_the_right_one() {
    let world = World::start().await;
    for (path, right) in [
        ("/api/v1/wallets/", "/api/v1/wallets"),
        ("//api/v1//wallets", "/api/v1/wallets"),
        ("/api/v1/wallets/7/balance/", "/api/v1/wallets/7/balance"),
        ("/wallets", "/api/v1/wallets"),
        ("/auth/login/", "/api/v1/auth/login"),
        ("/api/v1/docs", "/docs"),
        ("/health/", "/health"),
    ] {
        for method in [Method::GET, Method::POST] {
            let answer = world.user().send(method, path, None, &[]).await;
            let body = answer.expect_error(404, "Endpoint not found");
            let message = body["message"].as_str().unwrap();
            assert!(
                message.ends_with(&format!("did you mean {right}?")),
                "{path}: {message}"
            );
        }
    }
    for path in [
        "/api/version/wallets",
        "/api/v1/nothing/",
        "/api/v1/wallets/7/deduct",
    ] {
        let body = world
            .user()
            .get(path)
            .await
            .expect_error(404, "Endpoint not found");
        assert_eq!(body["message"], "Endpoint not found", "{path}");
    }
    assert!(world.seen().is_empty());
}

#[tokio::test]
async fn a_version_that_is_not_there_is_named_with_the_one_that_is() {
    let world = World::start().await;
    for (path, message) in [
        (
            "/api/v2/wallets",
            "There is no version v2 of this API, only v1; did you mean /api/v1/wallets?",
        ),
        (
            "/api/V1/wallets/7/",
            "There is no version V1 of this API, only v1; did you mean /api/v1/wallets/7?",
        ),
        (
            "/api/v0/nothing",
            "There is no version v0 of this API, only v1",
        ),
        ("/api/v12", "There is no version v12 of this API, only v1"),
    ] {
        for method in [Method::GET, Method::POST] {
            let answer = world.user().send(method, path, None, &[]).await;
            let body = answer.expect_error(404, "Endpoint not found");
            assert_eq!(body["code"], "endpoint_not_found", "{path}");
            assert_eq!(body["message"], message, "{path}");
        }
    }
    assert!(world.seen().is_empty());
}

/// Whatever a URL's parser would make another path of must not leave the gateway.
#[tokio::test]
async fn no_spelling_of_a_path_reaches_another_route() {
    let world = World::start().await;
    let token = token();
    for path in [
        "/users/..",
        "/users/.",
        "/users/%2e%2e",
        "/users/%2E.",
        "/users/.%2e",
        "/users/..\\internal",
        "/users/\\..\\internal",
        "/users/7%0d%0a\\",
        "/wallets/../balance",
        "/wallets/%2e%2e/balance",
        "/wallets/7/../../internal/log",
        "/wallets/7/%2e%2e/%2e%2e/internal/log",
        "/users/{id}",
        "/users/\"",
    ] {
        let answer = world
            .raw(&format!(
                "GET /api/v1{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
            ))
            .await;
        assert!(
            answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.1 400"),
            "{path}: {answer}"
        );
    }
    let seen = world.seen();
    assert!(seen.is_empty(), "{seen:?}");
}

/// A segment goes on as it came: an encoded slash stays one, and is part of an id that no service knows.
#[tokio::test]
async fn segments_are_not_decoded() {
    let world = World::start().await;
    let token = token();
    for segment in [
        "7%2f..%2f..%2finternal",
        "%2Finternal",
        "a%20b",
        "%252e%252e",
        "7;x=1",
        "%00",
    ] {
        let answer = world
            .raw(&format!(
                "GET /api/v1/users/{segment} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
            ))
            .await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{segment}: {answer}");
        let seen = world.service(USER).take();
        assert_eq!(seen.len(), 1, "{segment}");
        assert_eq!(seen[0].path, format!("/users/{segment}"));
    }
}

#[tokio::test]
async fn head_is_passed_on_as_head() {
    let world = World::start().await;
    let answer = world
        .user()
        .send(Method::HEAD, "/api/v1/wallets", None, &[])
        .await;
    assert_eq!(answer.status, 200);
    assert!(answer.bytes.is_empty());
    assert_eq!(world.service(WALLET).take()[0].method, Method::HEAD);
}

#[tokio::test]
async fn metrics_count_by_template() {
    let world = World::start().await;
    world
        .user()
        .get("/api/v1/wallets/7/balance")
        .await
        .expect(200);
    world.user().get("/api/wallets/8").await.expect(200);
    let text = world.client.get("/metrics").await.text();
    for route in ["/api/v1/wallets/{id}/balance", "/api/wallets/{id}"] {
        let line = format!(
            "http_request_duration_seconds_count{{method=\"GET\",route=\"{route}\",status=\"200\"}} 1"
        );
        assert!(text.contains(&line), "{line} is not in {text}");
    }
}
