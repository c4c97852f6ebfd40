//! Payments and transfers, as the ledger's log has them. No I/O, no clock, no HTTP.

use clock::Timestamp;
use ledger_api::{Entry, Event, Transfer, TransferKind};
use money::Currency;

/// Money that went from a wallet to a merchant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payment {
    pub(crate) id: i64,
    pub(crate) user_id: i64,
    pub(crate) wallet_id: i64,
    pub(crate) merchant: String,
    pub(crate) amount: i64,
    pub(crate) currency: Currency,
    pub(crate) created_at: Timestamp,
}

impl Payment {
    /// The payment that an entry of the log is, if it is one.
    pub(crate) fn of(entry: &Entry) -> Option<Payment> {
        let transfer = transfer_of(entry, TransferKind::Payment)?;
        Some(Payment {
            id: transfer.payment_id?,
            user_id: transfer.debit.user_id?,
            wallet_id: transfer.debit.account,
            merchant: transfer.description.clone()?,
            amount: transfer.amount.units(),
            currency: transfer.currency,
            created_at: Timestamp::from_micros(entry.at),
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
        let transfer = transfer_of(entry, TransferKind::Transfer)?;
        Some(Sent {
            from_wallet_id: transfer.debit.account,
            to_wallet_id: transfer.credit.account,
            amount: transfer.amount.units(),
            currency: transfer.currency,
            created_at: Timestamp::from_micros(entry.at),
        })
    }
}

fn transfer_of(entry: &Entry, kind: TransferKind) -> Option<&Transfer> {
    match &entry.event {
        Event::Transfer(transfer) if transfer.kind == kind => Some(transfer),
        _ => None,
    }
}
