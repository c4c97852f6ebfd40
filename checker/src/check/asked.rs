//! Whether entries are what was asked for: field by field, and by nothing of the code under test.

use ledger::domain::LogRow;
use ledger_api::{Event, Leg, NewPosting, Operation, Party};
use money::Amount;

const MICROS_PER_SECOND: i64 = 1_000_000;

/// True if the entries of one order are what the operation asks for.
pub(super) fn is_what_was_asked(operation: &Operation, rows: &[LogRow]) -> bool {
    match operation {
        Operation::Post(postings) => {
            let pairs = || postings.iter().zip(rows);
            postings.len() == rows.len() && pairs().all(|(asked, row)| is_posting(asked, row))
        }
        Operation::OpenWallet { user_id, currency } => is_one(rows, |event| {
            matches!(event, Event::WalletOpened { user_id: of, currency: in_currency, .. }
                if of == user_id && in_currency == currency)
        }),
        Operation::SetStatus {
            wallet_id,
            status,
            by,
        } => is_one(rows, |event| {
            *event
                == Event::StatusChanged {
                    wallet_id: *wallet_id,
                    status: *status,
                    by: *by,
                }
        }),
        Operation::SetTier {
            wallet_id,
            tier,
            reason,
            by,
        } => is_one(rows, |event| {
            *event
                == Event::TierChanged {
                    wallet_id: *wallet_id,
                    tier: *tier,
                    reason: reason.clone(),
                    by: *by,
                }
        }),
        Operation::SetLimits { limits, by } => is_one(rows, |event| {
            *event
                == Event::LimitsChanged {
                    limits: limits.clone(),
                    by: *by,
                }
        }),
        Operation::CloseUser { user_id, by } => is_one(rows, |event| {
            *event
                == Event::UserClosed {
                    user_id: *user_id,
                    by: *by,
                }
        }),
    }
}

fn is_one(rows: &[LogRow], is_it: impl Fn(&Event) -> bool) -> bool {
    matches!(rows, [row] if is_it(&row.entry.event))
}

fn is_posting(asked: &NewPosting, row: &LogRow) -> bool {
    let Some(posting) = row.entry.event.as_posting() else {
        return false;
    };
    let expires_at = asked
        .expires_in
        .map(|seconds| row.entry.at + i64::from(seconds) * MICROS_PER_SECOND);
    posting.kind == asked.kind
        && is_party(asked.debit, posting.debit)
        && is_party(asked.credit, posting.credit)
        && asked.amount.is_none_or(|amount| posting.amount == amount)
        && posting.by == asked.by
        && posting.draws_on == asked.draws_on
        && posting.expires_at == expires_at
        && posting.note == asked.note
}

/// True if it is this party. The balances tell which of the system's accounts it is.
fn is_party(asked: Party, leg: Leg) -> bool {
    match asked {
        Party::Wallet(id) => leg.account == id,
        Party::WalletOf(user_id) => leg.user_id == Some(user_id),
        Party::System(_) => leg.user_id.is_none(),
    }
}

/// The wallet that an operation names by its id: the caller's own.
pub(super) fn named_wallet(operation: &Operation) -> Option<i64> {
    match operation {
        Operation::Post(postings) => postings
            .iter()
            .flat_map(|posting| [posting.debit, posting.credit])
            .find_map(id_of),
        Operation::SetStatus { wallet_id, .. } | Operation::SetTier { wallet_id, .. } => {
            Some(*wallet_id)
        }
        Operation::OpenWallet { .. }
        | Operation::CloseUser { .. }
        | Operation::SetLimits { .. } => None,
    }
}

fn id_of(party: Party) -> Option<i64> {
    match party {
        Party::Wallet(id) => Some(id),
        Party::WalletOf(_) | Party::System(_) => None,
    }
}

/// The least that a wallet has to hold so that nothing of the operation overdraws it; `None` where nothing is taken from it.
pub(super) fn needed(operation: &Operation, wallet_id: i64) -> Option<i64> {
    let Operation::Post(postings) = operation else {
        return None;
    };
    let (mut change, mut needed) = (0, 0);
    for posting in postings {
        if id_of(posting.debit) == Some(wallet_id) {
            change -= posting.amount.map_or(0, Amount::units);
            needed = needed.max(-change);
        }
        if id_of(posting.credit) == Some(wallet_id) {
            change += posting.amount.map_or(0, Amount::units);
        }
    }
    (needed > 0).then_some(needed)
}
