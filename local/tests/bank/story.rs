//! One story through the gateway, on every store: from registering to both sides' histories.

use crate::support::{TestBank, every_bank};
use serde_json::json;
use testing::TestClient;

#[tokio::test]
async fn a_customer_tops_up_pays_and_sends_money() {
    for bank in every_bank().await {
        let (ani, ani_id) = bank.register("ani").await;
        assert_eq!(
            ani.get("/wallets").await.expect(200),
            json!({"wallets": []})
        );
        let wallet = ani.post("/wallets", json!({})).await.expect(201)["wallet"].clone();
        let wallet_id = wallet["id"].as_i64().unwrap();
        assert_eq!(
            wallet,
            json!({"id": wallet_id, "user_id": ani_id, "balance": 0, "currency": "IDR", "status": "active", "held": 0, "total": 0})
        );
        let budi = bank.customer("budi", 0).await;

        let topped_up = ani
            .post(
                &format!("/wallets/{wallet_id}/topup"),
                json!({"amount": 100_000}),
            )
            .await
            .expect(200);
        assert_eq!(
            (&topped_up["message"], &topped_up["wallet"]["balance"]),
            (&json!("Top up successful"), &json!(100_000))
        );

        let body = json!({"wallet_id": wallet_id, "merchant": "Tokopedia", "amount": 30_000});
        let paid = ani.post("/payments/pay", body).await.expect(201);
        assert_eq!(paid["message"], "Payment successful");
        let payment = &paid["payment"];
        assert_eq!(
            (
                &payment["user_id"],
                &payment["wallet_id"],
                &payment["merchant"],
                &payment["amount"],
                &payment["payment_method"]
            ),
            (
                &json!(ani_id),
                &json!(wallet_id),
                &json!("Tokopedia"),
                &json!(30_000),
                &json!("wallet")
            )
        );

        let body =
            json!({"from_wallet_id": wallet_id, "to_user_id": budi.user_id, "amount": 20_000});
        let sent = ani.post("/payments/transfer", body).await.expect(201);
        for (name, value) in [
            ("message", json!("Transfer successful")),
            ("from_wallet_id", json!(wallet_id)),
            ("to_wallet_id", json!(budi.wallet_id)),
            ("amount", json!(20_000)),
        ] {
            assert_eq!(sent[name], value, "{sent}");
        }

        // What was promised is in the next read.
        let payments = ani.get("/payments").await.expect(200);
        assert_eq!(payments["payments"][0], *payment);
        let path = format!("/payments/{}", payment["id"]);
        assert_eq!(ani.get(&path).await.expect(200)["payment"], *payment);
        budi.client
            .get(&path)
            .await
            .expect_error(403, "Unauthorized");

        let mine = ani.get("/transactions").await.expect(200)["transactions"].clone();
        let seen: Vec<_> = mine
            .as_array()
            .unwrap()
            .iter()
            .map(|t| {
                (
                    t["type"].clone(),
                    t["amount"].clone(),
                    t["direction"].clone(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                (json!("transfer"), json!(20_000), json!("out")),
                (json!("payment"), json!(30_000), json!("out")),
                (json!("topup"), json!(100_000), json!("in")),
            ]
        );
        assert_eq!(mine[1]["description"], "Payment to Tokopedia");
        let theirs = budi.list("/transactions", "transactions").await;
        assert_eq!(
            (&theirs[0]["type"], &theirs[0]["direction"], theirs.len()),
            (&json!("transfer"), &json!("in"), 1)
        );
        assert_eq!(
            budi.list(
                &format!("/transactions/wallet/{}", budi.wallet_id),
                "transactions"
            )
            .await,
            theirs
        );
        budi.client
            .get(&format!("/transactions/wallet/{wallet_id}"))
            .await
            .expect_error(403, "Invalid wallet");

        let stats = ani.get("/transactions/stats").await.expect(200);
        for (name, value) in [
            ("total_transactions", 3),
            ("total_topup", 100_000),
            ("total_payment", 30_000),
            ("total_transfer", 20_000),
            ("net_amount", 50_000),
        ] {
            assert_eq!(stats[name], value, "{name}: {stats}");
        }
        assert_eq!(
            budi.client.get("/transactions/stats").await.expect(200)["total_received"],
            20_000
        );
        assert_eq!(
            ani.get(&format!("/wallets/{wallet_id}/balance"))
                .await
                .expect(200)["balance"],
            50_000
        );
        assert_eq!(budi.balance().await, 20_000);
        bank.assert_whole().await;
        bank.bank.stop().await;
    }
}

#[tokio::test]
async fn the_demo_data_is_that_of_the_contract() {
    for bank in every_bank().await {
        for (id, email, balance) in [
            (1, "john@example.com", 1_000_000),
            (2, "jane@example.com", 500_000),
            (3, "bob@example.com", 750_000),
        ] {
            let demo = bank.login(email, "password123").await;
            assert_eq!(
                demo.get("/users/verify").await.expect(200)["user"]["id"],
                id
            );
            assert_eq!(
                demo.get(&format!("/wallets/{id}")).await.expect(200)["wallet"]["balance"],
                balance
            );
            // A page that knows no direction shows figures that fit the balance.
            let stats = demo.get("/transactions/stats").await.expect(200);
            assert_eq!(
                (&stats["net_amount"], &stats["total_received"]),
                (&json!(balance), &json!(0))
            );
        }
        let john = bank.login("john@example.com", "password123").await;
        let payment = john.get("/payments/1").await.expect(200)["payment"].clone();
        assert_eq!(
            (&payment["merchant"], &payment["amount"]),
            (&json!("Tokopedia"), &json!(50_000))
        );
        let first = john.get("/transactions/1").await.expect(200)["transaction"].clone();
        assert_eq!(
            (&first["type"], &first["amount"], &first["user_id"]),
            (&json!("topup"), &json!(1_050_000), &json!(1))
        );
        let proved = john.get("/transactions/1/receipt").await.expect(200);
        assert_eq!(proved["transaction"], first);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn the_gateway_knows_that_everything_is_healthy() {
    for bank in every_bank().await {
        let health = testing::TestClient::new(bank.bank.gateway_url())
            .get("/health")
            .await
            .expect(200);
        assert_eq!(
            (&health["service"], &health["status"]),
            (&json!("api-gateway"), &json!("healthy"))
        );
        for service in [
            "user-service",
            "wallet-service",
            "transaction-service",
            "payment-service",
        ] {
            assert_eq!(health["services"][service], "healthy", "{health}");
        }
    }
}

#[tokio::test]
async fn a_second_start_goes_on_with_the_same_data() {
    for bank in every_bank().await {
        let john = bank.login("john@example.com", "password123").await;
        let body = json!({"wallet_id": 1, "merchant": "Tokopedia", "amount": 1});
        john.post("/payments/pay", body).await.expect(201);
        let config = bank.config.clone();
        bank.bank.stop().await;
        let again = local::Bank::start(config, clock::Clock::system(), clock::Entropy::system())
            .await
            .unwrap();
        let api = testing::TestClient::new(format!("{}/api/v1", again.gateway_url()));
        let token = api
            .post(
                "/auth/login",
                json!({"email": "john@example.com", "password": "password123"}),
            )
            .await
            .expect(200);
        let john = api.with_token(token["token"].as_str().unwrap());
        assert_eq!(
            john.get("/wallets/1").await.expect(200)["wallet"]["balance"],
            999_999
        );
        assert_eq!(
            john.get("/payments").await.expect(200)["payments"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
        again.stop().await;
    }
}

#[tokio::test]
async fn a_deleted_user_is_locked_out_everywhere_and_keeps_their_money() {
    for bank in every_bank().await {
        let (ani, budi) = (
            bank.customer("ani", 100).await,
            bank.customer("budi", 100).await,
        );
        ani.client
            .delete(&format!("/users/{}", ani.user_id))
            .await
            .expect(200);
        refused_everywhere(&bank, &ani.client).await;
        budi.client
            .post("/payments/transfer", budi.transfer(&ani, 1))
            .await
            .expect_error(404, "Destination user not found");
        bank.assert_whole().await;
    }
}

/// At once: in one process nobody has to be told first.
async fn refused_everywhere(bank: &TestBank, client: &TestClient) {
    let paths = ["/users", "/wallets", "/transactions", "/payments"];
    for (path, service) in paths.into_iter().zip(&bank.bank.urls()[1..]) {
        client.get(path).await.expect_error(401, "Invalid token");
        let direct = TestClient::new(service.clone()).with_token(client.token().unwrap());
        direct.get(path).await.expect_error(401, "Invalid token");
    }
}

#[tokio::test]
async fn a_session_that_was_ended_is_refused_everywhere_at_once() {
    for bank in every_bank().await {
        let (ani, _) = bank.register("ani").await;
        ani.get("/wallets").await.expect(200);
        let ended = ani.post("/auth/logout", json!({})).await;
        assert_eq!(ended.status, 204, "{}", ended.text());
        refused_everywhere(&bank, &ani).await;
    }
}

#[tokio::test]
async fn an_administrator_freezes_a_wallet() {
    for bank in every_bank().await {
        let ani = bank.customer("ani", 100).await;
        let admin = bank.login("admin@example.com", "a long password").await;
        let path = format!("/wallets/{}/status", ani.wallet_id);
        ani.client
            .put(&path, json!({"status": "frozen"}))
            .await
            .expect_error(403, "Unauthorized");
        assert_eq!(
            admin
                .put(&path, json!({"status": "frozen"}))
                .await
                .expect(200)["wallet"]["status"],
            "frozen"
        );
        ani.client
            .post("/payments/pay", ani.pay(1))
            .await
            .expect_error(400, "Invalid wallet");
        admin
            .put(&path, json!({"status": "active"}))
            .await
            .expect(200);
        ani.client
            .post("/payments/pay", ani.pay(1))
            .await
            .expect(201);
        bank.assert_whole().await;
    }
}
