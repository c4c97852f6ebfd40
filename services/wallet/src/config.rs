//! What the wallet service is told from outside.

use std::net::Ipv6Addr;

use auth::{ServiceKeyConfig, Verifier};
use clap::ArgAction;
use ledger_api::Kinds;
use settings::{Findings, Settings};
use store::DatabaseConfig;

use crate::money_config::{MoneyConfig, TopUp};

/// The wallet service's configuration.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// Its database
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// How services prove who they are
    #[command(flatten)]
    pub keys: ServiceKeyConfig,
    /// The address of the user service
    #[arg(
        long,
        env = "USER_SERVICE_URL",
        default_value = "http://localhost:5001",
        value_parser = settings::service_url
    )]
    pub user_service_url: String,
    /// Fill the demo users' wallets, on an empty ledger
    #[arg(long, env = "DEMO_DATA", default_value = "false", default_missing_value = "true", num_args = 0..=1,
        require_equals = true, action = ArgAction::Set, value_parser = settings::yes_or_no)]
    pub demo_data: bool,
    /// What the operator decides about money
    #[command(flatten)]
    pub money: MoneyConfig,
    /// Where other processes of this service reach this one, such as `http://10.1.2.3:5002`: those that are not the last to write
    /// pass their orders on to the one that is. Without it each writes by itself
    #[arg(long, env = "PEER_URL", value_parser = peer_url)]
    pub peer_url: Option<String>,
    /// The verifier of a user service in the same process: what it ends is then refused here at once, and nothing has to be
    /// followed.
    #[arg(skip)]
    pub verifier: Option<Verifier>,
    /// The kinds of postings that the ledger takes.
    #[arg(skip = &wallet_api::KINDS)]
    pub kinds: &'static Kinds,
}

impl Settings for Config {
    fn check(&self, found: &mut Findings) {
        self.keys.check(found);
        if !self.demo_data && self.money.topup == Some(TopUp::Open) {
            found.hint("TOPUP=open: every user tops up from nothing; TOPUP=services leaves it to services that know who paid");
        }
    }
}

impl Config {
    /// Who brings money in: with demo data it is worth nothing.
    pub(crate) fn topup(&self) -> TopUp {
        self.money.topup_or(if self.demo_data {
            TopUp::Open
        } else {
            TopUp::Services
        })
    }
}

/// A URL, also where an IPv6 address was put in as it is: it gets its brackets.
fn peer_url(text: &str) -> Result<String, String> {
    let url = text.trim().trim_end_matches('/');
    let Some(("http", rest)) = url.split_once("://") else {
        return settings::service_url(url);
    };
    match rest.rsplit_once(':') {
        Some((host, port)) if host.parse::<Ipv6Addr>().is_ok() => {
            settings::service_url(&format!("http://[{host}]:{port}"))
        }
        _ => settings::service_url(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_becomes_a_url_whatever_kind_it_is() {
        for (given, url) in [
            ("http://10.1.2.3:5002", "http://10.1.2.3:5002"),
            (
                "http://wallet-0.wallet:5002/",
                "http://wallet-0.wallet:5002",
            ),
            ("http://fd00::12:5002", "http://[fd00::12]:5002"),
            ("http://[fd00::12]:5002", "http://[fd00::12]:5002"),
        ] {
            assert_eq!(peer_url(given).as_deref(), Ok(url));
        }
        assert!(peer_url("wallet-0:5002").is_err());
    }
}
