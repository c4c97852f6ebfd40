//! The ledger's storage. Each method is one whole operation: a transaction never crosses this line.
//!
//! Invariants: [`LedgerStore::commit`] appends a batch only where it was decided, all of it or nothing, durable before it
//! returns; what the other methods read was committed.

mod postgres;
mod rows;
mod sql;
mod sqlite;
mod sums;

use ::store::Fault;
use ledger_api::Limit;
use money::Currency;
use uuid::Uuid;

use crate::domain::chain::Blind;
use crate::domain::merkle::Hash;
use crate::domain::{Account, Batch, Head, LogRow, Remainder};

pub use sql::SqlStore;

/// The steps of the schema.
pub const STEPS: &[store::Step] = &[
    store::Step {
        version: 1,
        name: "ledger",
        postgres: include_str!("../migrations/postgres/0001_ledger.sql"),
        sqlite: include_str!("../migrations/sqlite/0001_ledger.sql"),
    },
    store::Step {
        version: 2,
        name: "writer",
        postgres: include_str!("../migrations/postgres/0002_writer.sql"),
        sqlite: include_str!("../migrations/sqlite/0002_writer.sql"),
    },
    store::Step {
        version: 3,
        name: "identity",
        postgres: include_str!("../migrations/postgres/0003_identity.sql"),
        sqlite: include_str!("../migrations/sqlite/0003_identity.sql"),
    },
    store::Step {
        version: 4,
        name: "postings",
        postgres: include_str!("../migrations/postgres/0004_postings.sql"),
        sqlite: include_str!("../migrations/sqlite/0004_postings.sql"),
    },
    store::Step {
        version: 5,
        name: "limits",
        postgres: include_str!("../migrations/postgres/0005_limits.sql"),
        sqlite: include_str!("../migrations/sqlite/0005_limits.sql"),
    },
    store::Step {
        version: 6,
        name: "held",
        postgres: include_str!("../migrations/postgres/0006_held.sql"),
        sqlite: include_str!("../migrations/sqlite/0006_held.sql"),
    },
    store::Step {
        version: 7,
        name: "no_unclaimed_index",
        postgres: include_str!("../migrations/postgres/0007_no_unclaimed_index.sql"),
        sqlite: include_str!("../migrations/sqlite/0007_no_unclaimed_index.sql"),
    },
];

/// The result of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// It is durable.
    Done,
    /// Nothing was written: another writer moved the head.
    HeadMoved,
    /// Nothing was written: a key is there already.
    KeyTaken,
}

/// A failure that no rule explains: the database is away, or holds what this program did not write.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("the ledger's database failed")]
    Database(#[from] sqlx::Error),
    /// A row that is not understood.
    #[error("the ledger's database holds a row that is not understood: {0}")]
    Corrupt(&'static str),
    /// So much was written by others that everything has to be looked up again.
    #[error("the log has moved on too far")]
    Behind,
}

impl StoreError {
    /// The database's fault, if it is the database.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            StoreError::Database(error) => Some(Fault::of(error)),
            StoreError::Corrupt(_) | StoreError::Behind => None,
        }
    }

    /// True if one of the orders is to blame, and nothing was written.
    pub(crate) fn is_of_an_order(&self) -> bool {
        self.fault() == Some(Fault::Value)
    }

    /// Logs it. An outage was told when it began.
    pub(crate) fn tell(&self, what: &'static str) {
        let error = self as &dyn std::error::Error;
        if self.fault().is_some_and(Fault::is_outage) {
            tracing::debug!(error, "{what}");
        } else {
            tracing::warn!(error, "{what}");
        }
    }
}

/// A wallet, and how much of its owner's money is held beside its balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The wallet's account, whose balance can be spent.
    pub account: Account,
    /// The amount that postings reserve and nothing has drawn yet, in the currency's smallest unit.
    pub held: i64,
}

/// A posting that was drawn on or that expires, as far as an audit wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Drawn {
    /// The number of its entry.
    pub seq: i64,
    /// The amount that was drawn of it.
    pub used: i64,
    /// The number of the entry that drew last.
    pub last_draw: i64,
    /// The wallet that it is said to hold money of.
    pub held_of: Option<i64>,
    /// The account that it debited.
    pub debit_account: i64,
    /// The account that it credited.
    pub credit_account: i64,
}

/// One commit of the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRow {
    /// Its first entry.
    pub first_seq: i64,
    /// Its last entry.
    pub last_seq: i64,
    /// The hash over it and everything before.
    pub hash: Hash,
    /// The random bytes that hide its balances and leaves.
    pub blind: Blind,
}

/// The ledger's storage.
#[async_trait::async_trait]
pub trait LedgerStore: Send + Sync {
    /// The end of the log.
    async fn head(&self) -> Result<Head, StoreError>;

    /// The ledger's id, and the number of its newest entry.
    async fn identity(&self) -> Result<(Uuid, i64), StoreError>;

    /// The highest id of a user that the ledger knows, and the highest that a user service has told of.
    async fn highest_users(&self) -> Result<(i64, i64), StoreError>;

    /// Remembers that a user service which belongs to `ledger` has given ids up to this one; `false`, and nothing, in another ledger.
    async fn note_users(&self, ledger: Uuid, highest: i64) -> Result<bool, StoreError>;

    /// Up to `limit` ids of users after `after` who have a wallet or were closed, in order.
    async fn users(&self, after: i64, limit: i64) -> Result<Vec<i64>, StoreError>;

    /// Up to `limit` ids of users after `after` who were closed, in order.
    async fn closed_users(&self, after: i64, limit: i64) -> Result<Vec<i64>, StoreError>;

    /// The address of the process that moved the head last, if it says so.
    async fn last_writer(&self) -> Result<Option<String>, StoreError>;

    /// The accounts with these ids, as far as they exist.
    async fn accounts(&self, ids: &[i64]) -> Result<Vec<Account>, StoreError>;

    /// Every account of these users, and which of the users are gone.
    async fn accounts_of(&self, users: &[i64]) -> Result<(Vec<Account>, Vec<i64>), StoreError>;

    /// The limits that the newest entry up to `seq` set which sets limits, and the entry's number; `None` where none did.
    async fn limits(&self, seq: i64) -> Result<Option<(i64, Vec<Limit>)>, StoreError>;

    /// Appends the batch, if the log still ends where it was decided.
    async fn commit(&self, batch: &Batch) -> Result<Committed, StoreError>;

    /// True if batches can be staged. A store with one writer cannot: it would wait for itself.
    fn overlaps(&self) -> bool {
        false
    }

    /// Writes the rows of a batch while the batch before it is still on its way. Nobody sees them until it is settled, and when it
    /// is dropped instead, they never were. `None` where the store does not [overlap](LedgerStore::overlaps).
    async fn stage(&self, _batch: &Batch) -> Result<Option<Box<dyn Staged>>, StoreError> {
        Ok(None)
    }

    /// Entries with these keys, and where the log ended when they were looked up.
    async fn find(&self, keys: &[Uuid]) -> Result<(i64, Vec<LogRow>), StoreError>;

    /// The postings with these numbers, as far as they exist, and how much of each was drawn.
    async fn remainders(&self, seqs: &[i64]) -> Result<Vec<Remainder>, StoreError>;

    /// Up to `limit` postings after `after` that were drawn on or expire, in order.
    async fn drawn(&self, after: i64, limit: i64) -> Result<Vec<Drawn>, StoreError>;

    /// Up to `limit` postings that have expired at `at` (microseconds since 1970) and are not drawn in full, the oldest expiry first.
    async fn expired(&self, at: i64, limit: i64) -> Result<Vec<Remainder>, StoreError>;

    /// The wallets with these ids, as far as they exist, and what is held of each: one moment for each wallet.
    async fn holdings(&self, ids: &[i64]) -> Result<Vec<Holding>, StoreError>;

    /// The same for every wallet of these users.
    async fn holdings_of(&self, users: &[i64]) -> Result<Vec<Holding>, StoreError>;

    /// The number of notes that were erased.
    async fn erased_notes(&self) -> Result<i64, StoreError>;

    /// Erases the note of an entry for good, and keeps its hash in its place; `false` where there is none. Read models that copied the
    /// note, and what writers have in memory, are for the caller to see to.
    async fn erase_note(&self, seq: i64) -> Result<bool, StoreError>;

    /// Up to `limit` entries after `after`, in order and without a gap.
    async fn log(&self, after: i64, limit: i64) -> Result<Vec<LogRow>, StoreError>;

    /// Up to `limit` commits after the one that ends with `after`, in order.
    async fn batches(&self, after: i64, limit: i64) -> Result<Vec<BatchRow>, StoreError>;

    /// These accounts, as far as they exist, and the head at that same moment.
    async fn accounts_at_head(&self, ids: &[i64]) -> Result<(Head, Vec<Account>), StoreError>;

    /// The sum of the accounts of each currency at one moment, and the number of wallets below zero. They are read a part at a time,
    /// with a rest as long as each took, so that nobody waits behind it.
    async fn sums(&self) -> Result<(Vec<(Currency, i128)>, i64), StoreError>;

    /// Every account, and the head at that same moment: for audits.
    async fn all_accounts(&self) -> Result<(Head, Vec<Account>), StoreError>;
}

/// The first half of a commit.
#[async_trait::async_trait]
pub trait Staged: Send {
    /// The second half, for the same batch: as [`LedgerStore::commit`].
    async fn settle(self: Box<Self>, batch: &Batch) -> Result<Committed, StoreError>;
}
