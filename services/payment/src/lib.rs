//! The payment service: paying a merchant at once or by way of a hold, refunds, sending money to another user, and the list of one's
//! payments.
//!
//! Nothing is decided here. A payment becomes one order to the ledger, which decides and commits it; the answer is made
//! from what the ledger's log says, so a repeat with the same key reads the same. The list of payments is a read model
//! that follows the log and is caught up before it answers.
//!
//! A request walks from `routes` over `wire` (what clients write) and `domain` (what it means) to the ledger; a read from
//! `routes` to `store`, which `model` keeps at the head of the log.

mod changes;
mod config;
mod domain;
mod holds;
mod model;
mod rebuild;
mod refunds;
mod routes;
mod store;
mod verify;
mod wire;

pub use config::Config;
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
pub const NAME: &str = "payment-service";

/// The service as a program.
pub const PROGRAM: Program = Program {
    name: NAME,
    about: "Paying merchants, sending money to other users, and the list of payments",
    port_variable: "PAYMENT_SERVICE_PORT",
    default_port: 5004,
};

/// The schema.
const STEPS: &[Step] = ::store::steps![
    (1, "payments", "0001_payments.sql"),
    (2, "ledger", "0002_ledger.sql"),
    (3, "holds_and_refunds", "0003_holds_and_refunds.sql"),
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
    let store = store::Store::new(scaffold.database(&config.database, STEPS).await?);
    let ledger = scaffold.connect(ledger_api::SERVICE, &config.wallet_service_url)?;
    let ledger = LedgerClient::new(ledger);
    let (follower, following) = Follower::new(
        model::Payments::new(store.clone()),
        ledger.clone(),
        FollowerMetrics::register(scaffold.metrics())?,
    );
    scaffold.workers().spawn(|stop| following.run(stop));
    let followed = follower.clone();
    scaffold.require(Check::Ledger, move || followed.check());
    Ok(routes::router(routes::App::new(routes::Parts {
        ledger,
        follower,
        store,
        verifier,
        clock,
        entropy,
        payer_refunds: config.payer_refunds,
    })))
}
