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
mod events;
mod kept;
mod model;
mod rebuild;
mod routes;
mod store;
mod verify;
mod wire;

pub use config::{Config, EVENT_STREAMS_MAX};
pub use rebuild::{position, rebuild};
pub use routes::openapi;
pub use verify::verify;

use ::store::{DatabaseConfig, Step};
use axum::Router;
use clock::{Clock, Entropy};
use feed_follower::{Follower, FollowerMetrics};
use http_server::{Program, Service};
use ledger_api::LedgerClient;
use service::{Check, Scaffold};

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
const STEPS: &[Step] = ::store::steps![
    (1, "history", "0001_history.sql"),
    (2, "lists by wallet", "0002_lists_by_wallet.sql"),
    (3, "ledger", "0003_ledger.sql"),
    (4, "numbers", "0004_numbers.sql"),
    (5, "kinds", "0005_kinds.sql"),
];

/// Brings the database's schema to this version's.
pub async fn migrate(config: &DatabaseConfig) -> anyhow::Result<()> {
    service::migrate(config, STEPS).await
}

/// Builds the service. It is ready when its database is migrated, it has met its ledger, and it knows the keys that tokens are signed
/// with.
pub async fn build(config: Config, clock: Clock, entropy: Entropy) -> anyhow::Result<Service> {
    let scaffold = Scaffold::new(NAME, &config.keys, clock.clone())?;
    let router = router(config, &scaffold, clock, entropy).await;
    scaffold.into_service(router).await
}

async fn router(
    config: Config,
    scaffold: &Scaffold,
    clock: Clock,
    entropy: Entropy,
) -> anyhow::Result<Router> {
    let verifier = scaffold.verifier(config.verifier, &config.user_service_url)?;
    let database = scaffold.database(&config.database, STEPS).await?;
    let store = store::Store::new(database.clone(), config.kinds);
    let ledger = scaffold.connect(ledger_api::SERVICE, &config.wallet_service_url)?;
    let ledger = LedgerClient::new(ledger);
    let model = model::History::new(store.clone());
    let events = events::Events::new(store.clone(), config.event_streams_max, scaffold.metrics())?;
    let (delivered, moved) = (events.clone(), model.moved());
    scaffold.workers().spawn(|stop| delivered.run(moved, stop));
    let (follower, following) = Follower::new(
        model,
        ledger.clone(),
        FollowerMetrics::register(scaffold.metrics())?,
    );
    scaffold.workers().spawn(|stop| following.run(stop));
    let followed = follower.clone();
    scaffold.require(Check::Ledger, move || followed.check());
    Ok(routes::router(routes::App::new(routes::Parts {
        events,
        newest: store::Pages::new(database.clone(), config.kinds),
        stopping: scaffold.stopping(),
        pages: kept::KeptPages::new(database, config.kinds, follower.clone(), scaffold.metrics())?,
        follower,
        ledger,
        store,
        verifier,
        service_keys: scaffold.service_keys(),
        clock,
        entropy,
    })))
}
