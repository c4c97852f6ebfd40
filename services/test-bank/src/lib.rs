//! What tests of the services around the ledger stand on: the real wallet service, behind a link that can be broken, and
//! users that exist as far as their tokens go.
//!
//! Everything shares one clock that stands still until a test moves it.

mod users;

pub use users::Users;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use auth::{Claims, Role, ServiceIdentity, ServiceKeyConfig, SigningKeys, UserId};
use clock::{Clock, Entropy, Timestamp};
use ledger_api::{
    Actor, Entry, Event, Kinds, LedgerClient, Operation, Order, Outcome, Service, WalletStatus,
};
use money::{Amount, Currency};
use service_client::{ConnectOptions, RetryCounters, ServiceClient};
use testing::{Link, SECRET, TestClient, TestDatabase, TestServer, wait_until};

/// When the clock starts: 2026-11-22T00:00:00Z.
const START: Timestamp = Timestamp::from_micros(1_795_305_600_000_000);
/// The id of the administrator: no customer has it.
const ADMIN: i64 = 1_000_000;

/// A ledger with users, and everything that a service needs to know of them.
pub struct Bank {
    /// The clock of everything.
    pub clock: Clock,
    /// The way to the ledger for the services under test.
    pub link: Link,
    /// Who there is.
    pub users: Users,
    /// The ledger, past the link.
    pub ledger: LedgerClient,
    /// The services' secret.
    pub keys: ServiceKeyConfig,
    entropy: Entropy,
    next_user: Arc<AtomicI64>,
    _wallet: TestServer,
}

impl Bank {
    /// A bank with an empty ledger.
    pub async fn start(database: &TestDatabase) -> Bank {
        Bank::start_with(database, &wallet_api::KINDS).await
    }

    /// The same, whose ledger has these kinds of postings.
    pub async fn start_with(database: &TestDatabase, kinds: &'static Kinds) -> Bank {
        let clock = Clock::manual(START);
        let keys = ServiceKeyConfig::from_secret(SECRET);
        let users = Users::start(clock.clone()).await;
        let config = wallet::Config {
            database: database.config("wallet"),
            keys: keys.clone(),
            user_service_url: users.url(),
            demo_data: false,
            money: wallet::MoneyConfig {
                movement_max: Amount::MAX,
                ..wallet::MoneyConfig::open()
            },
            peer_url: None,
            verifier: None,
            kinds,
        };
        wallet::migrate(&config.database)
            .await
            .unwrap_or_else(|error| panic!("the ledger cannot be migrated: {error:#}"));
        let service = wallet::build(config, clock.clone(), Entropy::system())
            .await
            .unwrap_or_else(|error| panic!("the ledger cannot be built: {error:#}"));
        let (listener, url) = TestServer::listener().await;
        let wallet = TestServer::start(service, listener);
        ready(&url).await;
        Bank {
            link: Link::to(wallet.address).await,
            ledger: LedgerClient::new(client(&keys, &clock, &url)),
            clock,
            users,
            keys,
            entropy: Entropy::system(),
            next_user: Arc::new(AtomicI64::new(1)),
            _wallet: wallet,
        }
    }

    /// A user with a wallet that holds `rupiah`.
    pub async fn customer(&self, rupiah: i64) -> Customer {
        let user_id = self.next_user.fetch_add(1, Ordering::SeqCst);
        let wallet_id = self.open(user_id, Currency::IDR).await;
        if rupiah > 0 {
            self.top_up(user_id, wallet_id, rupiah).await;
        }
        Customer {
            user_id,
            wallet_id,
            token: self.token(user_id),
        }
    }

    /// A user who has nothing, not even a wallet: the id, and a token.
    pub fn stranger(&self) -> (i64, String) {
        let user_id = self.next_user.fetch_add(1, Ordering::SeqCst);
        (user_id, self.token(user_id))
    }

    /// Opens one more wallet.
    pub async fn open(&self, user_id: i64, currency: Currency) -> i64 {
        let entry = self.carry_out(Operation::OpenWallet { user_id, currency });
        match entry.await.event {
            Event::WalletOpened { wallet_id, .. } => wallet_id,
            other => panic!("not an opened wallet: {other:?}"),
        }
    }

    /// Puts money into a wallet.
    pub async fn top_up(&self, user_id: i64, wallet_id: i64, amount: i64) -> Entry {
        self.carry_out(wallet_api::top_up(wallet_id, user_id, units(amount)))
            .await
    }

    /// Takes money out of a wallet.
    pub async fn deduct(&self, wallet_id: i64, amount: i64, purpose: Option<&str>) -> Entry {
        let by = Actor::Service(Service::Wallet);
        let purpose = purpose.map(str::to_owned);
        let operation = wallet_api::withdraw(wallet_id, by, units(amount), purpose);
        self.carry_out(operation).await
    }

    /// Freezes a wallet.
    pub async fn freeze(&self, wallet_id: i64) {
        let status = WalletStatus::Frozen;
        let by = Actor::Service(Service::Wallet);
        self.carry_out(Operation::SetStatus {
            wallet_id,
            status,
            by,
        })
        .await;
    }

    /// Has the ledger do something that it does not refuse and that becomes one entry.
    pub async fn carry_out(&self, operation: Operation) -> Entry {
        let mut entries = self.carry_out_all(operation).await;
        let entry = entries.pop().filter(|_| entries.is_empty());
        entry.unwrap_or_else(|| panic!("not one entry: {entries:?}"))
    }

    /// Has the ledger do something that it does not refuse.
    pub async fn carry_out_all(&self, operation: Operation) -> Vec<Entry> {
        let key = self.entropy.uuid_v7(self.clock.now());
        match self.ledger.submit(Order { key, operation }).await {
            Ok(Outcome::Accepted { entries, .. }) => entries,
            other => panic!("not accepted: {other:?}"),
        }
    }

    /// What a wallet holds, as the whole log has it.
    pub async fn balance(&self, wallet_id: i64) -> i64 {
        let mut balance = 0;
        for entry in self.log().await {
            if let Event::Posted(posting) = entry.event {
                for leg in [posting.debit, posting.credit] {
                    if leg.account == wallet_id {
                        balance = leg.balance;
                    }
                }
            }
        }
        balance
    }

    /// The whole log.
    pub async fn log(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let after = entries.last().map_or(0, |entry| entry.seq);
            let page = self.ledger.log(after, ledger_api::LOG_PAGE_MAX).await;
            let page = page.unwrap_or_else(|error| panic!("the log cannot be read: {error}"));
            if page.entries.is_empty() {
                return entries;
            }
            entries.extend(page.entries);
        }
    }

    /// A token of this user, good for a day.
    pub fn token(&self, user_id: i64) -> String {
        self.users.token(user_id, Role::User)
    }

    /// A token of an administrator, who has no wallet.
    pub fn admin_token(&self) -> String {
        self.users.token(ADMIN, Role::Admin)
    }

    /// Tokens that prove nothing, each with the sentence that it is answered with.
    pub fn bad_tokens(&self, user_id: i64) -> Vec<(String, &'static str)> {
        let foreign = SigningKeys::from_secrets("another secret, longer than 32 bytes", None);
        let foreign = foreign.unwrap_or_else(|error| panic!("{error}"));
        let at = |moment| Claims::new(UserId(user_id), Role::User, "a session".into(), moment);
        let sign = |keys: &SigningKeys, claims| {
            let token = keys.sign(&claims);
            token.unwrap_or_else(|error| panic!("{error}"))
        };
        let now = self.clock.now();
        let yesterday = Timestamp::from_micros(now.micros() - 86_400_000_000);
        vec![
            (String::new(), "Invalid token"),
            ("nonsense".to_owned(), "Invalid token"),
            (self.token(user_id) + "x", "Invalid token"),
            (sign(&foreign, at(now)), "Invalid token"),
            (sign(self.users.keys(), at(yesterday)), "Token has expired"),
        ]
    }

    /// A token that proves a service.
    pub fn service_token(&self, service: &'static str) -> String {
        let token = identity(service, &self.keys, &self.clock).token();
        token.unwrap_or_else(|error| panic!("{error}")).to_string()
    }
}

/// Waits until the service at `url` can serve.
pub async fn ready(url: &str) {
    let client = TestClient::new(url);
    wait_until("the service is ready", || async {
        client.get("/readyz").await.status == 200
    })
    .await;
}

/// Somebody with a wallet of rupiah.
#[derive(Clone, Debug)]
pub struct Customer {
    /// Who.
    pub user_id: i64,
    /// Their wallet.
    pub wallet_id: i64,
    /// A token of theirs.
    pub token: String,
}

fn units(amount: i64) -> Amount {
    Amount::new(amount).unwrap_or_else(|error| panic!("{amount}: {error}"))
}

fn client(keys: &ServiceKeyConfig, clock: &Clock, url: &str) -> ServiceClient {
    let retries = RetryCounters::new().unwrap_or_else(|error| panic!("{error}"));
    ServiceClient::new(
        ledger_api::SERVICE,
        url,
        identity("test", keys, clock),
        &ConnectOptions::default(),
        Some(&retries),
    )
    .unwrap_or_else(|error| panic!("no client: {error:#}"))
}

fn identity(service: &'static str, keys: &ServiceKeyConfig, clock: &Clock) -> ServiceIdentity {
    let keys = keys.service_keys(clock.clone());
    ServiceIdentity::new(service, keys.unwrap_or_else(|error| panic!("{error:#}")))
}
