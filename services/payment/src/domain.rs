//! Payments and transfers, as the ledger's log has them. No I/O, no clock, no HTTP.

use clock::Timestamp;
use ledger_api::{Entry, Kind, Posting};
use money::Currency;

/// Money that went from a wallet to a merchant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payment {
    pub(crate) id: i64,
    /// The number of its entry in the log.
    pub(crate) seq: i64,
    pub(crate) user_id: i64,
    pub(crate) wallet_id: i64,
    pub(crate) merchant: String,
    pub(crate) amount: i64,
    pub(crate) currency: Currency,
    pub(crate) created_at: Timestamp,
    /// The hold that it was captured from.
    pub(crate) hold_id: Option<i64>,
}

impl Payment {
    /// The payment that an entry of the log is, if it is one that was made at once.
    pub(crate) fn of(entry: &Entry) -> Option<Payment> {
        let posting = posting_of(entry, &wallet_api::PAYMENT)?;
        Some(Payment {
            id: posting.number?,
            seq: entry.seq,
            user_id: posting.debit.user_id?,
            wallet_id: posting.debit.account,
            // Empty where the name was erased: the payment stays.
            merchant: posting.note.clone().unwrap_or_default(),
            amount: posting.amount.units(),
            currency: posting.currency,
            created_at: Timestamp::from_micros(entry.at),
            hold_id: None,
        })
    }
}

/// Money that went from a user's wallet to another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) from_wallet_id: i64,
    pub(crate) to_wallet_id: i64,
    pub(crate) amount: i64,
    pub(crate) currency: Currency,
    pub(crate) created_at: Timestamp,
}

impl Sent {
    /// The transfer between users that an entry of the log is, if it is one.
    pub(crate) fn of(entry: &Entry) -> Option<Sent> {
        let posting = posting_of(entry, &wallet_api::TRANSFER)?;
        Some(Sent {
            from_wallet_id: posting.debit.account,
            to_wallet_id: posting.credit.account,
            amount: posting.amount.units(),
            currency: posting.currency,
            created_at: Timestamp::from_micros(entry.at),
        })
    }
}

fn posting_of<'a>(entry: &'a Entry, kind: &Kind) -> Option<&'a Posting> {
    let posting = entry.event.as_posting()?;
    (posting.kind == kind.code).then_some(posting)
}
