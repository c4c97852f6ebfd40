//! The settings of the gateway.

use std::time::Duration;

use auth::{ServiceKeyConfig, Verifier};
use axum::Router;
use clap::value_parser;
use client_address::Proxies;
use settings::{Findings, Settings};

use crate::DemoLogin;
use crate::limits::{Policies, SharedUrl};

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
    /// Proxies in front of the gateway, as addresses and networks with commas between them: their `X-Forwarded-For` says where a client is.
    /// Without any, the other end of the connection is the client
    #[arg(long, env = "TRUSTED_PROXIES", default_value = "")]
    pub trusted_proxies: Proxies,
    /// How much one client may do: policies with commas between them, each `NAME=COUNT/UNIT burst COUNT`, or `off`. NAME is `address` (every
    /// request, by address), `open` (those without a token, by address), `user` (those with one, by user), `money` (those that move money,
    /// by user) or `directory` (those that look at users, by user); UNIT is s, m or h. A policy that is not named does not limit
    #[arg(long, env = "RATE_LIMITS", default_value_t = Policies::default())]
    pub rate_limits: Policies,
    /// A Redis or Valkey in which several gateways count together, such as redis://:password@host:6379/0; without it each counts by itself
    #[arg(long, env = "REDIS_URL", hide_env_values = true, value_parser = crate::limits::shared_url)]
    pub redis_url: Option<SharedUrl>,
    /// The number of gateways: while Redis is away, each lets in its share of a limit
    #[arg(long = "gateways", env = "GATEWAYS", default_value_t = 1, value_parser = value_parser!(u32).range(1..=1000))]
    pub gateways: u32,
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
    /// The defaults but without rate limits, with services at these addresses: user, wallet, transaction, payment.
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
            trusted_proxies: Proxies::default(),
            rate_limits: Policies::OFF,
            redis_url: None,
            gateways: 1,
            service_keys,
            in_process: None,
            verifier: None,
            demo_logins: Vec::new(),
        }
    }
}
