//! Keeps a read model at the head of the ledger's log.
//!
//! One task a process fetches what is new and has the model apply it, in order, exactly once: the model stores its
//! position in the same transaction as the rows. A reader first asks for [`Follower::catch_up`]; readers that arrive together
//! share one. What must hold: a catch-up begins after the reader asked, so it sees everything that was committed before.
//! Where the ledger cannot be reached, a reader answers from what is there and says so: that is [`Freshness`].
//!
//! A model belongs to one ledger, and keeps with its position what the log looked like there. A ledger that is another one, or was
//! restored from before the position, is not followed: the follower [stops](Follower::stopped) with a sentence, and readers are
//! refused, until the right one is back or the model was emptied.

mod compare;
mod freshness;
mod metrics;
mod stopped;
mod work;

pub use compare::{Comparable, Verdict, compare};
pub use freshness::{BEHIND_HEADER, Freshness};
pub use metrics::FollowerMetrics;
pub use stopped::Stopped;
pub use work::Work;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use ledger_api::Position;
use ledger_api::{Entry, LedgerClient, LogPage};
use tokio::sync::{mpsc, oneshot, watch};

/// The time that a reader waits before it answers from what is there.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same while the last catch-up failed: the ledger is away, and whoever reads should not pay for it each time.
const PATIENCE_WITHOUT_LEDGER: Duration = Duration::from_millis(250);
/// Readers that may wait for one catch-up.
pub(crate) const READERS_MAX: usize = 4096;

/// A model that is built from the log.
#[async_trait::async_trait]
pub trait ReadModel: Send + Sync + 'static {
    /// The position up to which the log was applied.
    async fn position(&self) -> anyhow::Result<Position>;

    /// Applies entries that follow the one numbered `from` without a gap, and stores the position after them, `to`, in one
    /// transaction. `false`: another process has moved the position meanwhile, and nothing was changed.
    async fn apply(&self, from: i64, entries: &[Entry], to: &Position) -> anyhow::Result<bool>;
}

/// The log that is followed.
#[async_trait::async_trait]
pub trait Log: Send + Sync + 'static {
    /// Entries after a number, in order and without a gap, and the newest number there is.
    async fn page(&self, after: i64, limit: i64) -> anyhow::Result<LogPage>;
}

#[async_trait::async_trait]
impl Log for LedgerClient {
    async fn page(&self, after: i64, limit: i64) -> anyhow::Result<LogPage> {
        Ok(self.log(after, limit).await?)
    }
}

/// The ledger cannot be reached now, or the model is too far behind to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger cannot be followed now")]
pub struct Behind;

/// A reader that waits for a catch-up.
pub(crate) type Reader = oneshot::Sender<Result<(), Behind>>;

/// The result of the last catch-up.
#[derive(Clone, Debug)]
pub(crate) enum State {
    /// There was none yet.
    Starting,
    /// The model was at the head.
    Following,
    /// The ledger could not be reached.
    Away,
    /// The ledger is not the one that the model belongs to.
    Stopped(Stopped),
}

/// Asks for catch-ups. Cheap to clone.
#[derive(Clone)]
pub struct Follower {
    readers: mpsc::Sender<Reader>,
    state: Arc<watch::Sender<State>>,
    generation: Arc<AtomicU64>,
}

impl Follower {
    /// A follower, and its work, to be run beside it.
    pub fn new<M: ReadModel, L: Log>(
        model: M,
        log: L,
        metrics: FollowerMetrics,
    ) -> (Follower, Work<M, L>) {
        let (readers, waiting) = mpsc::channel(READERS_MAX);
        let state = Arc::new(watch::Sender::new(State::Starting));
        let work = Work::new(model, log, metrics, waiting, state.clone());
        let follower = Follower {
            readers,
            state,
            generation: work.generation(),
        };
        (follower, work)
    }

    /// Returns when everything is applied that was committed before this call; [`Behind`] when that cannot be had now.
    pub async fn catch_up(&self) -> Result<(), Behind> {
        let (answer, caught_up) = oneshot::channel();
        let wait = async {
            self.readers.send(answer).await.map_err(|_| Behind)?;
            caught_up.await.map_err(|_| Behind)?
        };
        let patience = match &*self.state.borrow() {
            State::Starting | State::Following => PATIENCE,
            State::Away | State::Stopped(_) => PATIENCE_WITHOUT_LEDGER,
        };
        tokio::time::timeout(patience, wait)
            .await
            .unwrap_or(Err(Behind))
    }

    /// Catches up, and says how fresh the model is then; for an answer's headers. What is in a model that belongs to another ledger
    /// is not for readers.
    pub async fn freshness(&self) -> Result<Freshness, Stopped> {
        let caught_up = self.catch_up().await;
        if let Some(stopped) = self.stopped() {
            return Err(stopped);
        }
        Ok(match caught_up {
            Ok(()) => Freshness::Current,
            Err(Behind) => Freshness::Behind,
        })
    }

    /// The reason that nothing is followed any more, if that is so.
    pub fn stopped(&self) -> Option<Stopped> {
        match &*self.state.borrow() {
            State::Stopped(stopped) => Some(*stopped),
            _ => None,
        }
    }

    /// Another number each time that the model was emptied, put back to an earlier state, or exchanged: what a process has kept of it
    /// in memory is then of no use. Known to whoever has caught up.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// For the service's probes: whether the ledger was looked for, and is not a wrong one. One that cannot be reached is no reason
    /// not to serve what is there.
    pub fn check(&self) -> Result<(), String> {
        match &*self.state.borrow() {
            State::Starting => Err("the ledger was not looked for yet".to_owned()),
            State::Stopped(stopped) => Err(stopped.to_string()),
            State::Following | State::Away => Ok(()),
        }
    }
}
