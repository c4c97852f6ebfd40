//! The hashes that make the log tamper-evident. Each commit has one over the commit before and everything in it.
//!
//! Every field of an entry goes in, as little-endian 64-bit numbers, so that no two different logs write the same bytes. The entries
//! are the leaves of a tree ([`merkle`]), so that a receipt shows one entry and none of the others. Each leaf begins with a salt that
//! only its own receipt shows: the hashes of its neighbours, which a receipt has too, give nothing away, not even to somebody who
//! can guess everything else in them. The balances are hashed apart, together with bytes that nobody is told: one side of a posting
//! must not learn what the other side holds, not even by trying numbers out.
//!
//! Text that a person wrote is in the leaf as a salted hash. So it can be erased, and the chain stays whole.

use ledger_api::{Entry, Event, Leg, Limit, Mark, Posting, WalletStatus};
use sha2::{Digest, Sha256};

use super::decide::LogRow;
use super::merkle::{self, Hash};

/// The first bytes of what every batch's hash is made of; they change with the format.
pub const FORMAT_NAME: &str = "dompet batch v3";
/// Stands for a number that is not there; no field has it otherwise.
const NONE: i64 = i64::MIN;
/// The length of a posting's leaf: a salt, a key, eleven numbers, and the hash of a note.
const LEAF_BYTES: usize = 16 + 16 + 11 * 8 + 32;

/// The code of an entry that opens a wallet.
pub(crate) const OPENED: i16 = 101;
/// The code of an entry that changes a wallet's status.
pub(crate) const STATUS_CHANGED: i16 = 102;
/// The code of an entry that closes a user's wallets.
pub(crate) const USER_CLOSED: i16 = 103;
/// The code of an entry that changes a wallet's tier.
pub(crate) const TIER_CHANGED: i16 = 104;
/// The code of an entry that sets the limits.
pub(crate) const LIMITS_CHANGED: i16 = 105;

/// Random bytes of a batch that stay in the database: they hide its balances, and its leaves' salts follow from them.
pub type Blind = [u8; 16];

/// Bytes that hide what a leaf says.
pub type Salt = [u8; 16];

/// The salt of one entry's leaf. Whoever knows it learns nothing of another's, nor of the blind.
pub fn salt(blind: &Blind, seq: i64) -> Salt {
    let digest = Sha256::new()
        .chain_update(b"leaf")
        .chain_update(blind)
        .chain_update(seq.to_le_bytes())
        .finalize();
    let mut salt = Salt::default();
    salt.copy_from_slice(&digest[..16]);
    salt
}

/// The hash that stands for a note in its entry's leaf.
pub fn note_hash(salt: &Salt, note: &str) -> Hash {
    Sha256::new()
        .chain_update(salt)
        .chain_update(note)
        .finalize()
        .into()
}

/// The parts that a batch's hash is made of.
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
            root: merkle::root(leaves(blind, rows)),
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
pub fn leaves(blind: &Blind, rows: &[LogRow]) -> Vec<Hash> {
    let mut bytes = Vec::with_capacity(LEAF_BYTES);
    let leaf = |row| {
        bytes.clear();
        write_leaf(&mut bytes, blind, row);
        merkle::leaf(&bytes)
    };
    rows.iter().map(leaf).collect()
}

/// The bytes of an entry's leaf.
pub fn leaf_bytes(blind: &Blind, row: &LogRow) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LEAF_BYTES);
    write_leaf(&mut bytes, blind, row);
    bytes
}

/// A hash that tells an entry from every other entry, in this ledger or another: the order's key is in it. It stays the same when a
/// note is erased.
pub fn mark(row: &LogRow) -> Mark {
    let mut bytes = Vec::with_capacity(LEAF_BYTES);
    write_fields(&mut bytes, row);
    hex::encode(Sha256::digest(&bytes))
}

fn balances(blind: &Blind, rows: &[LogRow]) -> Hash {
    let mut text = Vec::with_capacity(rows.len().saturating_mul(16).saturating_add(16));
    text.extend_from_slice(blind);
    for row in rows {
        if let Some(posting) = row.entry.event.as_posting() {
            number(&mut text, posting.debit.balance);
            number(&mut text, posting.credit.balance);
        }
    }
    Sha256::digest(&text).into()
}

fn write_leaf(to: &mut Vec<u8>, blind: &Blind, row: &LogRow) {
    let salt = salt(blind, row.entry.seq);
    to.extend_from_slice(&salt);
    write_fields(to, row);
    let (has_note, note) = match &row.entry.event {
        Event::Posted(posting) => (true, posting.note.as_deref()),
        Event::TierChanged { reason, .. } => (true, Some(reason.as_str())),
        Event::WalletOpened { .. }
        | Event::StatusChanged { .. }
        | Event::UserClosed { .. }
        | Event::LimitsChanged { .. } => (false, None),
    };
    if has_note {
        let hash = match (note, row.erased_note) {
            (Some(note), _) => note_hash(&salt, note),
            (None, Some(erased)) => erased,
            (None, None) => Hash::default(),
        };
        to.extend_from_slice(&hash);
    }
}

/// Everything but the salt and the note. Entries are taken apart in full, so that a new field does not compile until it is here.
fn write_fields(to: &mut Vec<u8>, row: &LogRow) {
    let LogRow {
        key,
        entry: Entry { seq, at, event },
        erased_note: _,
    } = row;
    to.extend_from_slice(key.as_bytes());
    number(to, *seq);
    number(to, *at);
    match event {
        Event::Posted(Posting {
            kind,
            debit,
            credit,
            amount,
            // It is in the accounts.
            currency: _,
            number: own_number,
            by,
            draws_on,
            group,
            expires_at,
            // Its hash follows in the leaf.
            note: _,
        }) => {
            number(to, i64::from(kind.0));
            account(to, debit);
            account(to, credit);
            number(to, amount.units());
            number(to, own_number.unwrap_or(NONE));
            number(to, by.code());
            number(to, draws_on.unwrap_or(NONE));
            number(to, group.unwrap_or(NONE));
            number(to, expires_at.unwrap_or(NONE));
        }
        Event::WalletOpened {
            wallet_id,
            user_id,
            currency,
        } => {
            number(to, i64::from(OPENED));
            number(to, *wallet_id);
            number(to, *user_id);
            number(to, i64::from(currency.numeric()));
        }
        Event::StatusChanged {
            wallet_id,
            status,
            by,
        } => {
            number(to, i64::from(STATUS_CHANGED));
            number(to, *wallet_id);
            number(to, i64::from(status_code(*status)));
            number(to, by.code());
        }
        Event::UserClosed { user_id, by } => {
            number(to, i64::from(USER_CLOSED));
            number(to, *user_id);
            number(to, by.code());
        }
        Event::TierChanged {
            wallet_id,
            tier,
            // Its hash follows in the leaf.
            reason: _,
            by,
        } => {
            number(to, i64::from(TIER_CHANGED));
            number(to, *wallet_id);
            number(to, i64::from(tier.code()));
            number(to, by.code());
        }
        Event::LimitsChanged { limits, by } => {
            number(to, i64::from(LIMITS_CHANGED));
            number(to, by.code());
            to.extend_from_slice(&Sha256::digest(limits_text(limits)));
        }
    }
}

/// Limits as they are stored and hashed: JSON, with the fields in the order of their declaration.
pub(crate) fn limits_text(limits: &[Limit]) -> String {
    serde_json::to_string(limits).unwrap_or_default()
}

fn account(to: &mut Vec<u8>, leg: &Leg) {
    let Leg {
        account,
        // An account never changes its owner.
        user_id: _,
        // Balances are hashed apart.
        balance: _,
    } = leg;
    number(to, *account);
}

fn number(to: &mut Vec<u8>, number: i64) {
    to.extend_from_slice(&number.to_le_bytes());
}

/// The code of a status in the log.
pub fn status_code(status: WalletStatus) -> i16 {
    match status {
        WalletStatus::Active => 0,
        WalletStatus::Frozen => 1,
        WalletStatus::Closed => 2,
    }
}
