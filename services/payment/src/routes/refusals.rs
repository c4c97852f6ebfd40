//! The ledger's refusals as HTTP answers: status, sentence, code and field. Nothing below the routes knows of these.

use api_error::ApiError;
use ledger_api::Refusal;

use crate::holds::HoldState;

/// The error for a client whose payment was refused.
pub(super) fn payment_refused(reason: Refusal) -> ApiError {
    refused(reason, "Invalid wallet", "wallet_id")
}

/// The error for a client whose transfer was refused.
pub(super) fn transfer_refused(reason: Refusal) -> ApiError {
    match reason {
        // One answer for whatever the receiver cannot take: what holds for their wallet is theirs to know.
        Refusal::DestinationNotFound | Refusal::DestinationNotActive | Refusal::BalanceLimit => {
            ApiError::not_found("Destination user not found", "destination_not_found")
                .field("to_user_id")
                .message("There is no such user, or their wallet of this currency cannot take this")
        }
        Refusal::SameWallet => ApiError::bad_request("Invalid source wallet", "same_wallet")
            .field("to_user_id")
            .message("Sender and receiver are one"),
        Refusal::WalletNotFound
        | Refusal::NotOwner
        | Refusal::WalletNotActive
        | Refusal::UserClosed
        | Refusal::InsufficientBalance
        | Refusal::LimitExceeded(_)
        | Refusal::LedgerLimit
        | Refusal::NotStorable
        | Refusal::WalletExists
        | Refusal::CurrencyMismatch
        | Refusal::KindNotAllowed
        | Refusal::LimitsNotValid
        | Refusal::NothingToDraw
        | Refusal::RemainderExceeded
        | Refusal::RemainderExpired
        | Refusal::RemainderNotExpired => {
            refused(reason, "Invalid source wallet", "from_wallet_id")
        }
    }
}

/// The part that both have in common: the wallet that the money comes from, and the amount.
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
        Refusal::LimitExceeded(exceeded) => wallet_api::limit_exceeded(exceeded),
        Refusal::LedgerLimit => amount("ledger_limit", "The ledger cannot count that much"),
        Refusal::NotStorable => ApiError::bad_request("Invalid value", "not_storable")
            .message("The ledger cannot keep a value of this request"),
        // The ledger refuses other orders with these, never the two that are made here.
        Refusal::WalletExists
        | Refusal::SameWallet
        | Refusal::DestinationNotFound
        | Refusal::DestinationNotActive
        | Refusal::BalanceLimit
        | Refusal::CurrencyMismatch
        | Refusal::KindNotAllowed
        | Refusal::LimitsNotValid
        | Refusal::NothingToDraw
        | Refusal::RemainderExceeded
        | Refusal::RemainderExpired
        | Refusal::RemainderNotExpired => {
            tracing::error!(?reason, "the ledger refused for a reason that cannot be");
            ApiError::internal()
        }
    }
}

/// The error for a client whose capture, void, refund or cancellation was refused, but for an amount that is more than what is left.
pub(super) fn hold_refused(reason: Refusal) -> ApiError {
    match reason {
        Refusal::RemainderExpired => hold_finished(HoldState::Expired),
        Refusal::DestinationNotActive | Refusal::DestinationNotFound | Refusal::UserClosed => {
            ApiError::conflict("Wallet is closed", "wallet_closed")
                .message("The wallet that the money would go back to is closed")
        }
        reason => refused(reason, "Invalid wallet", "wallet_id"),
    }
}

/// The error for a client whose hold is finished.
pub(super) fn hold_finished(state: HoldState) -> ApiError {
    match state {
        HoldState::Captured => ApiError::conflict("Hold already captured", "hold_captured"),
        HoldState::Voided => ApiError::conflict("Hold already voided", "hold_voided"),
        HoldState::Expired => ApiError::conflict("Hold has expired", "hold_expired"),
        HoldState::Authorized | HoldState::PartiallyCaptured => {
            tracing::error!(?state, "a hold was said to be finished that is open");
            ApiError::internal()
        }
    }
}

/// The error for a client whose payment was given back already.
pub(super) fn all_refunded() -> ApiError {
    ApiError::conflict("Payment already refunded", "payment_already_refunded")
        .message("All of the payment was given back")
}

/// The error for a client who paid, where only an administrator gives money back.
pub(super) fn payer_may_not_refund() -> ApiError {
    ApiError::forbidden("Unauthorized", "payer_may_not_refund")
        .message("Here the merchant gives money back, by way of an administrator")
}
