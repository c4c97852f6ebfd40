//! The calls that are repeated: after a connection that was never made, any; after any other transient failure only those that
//! may be carried out twice, which are the idempotent methods (RFC 9110, section 9.2.2) and whatever has an idempotency key.
//!
//! Repeats are paid from a budget for each upstream, so that a failing service is not buried under them. The total deadline is
//! the caller's: it drops the whole call.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Extensions, StatusCode};
use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, Opts};
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next};
use reqwest_retry::policies::ExponentialBackoff;
use reqwest_retry::{
    Jitter, RetryDecision, RetryPolicy, RetryTransientMiddleware, Retryable, RetryableStrategy,
};
use tower::retry::budget::{Budget, TpsBudget};

use crate::Failure;

const RETRIES_MAX: u32 = 3;
const BACKOFF_MIN: Duration = Duration::from_millis(20);
const BACKOFF_MAX: Duration = Duration::from_millis(300);
/// The budget: this share of calls may be repeats, over this span, and always this many a second.
const BUDGET_RATIO: f32 = 0.2;
const BUDGET_SPAN: Duration = Duration::from_secs(10);
const BUDGET_MIN_PER_S: u32 = 10;

/// Put into a request's extensions, it says that the call may be repeated although its method alone would not allow it.
#[derive(Clone, Copy, Debug)]
pub struct Repeatable;

/// In an answer's extensions it says that an attempt before this one may have reached the service, and that nobody knows what became
/// of it. If the answer is a refusal, it is what the last attempt met: the first may still be carried out.
#[derive(Clone, Copy, Debug)]
pub struct AfterUnclear;

impl AfterUnclear {
    /// Returns whether an answer has this mark.
    pub fn marks(response: &Response) -> bool {
        response.extensions().get::<AfterUnclear>().is_some()
    }
}

/// Inside of the repeats: remembers attempts that ended in the dark, and marks the answer that comes after one.
pub(crate) struct NoteUnclear;

#[async_trait::async_trait]
impl Middleware for NoteUnclear {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let mut result = next.run(request, extensions).await;
        match &mut result {
            Ok(response) if is_passing(response.status()) => {
                extensions.insert(AfterUnclear);
            }
            Ok(response) => {
                if let Some(mark) = extensions.get::<AfterUnclear>() {
                    response.extensions_mut().insert(*mark);
                }
            }
            Err(error) if Failure::of(error) == Failure::NotConnected => {}
            Err(_) => {
                extensions.insert(AfterUnclear);
            }
        }
        result
    }
}

/// The repeats of calls to one service.
#[derive(Clone)]
pub struct RetryMetrics {
    /// Calls that were made again.
    pub retries: IntCounter,
    /// Calls that would have been made again, had the budget allowed it.
    pub budget_exhausted: IntCounter,
}

/// The counters of a process that calls several services, labelled with the service.
pub struct RetryCounters {
    retries: IntCounterVec,
    budget_exhausted: IntCounterVec,
}

impl RetryCounters {
    /// Counters at zero.
    pub fn new() -> prometheus::Result<RetryCounters> {
        let counter = |name, help| IntCounterVec::new(Opts::new(name, help), &["upstream"]);
        Ok(RetryCounters {
            retries: counter(
                "client_retries_total",
                "Calls that were repeated, by the service that was called.",
            )?,
            budget_exhausted: counter(
                "client_retry_budget_exhausted_total",
                "Calls that were not repeated because the retry budget was used up, by the service that was called.",
            )?,
        })
    }

    /// Those of one service.
    pub fn of(&self, service: &'static str) -> RetryMetrics {
        RetryMetrics {
            retries: self.retries.with_label_values(&[service]),
            budget_exhausted: self.budget_exhausted.with_label_values(&[service]),
        }
    }

    /// The counters, for a registry.
    pub fn collectors(&self) -> [impl Collector + 'static; 2] {
        [self.retries.clone(), self.budget_exhausted.clone()]
    }
}

type Retry = RetryTransientMiddleware<Budgeted, WhereSafe>;

pub(crate) struct RetryWhereSafe {
    repeatable: Retry,
    others: Retry,
    budget: Arc<TpsBudget>,
}

impl RetryWhereSafe {
    pub(crate) fn new(metrics: RetryMetrics) -> RetryWhereSafe {
        let budget = Arc::new(TpsBudget::new(BUDGET_SPAN, BUDGET_MIN_PER_S, BUDGET_RATIO));
        let retry = |only_unsent| {
            let backoff = ExponentialBackoff::builder()
                .retry_bounds(BACKOFF_MIN, BACKOFF_MAX)
                .jitter(Jitter::Bounded)
                .base(2)
                .build_with_max_retries(RETRIES_MAX);
            let policy = Budgeted {
                backoff,
                budget: budget.clone(),
                metrics: metrics.clone(),
            };
            RetryTransientMiddleware::new_with_policy_and_strategy(
                policy,
                WhereSafe { only_unsent },
            )
        };
        RetryWhereSafe {
            repeatable: retry(false),
            others: retry(true),
            budget,
        }
    }
}

#[async_trait::async_trait]
impl Middleware for RetryWhereSafe {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        self.budget.deposit();
        let may_repeat = request.method().is_idempotent()
            || request.headers().contains_key("idempotency-key")
            || extensions.get::<Repeatable>().is_some();
        let retry = if may_repeat {
            &self.repeatable
        } else {
            &self.others
        };
        retry.handle(request, extensions, next).await
    }
}

/// Spaces repeats out, and pays for each from the budget.
struct Budgeted {
    backoff: ExponentialBackoff,
    budget: Arc<TpsBudget>,
    metrics: RetryMetrics,
}

impl RetryPolicy for Budgeted {
    fn should_retry(&self, started: SystemTime, past_retries: u32) -> RetryDecision {
        let decision = self.backoff.should_retry(started, past_retries);
        if matches!(decision, RetryDecision::DoNotRetry) {
            return decision;
        }
        if !self.budget.withdraw() {
            self.metrics.budget_exhausted.inc();
            return RetryDecision::DoNotRetry;
        }
        self.metrics.retries.inc();
        // Whoever gets no answer in the end logs that, and why.
        tracing::debug!(past_retries, "a call is made again");
        decision
    }
}

/// Tells which failures a repeat may help against, without doing the work twice.
struct WhereSafe {
    /// Only calls that never reached the other side.
    only_unsent: bool,
}

impl RetryableStrategy for WhereSafe {
    fn handle(&self, result: &Result<Response, Error>) -> Option<Retryable> {
        let passing = match result {
            Ok(response) => !self.only_unsent && is_passing(response.status()),
            Err(error) => match Failure::of(error) {
                Failure::NotConnected => true,
                Failure::Broken => !self.only_unsent,
                // It has used up its time already.
                Failure::TimedOut => false,
            },
        };
        passing.then_some(Retryable::Transient)
    }
}

/// 502 and 503 pass. 504 has used up its time already.
fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE
    )
}
