//! The settings of the gateway.

use std::time::Duration;

use auth::{ServiceKeyConfig, Verifier};
use axum::Router;
use settings::{Findings, Settings};

use crate::DemoLogin;

/// A fifth of the connections that a server takes.
const UPSTREAM_REQUESTS_MAX: usize = 2_000;
/// A fifth as well.
const EVENT_STREAMS_MAX: usize = 2_000;

/// The gateway's configuration. No `Debug`: it holds secrets.
#[derive(Clone, clap::Args)]
pub struct Config {
    /// The address of the user service
    #[arg(
        long,
        env = "USER_SERVICE_URL",
        default_value = "http://localhost:5001",
        value_parser = settings::service_url
    )]
    pub user_service_url: String,
    /// The address of the wallet service
    #[arg(
        long,
        env = "WALLET_SERVICE_URL",
        default_value = "http://localhost:5002",
        value_parser = settings::service_url
    )]
    pub wallet_service_url: String,
    /// The address of the transaction service
    #[arg(
        long,
        env = "TRANSACTION_SERVICE_URL",
        default_value = "http://localhost:5003",
        value_parser = settings::service_url
    )]
    pub transaction_service_url: String,
    /// The address of the payment service
    #[arg(
        long,
        env = "PAYMENT_SERVICE_URL",
        default_value = "http://localhost:5004",
        value_parser = settings::service_url
    )]
    pub payment_service_url: String,
    /// Seconds that a service has to answer, repeats included; then the client gets 504. Keep it below SERVER_TIMEOUT
    #[arg(long, env = "REQUEST_TIMEOUT", default_value = "5", value_parser = settings::positive_seconds)]
    pub request_timeout: Duration,
    /// Requests that one service may have from this gateway at once; more are answered with 503 `overloaded`, so that a service that
    /// hangs does not take every connection
    #[arg(long, env = "UPSTREAM_REQUESTS_MAX", default_value_t = UPSTREAM_REQUESTS_MAX, value_parser = settings::at_least_one)]
    pub upstream_requests_max: usize,
    /// Streams of events that are open at once; more are answered with 503 `overloaded`
    #[arg(long, env = "EVENT_STREAMS_MAX", default_value_t = EVENT_STREAMS_MAX, value_parser = settings::at_least_one)]
    pub event_streams_max: usize,
    /// The key that services share.
    #[command(flatten)]
    pub service_keys: ServiceKeyConfig,
    /// The routes of the user, wallet, transaction and payment services, where these are in the gateway's process: requests are
    /// then passed on without a connection.
    #[arg(skip)]
    pub in_process: Option<[Router; 4]>,
    /// The verifier of a user service in the same process: what it ends is then refused here at once, and nothing has to be
    /// followed.
    #[arg(skip)]
    pub verifier: Option<Verifier>,
    /// The logins that the pages offer, where there is demo data.
    #[arg(skip)]
    pub demo_logins: Vec<DemoLogin>,
}

impl Settings for Config {
    fn check(&self, found: &mut Findings) {
        self.service_keys.check(found);
    }

    fn call_timeout(&self) -> Option<(&'static str, Duration)> {
        Some(("REQUEST_TIMEOUT", self.request_timeout))
    }
}

impl Config {
    /// The defaults, with services at these addresses: user, wallet, transaction, payment.
    pub fn for_services(urls: [String; 4], service_keys: ServiceKeyConfig) -> Config {
        let [user, wallet, transaction, payment] = urls;
        Config {
            user_service_url: user,
            wallet_service_url: wallet,
            transaction_service_url: transaction,
            payment_service_url: payment,
            request_timeout: Duration::from_secs(5),
            upstream_requests_max: UPSTREAM_REQUESTS_MAX,
            event_streams_max: EVENT_STREAMS_MAX,
            service_keys,
            in_process: None,
            verifier: None,
            demo_logins: Vec::new(),
        }
    }
}
