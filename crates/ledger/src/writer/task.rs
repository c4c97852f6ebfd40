//! The one task that writes the ledger for this process.
//!
//! It takes what waits, looks up what it has not cached, decides, and sends the batch on its way; then it takes what waits by
//! now. Its books are as if everything in flight were committed. When a batch is aborted, so are those after it;
//! the books are rolled back, and all their orders are served anew, one batch after the other, with nothing else in flight.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clock::{Clock, Entropy};
use ledger_api::ORDERS_MAX;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::decisions::decide;
use super::forward::Forwarder;
use super::in_flight::{Cause, CommitContext, CommitOutcome, InFlightBatch};
use super::requests::{PendingCall, RequestBatch};
use super::{LedgerError, LedgerMetrics, Tail};
use crate::domain::{Books, Policy, Undo};
use crate::store::{LedgerStore, StoreError};

/// Accounts that are cached, with their users: 105 MB. With 20,000 more the tables behind [`Books`] would double.
const ACCOUNTS_MAX: usize = 900_000;
/// Batches in flight at once: one is committed while the rows of the other are written.
const IN_FLIGHT_MAX: usize = 2;
/// Orders that must wait before a second batch is sent on its way. Fewer gather until the first is committed: two small batches cost
/// more than to overlap them saves (measured: 64 waiting lose a fifth of their rate with 1 here).
const OVERLAP_MIN: usize = 128;
/// How long after another process wrote this one has one batch in flight at a time.
const ALONE_AFTER: Duration = Duration::from_secs(1);
/// The wait before a failed database is asked again.
const RETRY_EVERY: Duration = Duration::from_millis(50);

pub(super) struct Writer {
    pub(super) store: Arc<dyn LedgerStore>,
    pub(super) policy: Policy,
    pub(super) clock: Clock,
    pub(super) entropy: Entropy,
    pub(super) metrics: LedgerMetrics,
    pub(super) tail: Arc<Tail>,
    /// How long a database that fails is tried again.
    pub(super) timeout: Duration,
    /// True if the last try timed out: who waits since then has waited long enough.
    pub(super) is_away: bool,
    pub(super) forwarder: Forwarder,
    /// `None` until the head was read, and after a failure that leaves it uncertain.
    pub(super) books: Option<Books>,
    /// The moment from which on this process may assume that nobody else writes.
    pub(super) alone_from: Instant,
    pub(super) in_flight: VecDeque<InFlight>,
}

/// A batch in flight, as the writer sees it.
pub(super) struct InFlight {
    outcome: JoinHandle<CommitOutcome>,
    /// The keys that it is about to use.
    keys: HashSet<Uuid>,
    /// Puts the books back to before it; `None` where it changes nothing.
    undo: Option<Undo>,
    /// Says whether it is committed, to the one after it.
    committed: Option<oneshot::Receiver<bool>>,
}

impl Writer {
    /// Works until `stop`, and then on until nothing waits. What was forwarded comes back by `returned` if it was not answered.
    pub(super) async fn run(
        mut self,
        mut waiting: mpsc::Receiver<PendingCall>,
        mut returned: mpsc::Receiver<Vec<PendingCall>>,
        stop: CancellationToken,
    ) {
        let (mut calls, mut orders) = (Vec::new(), 0);
        loop {
            if !calls.is_empty() && self.has_room_for(orders) {
                orders = 0;
                if let Some(calls) = self.forwarder.forward(std::mem::take(&mut calls)).await {
                    self.send_off(RequestBatch::of(calls)).await;
                }
                continue;
            }
            tokio::select! {
                biased;
                outcome = next_outcome(&mut self.in_flight), if !self.in_flight.is_empty() => {
                    self.finished(outcome).await;
                }
                Some(back) = returned.recv() => {
                    self.forwarder.note_no_answer();
                    self.finish_all().await;
                    self.serve(RequestBatch::of(back)).await;
                }
                taken = waiting.recv_many(&mut calls, 1), if orders < ORDERS_MAX => {
                    if taken == 0 {
                        break;
                    }
                    orders = take_more(&mut calls, &mut waiting);
                    let still_waiting = i64::try_from(waiting.len()).unwrap_or(i64::MAX);
                    self.metrics.waiting.set(still_waiting);
                }
                () = stop.cancelled(), if calls.is_empty() => break,
            }
        }
        self.finish_all().await;
        if !calls.is_empty() {
            self.serve(RequestBatch::of(calls)).await;
        }
    }

    /// True if so many orders may be sent on their way now.
    fn has_room_for(&self, orders: usize) -> bool {
        self.in_flight.is_empty()
            || orders >= OVERLAP_MIN && self.in_flight.len() < self.in_flight_max()
    }

    fn in_flight_max(&self) -> usize {
        if self.store.overlaps() && Instant::now() >= self.alone_from {
            IN_FLIGHT_MAX
        } else {
            1
        }
    }

    /// Decides, and sends the batch on its way.
    async fn send_off(&mut self, requests: RequestBatch) {
        let is_full = |books: &Books| books.are_beyond(ACCOUNTS_MAX);
        if self.books.as_ref().is_none_or(is_full) || self.has_keys_of(&requests) {
            self.finish_all().await;
        }
        let Some(mut books) = self.books.take() else {
            return self.serve(requests).await;
        };
        if self.in_flight.is_empty() {
            books.forget_beyond(ACCOUNTS_MAX);
        }
        let looked_up = self.look_up(&mut books, &requests.orders).await;
        self.books = Some(books);
        if let Err(error) = looked_up {
            error.tell("accounts cannot be looked up");
            self.finish_all().await;
            return self.serve(requests).await;
        }
        let before = (self.in_flight.back_mut()).and_then(|last| last.committed.take());
        let keys = requests.orders.iter().map(|order| order.key).collect();
        let Some((batch, undo, committed)) = self.decide(requests, before) else {
            return;
        };
        self.in_flight.push_back(InFlight {
            outcome: tokio::spawn(batch.run(self.context())),
            keys,
            undo,
            committed: Some(committed),
        });
    }

    /// Decides these orders on top of the books, which then are as if the batch were committed. `None` where there are no books.
    fn decide(
        &mut self,
        requests: RequestBatch,
        before: Option<oneshot::Receiver<bool>>,
    ) -> Option<(InFlightBatch, Option<Undo>, oneshot::Receiver<bool>)> {
        let books = self.books.as_mut()?;
        let now = self.clock.now().micros();
        let blind = self.entropy.bytes16();
        let decisions = decide(books, &self.policy, &requests, now, blind);
        let undo = decisions.batch.as_ref().map(|batch| books.merge(batch));
        let (after, committed) = oneshot::channel();
        let batch = InFlightBatch {
            requests,
            decisions,
            head: books.head.seq,
            before,
            after,
        };
        Some((batch, undo, committed))
    }

    fn context(&self) -> CommitContext {
        CommitContext {
            store: self.store.clone(),
            metrics: self.metrics.clone(),
            tail: self.tail.clone(),
        }
    }

    /// True if an order has come again while it is in flight. To write its key twice would only wait for the first time.
    fn has_keys_of(&self, requests: &RequestBatch) -> bool {
        let mut keys = requests.orders.iter().map(|order| &order.key);
        keys.any(|key| self.in_flight.iter().any(|one| one.keys.contains(key)))
    }

    /// Waits until nothing is in flight.
    async fn finish_all(&mut self) {
        while !self.in_flight.is_empty() {
            let outcome = next_outcome(&mut self.in_flight).await;
            self.finished(outcome).await;
        }
    }

    /// Sees to the oldest batch in flight, which is finished, and where it is not answered, to those after it.
    async fn finished(&mut self, outcome: CommitOutcome) {
        let (mut again, mut undone) = (Vec::new(), Vec::new());
        let (mut is_certain, mut head_moved) = (true, false);
        let mut outcome = outcome;
        loop {
            let undo = self.in_flight.pop_front().and_then(|one| one.undo);
            match outcome {
                CommitOutcome::Answered => {}
                CommitOutcome::Unfinished(requests) => again.push(requests),
                CommitOutcome::NotWritten(requests, cause) => {
                    again.push(requests);
                    undone.extend(undo);
                    head_moved |= matches!(cause, Cause::HeadMoved);
                }
                CommitOutcome::Unknown(requests, error) => {
                    error.tell("a commit failed, and may have happened");
                    again.push(requests);
                    is_certain = false;
                }
            }
            if again.is_empty() {
                return;
            }
            if self.in_flight.is_empty() {
                break;
            }
            outcome = next_outcome(&mut self.in_flight).await;
        }
        self.books = match self.books.take() {
            Some(mut books) if is_certain => {
                undone.into_iter().rev().for_each(|undo| books.undo(undo));
                Some(books)
            }
            _ => None,
        };
        if head_moved {
            self.meet_another().await;
        }
        for requests in again {
            self.serve(requests).await;
        }
    }

    /// Serves calls of which some orders may have their outcome, with nothing else in flight. Tries until it succeeds or times out;
    /// every attempt may repeat the one before: keys see to that.
    async fn serve(&mut self, mut requests: RequestBatch) {
        let deadline = Instant::now() + self.timeout;
        loop {
            let error = match self.attempt(requests).await {
                CommitOutcome::Answered => {
                    self.is_away = false;
                    return;
                }
                CommitOutcome::Unfinished(unfinished) => {
                    requests = unfinished;
                    requests.orders_max = requests.orders_max.saturating_mul(2);
                    continue;
                }
                CommitOutcome::NotWritten(unwritten, cause) => {
                    requests = unwritten;
                    if let Cause::Order(error) = cause {
                        if requests.orders_max == 1 {
                            error.tell("an order cannot be kept, and is refused");
                        }
                        requests.narrow_down();
                    }
                    continue;
                }
                CommitOutcome::Unknown(uncertain, error) => {
                    requests = uncertain;
                    error
                }
            };
            // The books are gone: the database's state is uncertain, or far ahead.
            self.books = None;
            if matches!(error, StoreError::Behind) {
                continue;
            }
            error.tell("the ledger's database failed");
            match error.fault() {
                // It would not be written a moment later either.
                Some(fault) if fault.is_of_writes() => {
                    return requests.finish(Err(LedgerError::CannotWrite(fault)));
                }
                _ if self.is_away || Instant::now() >= deadline => {
                    self.is_away = true;
                    return requests.finish(Err(LedgerError::Unavailable));
                }
                _ => tokio::time::sleep(RETRY_EVERY).await,
            }
        }
    }

    /// Prepares, decides and commits once.
    async fn attempt(&mut self, mut requests: RequestBatch) -> CommitOutcome {
        if let Err(error) = self.prepare(&mut requests).await {
            return CommitOutcome::Unknown(requests, error);
        }
        let Some((batch, undo, _)) = self.decide(requests, None) else {
            return CommitOutcome::Answered;
        };
        let outcome = batch.run(self.context()).await;
        if let CommitOutcome::NotWritten(_, cause) = &outcome {
            if let (Some(books), Some(undo)) = (&mut self.books, undo) {
                books.undo(undo);
            }
            if matches!(cause, Cause::HeadMoved) {
                self.meet_another().await;
            }
        }
        outcome
    }

    /// Another process writes: its batches and ours would only be in each other's way, and it may take our orders. Reads what it wrote;
    /// where that fails, the books are gone.
    async fn meet_another(&mut self) {
        self.alone_from = Instant::now() + ALONE_AFTER;
        let Some(mut books) = self.books.take() else {
            return;
        };
        let read = async {
            if let Some(writer) = self.store.last_writer().await? {
                self.forwarder.note_writer(&writer);
            }
            self.catch_up(&mut books).await
        };
        if read.await.is_ok() {
            self.books = Some(books);
        }
    }
}

/// Waits for the oldest batch in flight.
async fn next_outcome(in_flight: &mut VecDeque<InFlight>) -> CommitOutcome {
    match in_flight.front_mut() {
        Some(oldest) => match (&mut oldest.outcome).await {
            Ok(outcome) => outcome,
            // Its callers are told that the outcome is unknown.
            Err(error) => {
                tracing::debug!(%error, "a batch ended in a panic");
                CommitOutcome::Unknown(
                    RequestBatch::of(Vec::new()),
                    StoreError::Corrupt("a batch ended in a panic"),
                )
            }
        },
        None => std::future::pending().await,
    }
}

/// Takes what waits besides, up to a batch; gives how many orders that are.
fn take_more(calls: &mut Vec<PendingCall>, waiting: &mut mpsc::Receiver<PendingCall>) -> usize {
    let mut orders = calls.iter().map(|call| call.orders.len()).sum::<usize>();
    while orders < ORDERS_MAX
        && let Ok(call) = waiting.try_recv()
    {
        orders = orders.saturating_add(call.orders.len());
        calls.push(call);
    }
    orders
}
