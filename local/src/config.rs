//! What the local mode is told from outside.

use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::ArgAction;
use client_address::Proxies;
use gateway::Policies;
use http_server::HttpConfig;
use settings::{Findings, Settings};
use user::PasswordTries;

/// The local mode's configuration.
#[derive(Clone, clap::Args)]
pub struct Config {
    /// The folder that the data is in
    #[arg(long, env = "DATA_DIR", default_value = Config::DATA_DIR, value_parser = folder)]
    pub data_dir: PathBuf,
    /// A PostgreSQL to use instead of SQLite in the folder; each service has a schema of its own there
    #[arg(long = "database-url", env = "DATABASE_URL", hide_env_values = true, value_parser = postgres_url)]
    pub database_url: Option<String>,
    /// Seconds that the start waits for a PostgreSQL that is not there yet
    #[arg(long = "database-wait", env = "DATABASE_WAIT", default_value_t = 60, value_parser = settings::whole_seconds)]
    pub database_wait_s: u64,
    /// The address to listen on
    #[arg(long, env = "BIND", default_value = "127.0.0.1", value_parser = settings::bind_address)]
    pub bind: IpAddr,
    /// The ports of the five services
    #[command(flatten)]
    pub ports: Ports,
    /// The port for the probes and the metrics of all five; without it 5099, or a free one where that is taken
    #[arg(long, env = "PROBE_PORT", value_parser = settings::port)]
    pub probe_port: Option<u16>,
    /// The secret that tokens are signed with, at least 32 bytes; without it one is drawn and kept in the data folder
    #[arg(long, env = "SECRET_KEY", hide_env_values = true, value_parser = secret)]
    pub secret_key: Option<String>,
    /// Whether an empty wallet begins with the demo users; `false` for no
    #[arg(long, env = "DEMO_DATA", default_value = "true", default_missing_value = "true", num_args = 0..=1,
        require_equals = true, action = ArgAction::Set, value_parser = settings::yes_or_no)]
    pub demo_data: bool,
    /// The same as --demo-data=false
    #[arg(long)]
    pub no_demo_data: bool,
    /// What the operator decides about money
    #[command(flatten)]
    pub money: wallet::MoneyConfig,
    /// The email of the first administrator
    #[arg(long, env = "ADMIN_EMAIL")]
    pub admin_email: Option<String>,
    /// The password of the first administrator
    #[arg(long, env = "ADMIN_PASSWORD", hide_env_values = true)]
    pub admin_password: Option<String>,
    /// Seconds that a request may take at the gateway, retries included
    #[arg(long, env = "REQUEST_TIMEOUT", default_value = "5", value_parser = settings::positive_seconds)]
    pub request_timeout: std::time::Duration,
    /// Tries of passwords without a wait, as in the user service; by default without limits by address, because everybody on this machine has
    /// the same one
    #[arg(long, env = "PASSWORD_TRIES", default_value_t = PasswordTries::ON_ONE_MACHINE)]
    pub password_tries: PasswordTries,
    /// How much one client may do, as at the gateway; by default without limits, because whoever tries this out sends all there is from one
    /// place
    #[arg(long, env = "RATE_LIMITS", default_value_t = Policies::OFF)]
    pub rate_limits: Policies,
    /// Proxies in front whose `X-Forwarded-For` says where a client is, as addresses and networks with commas between them
    #[arg(long, env = "TRUSTED_PROXIES", default_value = "")]
    pub trusted_proxies: Proxies,
    /// How all five listen and end
    #[command(flatten)]
    pub http: HttpConfig,
    /// Whether the gateway passes requests on through the services' ports, as it does where they are processes of their own
    #[arg(skip)]
    pub over_http: bool,
}

impl Config {
    /// The data folder unless told otherwise.
    pub const DATA_DIR: &str = "./data";
    /// Where probes and metrics are unless told otherwise.
    pub(crate) const PROBE_PORT: u16 = 5099;

    /// Returns whether the demo users are wanted.
    pub fn has_demo_data(&self) -> bool {
        self.demo_data && !self.no_demo_data
    }

    /// SQLite in this folder, on free ports of this machine, with this secret, and with nobody in it.
    pub fn on_free_ports(data_dir: impl Into<PathBuf>, secret_key: impl Into<String>) -> Config {
        Config {
            data_dir: data_dir.into(),
            database_url: None,
            database_wait_s: 60,
            bind: [127, 0, 0, 1].into(),
            ports: Ports {
                gateway_port: 0,
                user_port: 0,
                wallet_port: 0,
                transaction_port: 0,
                payment_port: 0,
            },
            probe_port: Some(0),
            secret_key: Some(secret_key.into()),
            demo_data: false,
            no_demo_data: false,
            money: wallet::MoneyConfig::open(),
            admin_email: None,
            admin_password: None,
            request_timeout: std::time::Duration::from_secs(5),
            password_tries: PasswordTries::ON_ONE_MACHINE,
            rate_limits: Policies::OFF,
            trusted_proxies: Proxies::default(),
            http: HttpConfig::default(),
            over_http: false,
        }
    }
}

impl Settings for Config {
    fn check(&self, found: &mut Findings) {
        self.http.check(found);
        let call = ("REQUEST_TIMEOUT", self.request_timeout);
        self.http.check_call(Some(call), found);
        self.ports.check(found);
        if let Some(port) = self.probe_port.filter(|port| *port != 0)
            && let Some((_, _, taken)) = self.ports.named().iter().find(|named| named.0 == port)
        {
            found.mistake(format!("PROBE_PORT={port}: {taken} is the same port"));
        }
        let (email, password) = (self.admin_email.as_deref(), self.admin_password.as_deref());
        if let Err(mistake) = user::check_admin(email, password) {
            found.mistake(mistake.to_string());
        }
        if let Some(secret) = &self.secret_key
            && !self.has_demo_data()
        {
            found.check_secret("SECRET_KEY", secret);
        }
        if self.has_demo_data() && !self.bind.is_loopback() {
            found.hint(format!(
                "BIND={}: other machines reach the demo users, whose password is known; DEMO_DATA=false leaves them out",
                self.bind
            ));
        }
    }
}

/// A folder, as text: SQLite takes no other names.
pub fn folder(text: &str) -> Result<PathBuf, Infallible> {
    Ok(text.into())
}

/// SQLite is in the folder already.
fn postgres_url(text: &str) -> Result<String, String> {
    let url = text.trim();
    if url.starts_with("sqlite:") {
        return Err("the local mode keeps SQLite in DATA_DIR; this is for a PostgreSQL instead, postgres://…".to_owned());
    }
    store::postgres_url(url).map_err(|why| format!("{why}; without it SQLite is used, in DATA_DIR"))
}

fn secret(text: &str) -> Result<String, String> {
    settings::secret(text)
        .map_err(|error| format!("{error}. Unset it, and the local mode draws one of its own"))
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
    #[arg(long, env = "GATEWAY_PORT", default_value_t = 5000, value_parser = settings::port)]
    pub gateway_port: u16,
    /// The user service's port
    #[arg(long, env = "USER_SERVICE_PORT", default_value_t = 5001, value_parser = settings::port)]
    pub user_port: u16,
    /// The wallet service's port
    #[arg(long, env = "WALLET_SERVICE_PORT", default_value_t = 5002, value_parser = settings::port)]
    pub wallet_port: u16,
    /// The transaction service's port
    #[arg(long, env = "TRANSACTION_SERVICE_PORT", default_value_t = 5003, value_parser = settings::port)]
    pub transaction_port: u16,
    /// The payment service's port
    #[arg(long, env = "PAYMENT_SERVICE_PORT", default_value_t = 5004, value_parser = settings::port)]
    pub payment_port: u16,
}

impl Ports {
    /// Each with the service that it is for, and its variable, in the order of the contract.
    pub(crate) fn named(&self) -> [(u16, &'static str, &'static str); 5] {
        [
            (self.gateway_port, "the gateway", "GATEWAY_PORT"),
            (self.user_port, "the user service", "USER_SERVICE_PORT"),
            (
                self.wallet_port,
                "the wallet service",
                "WALLET_SERVICE_PORT",
            ),
            (
                self.transaction_port,
                "the transaction service",
                "TRANSACTION_SERVICE_PORT",
            ),
            (
                self.payment_port,
                "the payment service",
                "PAYMENT_SERVICE_PORT",
            ),
        ]
    }
}

impl Settings for Ports {
    fn check(&self, found: &mut Findings) {
        let named = self.named();
        for (index, (port, _, variable)) in named.iter().enumerate() {
            for (other, _, before) in &named[..index] {
                // 0 is a free one for each.
                if port == other && *port != 0 {
                    found.mistake(format!("{variable}={port}: {before} is the same port"));
                }
            }
        }
    }
}
