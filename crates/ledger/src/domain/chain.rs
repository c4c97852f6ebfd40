//! The hashes that make the log tamper-evident. Each commit has one over the commit before and everything in it.
//!
//! Every field of an entry goes in, as little-endian 64-bit numbers and length-prefixed text, so that no two different logs
//! write the same bytes. What the entries say is the leaves of a tree ([`merkle`]), so that a receipt shows one entry and none of
//! the others. The balances are hashed apart, together with bytes that nobody is told: one side of a movement must not learn
//! what the other side holds, not even by trying numbers out.

use ledger_api::{Event, Mark, TransferKind, WalletStatus};
use sha2::{Digest, Sha256};

use super::decide::LogRow;
use super::merkle::{self, Hash};

/// What the first bytes of every batch's text are; it changes with the format.
pub const FORMAT_NAME: &str = "dompet batch v2";
/// Stands for a number that is not there; no field has it otherwise.
const NONE: i64 = i64::MIN;

/// Random bytes that go into the hash of a batch's balances, and stay in the database.
pub type Blind = [u8; 16];

/// What a batch's hash is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The hash of the batch before; zeros for the first.
    pub before: Hash,
    /// The number of its first entry.
    pub first_seq: i64,
    /// The number of its last entry.
    pub last_seq: i64,
    /// The root of the tree over its entries.
    pub root: Hash,
    /// The hash of its balances.
    pub balances: Hash,
}

impl Parts {
    /// The parts of a batch of these entries.
    pub fn of(before: &Hash, blind: &Blind, rows: &[LogRow]) -> Parts {
        let number = |row: Option<&LogRow>| row.map_or(0, |row| row.entry.seq);
        Parts {
            before: *before,
            first_seq: number(rows.first()),
            last_seq: number(rows.last()),
            root: merkle::root(leaves(rows)),
            balances: balances(blind, rows),
        }
    }

    /// The batch's hash.
    pub fn hash(&self) -> Hash {
        Sha256::new()
            .chain_update(FORMAT_NAME)
            .chain_update(self.before)
            .chain_update(self.first_seq.to_le_bytes())
            .chain_update(self.last_seq.to_le_bytes())
            .chain_update(self.root)
            .chain_update(self.balances)
            .finalize()
            .into()
    }
}

/// The leaves of a batch's tree.
pub fn leaves(rows: &[LogRow]) -> Vec<Hash> {
    let mut text = Vec::with_capacity(160);
    let leaf = |row| {
        text.clear();
        write_row(&mut text, row);
        merkle::leaf(&text)
    };
    rows.iter().map(leaf).collect()
}

/// What an entry is told from every other entry by, in this ledger or another: its leaf. The order's key is in it.
pub fn mark(row: &LogRow) -> Mark {
    hex::encode(merkle::leaf(&leaf_bytes(row)))
}

/// The bytes of an entry's leaf.
pub fn leaf_bytes(row: &LogRow) -> Vec<u8> {
    let mut text = Vec::with_capacity(160);
    write_row(&mut text, row);
    text
}

fn balances(blind: &Blind, rows: &[LogRow]) -> Hash {
    let mut text = Vec::with_capacity(rows.len().saturating_mul(16).saturating_add(16));
    text.extend_from_slice(blind);
    for row in rows {
        if let Event::Transfer(transfer) = &row.entry.event {
            number(&mut text, transfer.debit.balance);
            number(&mut text, transfer.credit.balance);
        }
    }
    Sha256::digest(&text).into()
}

fn write_row(to: &mut Vec<u8>, row: &LogRow) {
    to.extend_from_slice(row.key.as_bytes());
    number(to, row.entry.seq);
    number(to, row.entry.at);
    match &row.entry.event {
        Event::Transfer(transfer) => {
            number(to, i64::from(kind_code(transfer.kind)));
            number(to, transfer.debit.account);
            number(to, transfer.credit.account);
            number(to, transfer.amount.units());
            number(to, transfer.payment_id.unwrap_or(NONE));
            text(to, transfer.description.as_deref());
        }
        Event::WalletOpened {
            wallet_id,
            user_id,
            currency,
        } => {
            number(to, 101);
            number(to, *wallet_id);
            number(to, *user_id);
            number(to, i64::from(currency.numeric()));
        }
        Event::StatusChanged { wallet_id, status } => {
            number(to, 102);
            number(to, *wallet_id);
            number(to, i64::from(status_code(*status)));
        }
        Event::UserClosed { user_id } => {
            number(to, 103);
            number(to, *user_id);
        }
    }
}

fn number(to: &mut Vec<u8>, number: i64) {
    to.extend_from_slice(&number.to_le_bytes());
}

fn text(to: &mut Vec<u8>, text: Option<&str>) {
    match text {
        None => number(to, NONE),
        Some(text) => {
            number(to, i64::try_from(text.len()).unwrap_or(i64::MAX));
            to.extend_from_slice(text.as_bytes());
        }
    }
}

/// How a kind of movement is stored.
pub fn kind_code(kind: TransferKind) -> i16 {
    match kind {
        TransferKind::Topup => 1,
        TransferKind::Payment => 2,
        TransferKind::Transfer => 3,
        TransferKind::Withdrawal => 4,
    }
}

/// How a status is stored.
pub fn status_code(status: WalletStatus) -> i16 {
    match status {
        WalletStatus::Active => 0,
        WalletStatus::Frozen => 1,
        WalletStatus::Closed => 2,
    }
}
