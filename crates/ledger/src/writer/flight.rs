//! A batch on its way into the database, while the writer decides the next.
//!
//! Where the store can, the rows of a batch are written while the batch before it is still being committed, on another connection;
//! head and accounts follow when that is durable. So commits stay in order, and two processors work on them. A batch that has
//! nobody before it is one statement.
//!
//! What must hold: nobody is answered before their batch is durable; when a batch comes to nothing, so do those after it; a refusal
//! is only told when its key is not in the log, and the head is where it was decided.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::decided::{Decided, open_keys, replay};
use super::served::Served;
use super::{LedgerMetrics, Tail};
use crate::domain::Batch;
use crate::store::{Committed, LedgerStore, Staged, StoreError};

/// How long rows are staged while the batch before does not come through. Then they are taken back, and written with the rest.
const STAGED_FOR_MAX: Duration = Duration::from_millis(500);

/// What flights work with.
#[derive(Clone)]
pub(super) struct Runway {
    pub(super) store: Arc<dyn LedgerStore>,
    pub(super) metrics: LedgerMetrics,
    pub(super) tail: Arc<Tail>,
}

/// A batch that is under way.
pub(super) struct Flight {
    pub(super) served: Served,
    pub(super) decided: Decided,
    /// Where the log ends when it has landed.
    pub(super) head: i64,
    /// Says whether the batch before it is committed, if one is under way.
    pub(super) before: Option<oneshot::Receiver<bool>>,
    /// Says the same to the one after it.
    pub(super) after: oneshot::Sender<bool>,
}

/// How a flight ended.
pub(super) enum Landing {
    /// Everybody is answered.
    Answered,
    /// It is committed, but some who were refused are not: another process moved the head.
    Unconfirmed(Served),
    /// Nothing was written, for this reason; `None` where the batch before it came to nothing.
    NotWritten(Served, Option<Committed>),
    /// Whether something was written is unknown.
    Uncertain(Served),
}

impl Flight {
    pub(super) async fn fly(mut self, runway: Runway) -> Landing {
        let mut staged = match (&self.decided.batch, &self.before) {
            (Some(batch), Some(_)) => match runway.store.stage(batch).await {
                Ok(staged) => staged,
                // A key that is there, most likely. The writer looks into it when the one before has landed.
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "not staged");
                    return self.come_to_nothing(Some(Committed::KeyTaken));
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
                return self.come_to_nothing(None);
            }
        }
        if let Some(batch) = self.decided.batch.take() {
            match self.commit(&runway, staged, &batch).await {
                Ok(Committed::Done) => self.is_durable(&runway, &batch),
                Ok(not_done) => return self.come_to_nothing(Some(not_done)),
                // Which of them it was is found out one part after the other.
                Err(error) if error.is_of_an_order() => {
                    return self.come_to_nothing(Some(Committed::KeyTaken));
                }
                Err(error) => {
                    error.tell("a commit failed, and may have happened");
                    let _ = self.after.send(false);
                    return Landing::Uncertain(self.served);
                }
            }
        }
        if !self.decided.unconfirmed.is_empty() {
            self.confirm(&runway).await;
        }
        let _ = self.after.send(true);
        if !self.served.is_done() {
            return Landing::Unconfirmed(self.served);
        }
        self.served.finish(Ok(()));
        Landing::Answered
    }

    fn come_to_nothing(mut self, why: Option<Committed>) -> Landing {
        // Nobody listens where there is none after it.
        let _ = self.after.send(false);
        self.served.look_keys_up = why == Some(Committed::KeyTaken);
        Landing::NotWritten(self.served, why)
    }

    async fn commit(
        &self,
        runway: &Runway,
        staged: Option<Box<dyn Staged>>,
        batch: &Batch,
    ) -> Result<Committed, StoreError> {
        let started = Instant::now();
        let committed = match staged {
            Some(staged) => staged.settle(batch).await?,
            None => runway.store.commit(batch).await?,
        };
        match committed {
            Committed::Done => {
                let seconds = started.elapsed().as_secs_f64();
                runway.metrics.committed(batch, seconds);
            }
            Committed::HeadMoved => runway.metrics.head_moved.inc(),
            Committed::KeyTaken => runway.metrics.key_taken.inc(),
        }
        Ok(committed)
    }

    /// Notes what became of the accepted orders, for them and for those who follow the log.
    fn is_durable(&mut self, runway: &Runway, batch: &Batch) {
        runway.tail.extend(batch.rows.iter().cloned());
        let Served {
            orders, outcomes, ..
        } = &mut self.served;
        self.decided.note_committed(batch, orders, outcomes);
    }

    /// Asks the store whether the refusals hold. What cannot be told now is left open.
    async fn confirm(&mut self, runway: &Runway) {
        let Served {
            orders, outcomes, ..
        } = &mut self.served;
        let indexes = self.decided.unconfirmed.iter().map(|(index, _)| *index);
        let keys = open_keys(orders, outcomes, indexes);
        let Ok((head, known)) = runway.store.find(&keys).await else {
            return;
        };
        let known: HashMap<_, _> = known.into_iter().map(|row| (row.key, row)).collect();
        for (index, refusal) in self.decided.unconfirmed.drain(..) {
            outcomes[index] = match known.get(&orders[index].key) {
                Some(row) => Some(replay(&orders[index], row)),
                None if head == self.head => Some(refusal),
                None => None,
            };
        }
    }
}
