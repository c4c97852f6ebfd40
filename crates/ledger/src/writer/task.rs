//! The one task that writes the ledger for this process.
//!
//! It takes what waits, looks up what it does not remember, decides, and sends the batch on its way; then it takes what waits by
//! now. What it remembers is as if everything under way had landed. When something comes to nothing, what came after it does,
//! too; the books are put back, and everything of that is served anew, one after the other, with nothing else under way.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clock::{Clock, Entropy};
use ledger_api::ORDERS_MAX;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::decided::decide;
use super::flight::{Flight, Landing, Runway};
use super::peers::PassingOn;
use super::served::{Call, Served};
use super::{LedgerMetrics, Tail};
use crate::domain::{Books, Undo};
use crate::store::{Committed, LedgerStore};

/// Accounts that are remembered, with their users: 105 MB. With 20,000 more the tables behind [`Books`] would double.
const REMEMBERED_MAX: usize = 900_000;
/// Batches that are under way at once: one is committed while the rows of the other are written.
const UNDER_WAY_MAX: usize = 2;
/// Orders that must wait for a second batch to be sent on its way. Fewer gather until the first has landed: so much work as two small
/// batches have for themselves is not saved by doing them at once (measured: 64 waiting lose a fifth of their rate with 1 here).
const OVERLAP_MIN: usize = 128;
/// How long after another process wrote this one has one batch under way at a time.
pub(super) const ALONE_AFTER: Duration = Duration::from_secs(1);
/// The wait before a failed database is asked again.
pub(super) const RETRY_EVERY: Duration = Duration::from_millis(50);

pub(super) struct Writer {
    pub(super) store: Arc<dyn LedgerStore>,
    pub(super) clock: Clock,
    pub(super) entropy: Entropy,
    pub(super) metrics: LedgerMetrics,
    pub(super) tail: Arc<Tail>,
    pub(super) patience: Duration,
    /// Whether the patience with the database was in vain: who waits since then has waited long enough.
    pub(super) is_away: bool,
    pub(super) passing_on: PassingOn,
    /// `None` until the head was read, and after a failure that leaves it uncertain.
    pub(super) books: Option<Books>,
    /// Since when, or from when on, this process may take it that nobody else writes.
    pub(super) alone_from: Instant,
    pub(super) under_way: VecDeque<UnderWay>,
}

/// A batch that is under way, as the writer sees it.
pub(super) struct UnderWay {
    landing: JoinHandle<Landing>,
    /// The keys that it is about to use.
    keys: HashSet<Uuid>,
    /// Puts the books back to before it; `None` where it changes nothing.
    undo: Option<Undo>,
    /// Says whether it is committed, to the one after it.
    committed: Option<oneshot::Receiver<bool>>,
}

impl Writer {
    /// Works until `stop`, and then on until nothing waits. What was passed on comes back by `returned` if it was not answered.
    pub(super) async fn run(
        mut self,
        mut waiting: mpsc::Receiver<Call>,
        mut returned: mpsc::Receiver<Vec<Call>>,
        stop: CancellationToken,
    ) {
        let (mut calls, mut orders) = (Vec::new(), 0);
        loop {
            if !calls.is_empty() && self.has_room_for(orders) {
                orders = 0;
                if let Some(calls) = self.passing_on.pass_on(std::mem::take(&mut calls)).await {
                    self.send_off(Served::of(calls)).await;
                }
                continue;
            }
            tokio::select! {
                biased;
                landing = next_landing(&mut self.under_way), if !self.under_way.is_empty() => {
                    self.landed(landing).await;
                }
                Some(back) = returned.recv() => {
                    self.passing_on.was_not_answered();
                    self.land_all().await;
                    self.serve(Served::of(back)).await;
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
        self.land_all().await;
        if !calls.is_empty() {
            self.serve(Served::of(calls)).await;
        }
    }

    /// Whether so many orders may be sent on their way now.
    fn has_room_for(&self, orders: usize) -> bool {
        self.under_way.is_empty()
            || orders >= OVERLAP_MIN && self.under_way.len() < self.under_way_max()
    }

    fn under_way_max(&self) -> usize {
        if self.store.overlaps() && Instant::now() >= self.alone_from {
            UNDER_WAY_MAX
        } else {
            1
        }
    }

    /// Decides, and sends what comes of it on its way.
    async fn send_off(&mut self, served: Served) {
        let is_full = |books: &Books| books.are_beyond(REMEMBERED_MAX);
        if self.books.as_ref().is_none_or(is_full) || self.has_keys_of(&served) {
            self.land_all().await;
        }
        let Some(mut books) = self.books.take() else {
            return self.serve(served).await;
        };
        if self.under_way.is_empty() {
            books.forget_beyond(REMEMBERED_MAX);
        }
        if let Err(error) = self.look_up(&mut books, &served.orders).await {
            error.tell("accounts cannot be looked up");
            self.books = Some(books);
            self.land_all().await;
            return self.serve(served).await;
        }
        let now = self.clock.now().micros();
        let blind = self.entropy.bytes16();
        let decided = decide(
            &books,
            &served.orders,
            &served.outcomes,
            usize::MAX,
            now,
            blind,
        );
        let undo = decided.batch.as_ref().map(|batch| books.merge(batch));
        let keys = served.orders.iter().map(|order| order.key).collect();
        let (after, committed) = oneshot::channel();
        let flight = Flight {
            served,
            decided,
            head: books.head.seq,
            before: self
                .under_way
                .back_mut()
                .and_then(|last| last.committed.take()),
            after,
        };
        let runway = Runway {
            store: self.store.clone(),
            metrics: self.metrics.clone(),
            tail: self.tail.clone(),
        };
        self.books = Some(books);
        self.under_way.push_back(UnderWay {
            landing: tokio::spawn(flight.fly(runway)),
            keys,
            undo,
            committed: Some(committed),
        });
    }

    /// Whether an order has come again while it is under way. To write its key twice would only wait for the first time.
    fn has_keys_of(&self, served: &Served) -> bool {
        let mut keys = served.orders.iter().map(|order| &order.key);
        keys.any(|key| self.under_way.iter().any(|one| one.keys.contains(key)))
    }

    /// Waits until nothing is under way.
    async fn land_all(&mut self) {
        while !self.under_way.is_empty() {
            let landing = next_landing(&mut self.under_way).await;
            self.landed(landing).await;
        }
    }

    /// Sees to what has become of the oldest batch under way, and where it is not answered, to those after it.
    async fn landed(&mut self, landing: Landing) {
        let (mut again, mut undone) = (Vec::new(), Vec::new());
        let (mut is_certain, mut is_alone) = (true, true);
        let mut landing = landing;
        loop {
            let undo = self.under_way.pop_front().and_then(|one| one.undo);
            match landing {
                Landing::Answered => {}
                Landing::Unconfirmed(served) => again.push(served),
                Landing::NotWritten(served, committed) => {
                    again.push(served);
                    undone.extend(undo);
                    is_alone &= committed != Some(Committed::HeadMoved);
                }
                Landing::Uncertain(served) => {
                    again.push(served);
                    is_certain = false;
                }
            }
            if again.is_empty() {
                return;
            }
            if self.under_way.is_empty() {
                break;
            }
            landing = next_landing(&mut self.under_way).await;
        }
        self.books = match self.books.take() {
            Some(mut books) if is_certain => {
                undone.into_iter().rev().for_each(|undo| books.undo(undo));
                Some(books)
            }
            _ => None,
        };
        if !is_alone {
            self.meet_another().await;
        }
        for served in again {
            self.serve(served).await;
        }
    }
}

/// Waits for the oldest batch under way.
async fn next_landing(under_way: &mut VecDeque<UnderWay>) -> Landing {
    match under_way.front_mut() {
        Some(oldest) => match (&mut oldest.landing).await {
            Ok(landing) => landing,
            // Its callers are told that the outcome is unknown.
            Err(error) => {
                tracing::error!(%error, "a batch ended in a panic");
                Landing::Uncertain(Served::of(Vec::new()))
            }
        },
        None => std::future::pending().await,
    }
}

/// Takes what waits besides, up to a batch; gives how many orders that are.
fn take_more(calls: &mut Vec<Call>, waiting: &mut mpsc::Receiver<Call>) -> usize {
    let mut orders = calls.iter().map(|call| call.orders.len()).sum::<usize>();
    while orders < ORDERS_MAX
        && let Ok(call) = waiting.try_recv()
    {
        orders = orders.saturating_add(call.orders.len());
        calls.push(call);
    }
    orders
}
