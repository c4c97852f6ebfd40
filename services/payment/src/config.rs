//! The settings of the payment service.

use std::fmt;

use auth::{ServiceKeyConfig, Verifier};
use clap::ArgAction;
use settings::{Findings, Settings};
use store::DatabaseConfig;

/// The configuration of the payment service. Its `Debug` shows no secret.
#[derive(Clone, clap::Args)]
pub struct Config {
    /// The database of the read model of payments.
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
    /// Let users take back what they paid or reserved, as a demo does: a merchant who is only a name cannot. Otherwise only an
    /// administrator gives money back
    #[arg(long, env = "PAYER_REFUNDS", default_value = "false", default_missing_value = "true", num_args = 0..=1,
        require_equals = true, action = ArgAction::Set, value_parser = settings::yes_or_no)]
    pub payer_refunds: bool,
    /// The verifier of a user service in the same process: what it ends is then refused here at once, and nothing has to be
    /// followed.
    #[arg(skip)]
    pub verifier: Option<Verifier>,
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
            .field("payer_refunds", &self.payer_refunds)
            .finish_non_exhaustive()
    }
}
