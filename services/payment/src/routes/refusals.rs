//! The ledger's refusals as HTTP answers: status, sentence, code and field. Nothing below the routes knows of these.

use api_error::ApiError;
use ledger_api::Refusal;

/// The error for a client whose payment was refused.
pub(super) fn payment_refused(reason: Refusal) -> ApiError {
    refused(reason, "Invalid wallet", "wallet_id")
}

/// The error for a client whose transfer was refused.
pub(super) fn transfer_refused(reason: Refusal) -> ApiError {
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
        Refusal::WalletNotFound
        | Refusal::NotOwner
        | Refusal::WalletNotActive
        | Refusal::UserClosed
        | Refusal::InsufficientBalance
        | Refusal::BalanceLimit
        | Refusal::LedgerLimit
        | Refusal::NotStorable
        | Refusal::WalletExists
        | Refusal::CurrencyMismatch
        | Refusal::KindNotAllowed
        | Refusal::NothingToDraw
        | Refusal::RemainderExceeded
        | Refusal::RemainderExpired => refused(reason, "Invalid source wallet", "from_wallet_id"),
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
        | Refusal::DestinationNotActive
        | Refusal::CurrencyMismatch
        | Refusal::KindNotAllowed
        | Refusal::NothingToDraw
        | Refusal::RemainderExceeded
        | Refusal::RemainderExpired => {
            tracing::error!(?reason, "the ledger refused for a reason that cannot be");
            ApiError::internal()
        }
    }
}
