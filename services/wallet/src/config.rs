//! What the wallet service is told from outside.

use auth::ServiceKeyConfig;
use clap::builder::FalseyValueParser;
use store::DatabaseConfig;

/// The wallet service's configuration.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// Its database
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// How services prove who they are
    #[command(flatten)]
    pub keys: ServiceKeyConfig,
    /// Where the user service is
    #[arg(
        long,
        env = "USER_SERVICE_URL",
        default_value = "http://localhost:5001"
    )]
    pub user_service_url: String,
    /// Whether the demo users' wallets are filled, on an empty ledger
    #[arg(long, env = "DEMO_DATA", value_parser = FalseyValueParser::new())]
    pub demo_data: bool,
}
