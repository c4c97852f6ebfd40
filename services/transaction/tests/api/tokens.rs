//! Who may call: reads are for users, records are for services, and neither stands in for the other.

use reqwest::Method;
use serde_json::json;

use crate::support::every_world;

const READS: [&str; 7] = [
    "/transactions",
    "/transactions/1",
    "/transactions/1/receipt",
    // Documented by the wallet service.
    PAST,
    "/transactions/wallet/1",
    "/events",
    "/transactions/stats",
];

/// For administrators.
const REVERSAL: &str = "/admin/transactions/1/reverse";

const PAST: &str = "/wallets/1/balance";

#[test]
fn every_route_of_the_document_is_in_these_tests() {
    let mut documented = Vec::new();
    for (path, item) in transaction::openapi().paths.paths {
        let path = path.replace("{id}", "1").replace("{wallet_id}", "1");
        if path == REVERSAL {
            assert!(item.get.is_none() && item.post.is_some());
            continue;
        }
        assert!(item.get.is_some());
        assert_eq!(item.post.is_some(), path == "/transactions");
        documented.push(path);
    }
    documented.sort_unstable();
    let mut reads = READS.to_vec();
    reads.retain(|path| *path != PAST);
    reads.sort_unstable();
    assert_eq!(documented, reads);
}

#[tokio::test]
async fn reads_need_a_users_good_token() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        for path in READS {
            world
                .nobody()
                .get(path)
                .await
                .expect_error(401, "Token is missing");
            let mut bad = world.bank.bad_tokens(ani.user_id);
            bad.push((world.bank.service_token("gateway"), "Invalid token"));
            for (token, sentence) in bad {
                let answer = world.nobody().with_token(token).get(path).await;
                answer.expect_error(401, sentence);
            }
        }
    }
}

#[tokio::test]
async fn reversals_need_an_administrators_token() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        let before = world.bank.log().await;
        let reverse = async |client: testing::TestClient| {
            client.post(REVERSAL, json!({"reason": "by mistake"})).await
        };
        let nobody = reverse(world.nobody().clone()).await;
        nobody.expect_error(401, "Token is missing");
        let mut bad = world.bank.bad_tokens(ani.user_id);
        bad.push((world.bank.service_token("gateway"), "Invalid token"));
        for (token, sentence) in bad {
            let answer = reverse(world.nobody().with_token(token)).await;
            answer.expect_error(401, sentence);
        }
        let owner = reverse(world.client(&ani)).await;
        owner.expect_error(403, "Unauthorized");
        assert_eq!(world.bank.log().await, before);
    }
}

#[tokio::test]
async fn records_need_a_services_token() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        let body = json!({"wallet_id": ani.wallet_id, "type": "topup", "amount": 1, "description": "A gift"});
        let record = |client: testing::TestClient| {
            let body = body.clone();
            async move {
                client
                    .send(Method::POST, "/transactions", Some(body), &[])
                    .await
            }
        };
        let answer = record(world.nobody().clone()).await;
        answer.expect_error(401, "Token is missing");
        // An expired token of a user proves nobody, and is no service's either.
        for (token, _) in world.bank.bad_tokens(ani.user_id) {
            let answer = record(world.nobody().with_token(token)).await;
            answer.expect_error(401, "Invalid token");
        }
        let answer = record(world.client(&ani)).await;
        assert_eq!(
            answer.expect_error(403, "Unauthorized")["code"],
            "services_only"
        );
        assert_eq!(world.transactions(&ani).await.len(), 1);
    }
}
