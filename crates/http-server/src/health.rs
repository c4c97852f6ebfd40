//! Probes: `/livez` (the process works), `/readyz` (it can serve), `/health` (what the contract promises).

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use clock::Clock;
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// A check that takes longer has failed.
const CHECK_LIMIT: Duration = Duration::from_secs(1);

/// The interval at which readiness is looked at for the log, besides what probes ask for.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The same until it is ready for the first time.
const LOOK_AT_START_EVERY: Duration = Duration::from_millis(100);
/// The time that a start may take before it is logged what it waits for.
const TELL_WAIT_AFTER: Duration = Duration::from_secs(3);

/// The last log line about a service's readiness.
#[derive(Clone, Copy, Debug)]
pub enum Readiness {
    /// Nothing yet.
    Starting,
    /// That it is ready.
    Ready,
    /// That it is not ready any more.
    NotAnyMore {
        /// Since when.
        since: Instant,
    },
}

type Check =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// The readiness of a service. Cheap to clone; clones are the same.
#[derive(Clone)]
pub struct Health(Arc<Shared>);

struct Shared {
    service: &'static str,
    clock: Clock,
    draining: CancellationToken,
    checks: RwLock<Vec<(&'static str, Check)>>,
}

impl Health {
    /// A service that is ready until a check says otherwise.
    pub fn new(service: &'static str, clock: Clock) -> Health {
        Health(Arc::new(Shared {
            service,
            clock,
            draining: CancellationToken::new(),
            checks: RwLock::default(),
        }))
    }

    /// Adds something that must hold for the service to be ready. The error is a sentence that may be shown to anyone.
    pub fn require<F, R>(&self, name: &'static str, check: F)
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), String>> + Send + 'static,
    {
        let check: Check = Arc::new(move || Box::pin(check()));
        self.0
            .checks
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push((name, check));
    }

    /// The names of all checks, in the order in which they were added.
    pub fn checks(&self) -> Vec<&'static str> {
        let checks = self.0.checks.read();
        let checks = checks.unwrap_or_else(std::sync::PoisonError::into_inner);
        checks.iter().map(|(name, _)| *name).collect()
    }

    /// Not ready any more, for good: the server is told to stop.
    pub fn drain(&self) {
        self.0.draining.cancel();
    }

    /// Returns whether the server was told to stop.
    pub(crate) fn is_draining(&self) -> bool {
        self.0.draining.is_cancelled()
    }

    /// Cancelled when the server is told to stop: for answers that would go on until their client leaves.
    pub fn stopping(&self) -> CancellationToken {
        self.0.draining.clone()
    }

    /// The names of the checks that fail now, with why.
    pub async fn failures(&self) -> Vec<(&'static str, String)> {
        if self.is_draining() {
            return vec![("draining", "the server is stopping".to_owned())];
        }
        let checks = self
            .0
            .checks
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        let mut failures = Vec::new();
        for (name, check) in checks {
            match tokio::time::timeout(CHECK_LIMIT, check()).await {
                Ok(Ok(())) => {}
                Ok(Err(why)) => failures.push((name, why)),
                Err(_) => failures.push((name, "no answer in time".to_owned())),
            }
        }
        failures
    }

    /// An error that names the checks that fail now.
    pub(crate) async fn in_words(&self) -> Result<(), String> {
        match self.failures().await.as_slice() {
            [] => Ok(()),
            failures => Err(in_words(failures)),
        }
    }

    /// Logs when the service becomes ready, when it is not any more, with why, and when it is again; until it is told to stop.
    pub async fn tell_changes(self, mut state: Readiness) {
        let started = Instant::now();
        let mut told_to_wait = false;
        let service = self.0.service;
        loop {
            let failures = self.failures().await;
            if self.is_draining() {
                return;
            }
            let failing = || {
                let told = failures.iter().map(|(name, why)| format!("{name}: {why}"));
                told.collect::<Vec<_>>().join("; ")
            };
            match (failures.is_empty(), state) {
                (true, Readiness::Starting) => {
                    tracing::info!(service, version = crate::VERSION, "ready");
                    state = Readiness::Ready;
                }
                (true, Readiness::NotAnyMore { since }) => {
                    let seconds = since.elapsed().as_secs();
                    tracing::info!(service, seconds, "ready again");
                    state = Readiness::Ready;
                }
                (false, Readiness::Ready) => {
                    tracing::warn!(service, why = failing(), "not ready");
                    let since = Instant::now();
                    state = Readiness::NotAnyMore { since };
                }
                (false, Readiness::Starting)
                    if started.elapsed() >= TELL_WAIT_AFTER
                        && !std::mem::replace(&mut told_to_wait, true) =>
                {
                    tracing::info!(service, why = failing(), "not ready yet");
                }
                _ => {}
            }
            let rest = match state {
                Readiness::Starting => LOOK_AT_START_EVERY,
                Readiness::Ready | Readiness::NotAnyMore { .. } => LOOK_EVERY,
            };
            tokio::time::sleep(rest).await;
        }
    }

    /// The routes of the probes. A service whose `/health` says more (the gateway) leaves this one out.
    pub(crate) fn routes(&self, with_health: bool) -> Router {
        let (ready, health) = (self.clone(), self.clone());
        let probes = Router::new()
            .route("/livez", get(async || "ok"))
            .route("/readyz", get(async move || ready.readyz().await));
        if with_health {
            probes.route("/health", get(async move || health.health().await))
        } else {
            probes
        }
    }

    async fn readyz(&self) -> Response {
        let failures = self.failures().await;
        if failures.is_empty() {
            return axum::Json(json!({"status": "ready"})).into_response();
        }
        let message = in_words(&failures);
        let failing: serde_json::Map<_, _> = failures
            .into_iter()
            .map(|(name, why)| (name.to_owned(), why.into()))
            .collect();
        let body = json!({
            "status": "not ready",
            "failing": failing,
            "error": "Service unavailable",
            "code": "not_ready",
            "message": message,
        });
        (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response()
    }

    async fn health(&self) -> Response {
        let failures = self.failures().await;
        let timestamp = self.0.clock.now().rfc3339();
        let service = self.0.service;
        if failures.is_empty() {
            let body = json!({"service": service, "status": "healthy", "timestamp": timestamp});
            return axum::Json(body).into_response();
        }
        let body = json!({
            "service": service,
            "status": "unhealthy",
            "timestamp": timestamp,
            "error": "Service unavailable",
            "code": "unhealthy",
            "message": in_words(&failures),
        });
        (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response()
    }
}

/// The checks that fail and why, in one line.
fn in_words(failures: &[(&'static str, String)]) -> String {
    let failures = failures.iter().map(|(name, why)| format!("{name}: {why}"));
    failures.collect::<Vec<_>>().join("; ")
}
