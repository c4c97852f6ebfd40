//! The wallet service: HTTP over the ledger. It parses requests into orders, hands them to the [`Ledger`], and tells outcomes.
//!
//! Wallets, balances and every rule about money are in the `ledger` crate; `routes` are the door, `expiries` ends holds
//! whose time is over, and `demo` has the demo data.

mod config;
mod demo;
mod expiries;
mod limits;
mod money_config;
mod routes;

use std::sync::Arc;

use axum::Router;
use clock::{Clock, Entropy};
use http_server::{Program, Service};
use ledger_api::Kinds;
use money::Amount;
use service::{Check, Scaffold};
use store::DatabaseConfig;

pub use config::Config;
pub use demo::demo_key;
pub use limits::ChosenLimits;
pub use money_config::{Currencies, MoneyConfig, TopUp};
pub use routes::internal::orders_router;
pub use routes::openapi;

use ledger::auditor::Auditor;
use ledger::domain::Policy;
use ledger::domain::limits::Limits;
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
    let scaffold = Scaffold::new(NAME, &config.keys, clock.clone())?;
    let router = router(config, &scaffold, clock, entropy, wrap).await;
    scaffold.into_service(router).await
}

async fn router(
    config: Config,
    scaffold: &Scaffold,
    clock: Clock,
    entropy: Entropy,
    wrap: impl FnOnce(SqlStore) -> Arc<dyn LedgerStore>,
) -> anyhow::Result<Router> {
    let topup = config.topup();
    let policy = policy(config.kinds, config.money.movement_max);
    let ledger_metrics = LedgerMetrics::register(scaffold.metrics(), config.kinds)?;
    let users = scaffold.users(&config.user_service_url)?;
    let verifier = scaffold.verifier(config.verifier, &config.user_service_url)?;
    let mut store = SqlStore::new(scaffold.database(&config.database, STEPS).await?);
    if let Some(url) = &config.peer_url {
        store = store.written_by(url);
    }
    let store = wrap(store);
    let peers = config.peer_url;
    let ledger = Ledger::start(
        store.clone(),
        policy.clone(),
        clock.clone(),
        entropy.clone(),
        ledger_metrics.clone(),
        peers.map(|url| Peers::new(url, scaffold.identity().clone())),
        scaffold.workers(),
    );
    let auditor = Auditor::new(
        store.clone(),
        policy.clone(),
        clock.clone(),
        scaffold.metrics(),
    )?;
    scaffold.workers().spawn(|stop| auditor.run(stop));
    let expiries = expiries::Expiries::new(
        ledger.clone(),
        store.clone(),
        clock.clone(),
        scaffold.metrics(),
    )?;
    scaffold.workers().spawn(|stop| expiries.run(stop));
    let mut has_demo_data = None;
    if config.demo_data {
        let (done, seeded) = tokio::sync::watch::channel(false);
        let seed = |stop| demo::seed(ledger.clone(), store.clone(), users.clone(), done, stop);
        scaffold.workers().spawn(seed);
        has_demo_data = Some(seeded.clone());
        scaffold.require(Check::DemoData, move || {
            let is_seeded = *seeded.borrow();
            is_seeded
                .then_some(())
                .ok_or_else(|| "the demo data is not there yet".to_owned())
        });
    }
    if let Some(limits) = config.money.limits {
        let (done, applied) = tokio::sync::watch::channel(false);
        let apply = limits::Apply {
            ledger: ledger.clone(),
            store: store.clone(),
            first: policy.limits.clone(),
            wanted: limits.0,
            after: has_demo_data,
            done,
        };
        scaffold.workers().spawn(|stop| apply.run(stop));
        scaffold.require(Check::Limits, move || {
            let is_applied = *applied.borrow();
            is_applied
                .then_some(())
                .ok_or_else(|| "the limits are not in force yet".to_owned())
        });
    }
    Ok(routes::router(routes::Wallets::new(routes::Parts {
        ledger,
        accounts: routes::accounts(store.clone()),
        accounts_of: routes::accounts_of(store.clone()),
        store,
        users,
        verifier,
        service_keys: scaffold.service_keys(),
        clock,
        entropy,
        metrics: ledger_metrics,
        kinds: config.kinds,
        topup,
        policy,
        currencies: config.money.currencies.unwrap_or_default(),
    })))
}

/// What the ledger decides by, beside what always holds; the audit replays by the same.
pub fn policy(kinds: &'static Kinds, movement_max: Amount) -> Policy {
    let limits = Limits::new(wallet_api::first_limits()).unwrap_or_default();
    Policy {
        kinds,
        movement_max,
        limits: Arc::new(limits),
    }
}

/// Brings the database's schema to this version's.
pub async fn migrate(config: &DatabaseConfig) -> anyhow::Result<()> {
    service::migrate(config, STEPS).await
}
