//! The log: numbered entries, and the proof that one is in the chain of hashes.

use money::{Amount, Currency};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Actor, KindCode, Limit, Mark, Tier};

/// The number of log entries one call may answer with.
pub const LOG_PAGE_MAX: i64 = 2000;

/// One entry of the log. Entries are numbered without gaps, in the order of their commits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The number: 1, 2, 3, …
    pub seq: i64,
    /// When it was committed, in microseconds since 1970; never less than the entry before.
    pub at: i64,
    /// What happened.
    pub event: Event,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Money moved.
    Posted(Posting),
    /// A wallet was opened.
    WalletOpened {
        /// The new wallet.
        wallet_id: i64,
        /// Its owner.
        user_id: i64,
        /// Its currency.
        currency: Currency,
    },
    /// A wallet's status changed.
    StatusChanged {
        /// The wallet.
        wallet_id: i64,
        /// The new status.
        status: WalletStatus,
        /// Who asked for it.
        by: Actor,
    },
    /// A user is gone, and every wallet of theirs is closed.
    UserClosed {
        /// The user.
        user_id: i64,
        /// Who asked for it.
        by: Actor,
    },
    /// How well a wallet's owner is known changed.
    TierChanged {
        /// The wallet.
        wallet_id: i64,
        /// The new tier.
        tier: Tier,
        /// Why, as whoever decided it wrote.
        reason: String,
        /// Who asked for it.
        by: Actor,
    },
    /// Other limits are in force.
    LimitsChanged {
        /// All limits from here on.
        limits: Vec<Limit>,
        /// Who asked for it.
        by: Actor,
    },
}

impl Event {
    /// The movement of money, if it is one.
    pub fn as_posting(&self) -> Option<&Posting> {
        match self {
            Event::Posted(posting) => Some(posting),
            Event::WalletOpened { .. }
            | Event::StatusChanged { .. }
            | Event::UserClosed { .. }
            | Event::TierChanged { .. }
            | Event::LimitsChanged { .. } => None,
        }
    }
}

/// One movement of money from one account to another, as it is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// The kind, by its code in the table of kinds.
    pub kind: KindCode,
    /// The account that the money came from.
    pub debit: Leg,
    /// The account that it went to.
    pub credit: Leg,
    /// In the currency's smallest unit.
    pub amount: Amount,
    /// The currency of both accounts.
    pub currency: Currency,
    /// The number of its own (1, 2, 3, …), where its kind has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
    /// Who asked for it.
    pub by: Actor,
    /// The number of the earlier entry whose remainder it uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draws_on: Option<i64>,
    /// The number of the first entry of its order, where the order had several postings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<i64>,
    /// From when on nothing may draw on it any more, in microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// Text that a person wrote: the merchant of a payment, the purpose of a withdrawal. It can be erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// One of the two accounts of a posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// A wallet's id, or a negative number for one of the system's accounts.
    pub account: i64,
    /// The owner, for a wallet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<i64>,
    /// The account's balance after the posting.
    pub balance: i64,
}

/// A wallet's status: whether its money may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WalletStatus {
    /// Money may move.
    Active,
    /// No money may move for now.
    Frozen,
    /// No money may move any more.
    Closed,
}

impl WalletStatus {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            WalletStatus::Active => "active",
            WalletStatus::Frozen => "frozen",
            WalletStatus::Closed => "closed",
        }
    }
}

/// Which part of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogQuery {
    /// Only entries with a larger number.
    pub after: i64,
    /// The number of at most, up to [`LOG_PAGE_MAX`].
    pub limit: i64,
}

/// The proof that one entry is in the ledger's chain of hashes. How it is checked is in `docs/RECEIPTS.md`; all hashes and bytes
/// are written in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Receipt {
    /// The format of the hashes.
    #[schema(example = "dompet batch v3")]
    pub format: String,
    /// The entry's number in the log.
    #[schema(example = 42)]
    pub entry: i64,
    /// The entry's bytes, as they are hashed. They begin with a salt that no other receipt shows.
    pub leaf: String,
    /// The text in the entry, whose hash is in the leaf; missing where there is none, or where it was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Tokopedia")]
    pub note: Option<String>,
    /// Which leaf of the batch's tree it is, from 0.
    #[schema(example = 0)]
    pub index: usize,
    /// The number of leaves the tree has.
    #[schema(example = 1)]
    pub size: usize,
    /// The hashes beside the way from the leaf to the root, from the bottom up.
    pub path: Vec<String>,
    /// The first entry of the batch.
    #[schema(example = 42)]
    pub first_entry: i64,
    /// The last entry of the batch.
    #[schema(example = 42)]
    pub last_entry: i64,
    /// The hash of the batch before.
    pub hash_before: String,
    /// The hash of the batch's balances.
    pub balances: String,
    /// The batch's hash.
    pub hash: String,
}

/// A part of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogPage {
    /// Entries in order, without a gap.
    pub entries: Vec<Entry>,
    /// The newest number there was when the page was read.
    pub head: i64,
    /// Which ledger it is. It and the marks were not there in the first releases.
    #[serde(default)]
    pub ledger: Option<Uuid>,
    /// The mark of the entry that was asked to start after.
    #[serde(default)]
    pub mark_before: Option<Mark>,
    /// The mark of the last entry in the page.
    #[serde(default)]
    pub mark: Option<Mark>,
}
