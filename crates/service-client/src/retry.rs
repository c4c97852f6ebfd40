//! Which calls are repeated: after a connection that was never made, any; after any other passing failure only those that
//! may be carried out twice, which are the idempotent methods (RFC 9110, section 9.2.2) and whatever has an idempotency key.
//!
//! Repeats are paid from a budget for each upstream, so that a failing service is not buried under them. The total deadline is
//! the caller's: it drops the whole call.

use std::sync::Arc;
use std::time::Duration;

use http::{Extensions, StatusCode};
use prometheus::IntCounter;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next};
use reqwest_retry::policies::ExponentialBackoff;
use reqwest_retry::{Jitter, RetryTransientMiddleware, Retryable, RetryableStrategy};
use tower::retry::budget::{Budget, TpsBudget};

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

/// Counts repeats.
#[derive(Clone)]
pub struct RetryMetrics {
    /// Calls that were made again.
    pub retries: IntCounter,
    /// Calls that would have been made again, had the budget allowed it.
    pub budget_exhausted: IntCounter,
}

impl RetryMetrics {
    /// Counters that are part of no registry.
    pub fn unregistered() -> RetryMetrics {
        let counter = IntCounter::new;
        RetryMetrics {
            retries: counter("client_retries_total", "Calls that were made again.")
                .unwrap_or_else(|_| unreachable!("the name is valid")),
            budget_exhausted: counter(
                "client_retry_budget_exhausted_total",
                "Repeats that were left out.",
            )
            .unwrap_or_else(|_| unreachable!("the name is valid")),
        }
    }
}

type Retry = RetryTransientMiddleware<ExponentialBackoff, Strategy>;

pub(crate) struct RetryWhereSafe {
    repeatable: Retry,
    others: Retry,
    budget: Arc<TpsBudget>,
}

impl RetryWhereSafe {
    pub(crate) fn new(metrics: RetryMetrics) -> RetryWhereSafe {
        let budget = Arc::new(TpsBudget::new(BUDGET_SPAN, BUDGET_MIN_PER_S, BUDGET_RATIO));
        let retry = |only_unsent| {
            let policy = ExponentialBackoff::builder()
                .retry_bounds(BACKOFF_MIN, BACKOFF_MAX)
                .jitter(Jitter::Bounded)
                .base(2)
                .build_with_max_retries(RETRIES_MAX);
            let strategy = Strategy {
                only_unsent,
                budget: budget.clone(),
                metrics: metrics.clone(),
            };
            RetryTransientMiddleware::new_with_policy_and_strategy(policy, strategy)
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

struct Strategy {
    /// Only calls that never reached the other side.
    only_unsent: bool,
    budget: Arc<TpsBudget>,
    metrics: RetryMetrics,
}

impl RetryableStrategy for Strategy {
    fn handle(&self, result: &Result<Response, Error>) -> Option<Retryable> {
        let passing = match result {
            Ok(response) => !self.only_unsent && is_passing(response.status()),
            Err(Error::Reqwest(error)) if error.is_connect() => true,
            Err(Error::Reqwest(error)) => {
                !self.only_unsent && (error.is_request() || error.is_body()) && !error.is_timeout()
            }
            Err(Error::Middleware(_)) => false,
        };
        if !passing {
            return None;
        }
        if !self.budget.withdraw() {
            self.metrics.budget_exhausted.inc();
            return Some(Retryable::Fatal);
        }
        self.metrics.retries.inc();
        Some(Retryable::Transient)
    }
}

/// 502 and 503 pass: nobody did the work. 504 has used up its time already.
fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE
    )
}
