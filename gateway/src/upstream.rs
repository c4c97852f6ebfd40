//! The services behind the gateway: where each is, and one attempt after the other to get its answer.

use std::time::Duration;

use anyhow::Context as _;
use axum::body::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_server::Metrics;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts};
use reqwest::{Request, Url};
use reqwest_middleware::ClientWithMiddleware;
use service_client::{
    AfterUnclear, BodyError, ConnectOptions, Failure, RetryCounters, is_stream, read_body,
};
use tokio::sync::Semaphore;

use crate::Config;

/// The largest answer that is passed on. Lists are bounded, so a larger one is a mistake.
pub(crate) const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// One of the services behind the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upstream {
    User,
    Wallet,
    Transaction,
    Payment,
}

impl Upstream {
    pub(crate) const ALL: [Upstream; 4] = [
        Upstream::User,
        Upstream::Wallet,
        Upstream::Transaction,
        Upstream::Payment,
    ];

    /// The service's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Upstream::User => "user-service",
            Upstream::Wallet => "wallet-service",
            Upstream::Transaction => "transaction-service",
            Upstream::Payment => "payment-service",
        }
    }

    /// Its part of what there is for each.
    fn among<T>(self, [user, wallet, transaction, payment]: &[T; 4]) -> &T {
        match self {
            Upstream::User => user,
            Upstream::Wallet => wallet,
            Upstream::Transaction => transaction,
            Upstream::Payment => payment,
        }
    }

    /// The service's address, from the configuration.
    pub(crate) fn url(self, config: &Config) -> anyhow::Result<Url> {
        let (variable, text) = match self {
            Upstream::User => ("USER_SERVICE_URL", &config.user_service_url),
            Upstream::Wallet => ("WALLET_SERVICE_URL", &config.wallet_service_url),
            Upstream::Transaction => ("TRANSACTION_SERVICE_URL", &config.transaction_service_url),
            Upstream::Payment => ("PAYMENT_SERVICE_URL", &config.payment_service_url),
        };
        let url = Url::parse(text).with_context(|| format!("{variable}: {text:?}"))?;
        anyhow::ensure!(
            url.scheme() == "http" && url.query().is_none() && url.fragment().is_none(),
            "{variable}: {text:?} is not a plain http:// address"
        );
        Ok(url)
    }
}

/// A connection to each service.
pub(crate) struct Upstreams([Connection; 4]);

impl Upstreams {
    /// Connections that are made when they are first needed. `metrics` counts who is on the way to each, and who is not let in.
    pub(crate) fn connect(
        config: &Config,
        retries: &RetryCounters,
        metrics: &Metrics,
    ) -> anyhow::Result<Upstreams> {
        let limits = LimitMetrics::register(metrics)?;
        let options = ConnectOptions {
            // The deadline of the request covers every attempt.
            timeout: Duration::MAX,
            ..ConnectOptions::default()
        };
        let connect = |upstream: Upstream| {
            let base = upstream.url(config)?;
            let (name, retries) = (upstream.name(), Some(retries));
            let http = match &config.in_process {
                None => service_client::connect(name, &options, retries)?,
                Some(services) => {
                    let routes = upstream.among(services).clone();
                    service_client::connect_in_process(name, &options, retries, routes)?
                }
            };
            anyhow::Ok(Connection {
                base_path: base.path().trim_end_matches('/').to_owned(),
                base,
                http,
                places: Semaphore::new(config.upstream_requests_max.min(Semaphore::MAX_PERMITS)),
                in_flight: limits.in_flight.with_label_values(&[name]),
                turned_away: limits.turned_away.with_label_values(&[name]),
            })
        };
        Ok(Upstreams([
            connect(Upstream::User)?,
            connect(Upstream::Wallet)?,
            connect(Upstream::Transaction)?,
            connect(Upstream::Payment)?,
        ]))
    }

    /// That of one service.
    pub(crate) fn of(&self, upstream: Upstream) -> &Connection {
        upstream.among(&self.0)
    }
}

/// The metrics of the limit of requests for each service.
struct LimitMetrics {
    in_flight: IntGaugeVec,
    turned_away: IntCounterVec,
}

impl LimitMetrics {
    fn register(metrics: &Metrics) -> anyhow::Result<LimitMetrics> {
        let in_flight = Opts::new(
            "gateway_upstream_requests_in_flight",
            "Requests that were passed on and are not answered yet.",
        );
        let turned_away = Opts::new(
            "gateway_upstream_requests_turned_away_total",
            "Requests that were not passed on because the service had too many already.",
        );
        let limits = LimitMetrics {
            in_flight: IntGaugeVec::new(in_flight, &["upstream"])?,
            turned_away: IntCounterVec::new(turned_away, &["upstream"])?,
        };
        metrics.register(limits.in_flight.clone())?;
        metrics.register(limits.turned_away.clone())?;
        Ok(limits)
    }
}

/// A connection to one service, with a retry budget and a limit of requests of its own.
pub(crate) struct Connection {
    base: Url,
    /// The path of `base`, without a slash at its end.
    base_path: String,
    http: ClientWithMiddleware,
    places: Semaphore,
    in_flight: IntGauge,
    turned_away: IntCounter,
}

/// Counts a request for as long as it is there, however it ends.
struct InFlight<'a>(&'a IntGauge);

impl InFlight<'_> {
    fn count(gauge: &IntGauge) -> InFlight<'_> {
        gauge.inc();
        InFlight(gauge)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The whole answer of a service.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// True if an attempt before may have arrived, too.
    pub(crate) after_unclear: bool,
}

/// The beginning of an answer.
pub(crate) enum Opened {
    /// It goes on.
    Stream(reqwest::Response),
    /// It is there whole.
    Answer(Answer),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("the call failed")]
    Failed(Failure, #[source] reqwest_middleware::Error),
    #[error("the answer is larger than {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the service has too many requests already")]
    TooMany,
}

impl From<BodyError> for NoAnswer {
    fn from(error: BodyError) -> NoAnswer {
        match error {
            BodyError::TooLarge { .. } => NoAnswer::TooLarge,
            BodyError::Broken(error) => NoAnswer::Failed(
                Failure::of_reqwest(&error),
                reqwest_middleware::Error::Reqwest(error),
            ),
        }
    }
}

impl Connection {
    /// The service's address for a path and query. `None` when the URL's parser makes something else of the path (it resolves
    /// `..`, also when encoded, and turns `\` into `/`): such a path would reach another route than the one that was matched.
    pub(crate) fn url(&self, path: &str, query: Option<&str>) -> Option<Url> {
        // To parse the whole text would parse the host again, which takes longest.
        let mut url = self.base.clone();
        if self.base_path.is_empty() {
            url.set_path(path);
        } else {
            url.set_path(&format!("{}{path}", self.base_path));
        }
        url.set_query(query);
        (url.path().strip_prefix(self.base_path.as_str()) == Some(path)).then_some(url)
    }

    /// Sends a request whose answer may be a stream, and comes back with its beginning. A stream takes none of the places of
    /// requests: it would hold it for hours.
    pub(crate) async fn open(&self, request: Request) -> Result<Opened, NoAnswer> {
        let failed = |error| NoAnswer::Failed(Failure::of(&error), error);
        let mut response = self.http.execute(request).await.map_err(failed)?;
        if response.status().is_success() && is_stream(response.headers()) {
            return Ok(Opened::Stream(response));
        }
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        Ok(Opened::Answer(Answer {
            status,
            headers,
            body: read_body(response, ANSWER_BYTES_MAX).await?,
            after_unclear: false,
        }))
    }

    /// Sends a request, again where that is safe, and reads the answer. Who finds no place is told so at once.
    pub(crate) async fn send(&self, request: Request) -> Result<Answer, NoAnswer> {
        let Ok(_place) = self.places.try_acquire() else {
            self.turned_away.inc();
            return Err(NoAnswer::TooMany);
        };
        let _counted = InFlight::count(&self.in_flight);
        let is_head = request.method() == Method::HEAD;
        let failed = |error| NoAnswer::Failed(Failure::of(&error), error);
        let mut response = self.http.execute(request).await.map_err(failed)?;
        let status = response.status();
        let after_unclear = AfterUnclear::marks(&response);
        let headers = std::mem::take(response.headers_mut());
        let body = if is_head {
            Bytes::new()
        } else {
            read_body(response, ANSWER_BYTES_MAX).await?
        };
        Ok(Answer {
            status,
            headers,
            body,
            after_unclear,
        })
    }
}
