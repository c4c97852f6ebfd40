//! The user service: who there is, their passwords, and the tokens that every other service trusts.
//!
//! It signs tokens, and tells the others which sessions have ended; the others verify by themselves. Passwords are hashed
//! with argon2id, a few at once. A deleted user is forgotten, locked out everywhere within two seconds, and their wallets
//! are closed by the ledger, told through an outbox.
//!
//! A request walks from [`mod@routes`] over `users` to `store`; the rules are in `domain`. [`build`] puts it all
//! together, `start` does what has to be there before the first request.

mod adopt;
mod belonging;
mod closures;
mod config;
mod domain;
mod error;
mod passwords;
mod request_hash;
mod routes;
mod sessions;
mod start;
mod store;
mod users;
mod wire;

pub use adopt::{LedgerView, adopt, own, verify};
pub use belonging::{Foreign, Own, judge};
pub use config::Config;
pub use routes::openapi;

use std::sync::Arc;
use std::time::Duration;

use ::store::{Database, DatabaseConfig, Step};
use anyhow::ensure;
use auth::{ServiceIdentity, Verifier};
use clock::{Clock, Entropy};
use http_server::{Health, Metrics, Program, Service, Workers};
use ledger_api::LedgerClient;
use service_client::{ConnectOptions, RetryMetrics, ServiceClient};

/// The service's name.
pub const NAME: &str = user_api::SERVICE;

/// The service as a program.
pub const PROGRAM: Program = Program {
    name: NAME,
    about: "Users, their passwords, and the tokens that prove who they are",
    port_variable: "USER_SERVICE_PORT",
    default_port: 5001,
};

/// The schema.
const STEPS: &[Step] = &[
    Step {
        version: 1,
        name: "users",
        postgres: include_str!("../migrations/postgres/0001_users.sql"),
        sqlite: include_str!("../migrations/sqlite/0001_users.sql"),
    },
    Step {
        version: 2,
        name: "ledger",
        postgres: include_str!("../migrations/postgres/0002_ledger.sql"),
        sqlite: include_str!("../migrations/sqlite/0002_ledger.sql"),
    },
];

/// A database that takes longer than this at the start is waited for in the background.
const DATABASE_ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// Brings the database's schema to this version's.
pub async fn migrate(config: &DatabaseConfig) -> anyhow::Result<()> {
    let database = Database::open(config).await?;
    let result = database.migrate(config, STEPS).await;
    database.close().await;
    result
}

/// Whether this makes an administrator, or none; the error says what is wrong.
pub fn check_admin(email: Option<&str>, password: Option<&str>) -> anyhow::Result<()> {
    start::Admin::parse(email, password).map(drop)
}

/// Builds the service. A database that is away or not migrated is waited for in the background: until then the service is
/// not ready.
pub async fn build(config: Config, clock: Clock, entropy: Entropy) -> anyhow::Result<Service> {
    let admin = start::Admin::parse(
        config.admin_email.as_deref(),
        config.admin_password.as_deref(),
    )?;
    let signing_keys = config.keys.signing_keys()?;
    let service_keys = config.keys.service_keys(clock.clone())?;
    let request_hashes = Arc::new(request_hash::RequestHashes::new(&config.keys)?);
    let metrics = Metrics::new()?;
    let identity = ServiceIdentity::new(NAME, service_keys.clone());
    let ledger = ledger(&config.wallet_service_url, identity, &metrics)?;
    let passwords = passwords::Passwords::new(&config, entropy.clone(), &metrics)?;
    let database = Database::open(&config.database).await?;
    let store = store::Store::new(database.clone());
    let verifier = config.verifier.clone();
    let verifier = verifier.unwrap_or_else(|| Verifier::new(clock.clone()));
    let sessions = Arc::new(sessions::Sessions::new(
        store.clone(),
        signing_keys,
        verifier.clone(),
        clock.clone(),
        entropy,
        &metrics,
    )?);
    let demo_data = config.demo_data;
    let belonging = Arc::new(belonging::Belonging::new(
        store.clone(),
        ledger.clone(),
        demo_data,
        &metrics,
    )?);
    let closures = closures::Closures::new(
        store.clone(),
        ledger,
        belonging.clone(),
        clock.clone(),
        &metrics,
    )?;
    let users = users::Users {
        store: store.clone(),
        passwords: passwords.clone(),
        sessions: sessions.clone(),
        closures: Arc::new(closures),
        belonging: belonging.clone(),
        request_hashes,
        clock: clock.clone(),
    };
    let start = start::Start {
        store,
        passwords,
        belonging: belonging.clone(),
        clock: clock.clone(),
        demo_data,
        admin,
    };
    Ok(Service {
        name: NAME,
        own_health: false,
        health: health(clock, database, verifier.clone(), belonging),
        workers: workers(start, &users).await,
        router: routes::router(routes::App {
            users,
            verifier,
            service_keys,
        }),
        metrics,
    })
}

fn ledger(url: &str, identity: ServiceIdentity, metrics: &Metrics) -> anyhow::Result<LedgerClient> {
    ensure!(
        url.starts_with("http://") || url.starts_with("https://"),
        "WALLET_SERVICE_URL starts with http://"
    );
    let retries = RetryMetrics::unregistered();
    metrics.register(retries.retries.clone())?;
    metrics.register(retries.budget_exhausted.clone())?;
    let options = ConnectOptions::default();
    let http = ServiceClient::new(ledger_api::SERVICE, url, identity, &options, retries)?;
    Ok(LedgerClient::new(http))
}

/// The ledger of this configuration, for [`adopt`].
pub fn ledger_of(config: &Config, clock: Clock) -> anyhow::Result<LedgerClient> {
    let identity = ServiceIdentity::new(NAME, config.keys.service_keys(clock)?);
    ledger(&config.wallet_service_url, identity, &Metrics::new()?)
}

fn health(
    clock: Clock,
    database: Database,
    verifier: Verifier,
    belonging: Arc<belonging::Belonging>,
) -> Health {
    let health = Health::new(NAME, clock);
    health.require("database", move || {
        let database = database.clone();
        async move { database.check(STEPS).await }
    });
    health.require("ledger", move || {
        let belongs = belonging.check();
        async move { belongs }
    });
    health.require("start", move || {
        let started = verifier.is_ready();
        async move {
            started
                .then_some(())
                .ok_or_else(|| "the service is starting".to_owned())
        }
    });
    health
}

/// Starts what goes on beside requests. When the database is there, tokens can be verified when this returns; without, they can be as
/// soon as the database is, and probes are answered meanwhile.
async fn workers(start: start::Start, users: &users::Users) -> Workers {
    let workers = Workers::default();
    let known = tokio::time::timeout(DATABASE_ANSWERS_WITHIN, users.sessions.catch_up()).await;
    if !matches!(known, Ok(Ok(()))) {
        // Why it is not ready is logged where that is judged.
        tracing::debug!("the ended sessions are not known yet");
    }
    let (sessions, closures) = (users.sessions.clone(), users.closures.clone());
    let belonging = users.belonging.clone();
    workers.spawn(|stop| async move { sessions.follow(stop).await });
    workers.spawn(|stop| async move {
        start.run_until_done(&stop).await;
        belonging.follow(stop).await;
    });
    workers.spawn(|stop| async move { closures.work(stop).await });
    workers
}
