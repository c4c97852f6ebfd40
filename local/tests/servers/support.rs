//! A server with databases that were set up by somebody else, and the whole wallet on one of them.

use std::sync::atomic::{AtomicU32, Ordering};

use clock::{Clock, Entropy};
use local::{Bank, Config};
use serde_json::json;
use store::sqlx::{self, AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;
use testing::{DurablePostgres, TestClient};

static NAMES: AtomicU32 = AtomicU32::new(0);

/// Runs SQL as the superuser, each statement by itself.
pub(crate) async fn as_superuser(server: &DurablePostgres, database: &str, statements: &[String]) {
    let url = url(server.port(), "postgres", database);
    let mut connection = PgConnection::connect(&url).await.unwrap();
    for statement in statements {
        sqlx::raw_sql(AssertSqlSafe(statement.clone()))
            .execute(&mut connection)
            .await
            .unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    connection.close().await.unwrap();
}

pub(crate) fn url(port: u16, role: &str, database: &str) -> String {
    format!("postgres://{role}@127.0.0.1:{port}/{database}")
}

/// A new database, made with these options, and a role that owns it. In what is run then, `{d}` and `{r}` stand for their names.
pub(crate) struct Prepared {
    pub(crate) name: String,
    pub(crate) role: String,
}

pub(crate) async fn prepare(server: &DurablePostgres, options: &str, set_up: &[&str]) -> Prepared {
    let number = NAMES.fetch_add(1, Ordering::Relaxed);
    let (name, role) = (format!("d{number}"), format!("r{number}"));
    let first = [
        format!("create role {role} login"),
        format!("create database {name} owner {role} {options}"),
    ];
    as_superuser(server, "postgres", &first).await;
    let set_up = set_up
        .iter()
        .map(|sql| sql.replace("{d}", &name).replace("{r}", &role));
    as_superuser(server, &name, &set_up.collect::<Vec<_>>()).await;
    Prepared { name, role }
}

impl Prepared {
    pub(crate) fn url(&self, port: u16) -> String {
        url(port, &self.role, &self.name)
    }
}

/// The whole wallet on a database that somebody else made.
pub(crate) struct Running {
    pub(crate) bank: Bank,
    pub(crate) api: TestClient,
    config: Config,
    _folder: TempDir,
}

pub(crate) async fn start(url: &str) -> anyhow::Result<Running> {
    start_waiting(url, 0).await
}

pub(crate) async fn start_waiting(url: &str, database_wait_s: u64) -> anyhow::Result<Running> {
    let folder = tempfile::tempdir()?;
    let config = Config {
        database_url: Some(url.to_owned()),
        database_wait_s,
        ..Config::on_free_ports(folder.path().join("data"), testing::SECRET)
    };
    let bank = Bank::start(config.clone(), Clock::system(), Entropy::system()).await?;
    Ok(Running {
        api: TestClient::new(format!("{}/api/v1", bank.gateway_url())),
        bank,
        config,
        _folder: folder,
    })
}

impl Running {
    /// A new user.
    pub(crate) async fn register(&self, name: &str) -> TestClient {
        let body = json!({"name": name, "email": format!("{name}@example.org"), "phone": "0811", "password": "a long password"});
        let answer = self.api.post("/auth/register", body).await.expect(201);
        self.api.with_token(answer["token"].as_str().unwrap())
    }

    /// Registers, tops up, pays with a text that needs UTF-8, looks at all of it, and audits.
    pub(crate) async fn assert_works(&self) {
        let ani = self.register("ani").await;
        let wallet = ani.post("/wallets", json!({})).await.expect(201)["wallet"]["id"].clone();
        let top_up = format!("/wallets/{wallet}/topup");
        ani.post(&top_up, json!({"amount": 1_000}))
            .await
            .expect(200);
        for merchant in ["Kopi \u{2615}", "Café 'O\\''"] {
            let pay = json!({"wallet_id": wallet, "merchant": merchant, "amount": 10});
            ani.post("/payments/pay", pay).await.expect(201);
        }
        let listed = ani.get("/transactions").await.expect(200);
        assert_eq!(listed["transactions"].as_array().unwrap().len(), 3);
        assert_eq!(
            listed["transactions"][1]["description"],
            "Payment to Kopi \u{2615}"
        );
        let payments = ani.get("/payments").await.expect(200);
        assert_eq!(payments["payments"].as_array().unwrap().len(), 2);
        let stats = ani.get("/transactions/stats").await.expect(200);
        assert_eq!(stats["net_amount"], 980);
        let mut report = Vec::new();
        let home = local::Home::new(&self.config);
        let whole = local::verify::verify(&home, None, &mut report)
            .await
            .unwrap();
        assert!(whole, "{}", String::from_utf8_lossy(&report));
    }
}
