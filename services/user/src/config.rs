//! The settings of the user service.

use std::fmt;

use auth::{ServiceKeyConfig, Verifier};
use clap::{ArgAction, value_parser};
use settings::{Findings, Settings};
use store::DatabaseConfig;

use crate::start::Admin;

pub use tries::PasswordTries;

mod tries;

/// The configuration of the user service. Its `Debug` shows no secret.
#[derive(Clone, clap::Args)]
pub struct Config {
    /// The users' database.
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// The secrets that tokens are signed with.
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
    /// The first administrator: made at the start when missing; goes with ADMIN_PASSWORD
    #[arg(long, env = "ADMIN_EMAIL")]
    pub admin_email: Option<String>,
    /// The password that the administrator begins with; a new value is taken at the next start and ends the administrator's sessions
    #[arg(long, env = "ADMIN_PASSWORD", hide_env_values = true)]
    pub admin_password: Option<String>,
    /// Make the demo users (John, Jane, Bob) when there are no users yet
    #[arg(long, env = "DEMO_DATA", default_value = "false", default_missing_value = "true", num_args = 0..=1,
        require_equals = true, action = ArgAction::Set, value_parser = settings::yes_or_no)]
    pub demo_data: bool,
    /// Memory that hashing one password takes, in KiB; the default is what OWASP recommends for two passes
    #[arg(long, env = "ARGON2_MEMORY_KIB", default_value_t = 19_456, value_parser = value_parser!(u32).range(12_288..=1_048_576))]
    pub argon2_memory_kib: u32,
    /// Passes over that memory
    #[arg(long, env = "ARGON2_PASSES", default_value_t = 2, value_parser = value_parser!(u32).range(2..=64))]
    pub argon2_passes: u32,
    /// Passwords that are hashed at once; each takes one processor while it lasts
    #[arg(long, env = "MAX_PASSWORD_HASHES", default_value_t = 2, value_parser = value_parser!(u16).range(1..=256))]
    pub max_password_hashes: u16,
    /// Days that the audit log keeps what was done
    #[arg(long, env = "AUDIT_RETENTION_DAYS", default_value_t = Config::AUDIT_RETENTION_DAYS, value_parser = value_parser!(u16).range(30..=36_500))]
    pub audit_retention_days: u16,
    /// Tries without a wait: wrong passwords for one account from an address that it has been logged in from (`known`), from another
    /// (`strange`), from all others together (`account`: beyond, each stranger has one), of all accounts from one address (`address`), and
    /// registrations of taken addresses from one (`registrations`). Each is a number or `off`; what is not named has its default
    #[arg(long, env = "PASSWORD_TRIES", default_value_t = PasswordTries::default())]
    pub password_tries: PasswordTries,
    /// The verifier of tokens, where other services of the same process verify with it, too.
    #[arg(skip)]
    pub verifier: Option<Verifier>,
}

impl Config {
    /// A year and a month: whoever looks back at a year finds all of it.
    const AUDIT_RETENTION_DAYS: u16 = 400;

    /// The defaults over one database, for tests and the local mode.
    pub fn new(
        database: DatabaseConfig,
        keys: ServiceKeyConfig,
        wallet_service_url: impl Into<String>,
    ) -> Config {
        Config {
            database,
            keys,
            wallet_service_url: wallet_service_url.into(),
            admin_email: None,
            admin_password: None,
            demo_data: false,
            argon2_memory_kib: 19_456,
            argon2_passes: 2,
            max_password_hashes: 2,
            audit_retention_days: Config::AUDIT_RETENTION_DAYS,
            password_tries: PasswordTries::default(),
            verifier: None,
        }
    }
}

impl Settings for Config {
    fn check(&self, found: &mut Findings) {
        match self.keys.secret_keys() {
            Err(_) => found.mistake("SECRET_KEY must be set: users' tokens are signed with it"),
            Ok(_) if self.demo_data => {}
            Ok((secret, _)) => {
                found.check_secret("SECRET_KEY", secret);
                if let Some(key) = self.keys.service_key.as_deref() {
                    found.check_secret("SERVICE_KEY", key);
                }
            }
        }
        let admin = Admin::parse(self.admin_email.as_deref(), self.admin_password.as_deref());
        if let Err(mistake) = admin {
            found.mistake(mistake.to_string());
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("wallet_service_url", &self.wallet_service_url)
            .field("demo_data", &self.demo_data)
            .field("argon2_memory_kib", &self.argon2_memory_kib)
            .field("argon2_passes", &self.argon2_passes)
            .field("max_password_hashes", &self.max_password_hashes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound_and_shows_no_secret() {
        crate::PROGRAM
            .command::<Config, DatabaseConfig>()
            .debug_assert();
        let mut config = Config::new(
            DatabaseConfig::at("postgres://user:hunter2@host/db"),
            ServiceKeyConfig::from_secret("hunter2"),
            "http://localhost:5002",
        );
        config.admin_password = Some("hunter2".to_owned());
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
