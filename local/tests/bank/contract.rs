//! The rows of the contract about wallets and the gateway, success and failure, under both prefixes and at the service itself.
//! (The rows about users, payments and transactions are tests of those services.)

use serde_json::json;
use testing::TestClient;

use crate::support::every_bank;

#[tokio::test]
async fn every_row_about_wallets() {
    for bank in every_bank().await {
        let ani = bank.customer("ani", 0).await;
        let id = ani.wallet_id;
        let wallet = json!({"id": id, "user_id": ani.user_id, "balance": 0, "currency": "IDR", "status": "active", "held": 0, "total": 0});
        assert_eq!(
            ani.client.get("/wallets").await.expect(200),
            json!({"wallets": [wallet]})
        );
        assert_eq!(
            ani.client.get(&format!("/wallets/{id}")).await.expect(200),
            json!({"wallet": wallet})
        );
        assert_eq!(
            ani.client
                .get(&format!("/wallets/{id}/balance"))
                .await
                .expect(200),
            json!({"wallet_id": id, "balance": 0, "currency": "IDR"})
        );
        ani.client
            .post("/wallets", json!({}))
            .await
            .expect_error(400, "User already has a wallet");
        ani.client
            .post("/wallets", json!({"currency": "IDR"}))
            .await
            .expect_error(400, "User already has a wallet");
        ani.client
            .post("/wallets", json!({"currency": "XYZ"}))
            .await
            .expect_error(400, "Invalid currency");
        let usd = ani
            .client
            .post("/wallets", json!({"currency": "usd"}))
            .await
            .expect(201);
        assert_eq!(usd["wallet"]["currency"], "USD");

        let topped_up = ani
            .client
            .post(&format!("/wallets/{id}/topup"), json!({"amount": 70}))
            .await
            .expect(200);
        assert_eq!(topped_up["message"], "Top up successful");
        assert_eq!(topped_up["wallet"]["balance"], 70);

        let budi = bank.customer("budi", 0).await;
        for path in [format!("/wallets/{id}"), format!("/wallets/{id}/balance")] {
            budi.client
                .get(&path)
                .await
                .expect_error(403, "Unauthorized");
        }
        budi.client
            .post(&format!("/wallets/{id}/topup"), json!({"amount": 1}))
            .await
            .expect_error(403, "Unauthorized");
        for missing in [
            "999999",
            "0",
            "-1",
            "abc",
            "9223372036854775808",
            "%00",
            "1%2Fbalance",
        ] {
            budi.client
                .get(&format!("/wallets/{missing}"))
                .await
                .expect_error(404, "Wallet not found");
            budi.client
                .get(&format!("/wallets/{missing}/balance"))
                .await
                .expect_error(404, "Wallet not found");
            let path = format!("/wallets/{missing}/topup");
            budi.client
                .post(&path, json!({"amount": 1}))
                .await
                .expect_error(404, "Wallet not found");
        }
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn services_deduct_and_nobody_else() {
    for bank in every_bank().await {
        let ani = bank.customer("ani", 100).await;
        let keys = auth::ServiceKeyConfig::from_secret(testing::SECRET)
            .service_keys(clock::Clock::system())
            .unwrap();
        let token = auth::ServiceIdentity::new("payment-service", keys)
            .token()
            .unwrap();
        let wallets = TestClient::new(bank.bank.urls()[2].clone()).with_token(&*token);
        let path = format!("/wallets/{}/deduct", ani.wallet_id);
        let deducted = wallets.post(&path, json!({"amount": 60})).await.expect(200);
        assert_eq!(
            (&deducted["message"], &deducted["wallet"]["balance"]),
            (&json!("Deduction successful"), &json!(40))
        );
        wallets
            .post(&path, json!({"amount": 41}))
            .await
            .expect_error(400, "Insufficient balance");
        wallets
            .post(&path, json!({"amount": 0}))
            .await
            .expect_error(400, "Invalid amount");
        wallets
            .post("/wallets/999999/deduct", json!({"amount": 1}))
            .await
            .expect_error(404, "Wallet not found");
        assert_eq!(
            ani.list("/transactions", "transactions").await[0]["type"],
            "withdrawal"
        );
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn both_prefixes_and_the_service_itself_answer_alike() {
    for bank in every_bank().await {
        let john = bank.login("john@example.com", "password123").await;
        let login = json!({"email": "john@example.com", "password": "password123"});
        let [gateway, user, wallet, transaction, payment] = bank.bank.urls();
        let alias = TestClient::new(format!("{gateway}/api"));
        let token = alias.post("/auth/login", login).await.expect(200)["token"]
            .as_str()
            .unwrap()
            .to_owned();
        for (service, path) in [
            (&user, "/users"),
            (&wallet, "/wallets/1"),
            (&transaction, "/transactions/stats"),
            (&payment, "/payments/1"),
        ] {
            let through_gateway = john.get(path).await.expect(200);
            assert_eq!(
                alias.with_token(&token).get(path).await.expect(200),
                through_gateway
            );
            assert_eq!(
                TestClient::new(service)
                    .with_token(&token)
                    .get(path)
                    .await
                    .expect(200),
                through_gateway
            );
            for probe in ["/health", "/livez", "/readyz", "/metrics"] {
                TestClient::new(service).get(probe).await;
            }
        }
        for service in [&user, &wallet, &transaction, &payment] {
            let health = TestClient::new(service).get("/health").await.expect(200);
            assert_eq!(health["status"], "healthy");
            assert!(health["timestamp"].as_str().unwrap().ends_with('Z'));
            let metrics = TestClient::new(service).get("/metrics").await;
            assert!(
                metrics.text().contains(
                    "http_request_duration_seconds_count{method=\"GET\",route=\"/health\""
                )
            );
        }
        john.get("/nothing/here")
            .await
            .expect_error(404, "Endpoint not found");
        TestClient::new(&gateway)
            .get("/users")
            .await
            .expect_error(404, "Endpoint not found");
        assert_eq!(john.delete("/payments").await.status.as_u16(), 405);
    }
}
