//! The audit log says who did what, of whatever kind it was; and nothing takes a row away while it is young.

use serde_json::{Value, json};
use store::Database;
use testing::{TestClient, every_database, execute, wait_until};

use crate::support::{PASSWORD, TestUsers, registration};

pub(crate) const ADMIN: &str = "root@example.com";
pub(crate) const ADMIN_PASSWORD: &str = "a long password";

/// A service with an administrator, who is logged in.
pub(crate) async fn with_admin(database: &testing::TestDatabase) -> (TestUsers, TestClient) {
    let users = TestUsers::start(database, |config| {
        config.admin_email = Some(ADMIN.to_owned());
        config.admin_password = Some(ADMIN_PASSWORD.to_owned());
    })
    .await;
    users.is_ready().await;
    let token = users.log_in(ADMIN, ADMIN_PASSWORD).await;
    let admin = users.client.with_token(token);
    (users, admin)
}

async fn entries(admin: &TestClient, query: &str) -> Vec<Value> {
    let body = admin.get(&format!("/admin/audit{query}")).await.expect(200);
    body["entries"].as_array().unwrap().clone()
}

/// Role, act, object and result of each.
fn short(entries: &[Value]) -> Vec<String> {
    let word = |entry: &Value, field: &str| entry[field].as_str().unwrap_or("-").to_owned();
    let line = |entry: &Value| {
        ["actor_role", "act", "object_kind", "object_id", "result"]
            .map(|field| word(entry, field))
            .join(" ")
    };
    entries.iter().map(line).collect()
}

#[tokio::test]
async fn every_act_on_an_account_is_written_down() {
    for database in every_database().await {
        let (users, admin) = with_admin(&database).await;
        let ani = users.person("Ani").await;
        let path = format!("/users/{}", ani.id);
        let log_in = async |email: &str, password: &str| {
            let body = json!({"email": email, "password": password});
            users.client.post("/auth/login", body).await.status.as_u16()
        };
        assert_eq!(log_in(&ani.email, "wrong horse").await, 401);
        assert_eq!(log_in("nobody@example.com", PASSWORD).await, 401);
        let second = users
            .client
            .with_token(users.log_in(&ani.email, PASSWORD).await);
        second.post("/auth/logout", json!({})).await;
        let passwords = |old: &str| json!({"old_password": old, "new_password": "battery staple"});
        let password = format!("{path}/password");
        ani.client
            .put(&password, passwords("wrong horse"))
            .await
            .expect(403);
        assert_eq!(
            ani.client.put(&password, passwords(PASSWORD)).await.status,
            204
        );
        admin
            .put(&path, json!({"name": "Ani P."}))
            .await
            .expect(200);
        for (status, reason) in [
            ("suspended", "Reported as stolen"),
            ("active", "It was a mistake"),
        ] {
            let body = json!({"status": status, "reason": reason});
            admin.put(&format!("{path}/status"), body).await.expect(200);
        }
        let sessions = format!("{path}/sessions");
        assert_eq!(admin.delete(&sessions).await.status, 204);
        admin.delete(&path).await.expect(200);

        let all = entries(&admin, "").await;
        assert_eq!(
            short(&all),
            [
                "admin delete_user user 2 done",
                "admin end_sessions user 2 done",
                "admin activate_user user 2 done",
                "admin suspend_user user 2 done",
                "admin update_user user 2 done",
                "user change_password user 2 done",
                "user change_password user 2 refused",
                "user log_out user 2 done",
                "user log_in user 2 done",
                "nobody log_in user - refused",
                "nobody log_in user 2 refused",
                "user register user 2 done",
                "admin log_in user 1 done",
                "service make_admin user 1 done",
            ]
        );
        let suspended = &all[3];
        assert_eq!(suspended["reason"], "Reported as stolen");
        assert_eq!(suspended["actor_id"], 1);
        assert_eq!(suspended["address"], "127.0.0.1");
        assert_eq!(suspended["at"], "2026-09-21T14:13:20.000000Z");
        let text = Value::from(all.clone()).to_string();
        for secret in [
            PASSWORD,
            "battery staple",
            "wrong horse",
            "example.com",
            "eyJ",
        ] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }

        for (query, ids) in [
            (
                "?actor=2",
                vec![
                    "change_password",
                    "change_password",
                    "log_out",
                    "log_in",
                    "register",
                ],
            ),
            ("?act=log_in&object=user:2", vec!["log_in", "log_in"]),
            ("?act=suspend_user", vec!["suspend_user"]),
            ("?object=user:1&limit=1", vec!["log_in"]),
            ("?object=wallet", vec![]),
            ("?object=user&actor=1&act=delete_user", vec!["delete_user"]),
        ] {
            let found = entries(&admin, query).await;
            let acts: Vec<_> = found
                .iter()
                .map(|entry| entry["act"].as_str().unwrap())
                .collect();
            assert_eq!(acts, ids, "{query}");
        }
        let (mut seen, mut query) = (Vec::new(), "?limit=5".to_owned());
        loop {
            let page = admin.get(&format!("/admin/audit{query}")).await.expect(200);
            seen.extend(page["entries"].as_array().unwrap().clone());
            let Some(next) = page["next"].as_i64() else {
                break;
            };
            query = format!("?limit=5&before={next}");
        }
        assert_eq!(seen, all);
        assert!(
            users
                .metric("account_acts_total{act=\"log_in\",result=\"refused\"}")
                .await
                >= 2.0
        );
    }
}

#[tokio::test]
async fn the_log_is_for_administrators() {
    for database in every_database().await {
        let (users, admin) = with_admin(&database).await;
        let ani = users.person("Ani").await;
        let refused = ani.client.get("/admin/audit").await;
        assert_eq!(
            refused.expect_error(403, "Unauthorized")["code"],
            "admins_only"
        );
        for query in [
            "?actor=x",
            "?actor=0",
            "?act=nothing",
            "?act=",
            "?object=%00",
            "?actor=1&actor=2",
            "?limit=0",
            "?page=2",
        ] {
            let wrong = admin.get(&format!("/admin/audit{query}")).await;
            wrong.expect_error(400, "Invalid query");
        }
    }
}

#[tokio::test]
async fn rows_are_only_added_and_leave_when_they_are_old() {
    for database in every_database().await {
        let (users, admin) = with_admin(&database).await;
        let file = Database::open(&users.config.database).await.unwrap();
        let (now, old) = ("9000000000000000", "1000000");
        for at in [now, old] {
            let insert = format!(
                "insert into audit_log (at, actor_role, act, object_kind, result) values ({at}, 'service', 'log_in', 'user', 'done')"
            );
            execute(&file, &insert).await.unwrap();
        }
        for forbidden in [
            "update audit_log set actor_id = 7",
            &format!("delete from audit_log where at = {now}"),
        ] {
            assert!(execute(&file, forbidden).await.is_err(), "{forbidden}");
        }
        let count = entries(&admin, "").await.len();
        let _later = users.another(|_| {}).await;
        wait_until("the old one is forgotten", async || {
            entries(&admin, "").await.len() == count - 1
        })
        .await;
        let left = entries(&admin, "").await;
        assert!(
            left.iter()
                .all(|entry| entry["at"] != "1970-01-01T00:00:01.000000Z")
        );
    }
}

#[tokio::test]
async fn only_the_wallet_service_tells_of_wallets_and_once() {
    for database in every_database().await {
        let (users, admin) = with_admin(&database).await;
        let told = json!({
            "key": "0b9a4c1e-6f53-4a7e-9d0c-2b7f8e315d64", "actor_id": 1, "wallet_id": 7, "is_frozen": true,
            "reason": "A court order", "address": "203.0.113.7",
        });
        let as_service = |name: &'static str| {
            let keys = auth::ServiceKeys::from_secrets(testing::SECRET, None, users.clock.clone());
            let token = auth::ServiceIdentity::new(name, keys.unwrap()).token();
            users.client.with_token(token.unwrap().to_string())
        };
        let wallet = as_service("wallet-service");
        for _ in 0..2 {
            let noted = wallet.post("/internal/audit", told.clone()).await;
            noted.expect(200);
        }
        users
            .client
            .post("/internal/audit", told.clone())
            .await
            .expect(401);
        admin
            .post("/internal/audit", told.clone())
            .await
            .expect(403);
        let other = as_service("payment-service");
        other.post("/internal/audit", told).await.expect(403);
        let found = entries(&admin, "?object=wallet:7").await;
        assert_eq!(short(&found), ["admin freeze_wallet wallet 7 done"]);
        assert_eq!(found[0]["reason"], "A court order");
        assert_eq!(found[0]["address"], "203.0.113.7");
    }
}

#[tokio::test]
async fn a_registration_that_is_repeated_is_written_once() {
    for database in every_database().await {
        let (users, admin) = with_admin(&database).await;
        for _ in 0..2 {
            let body = registration("Ani", "ani@example.com");
            users
                .client
                .post_with_key("/auth/register", "k1", body)
                .await
                .expect(201);
        }
        assert_eq!(entries(&admin, "?act=register").await.len(), 1);
    }
}
