//! The payment service: paying a merchant, sending money to another user, and the list of one's payments.
//!
//! Nothing is decided here. A payment becomes one order to the ledger, which decides and commits it; the answer is made
//! from what the ledger's log says, so a repeat with the same key reads the same. The list of payments is a read model
//! that follows the log and is caught up before it answers.
//!
//! A request walks from `routes` over `wire` (what clients write) and `domain` (what it means) to the ledger; a read from
//! `routes` to `store`, which `model` keeps at the head of the log.

mod config;
mod domain;
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
pub const NAME: &str = "payment-service";

/// The service as a program.
pub const PROGRAM: Program = Program {
    name: NAME,
    about: "Paying merchants, sending money to other users, and the list of payments",
    port_variable: "PAYMENT_SERVICE_PORT",
    default_port: 5004,
};

/// The schema.
const STEPS: &[Step] = &[
    Step {
        version: 1,
        name: "payments",
        postgres: include_str!("../migrations/postgres/0001_payments.sql"),
        sqlite: include_str!("../migrations/sqlite/0001_payments.sql"),
    },
    Step {
        version: 2,
        name: "ledger",
        postgres: include_str!("../migrations/postgres/0002_ledger.sql"),
        sqlite: include_str!("../migrations/sqlite/0002_ledger.sql"),
    },
];

/// Less than the gateway's 5 seconds: a client shall read that a repeat is safe, not that something took too long.
const CALL_TIMEOUT: Duration = Duration::from_secs(4);

/// Brings the database's schema to this version's.
pub async fn migrate(config: &DatabaseConfig) -> anyhow::Result<()> {
    let database = Database::open(config).await?;
    let result = database.migrate(config, STEPS).await;
    database.close().await;
    result
}

/// Builds the service. It is ready when its database is migrated and it knows the keys that tokens are signed with.
pub async fn build(config: Config, clock: Clock, entropy: Entropy) -> anyhow::Result<Service> {
    let service_keys = config.keys.service_keys(clock.clone())?;
    let metrics = Metrics::new()?;
    let workers = Workers::default();
    let retries = RetryCounters::new()?;
    for counters in retries.collectors() {
        metrics.register(counters)?;
    }
    let identity = ServiceIdentity::new(NAME, service_keys);
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
        model::Payments::new(store.clone()),
        ledger.clone(),
        FollowerMetrics::register(&metrics)?,
    );
    workers.spawn(|stop| following.run(stop));

    Ok(Service {
        name: NAME,
        own_health: false,
        health: health(clock.clone(), database, verifier.clone(), follower.clone()),
        metrics,
        workers,
        router: routes::router(routes::App::new(routes::Parts {
            ledger,
            follower,
            store,
            verifier,
            clock,
            entropy,
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
