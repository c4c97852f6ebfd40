//! What a payment is, and what a client is told when the ledger refuses one. No I/O, no clock.

use api_error::ApiError;
use clock::Timestamp;
use ledger_api::{Entry, Event, Refusal, Transfer, TransferKind};
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

/// What a client is told whose payment was refused.
pub(crate) fn payment_refused(reason: Refusal) -> ApiError {
    refused(reason, "Invalid wallet", "wallet_id")
}

/// What a client is told whose transfer was refused.
pub(crate) fn transfer_refused(reason: Refusal) -> ApiError {
    let destination = |code, message: &'static str| {
        ApiError::not_found("Destination user not found", code)
            .field("to_user_id")
            .message(message)
    };
    match reason {
        Refusal::DestinationNotFound => destination(
            "destination_not_found",
            "There is no such user, or they have no wallet of this currency",
        ),
        Refusal::DestinationNotActive => destination(
            "destination_not_active",
            "The receiver's wallet takes no money now",
        ),
        Refusal::SameWallet => ApiError::bad_request("Invalid source wallet", "same_wallet")
            .field("to_user_id")
            .message("Sender and receiver are one"),
        other => refused(other, "Invalid source wallet", "from_wallet_id"),
    }
}

/// What both have in common: the wallet that the money comes from, and the amount.
fn refused(reason: Refusal, wallet_sentence: &'static str, wallet_field: &'static str) -> ApiError {
    let wallet = |code, message: &'static str| {
        ApiError::bad_request(wallet_sentence, code)
            .field(wallet_field)
            .message(message)
    };
    let amount = |code, message: &'static str| {
        ApiError::bad_request("Invalid amount", code)
            .field("amount")
            .message(message)
    };
    match reason {
        Refusal::WalletNotFound => wallet("wallet_not_found", "There is no such wallet"),
        Refusal::NotOwner => wallet("not_owner", "The wallet belongs to somebody else"),
        Refusal::WalletNotActive | Refusal::UserClosed => {
            wallet("wallet_not_active", "The wallet is frozen or closed")
        }
        Refusal::InsufficientBalance => {
            ApiError::bad_request("Insufficient balance", "insufficient_balance")
                .field("amount")
                .message("There is less in the wallet")
        }
        Refusal::BalanceLimit => amount(
            "balance_limit",
            "The receiving wallet would hold more than a wallet may",
        ),
        Refusal::LedgerLimit => amount("ledger_limit", "The ledger cannot count that much"),
        Refusal::NotStorable => ApiError::bad_request("Invalid value", "not_storable")
            .message("The ledger cannot keep a value of this request"),
        // The ledger refuses other orders with these, never the two that are made here.
        Refusal::WalletExists
        | Refusal::SameWallet
        | Refusal::DestinationNotFound
        | Refusal::DestinationNotActive => {
            tracing::error!(?reason, "the ledger refused for a reason that cannot be");
            ApiError::internal()
        }
    }
}
