//! A batch in flight: on its way into the database, while the writer decides the next. Everything that is committed is committed here,
//! and every refusal is confirmed here.
//!
//! Where the store can, the rows of a batch are written while the batch before it is still being committed, on another connection;
//! head and accounts follow when that is durable. So commits stay in order, and two processors work on them. A batch that has
//! nothing before it is one statement.
//!
//! Invariants: nobody is answered before their batch is durable; when a batch is aborted, so are those after it; a refusal
//! is only told when its key is not in the log, and the head is where it was decided.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger_api::Outcome;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::decisions::{Decisions, recorded};
use super::requests::RequestBatch;
use super::{LedgerMetrics, Tail};
use crate::domain::{Batch, LogRow};
use crate::store::{Committed, LedgerStore, Staged, StoreError};

/// How long rows are staged while the batch before is not committed. Then they are taken back, and written with the rest.
const STAGED_FOR_MAX: Duration = Duration::from_millis(500);

/// What commits need.
#[derive(Clone)]
pub(super) struct CommitContext {
    pub(super) store: Arc<dyn LedgerStore>,
    pub(super) metrics: LedgerMetrics,
    pub(super) tail: Arc<Tail>,
}

/// A batch in flight.
pub(super) struct InFlightBatch {
    pub(super) requests: RequestBatch,
    pub(super) decisions: Decisions,
    /// Where the log ends when it is committed.
    pub(super) head: i64,
    /// Says whether the batch before it is committed, if one is in flight.
    pub(super) before: Option<oneshot::Receiver<bool>>,
    /// Says the same to the one after it.
    pub(super) after: oneshot::Sender<bool>,
}

/// What became of a batch in flight.
pub(super) enum CommitOutcome {
    /// Everybody is answered.
    Answered,
    /// It is committed, but not all of its orders have an outcome: some were left for later, or refused at a head that has moved.
    Unfinished(RequestBatch),
    /// Nothing was written.
    NotWritten(RequestBatch, Cause),
    /// True if something was written is unknown.
    Unknown(RequestBatch, StoreError),
}

/// Why nothing was written.
pub(super) enum Cause {
    /// The batch before it was not committed.
    BatchBefore,
    /// Another process moved the head.
    HeadMoved,
    /// Its rows could not be written beside the batch before it: most likely a key is in the log already.
    NotStaged,
    /// A key is in the log already.
    KeyTaken,
    /// The database refused what one of the orders says.
    Order(StoreError),
}

impl InFlightBatch {
    /// Commits, confirms what was refused, and answers.
    pub(super) async fn run(mut self, context: CommitContext) -> CommitOutcome {
        let mut staged = match (&self.decisions.batch, &self.before) {
            (Some(batch), Some(_)) => match context.store.stage(batch).await {
                Ok(staged) => staged,
                // The writer looks into it when the batch before is committed.
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "not staged");
                    return self.abort(Cause::NotStaged);
                }
            },
            _ => None,
        };
        if let Some(mut before) = self.before.take() {
            let in_time = tokio::time::timeout(STAGED_FOR_MAX, &mut before).await;
            let committed = match in_time {
                Ok(committed) => committed,
                Err(_) => {
                    // What is staged may be what the one before waits for, by way of another process.
                    staged = None;
                    before.await
                }
            };
            if committed != Ok(true) {
                return self.abort(Cause::BatchBefore);
            }
        }
        if let Some(batch) = self.decisions.batch.take() {
            match commit(&context, staged, &batch).await {
                Ok(Committed::Done) => {
                    context.tail.extend(batch.rows.iter().cloned());
                    self.decisions.note_committed(&batch, &mut self.requests);
                }
                Ok(Committed::HeadMoved) => return self.abort(Cause::HeadMoved),
                Ok(Committed::KeyTaken) => return self.abort(Cause::KeyTaken),
                Err(error) if error.is_of_an_order() => return self.abort(Cause::Order(error)),
                Err(error) => {
                    let _ = self.after.send(false);
                    return CommitOutcome::Unknown(self.requests, error);
                }
            }
        }
        if !self.decisions.unconfirmed.is_empty() {
            self.confirm(&context).await;
        }
        let _ = self.after.send(true);
        if !self.requests.is_done() {
            self.requests.look_keys_up = true;
            return CommitOutcome::Unfinished(self.requests);
        }
        self.requests.finish(Ok(()));
        CommitOutcome::Answered
    }

    fn abort(mut self, cause: Cause) -> CommitOutcome {
        // Nobody listens where there is none after it.
        let _ = self.after.send(false);
        self.requests.key_taken = matches!(cause, Cause::KeyTaken);
        self.requests.look_keys_up |= matches!(cause, Cause::KeyTaken | Cause::NotStaged);
        CommitOutcome::NotWritten(self.requests, cause)
    }

    /// Asks the store whether the refusals hold. What cannot be told now is left open.
    async fn confirm(&mut self, context: &CommitContext) {
        let store = &context.store;
        let orders = &self.requests.orders;
        let refused = self.decisions.unconfirmed.iter();
        let keys: Vec<Uuid> = refused
            .flat_map(|(index, _)| orders[*index].keys())
            .collect();
        let Ok((head, known)) = store.find(&keys).await else {
            return;
        };
        let known: HashMap<Uuid, LogRow> = known.into_iter().map(|row| (row.key, row)).collect();
        for (index, refusal) in self.decisions.unconfirmed.drain(..) {
            let recorded = recorded(&orders[index], &known);
            let outcome = recorded.or_else(|| (head == self.head).then_some(refusal));
            if let Some(Outcome::Refused { reason }) = outcome {
                context.metrics.refused(reason);
            }
            self.requests.outcomes[index] = outcome;
        }
    }
}

async fn commit(
    context: &CommitContext,
    staged: Option<Box<dyn Staged>>,
    batch: &Batch,
) -> Result<Committed, StoreError> {
    let started = Instant::now();
    let committed = match staged {
        Some(staged) => staged.settle(batch).await?,
        None => context.store.commit(batch).await?,
    };
    match committed {
        Committed::Done => {
            let seconds = started.elapsed().as_secs_f64();
            context.metrics.committed(batch, seconds);
        }
        Committed::HeadMoved => context.metrics.head_moved.inc(),
        Committed::KeyTaken => context.metrics.key_taken.inc(),
    }
    Ok(committed)
}
