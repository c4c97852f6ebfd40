//! How refusals and failures of the ledger are told over HTTP.

use api_error::ApiError;
use ledger::LedgerError;
use ledger::store::StoreError;
use ledger_api::Refusal;
use money::Currency;
use store::Fault;

pub(super) fn not_found() -> ApiError {
    ApiError::not_found("Wallet not found", "wallet_not_found")
}

pub(super) fn unauthorized() -> ApiError {
    ApiError::forbidden("Unauthorized", "not_owner")
}

/// How a refused order is told to whoever asked for it at a wallet's own routes.
pub(super) fn refused(reason: Refusal) -> ApiError {
    match reason {
        Refusal::WalletNotFound | Refusal::DestinationNotFound => not_found(),
        Refusal::NotOwner => unauthorized(),
        Refusal::WalletNotActive | Refusal::DestinationNotActive => {
            ApiError::forbidden("Wallet is not active", "wallet_not_active")
        }
        Refusal::SameWallet => ApiError::bad_request("Invalid wallet", "same_wallet"),
        Refusal::InsufficientBalance => {
            ApiError::bad_request("Insufficient balance", "insufficient_balance")
        }
        Refusal::BalanceLimit => ApiError::bad_request("Invalid amount", "balance_limit")
            .message("The wallet would hold more than 9007199254740991"),
        Refusal::LimitExceeded(exceeded) => wallet_api::limit_exceeded(exceeded),
        Refusal::LedgerLimit => ApiError::bad_request("Invalid amount", "ledger_limit")
            .message("The ledger cannot count that far"),
        Refusal::WalletExists => {
            ApiError::bad_request("User already has a wallet", "wallet_exists")
        }
        Refusal::UserClosed => user_unverified(),
        Refusal::NotStorable => Fault::Value.into(),
        // The ledger refuses other orders with these, never those that are made here.
        Refusal::CurrencyMismatch
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

pub(super) fn currency_not_offered(currency: Currency) -> ApiError {
    ApiError::bad_request("Invalid currency", "currency_not_offered")
        .field("currency")
        .message(format!(
            "No wallets are opened in {currency} here; GET /currencies lists those that there can be"
        ))
}

/// Who may not bring money in.
pub(super) fn topup_closed() -> ApiError {
    ApiError::forbidden("Top up is not available", "topup_closed")
        .message("Users do not bring money in here: it comes from the operator's services")
}

pub(super) fn user_unverified() -> ApiError {
    ApiError::bad_request("User verification failed", "user_verification_failed")
}

/// How it is told that orders have no outcome.
pub(super) fn no_outcome(error: LedgerError) -> ApiError {
    match error {
        LedgerError::Overloaded => ApiError::new(
            axum::http::StatusCode::SERVICE_UNAVAILABLE,
            "Service unavailable",
            "overloaded",
        )
        .message("Too many requests wait; nothing was done")
        .retry_after(1),
        LedgerError::CannotWrite(fault) => fault.into(),
        LedgerError::Unavailable => ApiError::unavailable(
            "The ledger cannot be reached; whether it was done is unknown, and a repeat with the same Idempotency-Key is safe",
        ),
    }
}

/// How it is told that the ledger could not be read.
pub(super) fn unreadable(error: StoreError) -> ApiError {
    if let StoreError::Database(error) = &error {
        return store::answer(error);
    }
    tracing::error!(
        error = &error as &dyn std::error::Error,
        "the ledger could not be read"
    );
    ApiError::unavailable("The ledger cannot be read now")
}
