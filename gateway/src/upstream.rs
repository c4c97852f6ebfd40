//! The services behind the gateway: where each is, and one attempt after the other to get its answer.

use std::time::Duration;

use anyhow::Context as _;
use axum::body::Bytes;
use http::{HeaderMap, Method, StatusCode};
use reqwest::{Request, Response, Url};
use reqwest_middleware::ClientWithMiddleware;
use service_client::{AfterUnclear, ConnectOptions, Failure, RetryCounters};

use crate::Config;

/// The largest answer that is passed on. Lists are bounded, so a larger one is a mistake.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Which service.
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

    /// Where the service is, as the configuration has it.
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
    /// Connections that are made when they are first needed.
    pub(crate) fn connect(config: &Config, retries: &RetryCounters) -> anyhow::Result<Upstreams> {
        let options = ConnectOptions {
            // The deadline of the request covers every attempt.
            timeout: Duration::MAX,
            ..ConnectOptions::default()
        };
        let connect = |upstream: Upstream| {
            let base = upstream.url(config)?;
            anyhow::Ok(Connection {
                base_path: base.path().trim_end_matches('/').to_owned(),
                base,
                http: service_client::connect(
                    upstream.name(),
                    &options,
                    retries.of(upstream.name()),
                )?,
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
        let [user, wallet, transaction, payment] = &self.0;
        match upstream {
            Upstream::User => user,
            Upstream::Wallet => wallet,
            Upstream::Transaction => transaction,
            Upstream::Payment => payment,
        }
    }
}

/// A connection to one service, with a retry budget of its own.
pub(crate) struct Connection {
    base: Url,
    /// The path of `base`, without a slash at its end.
    base_path: String,
    http: ClientWithMiddleware,
}

/// The whole answer of a service.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether an attempt before may have arrived, too.
    pub(crate) after_unclear: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("the call failed")]
    Failed(Failure, #[source] reqwest_middleware::Error),
    #[error("the answer is larger than {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
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

    /// Sends a request, again where that is safe, and reads the answer.
    pub(crate) async fn send(&self, request: Request) -> Result<Answer, NoAnswer> {
        let is_head = request.method() == Method::HEAD;
        let failed = |error| NoAnswer::Failed(Failure::of(&error), error);
        let mut response = self.http.execute(request).await.map_err(failed)?;
        let status = response.status();
        let after_unclear = AfterUnclear::marks(&response);
        let headers = std::mem::take(response.headers_mut());
        let body = if is_head {
            Bytes::new()
        } else {
            read(response).await?
        };
        Ok(Answer {
            status,
            headers,
            body,
            after_unclear,
        })
    }
}

/// The body, which nearly always comes in one piece, and is then not copied.
pub(crate) async fn read(mut response: Response) -> Result<Bytes, NoAnswer> {
    let broken = |error: reqwest::Error| {
        NoAnswer::Failed(
            Failure::of_reqwest(&error),
            reqwest_middleware::Error::Reqwest(error),
        )
    };
    let first = response.chunk().await.map_err(broken)?.unwrap_or_default();
    let Some(second) = response.chunk().await.map_err(broken)? else {
        return Ok(first);
    };
    let mut whole = [first, second].concat();
    while let Some(next) = response.chunk().await.map_err(broken)? {
        whole.extend_from_slice(&next);
        if whole.len() > ANSWER_BYTES_MAX {
            return Err(NoAnswer::TooLarge);
        }
    }
    Ok(whole.into())
}
