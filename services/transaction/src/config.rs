//! What the transaction service is told from outside.

use std::fmt;

use auth::{ServiceKeyConfig, Verifier};
use ledger_api::Kinds;
use settings::{Findings, Settings};
use store::DatabaseConfig;

/// A fifth of the connections that a server takes.
pub const EVENT_STREAMS_MAX: usize = 2_000;

/// The configuration of the transaction service. Its `Debug` shows no secret.
#[derive(Clone, clap::Args)]
pub struct Config {
    /// The database of the history.
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// The key that services prove themselves with.
    #[command(flatten)]
    pub keys: ServiceKeyConfig,
    /// The address of the wallet service
    #[arg(
        long,
        env = "WALLET_SERVICE_URL",
        default_value = "http://localhost:5002",
        value_parser = settings::service_url
    )]
    pub wallet_service_url: String,
    /// The address of the user service
    #[arg(
        long,
        env = "USER_SERVICE_URL",
        default_value = "http://localhost:5001",
        value_parser = settings::service_url
    )]
    pub user_service_url: String,
    /// Streams of events that are open at once; more are answered with 503 `overloaded`
    #[arg(long, env = "EVENT_STREAMS_MAX", default_value_t = EVENT_STREAMS_MAX, value_parser = settings::at_least_one)]
    pub event_streams_max: usize,
    /// The verifier of a user service in the same process: what it ends is then refused here at once, and nothing has to be
    /// followed.
    #[arg(skip)]
    pub verifier: Option<Verifier>,
    /// The kinds of postings that the log has.
    #[arg(skip = &wallet_api::KINDS)]
    pub kinds: &'static Kinds,
}

impl Settings for Config {
    fn check(&self, found: &mut Findings) {
        self.keys.check(found);
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("wallet_service_url", &self.wallet_service_url)
            .field("user_service_url", &self.user_service_url)
            .finish_non_exhaustive()
    }
}
