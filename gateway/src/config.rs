//! What the gateway is told from outside.

use std::time::Duration;

use anyhow::Context as _;
use auth::{ServiceKeyConfig, Verifier};
use axum::Router;
use http::Method;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
};
use settings::{Findings, Settings};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// A fifth of the connections that a server takes.
const UPSTREAM_REQUESTS_MAX: usize = 2_000;
/// How long a browser may remember what CORS allows.
const CORS_MAX_AGE: Duration = Duration::from_secs(3600);

/// The gateway's configuration. No `Debug`: it holds secrets.
#[derive(Clone, clap::Args)]
pub struct Config {
    /// Where the user service is
    #[arg(
        long,
        env = "USER_SERVICE_URL",
        default_value = "http://localhost:5001",
        value_parser = settings::service_url
    )]
    pub user_service_url: String,
    /// Where the wallet service is
    #[arg(
        long,
        env = "WALLET_SERVICE_URL",
        default_value = "http://localhost:5002",
        value_parser = settings::service_url
    )]
    pub wallet_service_url: String,
    /// Where the transaction service is
    #[arg(
        long,
        env = "TRANSACTION_SERVICE_URL",
        default_value = "http://localhost:5003",
        value_parser = settings::service_url
    )]
    pub transaction_service_url: String,
    /// Where the payment service is
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
    /// The origins whose pages may call the API, separated by commas; `*` for all
    #[arg(long, env = "CORS_ORIGINS", default_value = "*", value_delimiter = ',', value_parser = settings::origin)]
    pub cors_origins: Vec<String>,
    /// The key that services share.
    #[command(flatten)]
    pub service_keys: ServiceKeyConfig,
    /// The routes of the user, wallet, transaction and payment services, where these are in the gateway's process: requests are
    /// then passed on without a connection.
    #[arg(skip)]
    pub in_process: Option<[Router; 4]>,
    /// Where the user service is in the same process, its verifier: what it ends is then refused here at once, and nothing has to be
    /// followed.
    #[arg(skip)]
    pub verifier: Option<Verifier>,
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
            cors_origins: vec!["*".to_owned()],
            service_keys,
            in_process: None,
            verifier: None,
        }
    }

    /// Which pages of other origins may call. Tokens travel in a header that a page sets itself, never in a cookie, so
    /// allowing every origin gives no page what it does not have.
    pub(crate) fn cors(&self) -> anyhow::Result<CorsLayer> {
        let origins: Vec<&str> = self
            .cors_origins
            .iter()
            .map(|origin| origin.trim())
            .collect();
        let allowed = if origins.contains(&"*") {
            AllowOrigin::any()
        } else {
            let parsed = origins.iter().map(|origin| {
                let origin = settings::origin(origin).map_err(|error| anyhow::anyhow!(error));
                HeaderValue::try_from(origin?).context("an origin")
            });
            AllowOrigin::list(
                parsed
                    .collect::<anyhow::Result<Vec<_>>>()
                    .context("CORS_ORIGINS")?,
            )
        };
        Ok(CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
            .allow_headers([
                ACCEPT,
                AUTHORIZATION,
                CONTENT_TYPE,
                HeaderName::from_static("idempotency-key"),
                HeaderName::from_static("traceparent"),
                HeaderName::from_static("tracestate"),
            ])
            .expose_headers([
                LOCATION,
                RETRY_AFTER,
                HeaderName::from_static("x-trace-id"),
                HeaderName::from_static("x-data-behind"),
                http_server::REPLAYED_HEADER,
            ])
            .max_age(CORS_MAX_AGE))
    }
}
