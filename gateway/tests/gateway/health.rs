//! How the whole system is.

use http::StatusCode;
use serde_json::json;

use crate::world::{World, nobody};

#[tokio::test]
async fn healthy_when_every_service_is() {
    let world = World::start().await;
    for path in ["/health", "/api/health", "/api/v1/health"] {
        let report = world.client.get(path).await.expect(200);
        assert_eq!(
            report,
            json!({
                "service": "api-gateway",
                "status": "healthy",
                "services": {
                    "user-service": "healthy",
                    "wallet-service": "healthy",
                    "transaction-service": "healthy",
                    "payment-service": "healthy",
                },
            })
        );
    }
}

#[tokio::test]
async fn degraded_when_one_answers_badly_and_one_not_at_all() {
    let nobody = nobody().await;
    let world = World::with(|config| config.payment_service_url = nobody).await;
    world
        .service("wallet-service")
        .set_health(StatusCode::SERVICE_UNAVAILABLE);
    let report = world.client.get("/health").await.expect(503);
    assert_eq!(report["status"], "degraded");
    assert_eq!(
        report["services"],
        json!({
            "user-service": "healthy",
            "wallet-service": "unhealthy",
            "transaction-service": "healthy",
            "payment-service": "unreachable",
        })
    );
    // That services fail is no reason to restart the gateway, or to take it out of rotation.
    assert_eq!(world.client.get("/livez").await.status, 200);
    assert_eq!(world.client.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn a_service_that_hangs_is_not_waited_for() {
    // A listener that never accepts: connections are made, and nothing answers.
    let (_listener, url) = testing::TestServer::listener().await;
    let world = World::with(|config| {
        config.transaction_service_url = url;
        config.request_timeout = crate::world::SHORT;
    })
    .await;
    let report = world.client.get("/health").await.expect(503);
    assert_eq!(report["services"]["transaction-service"], "unreachable");
    assert_eq!(report["services"]["user-service"], "healthy");
}

#[tokio::test]
async fn there_is_one_look_a_second_whoever_asks() {
    let world = World::start().await;
    let asked = async || world.service("user-service").health_calls();
    let begun = std::time::Instant::now();
    let all = (0..100).map(|_| world.client.get("/health"));
    for answer in futures_util::future::join_all(all).await {
        answer.expect(200);
    }
    // Where the machine took longer than a second there may be one more for each.
    let looks_max = usize::try_from(begun.elapsed().as_secs()).unwrap() + 2;
    let looks = asked().await;
    assert!((1..=looks_max).contains(&looks), "{looks} looks");
    // It does not stay what it was.
    world
        .service("wallet-service")
        .set_health(StatusCode::SERVICE_UNAVAILABLE);
    testing::wait_until("the next look sees it", async || {
        world.client.get("/health").await.status == 503
    })
    .await;
}
