//! What the first start puts there, and a start that has to wait.

use serde_json::json;
use testing::{every_database, wait_until};

use crate::support::{FakeLedger, PASSWORD, TestUsers, config, every_service, manual_clock};

const ADMIN: &str = "root@example.com";
const ADMIN_PASSWORD: &str = "a long password";

#[tokio::test]
async fn demo_users_and_the_administrator_are_made_once() {
    for database in every_database().await {
        let users = TestUsers::start(&database, |config| {
            config.demo_data = true;
            config.admin_email = Some("Root@example.com".to_owned());
            config.admin_password = Some(ADMIN_PASSWORD.to_owned());
        })
        .await;
        // Whoever comes first makes the administrator, with the password that it knows.
        users.is_ready().await;
        let again = users
            .another(|config| config.admin_password = Some("not used any more".to_owned()))
            .await;
        for at in [&users, &again] {
            let token = at.log_in(ADMIN, ADMIN_PASSWORD).await;
            let list = at.client.with_token(token).get("/users").await.expect(200);
            assert_eq!(
                list["users"],
                json!([
                    {"id": 4, "name": "Administrator", "email": "Root@example.com", "phone": "", "role": "admin"},
                    {"id": 3, "name": "Bob Wilson", "email": "bob@example.com", "phone": "081234567892", "role": "user"},
                    {"id": 2, "name": "Jane Smith", "email": "jane@example.com", "phone": "081234567891", "role": "user"},
                    {"id": 1, "name": "John Doe", "email": "john@example.com", "phone": "081234567890", "role": "user"},
                ])
            );
        }
        for email in ["john@example.com", "jane@example.com", "bob@example.com"] {
            again.log_in(email, "password123").await;
        }
        assert_eq!(again.person("Ani").await.id, 5);
    }
}

#[tokio::test]
async fn several_replicas_start_at_once() {
    for database in every_database().await {
        let ledger = FakeLedger::start().await;
        let mut config = config(&database, &ledger.url);
        config.demo_data = true;
        config.admin_email = Some(ADMIN.to_owned());
        config.admin_password = Some(ADMIN_PASSWORD.to_owned());
        user::migrate(&config.database).await.unwrap();
        let starting: Vec<_> = (0..4)
            .map(|_| {
                let started = TestUsers::run(config.clone(), manual_clock(), ledger.clone());
                tokio::spawn(started)
            })
            .collect();
        let mut replicas = Vec::new();
        for task in starting {
            replicas.push(task.await.unwrap());
        }
        for users in &replicas {
            let token = users.log_in(ADMIN, ADMIN_PASSWORD).await;
            let list = users.client.with_token(token).get("/users").await;
            let list = list.expect(200);
            let names: Vec<&str> = list["users"]
                .as_array()
                .unwrap()
                .iter()
                .map(|user| user["name"].as_str().unwrap())
                .collect();
            assert_eq!(
                names,
                ["Administrator", "Bob Wilson", "Jane Smith", "John Doe"]
            );
        }
    }
}

#[tokio::test]
async fn who_had_the_administrators_address_before_does_not_get_in() {
    for (_database, users) in every_service().await {
        let squatter = users.person("Root").await;
        let users = users
            .another(|config| {
                config.admin_email = Some(ADMIN.to_owned());
                config.admin_password = Some(ADMIN_PASSWORD.to_owned());
            })
            .await;
        let old = json!({"email": squatter.email, "password": PASSWORD});
        let refused = users.client.post("/auth/login", old).await;
        refused.expect_error(401, "Invalid credentials");
        let squatter = users.client.with_token(&squatter.token);
        squatter.get("/users/1").await.expect(200);
        let budi = users.person("Budi").await;
        let seen = squatter.get(&format!("/users/{}", budi.id)).await;
        assert_eq!(seen.expect(200)["user"]["email"], "b***@example.com");
        let token = users.log_in(ADMIN, ADMIN_PASSWORD).await;
        let admin = users.client.with_token(token);
        let seen = admin.get(&format!("/users/{}", budi.id)).await;
        assert_eq!(seen.expect(200)["user"]["email"], "budi@example.com");
    }
}

#[tokio::test]
async fn a_service_waits_for_its_schema() {
    for database in every_database().await {
        let ledger = FakeLedger::start().await;
        let mut config = config(&database, &ledger.url);
        config.demo_data = true;
        let users = TestUsers::run(config, manual_clock(), ledger).await;
        let waiting = users.client.get("/readyz").await.expect(503);
        assert_eq!(
            waiting["failing"],
            json!({
                "database": "the database is not migrated",
                "ledger": "the ledger was not asked yet",
                "signing_keys": "the keys that sign tokens are not known yet",
            })
        );
        users.client.get("/health").await.expect(503);
        assert_eq!(users.client.get("/livez").await.status, 200);
        user::migrate(&users.config.database).await.unwrap();
        wait_until("it is ready", async || {
            users.client.get("/readyz").await.status == 200
        })
        .await;
        users.log_in("john@example.com", "password123").await;
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_be_is_refused() {
    for database in every_database().await {
        let refused = async |change: fn(&mut user::Config), reason: &str| {
            let mut config = config(&database, "http://127.0.0.1:9");
            change(&mut config);
            let built = user::build(config, manual_clock(), clock::Entropy::system()).await;
            let error = format!("{:#}", built.err().unwrap());
            assert!(error.contains(reason), "{error}");
        };
        refused(|config| config.keys.secret_key = None, "SECRET_KEY").await;
        refused(
            |config| config.keys.secret_key = Some(String::new()),
            "SECRET_KEY",
        )
        .await;
        refused(
            |config| config.keys.secret_key = Some("short".to_owned()),
            "32 bytes",
        )
        .await;
        refused(
            |config| config.admin_email = Some(ADMIN.to_owned()),
            "ADMIN_EMAIL and ADMIN_PASSWORD",
        )
        .await;
        refused(
            |config| {
                config.admin_email = Some(ADMIN.to_owned());
                config.admin_password = Some("short".to_owned());
            },
            "ADMIN_PASSWORD",
        )
        .await;
        refused(
            |config| config.wallet_service_url = "localhost".to_owned(),
            "WALLET_SERVICE_URL",
        )
        .await;
    }
}
