//! What the local mode is told from outside.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use http_server::HttpConfig;

/// The local mode's configuration.
#[derive(Clone, clap::Args)]
pub struct Config {
    /// The folder that the data is in
    #[arg(long, env = "DATA_DIR", default_value = "./data")]
    pub data_dir: PathBuf,
    /// A PostgreSQL to use instead of SQLite in the folder; each service has a schema of its own there
    #[arg(long = "database-url", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// The address to listen on
    #[arg(long, env = "BIND", default_value = "127.0.0.1")]
    pub bind: IpAddr,
    /// The ports of the five services
    #[command(flatten)]
    pub ports: Ports,
    /// The secret that tokens are signed with, at least 32 bytes; without it one is drawn and kept in the data folder
    #[arg(long, env = "SECRET_KEY", hide_env_values = true)]
    pub secret_key: Option<String>,
    /// Whether an empty wallet begins with the demo users; `false` for no
    #[arg(long, env = "DEMO_DATA", default_value = "true", value_parser = FalseyValueParser::new())]
    pub demo_data: bool,
    /// The email of the first administrator
    #[arg(long, env = "ADMIN_EMAIL")]
    pub admin_email: Option<String>,
    /// The password of the first administrator
    #[arg(long, env = "ADMIN_PASSWORD", hide_env_values = true)]
    pub admin_password: Option<String>,
    /// Seconds that a request may take at the gateway, retries included
    #[arg(long, env = "REQUEST_TIMEOUT", default_value = "5", value_parser = http_server::seconds)]
    pub request_timeout: std::time::Duration,
    /// The origins whose pages may call the API, separated by commas; `*` for all
    #[arg(long, env = "CORS_ORIGINS", default_value = "*", value_delimiter = ',')]
    pub cors_origins: Vec<String>,
    /// How all five listen and end
    #[command(flatten)]
    pub http: HttpConfig,
    /// Whether the gateway passes requests on through the services' ports, as it does where they are processes of their own
    #[arg(skip)]
    pub over_http: bool,
}

impl Config {
    /// SQLite in this folder, on free ports of this machine, with this secret, and with nobody in it.
    pub fn on_free_ports(data_dir: impl Into<PathBuf>, secret_key: impl Into<String>) -> Config {
        Config {
            data_dir: data_dir.into(),
            database_url: None,
            bind: [127, 0, 0, 1].into(),
            ports: Ports {
                gateway_port: 0,
                user_port: 0,
                wallet_port: 0,
                transaction_port: 0,
                payment_port: 0,
            },
            secret_key: Some(secret_key.into()),
            demo_data: false,
            admin_email: None,
            admin_password: None,
            request_timeout: std::time::Duration::from_secs(5),
            cors_origins: vec!["*".to_owned()],
            http: HttpConfig::default(),
            over_http: false,
        }
    }
}

impl fmt::Debug for Config {
    /// Without what is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("data_dir", &self.data_dir)
            .field("bind", &self.bind)
            .field("ports", &self.ports)
            .field("demo_data", &self.demo_data)
            .finish_non_exhaustive()
    }
}

/// The ports of the contract. 0 takes a free one, for tests.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Ports {
    /// The gateway's port
    #[arg(long, env = "GATEWAY_PORT", default_value_t = 5000)]
    pub gateway_port: u16,
    /// The user service's port
    #[arg(long, env = "USER_SERVICE_PORT", default_value_t = 5001)]
    pub user_port: u16,
    /// The wallet service's port
    #[arg(long, env = "WALLET_SERVICE_PORT", default_value_t = 5002)]
    pub wallet_port: u16,
    /// The transaction service's port
    #[arg(long, env = "TRANSACTION_SERVICE_PORT", default_value_t = 5003)]
    pub transaction_port: u16,
    /// The payment service's port
    #[arg(long, env = "PAYMENT_SERVICE_PORT", default_value_t = 5004)]
    pub payment_port: u16,
}
