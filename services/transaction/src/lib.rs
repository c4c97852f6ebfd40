//! The transaction service: what happened to a user's wallets, and what it sums up to.
//!
//! Every movement in the ledger's log becomes one row for each user who is part of it, and is counted into the user's
//! totals, in the transaction that moves the model's position in the log. The model is caught up before it answers.
//! Beside the log, services may record entries of history that moved no money here; they are marked as such.
//!
//! A read walks from `routes` to `store`, which `model` keeps at the head of the log; what an entry means is in `domain`,
//! what clients write and read in `wire`. Between the two, `kept` remembers pages for as long as nothing is new in them.

mod config;
mod domain;
mod kept;
mod model;
mod rebuild;
mod routes;
mod store;
mod verify;
mod wire;

pub use config::Config;
pub use rebuild::{position, rebuild};
pub use routes::openapi;
pub use verify::verify;

use std::time::Duration;

use ::store::{Database, DatabaseConfig, Step};
use auth::{ServiceIdentity, Verifier};
use clock::{Clock, Entropy};
use feed_follower::{Follower, FollowerMetrics};
use http_server::{Health, Metrics, Program, Service, Workers};
use ledger_api::LedgerClient;
use service_client::{ConnectOptions, RetryCounters, ServiceClient};
use user_api::UserClient;

/// The service's name.
pub const NAME: &str = "transaction-service";

/// The service as a program.
pub const PROGRAM: Program = Program {
    name: NAME,
    about: "What happened to a user's wallets, and what it sums up to",
    port_variable: "TRANSACTION_SERVICE_PORT",
    default_port: 5003,
};

/// The schema.
const STEPS: &[Step] = &[
    Step {
        version: 1,
        name: "history",
        postgres: include_str!("../migrations/postgres/0001_history.sql"),
        sqlite: include_str!("../migrations/sqlite/0001_history.sql"),
    },
    Step {
        version: 2,
        name: "lists by wallet",
        postgres: include_str!("../migrations/postgres/0002_lists_by_wallet.sql"),
        sqlite: include_str!("../migrations/sqlite/0002_lists_by_wallet.sql"),
    },
    Step {
        version: 3,
        name: "ledger",
        postgres: include_str!("../migrations/postgres/0003_ledger.sql"),
        sqlite: include_str!("../migrations/sqlite/0003_ledger.sql"),
    },
    Step {
        version: 4,
        name: "numbers",
        postgres: include_str!("../migrations/postgres/0004_numbers.sql"),
        sqlite: include_str!("../migrations/sqlite/0004_numbers.sql"),
    },
];

/// Less than the gateway's 5 seconds, so that this service's own answer reaches the client.
const CALL_TIMEOUT: Duration = Duration::from_secs(4);

/// Brings the database's schema to this version's.
pub async fn migrate(config: &DatabaseConfig) -> anyhow::Result<()> {
    let database = Database::open(config).await?;
    let result = database.migrate(config, STEPS).await;
    database.close().await;
    result
}

/// Builds the service. It is ready when its database is migrated and it knows the keys that tokens are signed with.
/// `_entropy` is there because every service is built alike; this one draws nothing.
pub async fn build(config: Config, clock: Clock, _entropy: Entropy) -> anyhow::Result<Service> {
    let service_keys = config.keys.service_keys(clock.clone())?;
    let metrics = Metrics::new()?;
    let workers = Workers::default();
    let retries = RetryCounters::new()?;
    for counters in retries.collectors() {
        metrics.register(counters)?;
    }
    let identity = ServiceIdentity::new(NAME, service_keys.clone());
    let options = ConnectOptions {
        timeout: CALL_TIMEOUT,
        ..ConnectOptions::default()
    };
    let connect = |service, url: &str| {
        let retries = retries.of(service);
        ServiceClient::new(service, url, identity.clone(), &options, retries)
    };

    let users = UserClient::new(connect(user_api::SERVICE, &config.user_service_url)?);
    let verifier = config.verifier.unwrap_or_else(|| {
        let verifier = Verifier::new(clock.clone());
        workers.spawn(|stop| users.follow_sessions(verifier.clone(), stop));
        verifier
    });

    let database = Database::open(&config.database).await?;
    let store = store::Store::new(database.clone());
    let ledger = LedgerClient::new(connect(ledger_api::SERVICE, &config.wallet_service_url)?);
    let (follower, following) = Follower::new(
        model::History::new(store.clone()),
        ledger.clone(),
        FollowerMetrics::register(&metrics)?,
    );
    workers.spawn(|stop| following.run(stop));
    let pages = kept::KeptPages::new(database.clone(), &metrics)?;

    Ok(Service {
        name: NAME,
        own_health: false,
        health: health(clock.clone(), database, verifier.clone(), follower.clone()),
        metrics,
        workers,
        router: routes::router(routes::App::new(routes::Parts {
            follower,
            ledger,
            pages,
            store,
            verifier,
            service_keys,
            clock,
        })),
    })
}

fn health(clock: Clock, database: Database, verifier: Verifier, follower: Follower) -> Health {
    let health = Health::new(NAME, clock);
    health.require("database", move || {
        let database = database.clone();
        async move { database.check(STEPS).await }
    });
    health.require("ledger", move || {
        let belongs = follower.check();
        async move { belongs }
    });
    health.require("signing_keys", move || {
        let known = verifier.is_ready();
        async move {
            known
                .then_some(())
                .ok_or_else(|| "the user service was not reached yet".to_owned())
        }
    });
    health
}
