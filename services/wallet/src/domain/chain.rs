//! The hash that makes the log tamper-evident: SHA-256 over a batch's entries and the hash of the batch before.
//!
//! Every field of an entry goes in, as little-endian 64-bit numbers and length-prefixed text, so that no two different logs
//! write the same bytes.

use sha2::{Digest, Sha256};
use wallet_api::{Event, TransferKind, WalletStatus};

use super::decide::LogRow;

/// What the first bytes of every batch's text are; it changes with the format.
const FORMAT: &[u8] = b"dompet batch v1";
/// Stands for a number that is not there; no field has it otherwise.
const NONE: i64 = i64::MIN;

/// The hash of a batch that follows `before`.
pub fn hash<'a>(before: &[u8; 32], rows: impl Iterator<Item = &'a LogRow>) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(FORMAT);
    digest.update(before);
    let mut text = Vec::with_capacity(160);
    for row in rows {
        text.clear();
        write_row(&mut text, row);
        digest.update(&text);
    }
    digest.finalize().into()
}

fn write_row(to: &mut Vec<u8>, row: &LogRow) {
    to.extend_from_slice(row.key.as_bytes());
    number(to, row.entry.seq);
    number(to, row.entry.at);
    match &row.entry.event {
        Event::Transfer(transfer) => {
            number(to, i64::from(kind_code(transfer.kind)));
            for side in [&transfer.debit, &transfer.credit] {
                number(to, side.account);
                number(to, side.balance);
            }
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
