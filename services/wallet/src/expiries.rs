//! Holds that have expired give back what is left of them.
//!
//! Nothing hangs on this coming at once: from the moment of its expiry on the ledger refuses to capture a hold, by its own time. Any number
//! of processes may do it, because the order that ends a hold has a key that follows from the hold alone.

use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use http_server::Metrics;
use ledger::domain::Remainder;
use ledger::store::{LedgerStore, StoreError};
use ledger::{Ledger, LedgerError};
use ledger_api::{Operation, Order, Outcome, Refusal, idempotency_key};
use prometheus::{IntCounter, IntGauge};
use tokio_util::sync::CancellationToken;

/// The wait between two looks for holds that have expired.
const EVERY: Duration = Duration::from_secs(1);
/// Holds that are ended together.
const TOGETHER_MAX: i64 = 500;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// Ends holds whose time is over.
pub(crate) struct Expiries {
    ledger: Ledger,
    store: Arc<dyn LedgerStore>,
    clock: Clock,
    expired: IntCounter,
    overdue: IntGauge,
}

/// Why holds were not ended.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the ledger cannot be read")]
    Store(#[from] StoreError),
    #[error("the ledger took no orders")]
    Ledger(#[from] LedgerError),
}

impl Expiries {
    pub(crate) fn new(
        ledger: Ledger,
        store: Arc<dyn LedgerStore>,
        clock: Clock,
        metrics: &Metrics,
    ) -> anyhow::Result<Expiries> {
        let expired = IntCounter::new(
            "ledger_holds_expired_total",
            "Holds that this process ended because their time was over.",
        )?;
        let overdue = IntGauge::new(
            "ledger_holds_overdue_seconds",
            "For how long the oldest hold whose time is over has kept its money; 0 where there is none.",
        )?;
        metrics.register(expired.clone())?;
        metrics.register(overdue.clone())?;
        Ok(Expiries {
            ledger,
            store,
            clock,
            expired,
            overdue,
        })
    }

    /// Ends holds as their time comes, until the service stops.
    pub(crate) async fn run(self, stop: CancellationToken) {
        loop {
            match self.end_some().await {
                // There may be more.
                Ok(ended) if ended >= TOGETHER_MAX => {}
                Ok(_) => tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(EVERY) => {}
                },
                Err(error) => {
                    // An outage of the database was told when it began.
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "no hold was ended"
                    );
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(EVERY) => {}
                    }
                }
            }
            if stop.is_cancelled() {
                return;
            }
        }
    }

    /// Ends some of the holds that have expired; how many.
    async fn end_some(&self) -> Result<i64, Error> {
        let now = self.clock.now().micros();
        let expired = self.store.expired(now, TOGETHER_MAX).await?;
        let oldest = expired.first().and_then(|hold| hold.expires_at);
        let overdue = oldest.map_or(0, |at| now.saturating_sub(at) / MICROS_PER_SECOND);
        self.overdue.set(overdue);
        let holds: Vec<(&Remainder, i64)> = expired
            .iter()
            .filter_map(|hold| Some((hold, hold.held_of()?)))
            .collect();
        if holds.is_empty() {
            return Ok(0);
        }
        let orders = holds
            .iter()
            .map(|(hold, wallet_id)| order(hold, *wallet_id));
        let orders: Vec<Order> = orders.collect();
        let outcomes = self.ledger.submit(orders).await?;
        let mut ended = 0;
        let mut unclaimed = Vec::new();
        for ((hold, _), outcome) in holds.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Accepted { .. } => ended += 1,
                Outcome::Refused {
                    reason: Refusal::WalletNotActive,
                } => unclaimed.push(unclaimed_order(hold)),
                // Somebody captured or voided it in between, or the log's time is behind this process's clock.
                Outcome::Refused { reason } => {
                    tracing::debug!(hold = hold.seq, ?reason, "a hold was not ended");
                }
                Outcome::KeyReused => {
                    tracing::error!(hold = hold.seq, "the key of a hold's expiry is taken");
                }
            }
        }
        if !unclaimed.is_empty() {
            let outcomes = self.ledger.submit(unclaimed).await?;
            ended +=
                i64::try_from(outcomes.iter().filter(|o| !o.is_refused()).count()).unwrap_or(0);
        }
        self.expired
            .inc_by(u64::try_from(ended).unwrap_or_default());
        Ok(ended)
    }
}

/// The order that ends a hold. Its key is the same in every process.
fn order(hold: &Remainder, wallet_id: i64) -> Order {
    let operation = wallet_api::expire(hold.seq, wallet_id);
    keyed("expiry", hold, operation)
}

/// The order that ends a hold whose wallet can take nothing back.
fn unclaimed_order(hold: &Remainder) -> Order {
    keyed(
        "unclaimed expiry",
        hold,
        wallet_api::expire_unclaimed(hold.seq),
    )
}

fn keyed(route: &str, hold: &Remainder, operation: Operation) -> Order {
    Order {
        key: idempotency_key(0, route, &hold.seq.to_string()),
        operation,
    }
}
