//! What clients write down: each call with its beginning, its end and what was answered.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ledger_api::{Operation, Uuid};

/// A moment of the run: microseconds since it began, of one monotonic clock for all clients.
pub type Moment = u64;

/// A call, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// When the client began to send it.
    pub start: Moment,
    /// When the client had the answer, or gave up.
    pub end: Moment,
    /// What it is.
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

/// What a call asks, and what the answer was.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Something shall be done.
    Write {
        /// The key in the ledger.
        key: Uuid,
        /// What shall be done.
        operation: Operation,
        /// What was answered.
        outcome: Outcome,
    },
    /// Something shall be shown.
    Read {
        /// What was shown.
        shown: Shown,
        /// Whether the answer says of itself that it may be behind.
        may_be_behind: bool,
    },
}

/// What a client was told of something that shall be done.
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

/// What an answer says of a movement that is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// What the wallet holds after it.
    pub balance: Option<i64>,
    /// The payment's number.
    pub payment_id: Option<i64>,
}

/// What was shown. Only whole answers are written down: who was shown nothing has nothing to complain about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// What a wallet holds.
    Balance {
        /// Which.
        wallet_id: i64,
        /// How much.
        balance: i64,
    },
    /// The newest transactions of a user.
    History {
        /// Whose.
        user_id: i64,
        /// How many were asked for.
        limit: usize,
        /// Their ids, the newest first.
        ids: Vec<i64>,
    },
    /// The newest payments of a user.
    Payments {
        /// Whose.
        user_id: i64,
        /// How many were asked for.
        limit: usize,
        /// Their ids, the newest first.
        ids: Vec<i64>,
    },
    /// What a user's transactions sum up to.
    Stats {
        /// Whose.
        user_id: i64,
        /// The sums.
        totals: Totals,
    },
}

/// A user's figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many transactions.
    pub transactions: i64,
    /// What came in from outside.
    pub topup: i64,
    /// What merchants got.
    pub payment: i64,
    /// What was sent to others.
    pub sent: i64,
    /// What others sent.
    pub received: i64,
}

/// Where all clients write their calls.
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
