//! What administrators look up.

use serde_json::json;

use crate::support::every_bank;

#[tokio::test]
async fn an_administrator_finds_wallets_and_nobody_else_does() {
    for bank in every_bank().await {
        let (ani, budi) = (
            bank.customer("ani", 500).await,
            bank.customer("budi", 7).await,
        );
        ani.client
            .post("/wallets", json!({"currency": "USD"}))
            .await
            .expect(201);
        let admin = bank.login("admin@example.com", "a long password").await;
        let own = ani.list("/wallets", "wallets").await;
        assert_eq!(own.len(), 2);
        let of_ani = format!("/admin/wallets?user_id={}", ani.user_id);
        assert_eq!(admin.get(&of_ani).await.expect(200)["wallets"], json!(own));
        let one = format!("/admin/wallets?id={}", budi.wallet_id);
        let found = admin.get(&one).await.expect(200);
        assert_eq!(found["wallets"][0]["user_id"], budi.user_id);
        // The system's accounts are no wallets, and what is not there is nothing.
        for nothing in ["?user_id=999999", "?id=999999"] {
            let found = admin
                .get(&format!("/admin/wallets{nothing}"))
                .await
                .expect(200);
            assert_eq!(found["wallets"], json!([]), "{nothing}");
        }
        for wrong in [
            "",
            "?user_id=0",
            "?id=-3600",
            "?user_id=x",
            "?user_id=1&id=1",
            "?id=",
        ] {
            let answer = admin.get(&format!("/admin/wallets{wrong}")).await;
            answer.expect_error(400, "Invalid query");
        }
        for path in [&of_ani, &one] {
            ani.client.get(path).await.expect_error(403, "Unauthorized");
        }
        bank.assert_whole().await;
    }
}
