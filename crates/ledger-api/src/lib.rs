//! What other services see of the ledger: the orders it takes, the outcomes it gives, the log that they follow, and a client.
//!
//! Enumerations are written as `{"variant": {…}}`: that is read in one pass, where a tag among the fields makes the reader keep
//! everything before it has seen the tag.

mod belonging;
mod client;

pub use belonging::{
    Mark, Mismatch, Position, Seen, Standing, StandingQuery, USERS_PAGE_MAX, UserIds, UsersQuery,
    UsersTold,
};
pub use client::{LedgerClient, SERVICE};

use money::{Amount, Currency};
use serde::{Deserialize, Serialize};
pub use uuid::Uuid;

/// How many orders one call may carry.
pub const ORDERS_MAX: usize = 1024;
/// How many log entries one call may answer with.
pub const LOG_PAGE_MAX: i64 = 2000;

/// The key of the order that a request of `user_id` with this `Idempotency-Key` makes. `route` is the method and the path's
/// template, such as `POST /payments/pay`: equal keys of two users, or of two routes, are two orders.
pub fn idempotency_key(user_id: i64, route: &str, client_key: &str) -> Uuid {
    use sha2::{Digest as _, Sha256};
    // Neither the route nor a header's value has a zero byte, so no two triples are written alike.
    let digest = Sha256::new()
        .chain_update(b"v1")
        .chain_update(user_id.to_be_bytes())
        .chain_update(route)
        .chain_update([0])
        .chain_update(client_key)
        .finalize();
    let mut key = [0; 16];
    key.copy_from_slice(&digest[..16]);
    Uuid::from_bytes(key)
}

/// Something that the ledger is asked to do, once: a repeat with the same key has the first one's outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The idempotency key: 128 bits, unique forever. Drawn at random, or a digest of a client's key (see [`idempotency_key`]).
    pub key: Uuid,
    /// What to do.
    pub operation: Operation,
}

/// What can be done. Ids are those of the public API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Money comes in from outside.
    TopUp {
        /// Where it goes.
        wallet_id: i64,
        /// Who asks; must own the wallet.
        user_id: i64,
        /// How much.
        amount: Amount,
    },
    /// Money goes out to a merchant.
    Pay {
        /// Where it comes from.
        wallet_id: i64,
        /// Who pays; must own the wallet.
        user_id: i64,
        /// Who gets it, by name.
        merchant: String,
        /// How much.
        amount: Amount,
    },
    /// Money goes to another user's wallet of the same currency.
    Transfer {
        /// Where it comes from.
        from_wallet_id: i64,
        /// Who sends; must own the wallet.
        user_id: i64,
        /// Who receives.
        to_user_id: i64,
        /// How much.
        amount: Amount,
    },
    /// Money goes out, on behalf of a service.
    Deduct {
        /// Where it comes from.
        wallet_id: i64,
        /// How much.
        amount: Amount,
        /// What for.
        description: Option<String>,
    },
    /// A user gets a wallet; one a currency.
    OpenWallet {
        /// Whose.
        user_id: i64,
        /// Of what.
        currency: Currency,
    },
    /// A wallet is frozen, or made active again.
    SetStatus {
        /// Which.
        wallet_id: i64,
        /// What it shall be.
        status: WalletStatus,
    },
    /// A user is gone: their wallets are closed, and they get no new one. The money and the history stay.
    CloseUser {
        /// Who.
        user_id: i64,
    },
}

/// Whether a wallet takes part.
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

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is done, and durable.
    Accepted {
        /// What the log says of it.
        entry: Entry,
        /// Whether it was done by an earlier order of the same key.
        replayed: bool,
    },
    /// It was not done, and left no trace.
    Refused {
        /// Why not.
        reason: Refusal,
    },
    /// The key belongs to another order.
    KeyReused,
}

impl Outcome {
    /// Whether the rules did not allow it.
    pub fn is_refused(&self) -> bool {
        matches!(self, Outcome::Refused { .. })
    }
}

/// Why an order is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// There is no such wallet.
    WalletNotFound,
    /// The wallet belongs to somebody else.
    NotOwner,
    /// The wallet is frozen or closed.
    WalletNotActive,
    /// The receiver has no wallet of this currency.
    DestinationNotFound,
    /// The receiver's wallet is frozen or closed.
    DestinationNotActive,
    /// Sender and receiver are one.
    SameWallet,
    /// There is less in the wallet.
    InsufficientBalance,
    /// The receiving wallet would hold more than [`Amount::MAX`].
    BalanceLimit,
    /// A system account would leave the range of 64 bits.
    LedgerLimit,
    /// The user has a wallet of this currency.
    WalletExists,
    /// The user is gone.
    UserClosed,
    /// The database does not take a value of it.
    NotStorable,
}

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
    Transfer(Transfer),
    /// A wallet was opened.
    WalletOpened {
        /// Which.
        wallet_id: i64,
        /// Whose.
        user_id: i64,
        /// Of what.
        currency: Currency,
    },
    /// A wallet's status changed.
    StatusChanged {
        /// Which.
        wallet_id: i64,
        /// To what.
        status: WalletStatus,
    },
    /// A user is gone, and every wallet of theirs is closed.
    UserClosed {
        /// Who.
        user_id: i64,
    },
}

/// One movement of money: from one account to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// What kind of movement.
    pub kind: TransferKind,
    /// Where the money came from.
    pub debit: Side,
    /// Where it went.
    pub credit: Side,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
    /// For a payment its number: 1, 2, 3, …
    pub payment_id: Option<i64>,
    /// For a payment the merchant; for a withdrawal what it was for.
    pub description: Option<String>,
}

/// The kinds of movements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferKind {
    /// From outside into a wallet.
    Topup,
    /// From a wallet to a merchant.
    Payment,
    /// From a wallet to a wallet.
    Transfer,
    /// From a wallet to outside.
    Withdrawal,
}

/// One of the two accounts of a movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// The account: a wallet's id, or a negative number for one of the system's accounts.
    pub account: i64,
    /// Whose, for a wallet.
    pub user_id: Option<i64>,
    /// What it held after the movement.
    pub balance: i64,
}

/// Orders that travel together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrdersRequest {
    /// At most [`ORDERS_MAX`].
    pub orders: Vec<Order>,
}

/// One outcome for each order, in the order of the request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrdersResponse {
    /// The outcomes.
    pub outcomes: Vec<Outcome>,
}

/// Which part of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogQuery {
    /// Only entries with a larger number.
    pub after: i64,
    /// How many at most, up to [`LOG_PAGE_MAX`].
    pub limit: i64,
}

/// The proof that one entry is in the ledger's chain of hashes. How it is checked is in `docs/RECEIPTS.md`; all hashes and bytes
/// are written in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Receipt {
    /// The format of the hashes.
    #[schema(example = "dompet batch v2")]
    pub format: String,
    /// The entry's number in the log.
    #[schema(example = 42)]
    pub entry: i64,
    /// The entry's bytes, as they are hashed.
    pub leaf: String,
    /// Which leaf of the batch's tree it is, from 0.
    #[schema(example = 0)]
    pub index: usize,
    /// How many leaves the tree has.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_belongs_to_one_user_and_one_route() {
        let key = idempotency_key(1, "POST /payments/pay", "a");
        assert_eq!(key, idempotency_key(1, "POST /payments/pay", "a"));
        for other in [
            idempotency_key(2, "POST /payments/pay", "a"),
            idempotency_key(1, "POST /payments/transfer", "a"),
            idempotency_key(1, "POST /payments/pay", "b"),
        ] {
            assert_ne!(key, other);
        }
        // Kept keys must mean the same after an upgrade.
        assert_eq!(key.to_string(), "79587b42-16b6-7d33-2c7f-6501ba7b544e");
    }
}
