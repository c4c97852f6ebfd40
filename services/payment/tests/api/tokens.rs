//! Who may call: users with a good token, and nobody else.

use reqwest::Method;
use testing::wait_until;

use crate::support::every_world;

/// Every route of the document, with ids filled in.
fn routes() -> Vec<(Method, String)> {
    let mut routes = Vec::new();
    for (path, item) in payment::openapi().paths.paths {
        let path = path.replace("{id}", "1");
        for (method, operation) in [(Method::GET, item.get), (Method::POST, item.post)] {
            if operation.is_some() {
                routes.push((method, path.clone()));
            }
        }
    }
    assert_eq!(routes.len(), 13, "{routes:?}");
    routes
}

#[tokio::test]
async fn every_route_needs_a_users_good_token() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        for (method, path) in routes() {
            let answer = world.nobody().send(method.clone(), &path, None, &[]).await;
            answer.expect_error(401, "Token is missing");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
            let mut bad = world.bank.bad_tokens(ani.user_id);
            bad.push((world.bank.service_token("gateway"), "Invalid token"));
            for (token, sentence) in bad {
                let client = world.nobody().with_token(token);
                let answer = client.send(method.clone(), &path, None, &[]).await;
                answer.expect_error(401, sentence);
            }
        }
    }
}

#[tokio::test]
async fn a_deleted_user_is_locked_out() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        let client = world.client(&ani);
        client.get("/payments").await.expect(200);
        world.bank.users.revoke(ani.user_id);
        wait_until("the user is locked out", || async {
            client.get("/payments").await.status == 401
        })
        .await;
    }
}
