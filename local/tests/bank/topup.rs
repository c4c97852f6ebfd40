//! Who brings money in: every user, the operator's services, or nobody.

use futures_util::future::join_all;
use serde_json::json;
use wallet::TopUp;

use crate::support::{every_bank, every_bank_with, service_token};

#[tokio::test]
async fn where_services_bring_money_in_a_user_brings_none() {
    for bank in every_bank_with(|config| config.money.topup = Some(TopUp::Services)).await {
        let ani = bank.customer("ani", 0).await;
        let path = format!("/wallets/{}/topup", ani.wallet_id);
        let admin = bank.login("admin@example.com", "a long password").await;
        for client in [&ani.client, &admin] {
            for key in ["", "a"] {
                let body = json!({"amount": 5});
                let answer = match key {
                    "" => client.post(&path, body).await,
                    key => client.post_with_key(&path, key, body).await,
                };
                let body = answer.expect_error(403, "Top up is not available");
                assert_eq!(body["code"], "topup_closed");
            }
        }
        assert_eq!(ani.balance().await, 0);

        let path = format!("/wallets/{}/deposit", ani.wallet_id);
        let body = json!({"amount": 70, "reference": "bank-1"});
        // Neither a user nor any other service, nor anybody through the gateway.
        ani.client
            .post(&path, body.clone())
            .await
            .expect_error(404, "Endpoint not found");
        for token in [ani.token.clone(), service_token("payment-service")] {
            let answer = bank.wallets(&token).post(&path, body.clone()).await;
            answer.expect_error(403, "Unauthorized");
        }
        let funding = bank.wallets(&service_token("funding-service"));
        let first = funding.post(&path, body.clone()).await;
        let told = first.expect(200);
        assert_eq!(told["message"], "Top up successful");
        assert_eq!(told["wallet"]["balance"], 70);
        let again = funding.post(&path, body).await;
        assert_eq!(again.expect(200), told);
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(ani.balance().await, 70);

        // A reference is that of one deposit, whatever the other is.
        let budi = bank.customer("budi", 0).await;
        for (wallet, amount) in [(ani.wallet_id, 71), (budi.wallet_id, 70)] {
            let path = format!("/wallets/{wallet}/deposit");
            let body = json!({"amount": amount, "reference": "bank-1"});
            let answer = funding.post(&path, body).await;
            assert_eq!(
                answer.expect_error(409, "Reference reused")["code"],
                "reference_reused"
            );
        }
        // At the same time, too.
        let at_once = (0..20).map(|_| {
            let (funding, path) = (funding.clone(), path.clone());
            async move {
                let body = json!({"amount": 1, "reference": "bank-2"});
                funding.post(&path, body).await.expect(200)
            }
        });
        join_all(at_once).await;
        assert_eq!(ani.balance().await, 71);

        let long = "a".repeat(129);
        for wrong in [json!(null), json!(""), json!("a b"), json!(7), json!(long)] {
            let body = json!({"amount": 1, "reference": wrong});
            let answer = funding.post(&path, body).await;
            assert_eq!(
                answer.expect_error(400, "Invalid field")["field"],
                "reference"
            );
        }
        let body = json!({"amount": 0, "reference": "bank-3"});
        let answer = funding.post(&path, body).await;
        answer.expect_error(400, "Invalid amount");
        let body = json!({"amount": 1, "reference": "bank-3"});
        let answer = funding.post("/wallets/999999/deposit", body).await;
        answer.expect_error(404, "Wallet not found");

        // It shows as any top-up does.
        let mut listed = ani.list("/transactions", "transactions").await;
        let first = listed.pop().unwrap();
        assert_eq!(
            (&first["type"], &first["description"], &first["amount"]),
            (&json!("topup"), &json!("Top up"), &json!(70))
        );
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn where_it_is_off_nobody_brings_money_in() {
    for bank in every_bank_with(|config| config.money.topup = Some(TopUp::Off)).await {
        let ani = bank.customer("ani", 0).await;
        let path = format!("/wallets/{}/topup", ani.wallet_id);
        let answer = ani.client.post(&path, json!({"amount": 5})).await;
        answer.expect_error(403, "Top up is not available");
        let funding = bank.wallets(&service_token("funding-service"));
        let path = format!("/wallets/{}/deposit", ani.wallet_id);
        let body = json!({"amount": 5, "reference": "bank-1"});
        let answer = funding.post(&path, body).await;
        answer.expect_error(403, "Top up is not available");
        assert_eq!(ani.balance().await, 0);
    }
}

#[tokio::test]
async fn a_top_up_from_before_it_was_closed_has_its_first_answer() {
    for bank in every_bank().await {
        let ani = bank.customer("ani", 0).await;
        let path = format!("/wallets/{}/topup", ani.wallet_id);
        let body = json!({"amount": 5});
        let first = ani.client.post_with_key(&path, "mine", body.clone()).await;
        first.expect(200);
        let bank = bank
            .restart(|config| config.money.topup = Some(TopUp::Services))
            .await;
        let ani = bank.api.with_token(ani.token);
        let again = ani.post_with_key(&path, "mine", body).await;
        again.expect(200);
        assert_eq!(again.bytes, first.bytes);
        let other = ani.post_with_key(&path, "mine", json!({"amount": 6})).await;
        other.expect_error(422, "Idempotency key reused");
        let other = ani.post_with_key(&path, "new", json!({"amount": 5})).await;
        other.expect_error(403, "Top up is not available");
    }
}
