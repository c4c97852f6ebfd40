//! Bodies of the public routes.

use api_error::ApiError;
use http_server::Field;
use ledger_api::WalletStatus;
use money::{Amount, Currency};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use ledger::domain::Account;

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
