//! The wallet service: HTTP over the ledger. It parses requests into orders, hands them to the [`Ledger`], and tells outcomes.
//!
//! Wallets, balances and every rule about money are in the `ledger` crate; `routes` are the door, `demo` has the demo data.

mod config;
mod demo;
mod routes;

use std::sync::Arc;

use auth::{ServiceIdentity, Verifier};
use clock::{Clock, Entropy};
use http_server::{Health, Metrics, Program, Service, Workers};
use service_client::{ConnectOptions, RetryMetrics, ServiceClient};
use store::{Database, DatabaseConfig};
use user_api::UserClient;

pub use config::Config;
pub use demo::demo_key;
pub use routes::internal::orders_router;
pub use routes::openapi;

use ledger::auditor::Auditor;
use ledger::store::{LedgerStore, STEPS, SqlStore};
use ledger::{Ledger, LedgerMetrics, Peers};

/// The service's name.
pub const NAME: &str = ledger_api::SERVICE;

/// The service's command line.
pub const PROGRAM: Program = Program {
    name: NAME,
    about: "Wallets, balances and the ledger",
    port_variable: "WALLET_SERVICE_PORT",
    default_port: 5002,
};

/// Builds the service. The database must be migrated; until it is, the service is not ready.
pub async fn build(config: Config, clock: Clock, entropy: Entropy) -> anyhow::Result<Service> {
    build_over(config, clock, entropy, |store| Arc::new(store)).await
}

/// The same, with the ledger's storage wrapped: that is how a test plants a fault in it.
pub async fn build_over(
    config: Config,
    clock: Clock,
    entropy: Entropy,
    wrap: impl FnOnce(SqlStore) -> Arc<dyn LedgerStore>,
) -> anyhow::Result<Service> {
    let database = Database::open(&config.database).await?;
    let service_keys = config.keys.service_keys(clock.clone())?;
    let metrics = Metrics::new()?;
    let ledger_metrics = LedgerMetrics::register(&metrics)?;
    let health = Health::new(NAME, clock.clone());
    let workers = Workers::default();

    let identity = ServiceIdentity::new(NAME, service_keys.clone());
    let users = UserClient::new(ServiceClient::new(
        user_api::SERVICE,
        &config.user_service_url,
        identity.clone(),
        &ConnectOptions::default(),
        RetryMetrics::unregistered(),
    )?);
    let verifier = config.verifier.clone().unwrap_or_else(|| {
        let verifier = Verifier::new(clock.clone());
        workers.spawn(|stop| users.clone().follow_sessions(verifier.clone(), stop));
        verifier
    });

    let own_url = config.peer_url.clone();
    let mut store = SqlStore::new(database.clone());
    if let Some(url) = &own_url {
        store = store.written_by(url);
    }
    let store = wrap(store);
    let ledger = Ledger::start(
        store.clone(),
        clock.clone(),
        entropy.clone(),
        ledger_metrics.clone(),
        own_url.map(|url| Peers::new(url, identity)),
        &workers,
    );

    let auditor = Auditor::new(store.clone(), clock.clone(), &metrics)?;
    workers.spawn(|stop| auditor.run(stop));

    if config.demo_data {
        let (done, seeded) = tokio::sync::watch::channel(false);
        workers.spawn(|stop| demo::seed(ledger.clone(), store.clone(), users.clone(), done, stop));
        health.require("demo data", move || {
            let seeded = *seeded.borrow();
            async move {
                seeded
                    .then_some(())
                    .ok_or_else(|| "demo data is on its way".to_owned())
            }
        });
    }
    let ready = database.clone();
    health.require("database", move || {
        let ready = ready.clone();
        async move { ready.check(STEPS).await }
    });
    let keys_known = verifier.clone();
    health.require("signing keys", move || {
        let known = keys_known.is_ready();
        async move {
            known
                .then_some(())
                .ok_or_else(|| "the user service has not been reached yet".to_owned())
        }
    });

    let router = routes::router(routes::Wallets::new(routes::Parts {
        ledger,
        accounts: routes::accounts(store.clone()),
        accounts_of: routes::accounts_of(store.clone()),
        store,
        users,
        verifier,
        service_keys,
        clock,
        entropy,
        metrics: ledger_metrics,
    }));
    Ok(Service {
        name: NAME,
        router,
        own_health: false,
        health,
        metrics,
        workers,
    })
}

/// Brings the database's schema to this version's.
pub async fn migrate(config: &DatabaseConfig) -> anyhow::Result<()> {
    let database = Database::open(config).await?;
    database.migrate(config, STEPS).await?;
    database.close().await;
    Ok(())
}
