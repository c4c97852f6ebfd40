//! The comparison of a repeated order with the entries in the log.
//!
//! The entries have everything that the request had, so they serve as its fingerprint: a key that comes again with another body
//! finds entries that do not match. What must hold: whatever a request says is compared. Requests and postings are taken apart in
//! full, so that a new field does not compile until it is compared here.

use ledger_api::{Event, Leg, NewPosting, Operation, Order, Party, Posting};

use super::{LogRow, system_account};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// True if these entries, which have the keys of the order, are what it asks for.
pub fn matches(order: &Order, rows: &[&LogRow]) -> bool {
    match (&order.operation, rows) {
        (Operation::Post(asked), rows) => {
            let is_group = asked.len() > 1;
            let mut rows = rows.iter().peekable();
            let all_match = asked.iter().all(|asked| {
                let found = rows.next_if(|row| is_posting(asked, is_group, row));
                // Of several, one that asks for all that is left is missing where nothing was.
                found.is_some() || (is_group && asked.amount.is_none())
            });
            all_match && rows.next().is_none()
        }
        (Operation::OpenWallet { user_id, currency }, [row]) => matches!(
            &row.entry.event,
            Event::WalletOpened { wallet_id: _, user_id: of, currency: in_currency }
                if (of, in_currency) == (user_id, currency)
        ),
        (
            Operation::SetStatus {
                wallet_id,
                status,
                by,
            },
            [row],
        ) => matches!(
            &row.entry.event,
            Event::StatusChanged { wallet_id: of, status: to, by: asked_by }
                if (of, to, asked_by) == (wallet_id, status, by)
        ),
        (Operation::CloseUser { user_id, by }, [row]) => matches!(
            &row.entry.event,
            Event::UserClosed { user_id: of, by: asked_by } if (of, asked_by) == (user_id, by)
        ),
        (
            Operation::SetTier {
                wallet_id,
                tier,
                reason,
                by,
            },
            [row],
        ) => matches!(
            &row.entry.event,
            Event::TierChanged { wallet_id: of, tier: to, reason: why, by: asked_by }
                if (of, to, why, asked_by) == (wallet_id, tier, reason, by)
        ),
        (Operation::SetLimits { limits, by }, [row]) => matches!(
            &row.entry.event,
            Event::LimitsChanged { limits: set, by: asked_by } if (set, asked_by) == (limits, by)
        ),
        (
            Operation::OpenWallet { .. }
            | Operation::SetStatus { .. }
            | Operation::CloseUser { .. }
            | Operation::SetTier { .. }
            | Operation::SetLimits { .. },
            _,
        ) => false,
    }
}

fn is_posting(asked: &NewPosting, is_group: bool, row: &LogRow) -> bool {
    let Event::Posted(Posting {
        kind,
        debit,
        credit,
        amount,
        currency,
        // The ledger gave it; nobody asks for a number.
        number: _,
        by,
        draws_on,
        group,
        expires_at,
        note,
    }) = &row.entry.event
    else {
        return false;
    };
    let NewPosting {
        kind: asked_kind,
        debit: asked_debit,
        credit: asked_credit,
        amount: asked_amount,
        by: asked_by,
        draws_on: asked_draws_on,
        expires_in,
        note: asked_note,
    } = asked;
    let is_party = |asked: &Party, leg: &Leg| match asked {
        Party::Wallet(id) => *id == leg.account,
        Party::WalletOf(user_id) => Some(*user_id) == leg.user_id,
        Party::System(role) => leg.account == system_account(*currency, *role),
    };
    let asked_expires_at = expires_in.map(|seconds| expiry(row.entry.at, seconds));
    // Of a note that was erased nothing is known but that there was one.
    let is_note = note == asked_note || (row.erased_note.is_some() && asked_note.is_some());
    kind == asked_kind
        && is_party(asked_debit, debit)
        && is_party(asked_credit, credit)
        && asked_amount.is_none_or(|asked| *amount == asked)
        && by == asked_by
        && draws_on == asked_draws_on
        && group.is_some() == is_group
        && *expires_at == asked_expires_at
        && is_note
}

/// When something expires that was posted at `at` for so many seconds, in microseconds.
pub(super) fn expiry(at: i64, seconds: u32) -> i64 {
    at.saturating_add(i64::from(seconds).saturating_mul(MICROS_PER_SECOND))
}
