//! Bodies of the public routes, and how refusals are told.

use api_error::ApiError;
use http_server::Field;
use money::{Amount, Currency};
use serde::{Deserialize, Serialize};
use store::Fault;
use utoipa::ToSchema;
use wallet_api::{Refusal, WalletStatus};

use crate::domain::Account;
use crate::ledger::LedgerError;
use crate::store::StoreError;

/// A wallet as the API shows it.
#[derive(Serialize, ToSchema)]
pub(super) struct Wallet {
    /// The wallet's id.
    #[schema(example = 1)]
    pub(super) id: i64,
    /// Whose it is.
    #[schema(example = 1)]
    pub(super) user_id: i64,
    /// What it holds, in the currency's smallest unit.
    #[schema(example = 1_000_000)]
    pub(super) balance: i64,
    /// ISO 4217.
    #[schema(example = "IDR")]
    pub(super) currency: String,
    /// `active`, `frozen` or `closed`.
    #[schema(example = "active")]
    pub(super) status: &'static str,
}

impl Wallet {
    pub(super) fn new(
        id: i64,
        user_id: i64,
        balance: i64,
        currency: Currency,
        status: WalletStatus,
    ) -> Wallet {
        Wallet {
            id,
            user_id,
            balance,
            currency: currency.code().to_owned(),
            status: status.as_str(),
        }
    }

    /// A wallet's account; a system account is none.
    pub(super) fn of(account: &Account) -> Option<Wallet> {
        let user_id = account.user_id?;
        Some(Wallet::new(
            account.id,
            user_id,
            account.balance,
            account.currency,
            account.status,
        ))
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct WalletBody {
    pub(super) wallet: Wallet,
}

#[derive(Serialize, ToSchema)]
pub(super) struct WalletsBody {
    pub(super) wallets: Vec<Wallet>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct BalanceBody {
    #[schema(example = 1)]
    pub(super) wallet_id: i64,
    #[schema(example = 1_000_000)]
    pub(super) balance: i64,
    #[schema(example = "IDR")]
    pub(super) currency: String,
    /// The moment that was asked for.
    #[schema(example = "2026-11-22T08:15:30Z")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct MovedBody {
    #[schema(example = "Top up successful")]
    pub(super) message: &'static str,
    pub(super) wallet: Wallet,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct OpenRequest {
    /// ISO 4217; IDR unless named.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "IDR")]
    currency: Field<String>,
}

impl OpenRequest {
    pub(super) fn currency(self) -> Result<Currency, ApiError> {
        let wrong = || {
            ApiError::bad_request("Invalid currency", "invalid_currency")
                .field("currency")
                .message("currency is a code of ISO 4217, such as IDR")
        };
        match self.currency.optional(wrong)? {
            None => Ok(Currency::IDR),
            Some(code) => code.parse().map_err(|_| wrong()),
        }
    }
}

#[derive(Deserialize, ToSchema)]
pub(super) struct AmountRequest {
    /// In the currency's smallest unit, from 1 to 2^53 - 1.
    #[serde(default)]
    #[schema(value_type = i64, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 50_000)]
    amount: Field<Amount>,
}

impl AmountRequest {
    pub(super) fn amount(self) -> Result<Amount, ApiError> {
        self.amount.or_errors(invalid_amount, invalid_amount)
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusRequest {
    /// `active` or `frozen`.
    #[serde(default)]
    #[schema(value_type = String, example = "frozen")]
    status: Field<WalletStatus>,
}

impl StatusRequest {
    pub(super) fn status(self) -> Result<WalletStatus, ApiError> {
        let wrong = || {
            ApiError::bad_request("Invalid status", "invalid_status")
                .field("status")
                .message("status is active or frozen")
        };
        match self.status.or_errors(wrong, wrong)? {
            WalletStatus::Closed => Err(wrong()),
            status => Ok(status),
        }
    }
}

fn invalid_amount() -> ApiError {
    ApiError::bad_request("Invalid amount", "invalid_amount")
        .field("amount")
        .message("amount is a whole number from 1 to 9007199254740991")
}

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
        Refusal::LedgerLimit => ApiError::bad_request("Invalid amount", "ledger_limit")
            .message("The ledger cannot count that far"),
        Refusal::WalletExists => {
            ApiError::bad_request("User already has a wallet", "wallet_exists")
        }
        Refusal::UserClosed => user_unverified(),
        Refusal::NotStorable => Fault::Value.into(),
    }
}

pub(super) fn user_unverified() -> ApiError {
    ApiError::bad_request("User verification failed", "user_verification_failed")
}

impl From<LedgerError> for ApiError {
    fn from(error: LedgerError) -> ApiError {
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
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> ApiError {
        if let StoreError::Database(error) = &error {
            return store::answer(error);
        }
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the ledger could not be read"
        );
        ApiError::unavailable("The ledger cannot be read now")
    }
}
