//! Tells the ledger of deleted users, so that it closes their wallets.
//!
//! A deletion puts a row into an outbox, in its own transaction; here the ledger is told until it has acknowledged. The
//! order's key is made from the user's id, so telling twice, or by two replicas, is telling once. What must hold: a row
//! leaves the outbox only after an acknowledgement.

use std::sync::Arc;
use std::time::Duration;

use auth::UserId;
use clock::Clock;
use http_server::Metrics;
use ledger_api::{Actor, LedgerClient, Operation, Order, Outcome, Refusal, Service};
use prometheus::IntGauge;
use sha2::{Digest as _, Sha256};
use telemetry::Needed;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::belonging::Belonging;
use crate::error::Error;
use crate::store::{Closure, Store};

const TELL_EVERY: Duration = Duration::from_secs(1);
/// The time that a deletion waits for the ledger before it leaves it to the worker.
const AT_ONCE: Duration = Duration::from_secs(1);
const PAGE_MAX: i64 = 100;

/// The outbox and its reader.
pub(crate) struct Closures {
    store: Store,
    ledger: LedgerClient,
    belonging: Arc<Belonging>,
    clock: Clock,
    pending: IntGauge,
    oldest: IntGauge,
}

/// The result of telling the ledger.
enum Told {
    Acknowledged,
    /// It answered, but did not do it. That should not happen.
    Refused,
    Away,
}

impl Closures {
    pub(crate) fn new(
        store: Store,
        ledger: LedgerClient,
        belonging: Arc<Belonging>,
        clock: Clock,
        metrics: &Metrics,
    ) -> anyhow::Result<Closures> {
        let pending = IntGauge::new(
            "closures_pending",
            "Deleted users of whom the ledger has yet to be told.",
        )?;
        let oldest = IntGauge::new(
            "closures_oldest_seconds",
            "Seconds that the oldest closure in the outbox has waited for the ledger.",
        )?;
        metrics.register(pending.clone())?;
        metrics.register(oldest.clone())?;
        Ok(Closures {
            store,
            ledger,
            belonging,
            clock,
            pending,
            oldest,
        })
    }

    /// Tries once to tell the ledger of a user who was just deleted. The worker does what fails here.
    pub(crate) async fn try_at_once(&self, user_id: i64, by: UserId) {
        match tokio::time::timeout(AT_ONCE, self.close(user_id, Some(by))).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                user_id,
                "a closure stays in the outbox for now"
            ),
            Err(_) => tracing::warn!(user_id, "the ledger did not answer in time"),
        }
    }

    /// Tells the ledger until `stop`.
    pub(crate) async fn work(&self, stop: CancellationToken) {
        let mut outbox = Needed::new("the outbox of deleted users");
        let mut every = tokio::time::interval(TELL_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = every.tick() => {}
            }
            tokio::select! {
                // What is under way may be dropped: the row is still there, and telling again is safe.
                () = stop.cancelled() => return,
                result = self.round() => match result {
                    Ok(()) => outbox.is_there(),
                    Err(error) => outbox.is_away(&error),
                }
            }
        }
    }

    /// Goes once through the outbox, or until the ledger is away.
    async fn round(&self) -> Result<(), Error> {
        let (mut after, mut pending, mut oldest) = (0, 0_i64, None);
        'pages: loop {
            let page = self.store.closures(after, PAGE_MAX).await?;
            let Some(last) = page.last() else {
                break;
            };
            after = last.user_id;
            for Closure { user_id, since, by } in page {
                match self.close(user_id, by).await? {
                    Told::Acknowledged => {}
                    not_done => {
                        pending = pending.saturating_add(1);
                        oldest = oldest.or(Some(since)).min(Some(since));
                        if matches!(not_done, Told::Away) {
                            break 'pages;
                        }
                    }
                }
            }
        }
        self.pending.set(pending);
        let waited = oldest.map_or(0, |since| {
            self.clock.now().seconds().saturating_sub(since.seconds())
        });
        self.oldest.set(waited);
        Ok(())
    }

    /// `by` is what the outbox has: the order must be the same on each attempt.
    async fn close(&self, user_id: i64, by: Option<UserId>) -> Result<Told, Error> {
        // In another ledger these ids stand for other people.
        if !self.belonging.belongs() {
            return Ok(Told::Away);
        }
        let by = match by {
            Some(UserId(id)) => Actor::User(id),
            None => Actor::Service(Service::User),
        };
        let order = Order {
            key: order_key(user_id),
            operation: Operation::CloseUser { user_id, by },
        };
        match self.ledger.submit(order).await {
            Ok(
                Outcome::Accepted { .. }
                // The key is of this user's closure alone. It was asked for by somebody else, before this database was restored.
                | Outcome::KeyReused
                | Outcome::Refused {
                    reason: Refusal::UserClosed,
                },
            ) => {
                self.store.closure_done(user_id).await?;
                Ok(Told::Acknowledged)
            }
            Ok(outcome) => {
                tracing::error!(
                    ?outcome,
                    user_id,
                    "the ledger does not close a deleted user's wallets"
                );
                Ok(Told::Refused)
            }
            Err(error) => {
                tracing::warn!(
                    error = &*error as &dyn std::error::Error,
                    user_id,
                    "the ledger cannot be told of a deletion for now"
                );
                Ok(Told::Away)
            }
        }
    }
}

/// The same for every replica and every attempt.
fn order_key(user_id: i64) -> Uuid {
    let digest = Sha256::digest(format!("close-user:{user_id}"));
    let mut key = [0; 16];
    key.copy_from_slice(&digest[..16]);
    Uuid::from_bytes(key)
}
