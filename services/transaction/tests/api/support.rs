//! A transaction service on a ledger, and clients of it.

use clock::Entropy;
use ledger_api::{Entry, Event, Kinds};
use money::Amount;
use serde_json::Value;
use store::{Database, DatabaseConfig, in_transaction, sqlx};
use test_bank::{Bank, Customer, ready};
use testing::{Answer, TestClient, TestDatabase, TestServer, every_database};

/// A transaction service and everything that it stands on.
pub(crate) struct World {
    pub(crate) bank: Bank,
    api: TestClient,
    _server: TestServer,
    database: TestDatabase,
    kinds: &'static Kinds,
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
        World::start_with(database, &wallet_api::KINDS).await
    }

    /// One whose ledger has these kinds of postings.
    pub(crate) async fn start_with(database: TestDatabase, kinds: &'static Kinds) -> World {
        let bank = Bank::start_with(&database, kinds).await;
        transaction::migrate(&database.config("transaction"))
            .await
            .unwrap();
        let (server, api) = instance(&bank, database.config("transaction"), kinds).await;
        World {
            bank,
            api,
            _server: server,
            database,
            kinds,
        }
    }

    /// The service's own database.
    pub(crate) fn config(&self) -> DatabaseConfig {
        self.database.config("transaction")
    }

    /// One more process on the same database.
    pub(crate) async fn another(&self) -> (TestServer, TestClient) {
        instance(&self.bank, self.database.config("transaction"), self.kinds).await
    }

    /// The same with room for so many streams of events.
    pub(crate) async fn another_with_streams(&self, streams: usize) -> (TestServer, TestClient) {
        let database = self.database.config("transaction");
        let change = |config: &mut transaction::Config| config.event_streams_max = streams;
        instance_with(&self.bank, database, self.kinds, change).await
    }

    /// Changes the service's own database behind its back.
    pub(crate) async fn execute(&self, statements: &[&'static str]) {
        let config = self.database.config("transaction");
        let database = Database::open(&config).await.unwrap();
        let done: Result<(), sqlx::Error> = async {
            in_transaction!(&database, tx => {
                for statement in statements {
                    sqlx::query(*statement).execute(&mut *tx).await?;
                }
                Ok(())
            })
        }
        .await;
        done.unwrap();
        database.close().await;
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

    /// A client that is another service.
    pub(crate) fn service(&self, name: &'static str) -> TestClient {
        self.api.with_token(self.bank.service_token(name))
    }

    pub(crate) async fn pay(&self, who: &Customer, merchant: &str, amount: i64) -> Entry {
        let amount = Amount::new(amount).unwrap();
        let operation = wallet_api::pay(who.wallet_id, who.user_id, merchant, amount);
        self.bank.carry_out(operation).await
    }

    pub(crate) async fn send(&self, from: &Customer, to: &Customer, amount: i64) -> Entry {
        let amount = Amount::new(amount).unwrap();
        let operation = wallet_api::transfer(from.wallet_id, from.user_id, to.user_id, amount);
        self.bank.carry_out(operation).await
    }

    /// The id of the side of an entry that is somebody's: sides of users count from 1, in the order of the log.
    pub(crate) async fn id(&self, entry: &Entry, who: &Customer) -> i64 {
        let log = self.bank.log().await;
        let sides = log.into_iter().filter_map(|it| match it.event {
            Event::Posted(posting) => Some([(it.seq, posting.debit), (it.seq, posting.credit)]),
            _ => None,
        });
        let of_users = sides.flatten().filter(|(_, leg)| leg.user_id.is_some());
        let mut numbered = (1..).zip(of_users);
        let found =
            numbered.find(|(_, (seq, leg))| *seq == entry.seq && leg.user_id == Some(who.user_id));
        found.expect("a side of theirs").0
    }

    /// The newest page of somebody's transactions.
    pub(crate) async fn transactions(&self, who: &Customer) -> Vec<Value> {
        list(&self.client(who), "/transactions").await
    }
}

/// The transactions of one page.
pub(crate) async fn list(client: &TestClient, path: &str) -> Vec<Value> {
    let page = client.get(path).await.expect(200);
    page["transactions"].as_array().unwrap().clone()
}

/// One field of each.
pub(crate) fn each(transactions: &[Value], field: &str) -> Vec<Value> {
    let field = transactions
        .iter()
        .map(|transaction| transaction[field].clone());
    field.collect()
}

/// A transaction service on this database, which knows these kinds.
pub(crate) async fn instance(
    bank: &Bank,
    database: DatabaseConfig,
    kinds: &'static Kinds,
) -> (TestServer, TestClient) {
    instance_with(bank, database, kinds, |_| {}).await
}

/// The same with changes to the configuration.
pub(crate) async fn instance_with(
    bank: &Bank,
    database: DatabaseConfig,
    kinds: &'static Kinds,
    change: impl FnOnce(&mut transaction::Config),
) -> (TestServer, TestClient) {
    let mut config = transaction::Config {
        database,
        keys: bank.keys.clone(),
        wallet_service_url: bank.link.url(),
        user_service_url: bank.users.url(),
        event_streams_max: transaction::EVENT_STREAMS_MAX,
        verifier: None,
        kinds,
    };
    change(&mut config);
    let service = transaction::build(config, bank.clock.clone(), Entropy::system()).await;
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
