//! `/health` of the whole system: every service is asked at once, and the answer names each.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use reqwest::Url;
use serde::Serialize;
use service_client::{ConnectOptions, connect_without_retries};

use crate::routes::PREFIXES;
use crate::upstream::Upstream;
use crate::{Config, NAME};

/// A service that takes longer does not answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// Asks the services how they are.
pub(crate) struct Aggregate {
    http: reqwest::Client,
    targets: [Url; 4],
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

#[derive(Serialize)]
struct Report {
    service: &'static str,
    status: State,
    services: Services,
    /// The fields that every failed answer has.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
}

#[derive(Serialize)]
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

#[derive(Serialize)]
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

    async fn report(&self) -> Response {
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
        let (code, status) = if states.iter().all(|state| *state == State::Healthy) {
            (StatusCode::OK, State::Healthy)
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, State::Degraded)
        };
        let report = Report {
            service: NAME,
            status,
            failure: (status == State::Degraded).then_some(DEGRADED),
            services: Services {
                user_service,
                wallet_service,
                transaction_service,
                payment_service,
            },
        };
        (code, axum::Json(report)).into_response()
    }

    async fn ask(&self, target: &Url) -> State {
        match self.http.get(target.clone()).send().await {
            Ok(answer) if answer.status().is_success() => State::Healthy,
            Ok(_) => State::Unhealthy,
            Err(_) => State::Unreachable,
        }
    }
}
