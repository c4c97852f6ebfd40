//! Whoever freezes a wallet is in the audit log of the user service, with the reason and the trace, beside the acts on accounts.

use serde_json::json;

use crate::support::every_bank;

#[tokio::test]
async fn a_frozen_wallet_is_in_the_audit_log() {
    for bank in every_bank().await {
        let admin = bank.login("admin@example.com", "a long password").await;
        let ani = bank.customer("ani", 1_000).await;
        let path = format!("/wallets/{}/status", ani.wallet_id);
        let frozen = json!({"status": "frozen", "reason": "A court order"});
        admin.put(&path, frozen.clone()).await.expect(200);
        ani.client.put(&path, frozen).await.expect(403);
        let active = json!({"status": "active"});
        admin.put(&path, active).await.expect(200);
        for wrong in [
            json!({"status": "frozen", "reason": ""}),
            json!({"status": "frozen", "reason": 7}),
        ] {
            admin
                .put(&path, wrong)
                .await
                .expect_error(400, "Invalid field");
        }

        let log = format!("/admin/audit?object=wallet:{}", ani.wallet_id);
        let log = admin.get(&log).await.expect(200);
        let entries = log["entries"].as_array().unwrap();
        let acts: Vec<_> = entries
            .iter()
            .map(|entry| entry["act"].as_str().unwrap())
            .collect();
        assert_eq!(acts, ["activate_wallet", "freeze_wallet"]);
        assert_eq!(entries[1]["reason"], "A court order");
        assert_eq!(entries[1]["actor_role"], "admin");
        assert!(entries[0].get("reason").is_none());
        let mine = admin.get("/users/verify").await.expect(200);
        assert_eq!(entries[1]["actor_id"], mine["user"]["id"]);
        bank.assert_whole().await;
    }
}
