//! The whole bank on free ports, with demo data, in a fresh database of either kind.

use clock::{Clock, Entropy};
use local::{Bank, Config};
use serde_json::{Value, json};
use tempfile::TempDir;
use testing::{TestClient, TestDatabase};

pub(crate) struct TestBank {
    pub(crate) bank: Bank,
    pub(crate) api: TestClient,
    pub(crate) config: Config,
    _folder: TempDir,
    _database: TestDatabase,
}

pub(crate) async fn every_bank() -> Vec<TestBank> {
    every_bank_with(|_| {}).await
}

/// The same, each with these settings changed.
pub(crate) async fn every_bank_with(change: impl Fn(&mut Config)) -> Vec<TestBank> {
    let mut banks = Vec::new();
    for database in testing::every_database().await {
        banks.push(TestBank::start(database, &change).await);
    }
    banks
}

/// The token of a service of this name.
pub(crate) fn service_token(name: &'static str) -> String {
    let keys = auth::ServiceKeyConfig::from_secret(testing::SECRET)
        .service_keys(Clock::system())
        .unwrap();
    let token = auth::ServiceIdentity::new(name, keys).token().unwrap();
    token.to_string()
}

impl TestBank {
    async fn start(database: TestDatabase, change: impl Fn(&mut Config)) -> TestBank {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config {
            database_url: (database.backend == "postgres").then(|| database.config("any").url),
            demo_data: true,
            // One of each: through the services' ports, and within the process.
            over_http: database.backend == "postgres",
            admin_email: Some("admin@example.com".to_owned()),
            admin_password: Some("a long password".to_owned()),
            ..Config::on_free_ports(folder.path().join("data"), testing::SECRET)
        };
        change(&mut config);
        let bank = Bank::start(config.clone(), Clock::system(), Entropy::system())
            .await
            .unwrap();
        TestBank {
            api: api_of(&bank),
            bank,
            config,
            _folder: folder,
            _database: database,
        }
    }

    /// Ends it, and starts it anew with these settings changed.
    pub(crate) async fn restart(self, change: impl Fn(&mut Config)) -> TestBank {
        let TestBank {
            bank,
            mut config,
            _folder,
            _database,
            ..
        } = self;
        bank.stop().await;
        change(&mut config);
        let bank = Bank::start(config.clone(), Clock::system(), Entropy::system())
            .await
            .unwrap();
        TestBank {
            api: api_of(&bank),
            bank,
            config,
            _folder,
            _database,
        }
    }

    /// A client of the wallet service's own port, with this token.
    pub(crate) fn wallets(&self, token: &str) -> TestClient {
        TestClient::new(self.bank.urls()[2].clone()).with_token(token)
    }

    /// A client who is logged in.
    pub(crate) async fn login(&self, email: &str, password: &str) -> TestClient {
        let body = json!({"email": email, "password": password});
        let answer = self.api.post("/auth/login", body).await.expect(200);
        self.api.with_token(answer["token"].as_str().unwrap())
    }

    /// A new user with a token and their id.
    pub(crate) async fn register(&self, name: &str) -> (TestClient, i64) {
        let body = json!({"name": name, "email": format!("{name}@example.org"), "phone": "0811", "password": "a long password"});
        let answer = self.api.post("/auth/register", body).await.expect(201);
        (
            self.api.with_token(answer["token"].as_str().unwrap()),
            answer["user"]["id"].as_i64().unwrap(),
        )
    }

    /// A new user with a wallet of this balance.
    pub(crate) async fn customer(&self, name: &str, balance: i64) -> Customer {
        let (client, user_id) = self.register(name).await;
        let wallet_id = client.post("/wallets", json!({})).await.expect(201)["wallet"]["id"]
            .as_i64()
            .unwrap();
        if balance > 0 {
            client
                .post(
                    &format!("/wallets/{wallet_id}/topup"),
                    json!({"amount": balance}),
                )
                .await
                .expect(200);
        }
        Customer {
            token: client.token().unwrap_or_default().to_owned(),
            client,
            user_id,
            wallet_id,
        }
    }

    pub(crate) async fn assert_whole(&self) {
        let mut report = Vec::new();
        let home = local::Home::new(&self.config);
        let whole = local::verify::verify(&home, None, &mut report)
            .await
            .unwrap();
        assert!(whole, "{}", String::from_utf8_lossy(&report));
    }
}

fn api_of(bank: &Bank) -> TestClient {
    TestClient::new(format!("{}/api/v1", bank.gateway_url()))
}

pub(crate) struct Customer {
    pub(crate) client: TestClient,
    pub(crate) token: String,
    pub(crate) user_id: i64,
    pub(crate) wallet_id: i64,
}

impl Customer {
    pub(crate) async fn balance(&self) -> i64 {
        let path = format!("/wallets/{}/balance", self.wallet_id);
        self.client.get(&path).await.expect(200)["balance"]
            .as_i64()
            .unwrap()
    }

    pub(crate) fn pay(&self, amount: i64) -> Value {
        json!({"wallet_id": self.wallet_id, "merchant": "Tokopedia", "amount": amount})
    }

    pub(crate) fn transfer(&self, to: &Customer, amount: i64) -> Value {
        json!({"from_wallet_id": self.wallet_id, "to_user_id": to.user_id, "amount": amount})
    }

    pub(crate) async fn list(&self, path: &str, key: &str) -> Vec<Value> {
        self.client.get(path).await.expect(200)[key]
            .as_array()
            .unwrap()
            .clone()
    }
}
