//! Keeps a read model at the head of the ledger's log.
//!
//! One task a process fetches what is new and has the model apply it, in order, exactly once: the model stores its
//! position in the same transaction as the rows. A reader first asks for [`Follower::catch_up`]; readers that arrive together
//! share one. What must hold: a catch-up begins after the reader asked, so it sees everything that was committed before.
//! Where the ledger cannot be reached, a reader answers from what is there and says so: that is [`Freshness`].

mod compare;
mod freshness;
mod metrics;
mod work;

pub use compare::{Comparable, Verdict, compare};
pub use freshness::{BEHIND_HEADER, Freshness};
pub use metrics::FollowerMetrics;
pub use work::Work;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use wallet_api::{Entry, LedgerClient, LogPage};

/// How long a reader waits before it answers from what is there.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same while the last catch-up failed: the ledger is away, and whoever reads should not pay for it each time.
const PATIENCE_WITHOUT_LEDGER: Duration = Duration::from_millis(250);
/// Readers that may wait for one catch-up.
pub(crate) const READERS_MAX: usize = 4096;

/// A model that is built from the log.
#[async_trait::async_trait]
pub trait ReadModel: Send + Sync + 'static {
    /// The number of the last entry that was applied.
    async fn position(&self) -> anyhow::Result<i64>;

    /// Applies entries that follow `position` without a gap, and stores the new position, in one transaction. `false`: another
    /// process has moved the position meanwhile, and nothing was changed.
    async fn apply(&self, position: i64, entries: &[Entry]) -> anyhow::Result<bool>;
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

/// Asks for catch-ups. Cheap to clone.
#[derive(Clone)]
pub struct Follower {
    readers: mpsc::Sender<Reader>,
    following: Arc<AtomicBool>,
}

impl Follower {
    /// A follower, and its work, to be run beside it.
    pub fn new<M: ReadModel, L: Log>(
        model: M,
        log: L,
        metrics: FollowerMetrics,
    ) -> (Follower, Work<M, L>) {
        let (readers, waiting) = mpsc::channel(READERS_MAX);
        let following = Arc::new(AtomicBool::new(true));
        let work = Work::new(model, log, metrics, waiting, following.clone());
        (Follower { readers, following }, work)
    }

    /// Returns when everything is applied that was committed before this call; [`Behind`] when that cannot be had now.
    pub async fn catch_up(&self) -> Result<(), Behind> {
        let (answer, caught_up) = oneshot::channel();
        let wait = async {
            self.readers.send(answer).await.map_err(|_| Behind)?;
            caught_up.await.map_err(|_| Behind)?
        };
        let patience = if self.following.load(Ordering::Relaxed) {
            PATIENCE
        } else {
            PATIENCE_WITHOUT_LEDGER
        };
        tokio::time::timeout(patience, wait)
            .await
            .unwrap_or(Err(Behind))
    }

    /// Catches up, and says how fresh the model is then; for an answer's headers.
    pub async fn freshness(&self) -> Freshness {
        match self.catch_up().await {
            Ok(()) => Freshness::Current,
            Err(Behind) => Freshness::Behind,
        }
    }
}
