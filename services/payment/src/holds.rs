//! Holds: money of a wallet that is reserved for a merchant, and what became of it. No I/O, no clock, no HTTP.
//!
//! The ledger decides; this module only adds up what its log says. A hold is known by the number of its entry.

use clock::Timestamp;
use ledger_api::{Entry, Posting};
use money::Currency;

/// The captures that one hold may have. All of them, and the release of the rest, fit into one order, so that a cancellation is one.
pub(crate) const CAPTURES_MAX: usize = ledger_api::POSTINGS_MAX - 1;

/// What became of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HoldState {
    /// All of it is reserved.
    Authorized,
    /// A part was captured, and the rest is reserved.
    PartiallyCaptured,
    /// It is finished: the last capture took the rest, or gave it back.
    Captured,
    /// It is finished: what was left was given back on request.
    Voided,
    /// It is finished: what was left was given back because its time was over.
    Expired,
}

impl HoldState {
    /// Every state, in the order of their codes.
    pub(crate) const ALL: [HoldState; 5] = [
        HoldState::Authorized,
        HoldState::PartiallyCaptured,
        HoldState::Captured,
        HoldState::Voided,
        HoldState::Expired,
    ];

    /// Its number in the database.
    pub(crate) fn code(self) -> i16 {
        match self {
            HoldState::Authorized => 0,
            HoldState::PartiallyCaptured => 1,
            HoldState::Captured => 2,
            HoldState::Voided => 3,
            HoldState::Expired => 4,
        }
    }

    /// The state with this number.
    pub(crate) fn from_code(code: i16) -> Option<HoldState> {
        HoldState::ALL
            .into_iter()
            .find(|state| state.code() == code)
    }

    /// Its word for clients.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            HoldState::Authorized => "authorized",
            HoldState::PartiallyCaptured => "partially_captured",
            HoldState::Captured => "captured",
            HoldState::Voided => "voided",
            HoldState::Expired => "expired",
        }
    }

    /// True while something of it is reserved.
    pub(crate) fn is_open(self) -> bool {
        match self {
            HoldState::Authorized | HoldState::PartiallyCaptured => true,
            HoldState::Captured | HoldState::Voided | HoldState::Expired => false,
        }
    }
}

/// Money of a wallet that was reserved for a merchant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) id: i64,
    pub(crate) user_id: i64,
    pub(crate) wallet_id: i64,
    pub(crate) merchant: String,
    pub(crate) amount: i64,
    pub(crate) currency: Currency,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    /// The part that was paid to the merchant.
    pub(crate) captured: i64,
    /// The part that was given back.
    pub(crate) released: i64,
    pub(crate) state: HoldState,
    /// The number of the entry that changed it last.
    pub(crate) last_seq: i64,
}

impl Hold {
    /// The hold that an entry of the log begins, if it does.
    pub(crate) fn of(entry: &Entry) -> Option<Hold> {
        let posting = entry.event.as_posting()?;
        if posting.kind != wallet_api::HOLD.code {
            return None;
        }
        Some(Hold {
            id: entry.seq,
            user_id: posting.debit.user_id?,
            wallet_id: posting.debit.account,
            // Empty where the name was erased: the hold stays.
            merchant: posting.note.clone().unwrap_or_default(),
            amount: posting.amount.units(),
            currency: posting.currency,
            created_at: Timestamp::from_micros(entry.at),
            expires_at: Timestamp::from_micros(posting.expires_at?),
            captured: 0,
            released: 0,
            state: HoldState::Authorized,
            last_seq: entry.seq,
        })
    }

    /// The part that is still reserved.
    pub(crate) fn remaining(&self) -> i64 {
        self.amount
            .saturating_sub(self.captured)
            .saturating_sub(self.released)
    }

    /// Takes in what an entry drew of it. One that it has taken in already changes nothing.
    pub(crate) fn draw(&mut self, draw: &Draw) {
        if draw.seq <= self.last_seq {
            return;
        }
        self.last_seq = draw.seq;
        match draw.what {
            Drew::Capture { .. } => self.captured = self.captured.saturating_add(draw.amount),
            Drew::Rest | Drew::Void | Drew::Expiry => {
                self.released = self.released.saturating_add(draw.amount);
            }
        }
        self.state = match draw.what {
            Drew::Capture { .. } if self.remaining() > 0 => HoldState::PartiallyCaptured,
            Drew::Capture { .. } | Drew::Rest => HoldState::Captured,
            Drew::Void => HoldState::Voided,
            Drew::Expiry => HoldState::Expired,
        };
    }
}

/// A part of a hold that an entry of the log moved on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draw {
    /// The number of the hold's entry.
    pub(crate) hold: i64,
    /// The number of the entry.
    pub(crate) seq: i64,
    pub(crate) at: Timestamp,
    pub(crate) amount: i64,
    pub(crate) what: Drew,
}

/// What moved a part of a hold on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drew {
    /// It became the payment with this id.
    Capture { payment_id: i64 },
    /// A last capture left it over.
    Rest,
    /// Somebody voided the hold.
    Void,
    /// The hold expired.
    Expiry,
}

impl Draw {
    /// The part of a hold that an entry of the log moved on, if it did.
    pub(crate) fn of(entry: &Entry) -> Option<Draw> {
        let posting = entry.event.as_posting()?;
        Some(Draw {
            hold: posting.draws_on?,
            seq: entry.seq,
            at: Timestamp::from_micros(entry.at),
            amount: posting.amount.units(),
            what: what(entry.seq, posting)?,
        })
    }
}

fn what(seq: i64, posting: &Posting) -> Option<Drew> {
    // What a capture leaves over is given back in its order, so behind it.
    let follows_in_its_order = posting.group.is_some_and(|first| first < seq);
    let kind = posting.kind;
    if kind == wallet_api::CAPTURE.code {
        let payment_id = posting.number?;
        Some(Drew::Capture { payment_id })
    } else if kind == wallet_api::RELEASE.code {
        Some(if follows_in_its_order {
            Drew::Rest
        } else {
            Drew::Void
        })
    } else if kind == wallet_api::EXPIRY.code || kind == wallet_api::UNCLAIMED_EXPIRY.code {
        Some(Drew::Expiry)
    } else {
        None
    }
}
