//! What the wallet service is told from outside.

use std::net::Ipv6Addr;

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
    /// Where other processes of this service reach this one, such as `http://10.1.2.3:5002`: those that are not the last to write
    /// pass their orders on to the one that is. Without it each writes by itself
    #[arg(long, env = "PEER_URL")]
    pub peer_url: Option<String>,
}

impl Config {
    /// `peer_url`, in the form that URLs have: an IPv6 address that was put in as it is gets its brackets. A variable that is set to
    /// nothing is not set.
    pub(crate) fn own_url(&self) -> Option<String> {
        let url = self.peer_url.as_deref().filter(|url| !url.is_empty())?;
        let url = url.trim_end_matches('/');
        let Some(("http", rest)) = url.split_once("://") else {
            return Some(url.to_owned());
        };
        match rest.rsplit_once(':') {
            Some((host, port)) if host.parse::<Ipv6Addr>().is_ok() => {
                Some(format!("http://[{host}]:{port}"))
            }
            _ => Some(url.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_url(peer_url: Option<&str>) -> Option<String> {
        let config = Config {
            database: DatabaseConfig::at("sqlite://unused"),
            keys: ServiceKeyConfig::from_secret("unused"),
            user_service_url: String::new(),
            demo_data: false,
            peer_url: peer_url.map(str::to_owned),
        };
        config.own_url()
    }

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
            assert_eq!(own_url(Some(given)).as_deref(), Some(url));
        }
        assert_eq!(own_url(Some("")), None);
        assert_eq!(own_url(None), None);
    }
}
