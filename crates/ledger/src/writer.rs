//! The ledger: takes orders, has one writer decide what waits together, commits it at once, and answers.
//!
//! The life of an order: it waits in a bounded queue; the writer takes everything that waits, up to a batch; looks up the accounts
//! that it does not remember; decides one order after the other by pure code; commits all of it in one statement that only
//! succeeds if the log still ends where the writer knew it to end; answers. If another replica wrote meanwhile, the writer
//! reads the entries in between and decides again. A key that is there already finds the first answer.
//!
//! Invariants: nothing is answered before it is durable; a refusal is only given at a head that was the newest one after
//! the request came.
//!
//! If several processes write, those that are not the last writer forward their orders to it ([`Peers`]).

mod decisions;
mod forward;
mod in_flight;
mod metrics;
mod prepare;
mod requests;
mod tail;
mod task;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clock::{Clock, Entropy};
use http_server::Workers;
use ledger_api::{Order, Outcome};
use store::Fault;
use tokio::sync::{mpsc, oneshot};

pub use forward::Peers;
pub use metrics::LedgerMetrics;

use crate::domain::{LogRow, Policy};
use crate::store::LedgerStore;
use forward::Forwarder;
use requests::PendingCall;
use tail::Tail;
use task::Writer;

/// Calls that may wait for the writer; more are turned away.
const CALLS_MAX: usize = 8192;
/// The time for which the writer tries to reach its database before it gives up on what waits.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Why orders have no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Too many wait already; nothing was done.
    #[error("too many requests wait for the ledger")]
    Overloaded,
    /// The database could not be reached: what was done is unknown, and a repeat with the same keys tells.
    #[error("the ledger's database cannot be reached")]
    Unavailable,
    /// The database can be read and not written, for this reason; nothing was done.
    #[error("the ledger's database cannot be written")]
    CannotWrite(Fault),
}

/// Takes orders. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    queue: mpsc::Sender<PendingCall>,
    tail: Arc<Tail>,
}

impl Ledger {
    /// A ledger in this store. Its writer is one of the `workers`, and finishes what waits before it ends. With `peers` it passes
    /// orders on to another process that writes; the store then names this one in what it commits.
    pub fn start(
        store: Arc<dyn LedgerStore>,
        policy: impl Into<Policy>,
        clock: Clock,
        entropy: Entropy,
        metrics: LedgerMetrics,
        peers: Option<Peers>,
        workers: &Workers,
    ) -> Ledger {
        let (queue, waiting) = mpsc::channel(CALLS_MAX);
        let tail = Arc::<Tail>::default();
        let (forwarder, returned) = Forwarder::new(peers, metrics.clone());
        let writer = Writer {
            store,
            policy: policy.into(),
            clock,
            entropy,
            metrics,
            tail: tail.clone(),
            timeout: TIMEOUT,
            is_away: false,
            forwarder,
            books: None,
            alone_from: Instant::now(),
            in_flight: VecDeque::new(),
        };
        workers.spawn(|stop| writer.run(waiting, returned, stop));
        Ledger { queue, tail }
    }

    /// Carries out orders, one after the other. One outcome for each.
    pub async fn submit(&self, orders: Vec<Order>) -> Result<Vec<Outcome>, LedgerError> {
        let (answer, outcomes) = oneshot::channel();
        let call = PendingCall {
            orders,
            answer,
            outcome_unknown: false,
        };
        self.queue
            .try_send(call)
            .map_err(|_| LedgerError::Overloaded)?;
        outcomes.await.map_err(|_| LedgerError::Unavailable)?
    }

    /// Up to `limit` rows after `after`, of a log that ends at `head`; `None` where this process does not have them in memory.
    pub fn recent(&self, after: i64, head: i64, limit: usize) -> Option<Vec<LogRow>> {
        self.tail.page(after, head, limit)
    }
}
