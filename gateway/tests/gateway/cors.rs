//! Pages of other origins.

use http::Method;
use testing::Answer;

use crate::world::World;

const PAGE: &str = "https://wallet.example.com";

async fn preflight(world: &World, path: &str, origin: &str) -> Answer {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "authorization,content-type,idempotency-key,x-request-id,baggage",
        ),
    ];
    world
        .client
        .send(Method::OPTIONS, path, None, &headers)
        .await
}

#[tokio::test]
async fn every_origin_may_ask_unless_told_otherwise() {
    let world = World::start().await;
    for path in [
        "/api/v1/payments/pay",
        "/api/wallets/7/topup",
        "/api/nothing",
    ] {
        let answer = preflight(&world, path, PAGE).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
        let allowed = answer.headers["access-control-allow-headers"]
            .to_str()
            .unwrap();
        for header in [
            "authorization",
            "content-type",
            "idempotency-key",
            "x-request-id",
            "baggage",
        ] {
            assert!(allowed.contains(header), "{allowed}");
        }
        let methods = answer.headers["access-control-allow-methods"]
            .to_str()
            .unwrap();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            assert!(methods.contains(method), "{methods}");
        }
    }
    assert!(world.seen().is_empty(), "a preflight ends at the gateway");
}

/// A page must be able to read an error, too.
#[tokio::test]
async fn errors_can_be_read_by_pages() {
    let world = World::start().await;
    for (method, path, status) in [
        (Method::GET, "/api/v1/wallets", 401),
        (Method::GET, "/api/v1/nothing", 404),
        (Method::DELETE, "/api/v1/wallets", 405),
        (Method::GET, "/wallets", 404),
        (Method::GET, "/api/v1/wallets/", 404),
        (Method::GET, "/docs/nothing", 404),
        (Method::PUT, "/metrics", 405),
    ] {
        let answer = world
            .client
            .send(method, path, None, &[("origin", PAGE)])
            .await;
        answer.expect(status);
        for field in ["error", "code", "message"] {
            assert!(
                answer.json()[field].is_string(),
                "{field}: {}",
                answer.text()
            );
        }
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
        let exposed = answer.headers["access-control-expose-headers"]
            .to_str()
            .unwrap();
        assert!(exposed.contains("x-trace-id"), "{exposed}");
    }
}
