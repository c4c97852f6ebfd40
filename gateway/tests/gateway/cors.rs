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
            "authorization,content-type,idempotency-key",
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
        for header in ["authorization", "content-type", "idempotency-key"] {
            assert!(allowed.contains(header), "{allowed}");
        }
        let methods = answer.headers["access-control-allow-methods"]
            .to_str()
            .unwrap();
        assert!(methods.contains("DELETE"), "{methods}");
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
    ] {
        let answer = world
            .client
            .send(method, path, None, &[("origin", PAGE)])
            .await;
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
        let exposed = answer.headers["access-control-expose-headers"]
            .to_str()
            .unwrap();
        assert!(exposed.contains("x-trace-id"), "{exposed}");
    }
}

#[tokio::test]
async fn a_list_of_origins_is_kept() {
    let world = World::with(|config| {
        config.cors_origins = vec![PAGE.to_owned(), "http://localhost:3000".to_owned()];
    })
    .await;
    let path = "/api/v1/payments/pay";
    let known = preflight(&world, path, PAGE).await;
    assert_eq!(known.headers["access-control-allow-origin"], PAGE);
    let unknown = preflight(&world, path, "https://evil.example.com").await;
    assert!(!unknown.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn what_is_no_origin_is_refused_at_the_start() {
    for wrong in [
        "wallet.example.com",
        "https://a.example.com/",
        "",
        "https://a/b",
    ] {
        let mut config =
            crate::world::config(std::array::from_fn(|_| "http://localhost:1".to_owned()));
        config.cors_origins = vec![wrong.to_owned()];
        let built = gateway::build(config, clock::Clock::system(), clock::Entropy::system()).await;
        assert!(built.is_err(), "{wrong:?}");
    }
}
