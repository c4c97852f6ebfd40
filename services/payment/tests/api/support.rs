//! A payment service on a ledger, and clients of it.

use clock::Entropy;
use serde_json::{Value, json};
use store::DatabaseConfig;
use test_bank::{Bank, Customer, ready};
use testing::{Answer, TestClient, TestDatabase, TestServer, every_database};

/// A payment service and everything that it stands on.
pub(crate) struct World {
    pub(crate) bank: Bank,
    api: TestClient,
    _server: TestServer,
    database: TestDatabase,
}

/// One on each database that this machine has.
pub(crate) async fn every_world() -> Vec<World> {
    let mut worlds = Vec::new();
    for database in every_database().await {
        worlds.push(World::start(database).await);
    }
    worlds
}

impl World {
    pub(crate) async fn start(database: TestDatabase) -> World {
        let bank = Bank::start(&database).await;
        payment::migrate(&database.config("payment")).await.unwrap();
        let (server, api) = instance(&bank, &database, true).await;
        World {
            bank,
            api,
            _server: server,
            database,
        }
    }

    /// The service's own database.
    pub(crate) fn config(&self) -> DatabaseConfig {
        self.database.config("payment")
    }

    /// One more process on the same database.
    pub(crate) async fn another(&self) -> (TestServer, TestClient) {
        self.another_with(true).await
    }

    /// The same, where payers may give money back to themselves, or not.
    pub(crate) async fn another_with(&self, payer_refunds: bool) -> (TestServer, TestClient) {
        instance(&self.bank, &self.database, payer_refunds).await
    }

    /// An administrator.
    pub(crate) fn admin(&self) -> TestClient {
        self.api.with_token(self.bank.admin_token())
    }

    /// A client without a token.
    pub(crate) fn nobody(&self) -> &TestClient {
        &self.api
    }

    pub(crate) fn client(&self, customer: &Customer) -> TestClient {
        self.api.with_token(&customer.token)
    }

    /// Pays, and expects that it works.
    pub(crate) async fn pay(&self, customer: &Customer, merchant: &str, amount: i64) -> Value {
        let body = json!({"wallet_id": customer.wallet_id, "merchant": merchant, "amount": amount});
        let answer = self.client(customer).post("/payments/pay", body).await;
        answer.expect(201)["payment"].clone()
    }
}

async fn instance(
    bank: &Bank,
    database: &TestDatabase,
    payer_refunds: bool,
) -> (TestServer, TestClient) {
    let config = payment::Config {
        database: database.config("payment"),
        keys: bank.keys.clone(),
        wallet_service_url: bank.link.url(),
        user_service_url: bank.users.url(),
        payer_refunds,
        verifier: None,
    };
    let service = payment::build(config, bank.clock.clone(), Entropy::system()).await;
    let (listener, url) = TestServer::listener().await;
    let server = TestServer::start(service.unwrap(), listener);
    ready(&url).await;
    (server, TestClient::new(url))
}

/// Whether the answer says that it is the first one, come again.
pub(crate) fn is_replayed(answer: &Answer) -> bool {
    answer
        .headers
        .get("idempotency-replayed")
        .is_some_and(|value| value == "true")
}

/// Whether the answer says that it may lack the newest entries.
pub(crate) fn is_behind(answer: &Answer) -> bool {
    answer
        .headers
        .get("x-data-behind")
        .is_some_and(|value| value == "true")
}
