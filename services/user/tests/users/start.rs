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
        let again = users.another(|_| {}).await;
        for at in [&users, &again] {
            let token = at.log_in(ADMIN, ADMIN_PASSWORD).await;
            let list = at.client.with_token(token).get("/users").await.expect(200);
            assert_eq!(
                list["users"],
                json!([
                    {"id": 4, "name": "Administrator", "email": "Root@example.com", "phone": "", "role": "admin", "status": "active"},
                    {"id": 3, "name": "Bob Wilson", "email": "bob@example.com", "phone": "081234567892", "role": "user", "status": "active"},
                    {"id": 2, "name": "Jane Smith", "email": "jane@example.com", "phone": "081234567891", "role": "user", "status": "active"},
                    {"id": 1, "name": "John Doe", "email": "john@example.com", "phone": "081234567890", "role": "user", "status": "active"},
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
        let budi = users.person("Budi").await;
        let squatter = users.client.with_token(&squatter.token);
        wait_until("their session is over", async || {
            squatter.get("/users/1").await.status == 401
        })
        .await;
        squatter
            .delete("/users/1")
            .await
            .expect_error(401, "Invalid token");
        let token = users.log_in(ADMIN, ADMIN_PASSWORD).await;
        let admin = users.client.with_token(token);
        let seen = admin.get(&format!("/users/{}", budi.id)).await;
        assert_eq!(seen.expect(200)["user"]["email"], "budi@example.com");
    }
}

/// Whoever configures a new password has a reason: the old one is known to somebody.
#[tokio::test]
async fn a_new_admin_password_is_taken_once_and_ends_the_sessions() {
    for database in every_database().await {
        let with = |password: &str| {
            let password = password.to_owned();
            move |config: &mut user::Config| {
                config.admin_email = Some(ADMIN.to_owned());
                config.admin_password = Some(password);
            }
        };
        let first = TestUsers::start(&database, with(ADMIN_PASSWORD)).await;
        first.is_ready().await;
        let old = first.log_in(ADMIN, ADMIN_PASSWORD).await;
        let is_right = async |at: &TestUsers, password: &str| {
            let body = json!({"email": ADMIN, "password": password});
            at.client.post("/auth/login", body).await.status == 200
        };

        let second = first.another(with("another long password")).await;
        second.is_ready().await;
        assert!(!is_right(&second, ADMIN_PASSWORD).await);
        assert!(is_right(&second, "another long password").await);
        for at in [&first, &second] {
            let client = at.client.with_token(&old);
            wait_until("the old session is over", async || {
                client.get("/users").await.status == 401
            })
            .await;
        }

        // A replica that still has the old value, and one that starts again with the new one, change nothing.
        let admin = second.log_in(ADMIN, "another long password").await;
        let admin = second.client.with_token(admin);
        for password in [ADMIN_PASSWORD, "another long password"] {
            second.another(with(password)).await.is_ready().await;
            assert!(
                is_right(&second, "another long password").await,
                "{password}"
            );
        }
        admin.get("/users").await.expect(200);

        // What the administrator chose stays, until another value is configured.
        let chosen =
            json!({"old_password": "another long password", "new_password": "chosen by myself"});
        let path = format!("/users/{}/password", 1);
        let changed = admin.put(&path, chosen).await;
        assert_eq!(changed.status, 204, "{}", changed.text());
        second
            .another(with("another long password"))
            .await
            .is_ready()
            .await;
        assert!(is_right(&second, "chosen by myself").await);
        let third = second.another(with("a third long password")).await;
        third.is_ready().await;
        assert!(is_right(&third, "a third long password").await);
        assert!(!is_right(&third, "chosen by myself").await);
    }
}

/// The release before noted no hash of what was configured.
#[tokio::test]
async fn an_administrator_of_the_release_before_keeps_the_password() {
    for database in every_database().await {
        let configured = |config: &mut user::Config| {
            config.admin_email = Some(ADMIN.to_owned());
            config.admin_password = Some(ADMIN_PASSWORD.to_owned());
        };
        let users = TestUsers::start(&database, configured).await;
        users.is_ready().await;
        let token = users.log_in(ADMIN, ADMIN_PASSWORD).await;
        let file = store::Database::open(&users.config.database).await.unwrap();
        testing::execute(&file, "delete from admin_passwords")
            .await
            .unwrap();
        let again = users.another(configured).await;
        again.is_ready().await;
        again
            .client
            .with_token(token)
            .get("/users")
            .await
            .expect(200);
        let changed = users
            .another(|config| config.admin_password = Some("another long password".to_owned()))
            .await;
        changed.is_ready().await;
        changed.log_in(ADMIN, "another long password").await;
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
            |config| {
                config.admin_email = Some(ADMIN.to_owned());
                config.admin_password = Some("password123".to_owned());
                config.demo_data = true;
            },
            "ADMIN_PASSWORD is among those that attackers try first",
        )
        .await;
        refused(
            |config| config.wallet_service_url = "localhost".to_owned(),
            "WALLET_SERVICE_URL",
        )
        .await;
    }
}
