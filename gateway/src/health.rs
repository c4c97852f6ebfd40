//! `/health` of the whole system: every service is asked at once, and the answer names each.
//!
//! Anybody may ask, and each look is four calls with a query behind every one. So there is one look a second, whoever asks: what is newer is
//! answered from it, and who comes while it is under way waits for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use reqwest::Url;
use serde::Serialize;
use service_client::{ConnectOptions, connect_without_retries};
use tokio::sync::Mutex;

use crate::routes::PREFIXES;
use crate::upstream::Upstream;
use crate::{Config, NAME};

/// A service that takes longer does not answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// The time for which a look answers everybody.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Asks the services how they are.
pub(crate) struct Aggregate {
    http: reqwest::Client,
    targets: [Url; 4],
    last: Mutex<Option<(Instant, Report)>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Healthy,
    /// It answers badly.
    Unhealthy,
    /// It does not answer.
    Unreachable,
    /// Of the whole: not every service is healthy.
    Degraded,
}

#[derive(Clone, Serialize)]
struct Report {
    service: &'static str,
    status: State,
    services: Services,
    /// The fields that every failed answer has.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
}

#[derive(Clone, Serialize)]
struct Failure {
    error: &'static str,
    code: &'static str,
    message: &'static str,
}

const DEGRADED: Failure = Failure {
    error: "Service unavailable",
    code: "degraded",
    message: "Not every service is healthy",
};

#[derive(Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Services {
    user_service: State,
    wallet_service: State,
    transaction_service: State,
    payment_service: State,
}

impl Aggregate {
    pub(crate) fn new(config: &Config) -> anyhow::Result<Aggregate> {
        let limit = ANSWER_LIMIT.min(config.request_timeout);
        let options = ConnectOptions {
            timeout: limit,
            connect_timeout: limit,
            ..ConnectOptions::default()
        };
        let target = |upstream: Upstream| {
            let base = upstream.url(config)?;
            anyhow::Ok(Url::parse(&format!(
                "{}/health",
                base.as_str().trim_end_matches('/')
            ))?)
        };
        Ok(Aggregate {
            http: connect_without_retries(&options)?,
            last: Mutex::new(None),
            targets: [
                target(Upstream::User)?,
                target(Upstream::Wallet)?,
                target(Upstream::Transaction)?,
                target(Upstream::Payment)?,
            ],
        })
    }

    /// `/health`, with and without prefix.
    pub(crate) fn routes(self) -> Router {
        let aggregate = Arc::new(self);
        let handler = get(async move || aggregate.report().await);
        PREFIXES.iter().fold(
            Router::new().route("/health", handler.clone()),
            |router, prefix| router.route(&format!("{prefix}/health"), handler.clone()),
        )
    }

    /// The last look, or a new one where that is too old.
    async fn report(&self) -> Response {
        let mut last = self.last.lock().await;
        let report = match last.as_ref() {
            Some((at, report)) if at.elapsed() < LOOK_AGAIN_AFTER => report.clone(),
            _ => {
                let report = self.look().await;
                *last = Some((Instant::now(), report.clone()));
                report
            }
        };
        drop(last);
        let code = match report.status {
            State::Healthy => StatusCode::OK,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        (code, axum::Json(report)).into_response()
    }

    async fn look(&self) -> Report {
        let [user, wallet, transaction, payment] = &self.targets;
        let (user_service, wallet_service, transaction_service, payment_service) = tokio::join!(
            self.ask(user),
            self.ask(wallet),
            self.ask(transaction),
            self.ask(payment)
        );
        let states = [
            user_service,
            wallet_service,
            transaction_service,
            payment_service,
        ];
        let status = if states.iter().all(|state| *state == State::Healthy) {
            State::Healthy
        } else {
            State::Degraded
        };
        Report {
            service: NAME,
            status,
            failure: (status == State::Degraded).then_some(DEGRADED),
            services: Services {
                user_service,
                wallet_service,
                transaction_service,
                payment_service,
            },
        }
    }

    async fn ask(&self, target: &Url) -> State {
        match self.http.get(target.clone()).send().await {
            Ok(answer) if answer.status().is_success() => State::Healthy,
            Ok(_) => State::Unhealthy,
            Err(_) => State::Unreachable,
        }
    }
}
