//! Secrets never reach a log, whatever the level. A process of its own, since logs belong to a process.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::io::Write;
use std::sync::{Arc, Mutex};

use auth::ServiceKeyConfig;
use clock::{Clock, Entropy};
use http_server::{Health, Metrics, Service, Workers};
use serde_json::json;
use testing::{TestClient, TestServer, every_database};
use tracing_subscriber::filter::LevelFilter;

const SECRET_KEY: &str = "sekret-key-that-nobody-may-see-in-a-log";
const PASSWORD: &str = "sekret-password";
const ADMIN_PASSWORD: &str = "sekret-admin-password";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A ledger that says who it is.
async fn ledger_without_orders() -> TestServer {
    let standing = json!({
        "ledger": ledger_api::Uuid::from_u128(1), "head": 0, "highest_user": 0, "highest_told": 0, "is_demo": false,
    });
    let standing = axum::routing::get(async move || axum::Json(standing));
    let nobody = axum::routing::get(async || axum::Json(json!({"users": []})));
    let service = Service {
        name: "wallet-service",
        router: axum::Router::new()
            .route("/internal/ledger", standing)
            .route("/internal/ledger/users/closed", nobody),
        own_health: false,
        health: Health::new("wallet-service", Clock::system()),
        metrics: Metrics::new().unwrap(),
        workers: Workers::default(),
    };
    let (listener, _) = TestServer::listener().await;
    TestServer::start(service, listener)
}

#[tokio::test]
async fn secrets_never_reach_a_log() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .init();
    let mut secrets = vec![
        SECRET_KEY.to_owned(),
        PASSWORD.to_owned(),
        ADMIN_PASSWORD.to_owned(),
        "$argon2id$".to_owned(),
    ];
    let ledger = ledger_without_orders().await;
    for database in every_database().await {
        let config = user::Config {
            argon2_memory_kib: 64,
            argon2_passes: 1,
            admin_email: Some("root@example.com".to_owned()),
            admin_password: Some(ADMIN_PASSWORD.to_owned()),
            // It takes no orders: what fails is logged too.
            ..user::Config::new(
                database.config("users"),
                ServiceKeyConfig::from_secret(SECRET_KEY),
                ledger.url(),
            )
        };
        tracing::info!(?config, "the configuration");
        user::migrate(&config.database).await.unwrap();
        let service = user::build(config, Clock::system(), Entropy::system());
        let service = service.await.unwrap();
        let (listener, url) = TestServer::listener().await;
        let server = TestServer::start(service, listener);
        let client = TestClient::new(url);

        let ani = json!({"name": "Ani", "email": "ani@example.com", "phone": "0812", "password": PASSWORD});
        let session = client.post_with_key("/auth/register", "k1", ani.clone());
        let token = session.await.expect(201)["token"].clone();
        let token = token.as_str().unwrap();
        client.post("/auth/register", ani).await.expect(400);
        for body in [
            json!({"email": "ani@example.com", "password": PASSWORD}),
            json!({"email": "nobody@example.com", "password": PASSWORD}),
            json!({"email": "ani@example.com", "password": [PASSWORD]}),
            json!({"email": "ani@example.com", PASSWORD: PASSWORD}),
        ] {
            client.post("/auth/login", body).await;
        }
        let deleted = client.with_token(token).delete("/users/2").await;
        deleted.expect(200);
        client.with_token(token).get("/users").await.expect(401);
        server.stop().await;
        secrets.push(token.to_owned());
    }
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(log.contains("the ledger cannot be told"), "{log}");
    for secret in secrets {
        if let Some(at) = log.find(&secret) {
            let from = log[..at].rfind('\n').unwrap_or(0);
            panic!("in the log: {}", &log[from..at + secret.len()]);
        }
    }
}
