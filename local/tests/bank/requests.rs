//! `GET /requests/{key}`: what became of a request whose answer was lost.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testing::{Answer, TestClient};

use crate::support::every_bank;

async fn found(client: &TestClient, key: &str) -> Vec<Value> {
    let answer = client.get(&format!("/requests/{key}")).await.expect(200);
    answer["requests"].as_array().unwrap().clone()
}

#[track_caller]
fn is_not_there(answer: &Answer) {
    let body = answer.expect_error(404, "Request not found");
    assert_eq!(body["code"], "request_not_found");
    assert_eq!(answer.headers["retry-after"], "1");
}

#[tokio::test]
async fn every_call_that_takes_a_key_is_found_by_it_and_by_nobody_else() {
    for bank in every_bank().await {
        let (ani, budi) = (
            bank.customer("ani", 500).await,
            bank.customer("budi", 0).await,
        );
        let top_up = format!("/wallets/{}/topup", ani.wallet_id);
        let calls = [
            ("POST /wallets", "/wallets", json!({"currency": "USD"})),
            ("POST /wallets/{id}/topup", &top_up, json!({"amount": 100})),
            ("POST /payments/pay", "/payments/pay", ani.pay(30)),
            (
                "POST /payments/transfer",
                "/payments/transfer",
                ani.transfer(&budi, 20),
            ),
        ];
        for (index, (call, path, body)) in calls.into_iter().enumerate() {
            let key = format!("key-{index}");
            is_not_there(&ani.client.get(&format!("/requests/{key}")).await);
            let made = ani.client.post_with_key(path, &key, body).await.json();
            let [request] = found(&ani.client, &key).await.try_into().unwrap();
            assert_eq!(
                (&request["call"], &request["state"]),
                (&json!(call), &json!("done"))
            );
            match call {
                "POST /wallets" => {
                    assert_eq!(request["wallet_id"], made["wallet"]["id"]);
                    assert_eq!(request["type"], "wallet");
                    assert_eq!(request["currency"], "USD");
                    assert_eq!(request.get("amount"), None);
                }
                "POST /wallets/{id}/topup" => {
                    assert_eq!(request["balance_after"], made["wallet"]["balance"]);
                    assert_eq!(
                        (&request["type"], &request["amount"]),
                        (&json!("topup"), &json!(100))
                    );
                }
                "POST /payments/pay" => {
                    assert_eq!(request["payment_id"], made["payment"]["id"]);
                    assert_eq!(request["created_at"], made["payment"]["created_at"]);
                    assert_eq!(request["balance_after"], 570);
                }
                _ => {
                    assert_eq!(request["created_at"], made["created_at"]);
                    // The sender's wallet, not the receiver's.
                    assert_eq!(request["wallet_id"], ani.wallet_id);
                    assert_eq!(request["balance_after"], 550);
                }
            }
            is_not_there(&budi.client.get(&format!("/requests/{key}")).await);
            let direct = TestClient::new(bank.bank.urls()[2].clone()).with_token(&ani.token);
            assert_eq!(found(&direct, &key).await, [request]);
        }
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn a_refused_request_is_not_there_and_a_key_of_two_calls_has_two() {
    for bank in every_bank().await {
        let ani = bank.customer("ani", 500).await;
        let too_much = ani
            .client
            .post_with_key("/payments/pay", "k", ani.pay(501))
            .await;
        too_much.expect_error(400, "Insufficient balance");
        is_not_there(&ani.client.get("/requests/k").await);
        ani.client
            .post_with_key("/payments/pay", "k", ani.pay(7))
            .await
            .expect(201);
        // Another body under the key changes nothing of what is there.
        let other = ani
            .client
            .post_with_key("/payments/pay", "k", ani.pay(8))
            .await;
        other.expect_error(422, "Idempotency key reused");
        let top_up = format!("/wallets/{}/topup", ani.wallet_id);
        ani.client
            .post_with_key(&top_up, "k", json!({"amount": 3}))
            .await
            .expect(200);
        let amounts: Vec<_> = found(&ani.client, "k")
            .await
            .iter()
            .map(|one| one["amount"].clone())
            .collect();
        assert_eq!(amounts, [7, 3]);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn keys_are_what_the_header_takes() {
    for bank in every_bank().await {
        let ani = bank.customer("ani", 500).await;
        let longest = "x".repeat(255);
        for (key, written) in [
            ("a/b?c#d%20\"~", "a%2Fb%3Fc%23d%2520%22~"),
            ("..", "%2E%2E%2F.."),
            (&longest, &longest),
        ] {
            let answer = ani.client.get(&format!("/requests/{written}")).await;
            if key != ".." {
                is_not_there(&answer);
                ani.client
                    .post_with_key("/payments/pay", key, ani.pay(1))
                    .await
                    .expect(201);
                assert_eq!(found(&ani.client, written).await.len(), 1, "{key}");
            } else {
                assert!(answer.status.is_client_error(), "{}", answer.text());
            }
        }
        for wrong in ["%20", "a%0Ab", "%C3%A9", "%00", &"x".repeat(256)] {
            let answer = ani.client.get(&format!("/requests/{wrong}")).await;
            let body = answer.expect_error(400, "Invalid idempotency key");
            assert_eq!(body["code"], "invalid_idempotency_key", "{wrong}");
        }
        for wrong in ["%FF", "", "a/b"] {
            let answer = ani.client.get(&format!("/requests/{wrong}")).await;
            assert!(
                matches!(answer.status.as_u16(), 400 | 404),
                "{wrong}: {}",
                answer.text()
            );
        }
    }
}

#[test]
fn no_call_that_takes_a_key_is_forgotten() {
    let services = vec![
        user::openapi(),
        wallet::openapi(),
        transaction::openapi(),
        payment::openapi(),
    ];
    let document = serde_json::to_value(gateway::openapi(services)).unwrap();
    let is_the_key = |parameter: &Value| {
        parameter["$ref"]
            .as_str()
            .is_some_and(|name| name.ends_with("/IdempotencyKey"))
    };
    let mut taking = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["parameters"]
                .as_array()
                .is_some_and(|all| all.iter().any(is_the_key))
            {
                taking.insert(format!(
                    "{} {}",
                    method.to_uppercase(),
                    path.trim_start_matches("/api/v1")
                ));
            }
        }
    }
    // Whoever registers has no token yet; a repeat is answered with one.
    assert!(taking.remove("POST /auth/register"), "{taking:?}");
    let known: BTreeSet<_> = wallet_api::KEYED_ROUTES
        .iter()
        .map(|call| (*call).to_owned())
        .collect();
    assert_eq!(known, taking);
}
