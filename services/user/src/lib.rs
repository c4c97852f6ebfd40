//! The user service: who there is, their passwords, and the tokens that every other service trusts.
//!
//! It signs tokens, and tells the others which sessions have ended; the others verify by themselves. Passwords are hashed
//! with argon2id, a few at once. A deleted user is forgotten, locked out everywhere within two seconds, and their wallets
//! are closed by the ledger, told through an outbox.
//!
//! A request walks from [`mod@routes`] over `users` to `store`; the rules are in `domain`. [`build`] puts it all
//! together, `start` does what has to be there before the first request.

mod administration;
mod adopt;
mod audit;
mod belonging;
mod closures;
mod config;
mod deletions;
mod domain;
mod error;
mod guard;
mod keys;
mod passwords;
mod request_hash;
mod routes;
mod sessions;
mod sign_in;
mod start;
mod store;
mod users;
mod wire;

pub use adopt::{LedgerView, adopt, own, verify};
pub use belonging::{Foreign, Own, judge};
pub use config::{Config, PasswordTries};
pub use routes::openapi;

use std::sync::Arc;
use std::time::Duration;

use ::store::{DatabaseConfig, Step};
use auth::Verifier;
use axum::Router;
use clock::{Clock, Entropy};
use http_server::{Program, Service, Workers};
use ledger_api::LedgerClient;
use service::{Check, Scaffold};

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
const STEPS: &[Step] = ::store::steps![
    (1, "users", "0001_users.sql"),
    (2, "ledger", "0002_ledger.sql"),
    (3, "closures by", "0003_closures_by.sql"),
    (4, "sessions", "0004_sessions.sql"),
    (5, "audit", "0005_audit.sql"),
    (6, "tries", "0006_tries.sql"),
];

/// A database that takes longer than this at the start is waited for in the background.
const DATABASE_ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// Brings the database's schema to this version's.
pub async fn migrate(config: &DatabaseConfig) -> anyhow::Result<()> {
    service::migrate(config, STEPS).await
}

/// Returns whether this makes an administrator, or none; the error says what is wrong.
pub fn check_admin(email: Option<&str>, password: Option<&str>) -> anyhow::Result<()> {
    start::Admin::parse(email, password).map(drop)
}

/// Builds the service. A database that is away or not migrated is waited for in the background: until then the service is
/// not ready.
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
    let metrics = scaffold.metrics();
    let admin = start::Admin::parse(
        config.admin_email.as_deref(),
        config.admin_password.as_deref(),
    )?;
    let ledger =
        LedgerClient::new(scaffold.connect(ledger_api::SERVICE, &config.wallet_service_url)?);
    let passwords = passwords::Passwords::new(&config, entropy.clone(), metrics)?;
    let store = store::Store::new(scaffold.database(&config.database, STEPS).await?);
    let guard = guard::Guard::new(
        &config,
        store.clone(),
        passwords.clone(),
        clock.clone(),
        metrics,
    )?;
    let verifier = config.verifier.clone();
    let verifier = verifier.unwrap_or_else(|| Verifier::new(clock.clone()));
    scaffold.require_signing_keys(&verifier);
    let audit = audit::Audit::new(store.clone(), metrics)?;
    let sessions = Arc::new(sessions::Sessions::new(
        store.clone(),
        config.keys.signing_keys()?,
        verifier.clone(),
        clock.clone(),
        entropy,
        audit.clone(),
        metrics,
    )?);
    let demo_data = config.demo_data;
    let deletions = deletions::Deletions {
        store: store.clone(),
        ledger: ledger.clone(),
        sessions: sessions.clone(),
        audit: audit.clone(),
        clock: clock.clone(),
    };
    let belonging = Arc::new(belonging::Belonging::new(deletions, demo_data, metrics)?);
    let asked = belonging.clone();
    scaffold.require(Check::Ledger, move || asked.check());
    let users = users::Users {
        store: store.clone(),
        guard: guard.clone(),
        password_rules: domain::PasswordRules {
            allow_demo_password: demo_data,
        },
        sessions: sessions.clone(),
        audit: audit.clone(),
        closures: Arc::new(closures::Closures::new(
            store.clone(),
            ledger,
            belonging.clone(),
            clock.clone(),
            metrics,
        )?),
        belonging: belonging.clone(),
        request_hashes: Arc::new(request_hash::RequestHashes::new(&config.keys)?),
        clock: clock.clone(),
    };
    let start = start::Start {
        store,
        passwords,
        guard: guard.clone(),
        belonging,
        sessions,
        audit,
        clock,
        demo_data,
        admin,
    };
    scaffold.workers().spawn(|stop| guard.prune(stop));
    let days = u64::from(config.audit_retention_days);
    let audit_retention = Duration::from_secs(days.saturating_mul(24 * 60 * 60));
    work(scaffold.workers(), start, &users, audit_retention).await;
    Ok(routes::router(routes::App {
        users,
        verifier,
        service_keys: scaffold.service_keys(),
    }))
}

/// The ledger of this configuration, for [`adopt`].
pub fn ledger_of(config: &Config, clock: Clock) -> anyhow::Result<LedgerClient> {
    let scaffold = Scaffold::new(NAME, &config.keys, clock)?;
    let ledger = scaffold.connect(ledger_api::SERVICE, &config.wallet_service_url)?;
    Ok(LedgerClient::new(ledger))
}

/// Starts what goes on beside requests. When the database is there, tokens can be verified when this returns; without, they can be as
/// soon as the database is, and probes are answered meanwhile.
async fn work(
    workers: &Workers,
    start: start::Start,
    users: &users::Users,
    audit_retention: Duration,
) {
    let known = tokio::time::timeout(DATABASE_ANSWERS_WITHIN, users.sessions.catch_up()).await;
    if !matches!(known, Ok(Ok(()))) {
        // Why it is not ready is logged where that is judged.
        tracing::debug!("the ended sessions are not known yet");
    }
    let (sessions, closures) = (users.sessions.clone(), users.closures.clone());
    let belonging = users.belonging.clone();
    let audit = users.audit.clone();
    let clock = users.clock.clone();
    workers.spawn(|stop| async move { sessions.follow(stop).await });
    workers.spawn(move |stop| async move { audit.forget(clock, audit_retention, stop).await });
    workers.spawn(|stop| async move {
        start.run_until_done(&stop).await;
        belonging.follow(stop).await;
    });
    workers.spawn(|stop| async move { closures.work(stop).await });
}
