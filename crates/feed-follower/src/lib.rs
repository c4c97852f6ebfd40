//! Keeps a read model at the head of the ledger's log.
//!
//! One task a process fetches what is new and has the model apply it, in order, exactly once: the model stores its
//! position in the same transaction as the rows. A reader first asks for [`Follower::catch_up`]; readers that arrive together
//! share one. What must hold: a catch-up begins after the reader asked, so it sees everything that was committed before.

use std::time::Duration;

use prometheus::IntGauge;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use wallet_api::{Entry, LOG_PAGE_MAX, LedgerClient};

/// How often a model that nobody reads is brought up to date.
const IDLE_EVERY: Duration = Duration::from_millis(250);
/// How long a reader waits before it answers from what is there.
const PATIENCE: Duration = Duration::from_secs(2);
/// Readers that may wait for one catch-up.
const READERS_MAX: usize = 4096;

/// A model that is built from the log.
#[async_trait::async_trait]
pub trait ReadModel: Send + Sync + 'static {
    /// The number of the last entry that was applied.
    async fn position(&self) -> anyhow::Result<i64>;

    /// Applies entries that follow `position` without a gap, and stores the new position, in one transaction. `false`: another
    /// process has moved the position meanwhile, and nothing was changed.
    async fn apply(&self, position: i64, entries: &[Entry]) -> anyhow::Result<bool>;
}

/// The ledger cannot be reached now: the model is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger cannot be followed now")]
pub struct Behind;

/// Asks for catch-ups. Cheap to clone.
#[derive(Clone)]
pub struct Follower {
    readers: mpsc::Sender<oneshot::Sender<Result<(), Behind>>>,
}

impl Follower {
    /// A follower, and its work, to be run beside it. `lag` shows how many entries the model was behind when it last looked.
    pub fn new<M: ReadModel>(model: M, ledger: LedgerClient, lag: IntGauge) -> (Follower, Work<M>) {
        let (readers, waiting) = mpsc::channel(READERS_MAX);
        (
            Follower { readers },
            Work {
                model,
                ledger,
                lag,
                waiting,
            },
        )
    }

    /// Returns when everything is applied that was committed before this call; [`Behind`] when the ledger cannot be reached.
    pub async fn catch_up(&self) -> Result<(), Behind> {
        let (answer, caught_up) = oneshot::channel();
        let wait = async {
            self.readers.send(answer).await.map_err(|_| Behind)?;
            caught_up.await.map_err(|_| Behind)?
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .unwrap_or(Err(Behind))
    }
}

/// The work of a follower.
pub struct Work<M> {
    model: M,
    ledger: LedgerClient,
    lag: IntGauge,
    waiting: mpsc::Receiver<oneshot::Sender<Result<(), Behind>>>,
}

impl<M: ReadModel> Work<M> {
    /// Follows until `stop` is cancelled.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut following = true;
        loop {
            let mut readers = Vec::new();
            tokio::select! {
                () = stop.cancelled() => return,
                _ = self.waiting.recv_many(&mut readers, READERS_MAX) => {}
                () = tokio::time::sleep(IDLE_EVERY) => {}
            }
            let result = self.catch_up().await;
            match &result {
                Ok(()) => following = true,
                Err(error) if std::mem::replace(&mut following, false) => {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "the ledger is not followed for now"
                    );
                }
                Err(_) => {}
            }
            for reader in readers {
                // A reader that is gone has given up waiting.
                let _ = reader.send(result.as_ref().map(|_| ()).map_err(|_| Behind));
            }
        }
    }
}

impl<M: ReadModel> Work<M> {
    /// Applies everything up to the head as it is after this call began.
    async fn catch_up(&self) -> anyhow::Result<()> {
        let mut position = self.model.position().await?;
        let mut target = None;
        loop {
            let page = self.ledger.log(position, LOG_PAGE_MAX).await?;
            self.lag.set(page.head.saturating_sub(position));
            // Later pages may see a newer head; to chase it would never end under load.
            let target = *target.get_or_insert(page.head);
            if let Some(last) = page.entries.last() {
                position = if self.model.apply(position, &page.entries).await? {
                    last.seq
                } else {
                    self.model.position().await?
                };
            }
            if position >= target {
                self.lag.set(page.head.saturating_sub(position).max(0));
                return Ok(());
            }
            anyhow::ensure!(
                !page.entries.is_empty(),
                "the log has a gap after {position}"
            );
        }
    }
}
