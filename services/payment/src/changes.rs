//! What a stretch of the ledger's log means for the payments, in the order of the log.

use std::collections::HashMap;

use ledger_api::Entry;

use crate::domain::Payment;
use crate::holds::{Draw, Drew, Hold};
use crate::refunds::Refund;

/// What a stretch of the log adds.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Payments that were made at once.
    pub(crate) payments: Vec<Payment>,
    /// New holds.
    pub(crate) holds: Vec<Hold>,
    /// The parts of holds that were moved on.
    pub(crate) draws: Vec<Draw>,
    pub(crate) refunds: Vec<Refund>,
}

impl Changes {
    /// The meaning of these entries.
    pub(crate) fn of(entries: &[Entry]) -> Changes {
        let mut changes = Changes::default();
        for entry in entries {
            if let Some(payment) = Payment::of(entry) {
                changes.payments.push(payment);
            } else if let Some(hold) = Hold::of(entry) {
                changes.holds.push(hold);
            } else if let Some(draw) = Draw::of(entry) {
                changes.draws.push(draw);
            } else if let Some(refund) = Refund::of(entry) {
                changes.refunds.push(refund);
            }
        }
        changes
    }

    /// True if it has nothing but payments that were made at once.
    pub(crate) fn are_plain(&self) -> bool {
        self.holds.is_empty() && self.draws.is_empty() && self.refunds.is_empty()
    }

    /// The holds that it draws on and that did not begin in it.
    pub(crate) fn earlier_holds(&self) -> Vec<i64> {
        let first = self.holds.first().map_or(i64::MAX, |hold| hold.id);
        let mut earlier: Vec<i64> = self.draws.iter().map(|draw| draw.hold).collect();
        earlier.retain(|id| *id < first);
        earlier.sort_unstable();
        earlier.dedup();
        earlier
    }

    /// Adds the captures to the payments, and takes in what was drawn of holds. `earlier` are those of [`Changes::earlier_holds`]; the
    /// holds that come out are all that are new or changed.
    pub(crate) fn fold(self, earlier: Vec<Hold>) -> Folded {
        let all = earlier.into_iter().chain(self.holds);
        let mut holds: HashMap<i64, Hold> = all.map(|hold| (hold.id, hold)).collect();
        let mut payments = self.payments;
        for draw in &self.draws {
            if let Some(hold) = holds.get_mut(&draw.hold) {
                payments.extend(captured(hold, draw));
                hold.draw(draw);
            }
        }
        payments.sort_unstable_by_key(|payment| payment.id);
        let mut holds: Vec<Hold> = holds.into_values().collect();
        holds.sort_unstable_by_key(|hold| hold.id);
        Folded {
            payments,
            holds,
            refunds: self.refunds,
        }
    }
}

/// The payment that a draw made of a part of this hold, if it did.
pub(crate) fn captured(hold: &Hold, draw: &Draw) -> Option<Payment> {
    let Drew::Capture { payment_id } = draw.what else {
        return None;
    };
    Some(Payment {
        id: payment_id,
        seq: draw.seq,
        user_id: hold.user_id,
        wallet_id: hold.wallet_id,
        merchant: hold.merchant.clone(),
        amount: draw.amount,
        currency: hold.currency,
        created_at: draw.at,
        hold_id: Some(hold.id),
    })
}

/// The rows that a stretch of the log adds or changes.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    /// In the order of their ids.
    pub(crate) payments: Vec<Payment>,
    /// As they are after it, in the order of their ids.
    pub(crate) holds: Vec<Hold>,
    pub(crate) refunds: Vec<Refund>,
}
