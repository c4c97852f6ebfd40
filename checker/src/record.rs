//! What clients write down: each call with its beginning, its end and what was answered.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ledger_api::{Operation, Uuid};

/// A moment of the run: microseconds since it began, of one monotonic clock for all clients.
pub type Moment = u64;

/// A call, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The moment at which the client began to send it.
    pub start: Moment,
    /// The moment at which the client had the answer, or gave up.
    pub end: Moment,
    /// The event.
    pub kind: Kind,
}

impl Call {
    /// The key, what shall be done, and what was answered, if it is a write.
    pub fn as_write(&self) -> Option<(&Uuid, &Operation, &Outcome)> {
        match &self.kind {
            Kind::Write {
                key,
                operation,
                outcome,
            } => Some((key, operation, outcome)),
            Kind::Read { .. } => None,
        }
    }
}

/// A call, and its answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Something shall be done.
    Write {
        /// The key in the ledger.
        key: Uuid,
        /// The order.
        operation: Operation,
        /// The answer.
        outcome: Outcome,
    },
    /// Something shall be shown.
    Read {
        /// The state that was shown.
        shown: Shown,
        /// True if the answer says of itself that it may be behind.
        may_be_behind: bool,
    },
}

/// The answer to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done(Told),
    /// It is not done: there was less in the wallet.
    Insufficient,
    /// It is not done: the key belongs to something else.
    KeyReused,
    /// No answer, or one that leaves it open.
    Unknown,
}

/// The details that an answer tells of a movement that is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The wallet's balance after it.
    pub balance: Option<i64>,
    /// The payment's number.
    pub payment_id: Option<i64>,
}

/// The state that was shown. Only whole answers are written down: who was shown nothing has nothing to complain about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A wallet's balance.
    Balance {
        /// The wallet.
        wallet_id: i64,
        /// The amount.
        balance: i64,
    },
    /// The newest transactions of a user.
    History {
        /// The user.
        user_id: i64,
        /// The number that was asked for.
        limit: usize,
        /// Their ids, the newest first.
        ids: Vec<i64>,
    },
    /// The newest payments of a user.
    Payments {
        /// The user.
        user_id: i64,
        /// The number that was asked for.
        limit: usize,
        /// Their ids, the newest first.
        ids: Vec<i64>,
    },
    /// The sums of a user's transactions.
    Stats {
        /// The user.
        user_id: i64,
        /// The sums.
        totals: Totals,
    },
}

/// A user's figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// The number of transactions.
    pub transactions: i64,
    /// The money that came in from outside.
    pub topup: i64,
    /// The money that merchants got.
    pub payment: i64,
    /// The money that was sent to others.
    pub sent: i64,
    /// The money that others sent.
    pub received: i64,
}

/// The file that all clients write their calls into.
#[derive(Clone, Debug)]
pub struct Recorder {
    began: Instant,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Default for Recorder {
    fn default() -> Recorder {
        Recorder {
            began: Instant::now(),
            calls: Arc::default(),
        }
    }
}

impl Recorder {
    /// The time since the run began.
    pub fn now(&self) -> Moment {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Writes down a call that ends now.
    pub fn record(&self, start: Moment, kind: Kind) {
        let call = Call {
            start,
            end: self.now(),
            kind,
        };
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(call);
    }

    /// Everything that was written down until now.
    pub fn calls(&self) -> Vec<Call> {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A random number below `limit`.
pub fn random(entropy: &clock::Entropy, limit: u64) -> u64 {
    let mut bytes = [0; 8];
    entropy.fill(&mut bytes);
    u64::from_le_bytes(bytes) % limit.max(1)
}
