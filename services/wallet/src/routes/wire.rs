//! Bodies of the public routes.

use api_error::ApiError;
use http_server::{FIELD_CHARS_MAX, Field, text, words};
use ledger_api::WalletStatus;
use money::{Amount, Currency};
use serde::{Deserialize, Serialize};
use utoipa::openapi::Object;
use utoipa::{IntoParams, ToSchema};

use ledger::store::Holding;

/// A wallet.
#[derive(Serialize, ToSchema)]
pub(super) struct Wallet {
    /// The wallet's id.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
    pub(super) id: i64,
    /// The owner.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
    pub(super) user_id: i64,
    /// The balance, which can be spent, in the currency's smallest unit.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 1_000_000)]
    pub(super) balance: i64,
    /// A code of ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "IDR")]
    pub(super) currency: String,
    #[schema(schema_with = status_schema)]
    pub(super) status: &'static str,
    /// The amount that is reserved for merchants, beside the balance. Left out where the answer is about a movement.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false, minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 0)]
    pub(super) held: Option<i64>,
    /// The balance and what is held, together. Left out where `held` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false, minimum = 0, example = 1_000_000)]
    pub(super) total: Option<i64>,
}

fn status_schema() -> Object {
    use WalletStatus::{Active, Closed, Frozen};
    words(
        "No money moves while it is `frozen`, and none ever again when it is `closed`.",
        &[Active, Frozen, Closed].map(WalletStatus::as_str),
    )
}

fn new_status_schema() -> Object {
    use WalletStatus::{Active, Frozen};
    words(
        "No money moves while it is `frozen`.",
        &[Active, Frozen].map(WalletStatus::as_str),
    )
}

/// The moment of a balance: `?at=2026-11-22T08:15:30Z`. The transaction service reads it, and the gateway sends the call there.
#[derive(IntoParams)]
#[into_params(names("at"), parameter_in = Query)]
pub(super) struct AtParameter(
    /// A moment of the past, as RFC 3339 writes it.
    #[param(value_type = String, required = false, format = DateTime, example = "2026-11-22T08:15:30Z")]
    #[expect(dead_code, reason = "only the document has it")]
    Option<String>,
);

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
            held: None,
            total: None,
        }
    }

    /// A wallet as it stands; a system account is none.
    pub(super) fn of(Holding { account, held }: &Holding) -> Option<Wallet> {
        let user_id = account.user_id?;
        Some(Wallet {
            held: Some(*held),
            total: Some(account.balance.saturating_add(*held)),
            ..Wallet::new(
                account.id,
                user_id,
                account.balance,
                account.currency,
                account.status,
            )
        })
    }
}

/// One wallet.
#[derive(Serialize, ToSchema)]
pub(super) struct WalletBody {
    pub(super) wallet: Wallet,
}

/// The caller's wallets, the oldest first.
#[derive(Serialize, ToSchema)]
pub(super) struct WalletsBody {
    pub(super) wallets: Vec<Wallet>,
}

/// The balance of a wallet.
#[derive(Serialize, ToSchema)]
pub(super) struct BalanceBody {
    /// The wallet.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
    pub(super) wallet_id: i64,
    /// The balance, in the currency's smallest unit.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 1_000_000)]
    pub(super) balance: i64,
    /// A code of ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "IDR")]
    pub(super) currency: String,
    /// The moment that was asked for. Left out where none was.
    #[schema(value_type = String, required = false, format = DateTime, example = "2026-11-22T08:15:30Z")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<String>,
}

/// A wallet whose balance was changed.
#[derive(Serialize, ToSchema)]
pub(super) struct MovedBody {
    #[schema(example = "Top up successful")]
    pub(super) message: &'static str,
    pub(super) wallet: Wallet,
}

/// A wallet to open.
#[derive(Deserialize, ToSchema)]
pub(super) struct OpenRequest {
    /// A code of ISO 4217, `IDR` unless given.
    #[serde(default)]
    #[schema(value_type = String, required = false, pattern = "^[A-Za-z]{3}$", example = "USD")]
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

/// An amount of money.
#[derive(Deserialize, ToSchema)]
pub(super) struct AmountRequest {
    /// In the currency's smallest unit.
    #[serde(default)]
    #[schema(value_type = i64, required, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 50_000)]
    amount: Field<Amount>,
}

impl AmountRequest {
    pub(super) fn amount(self) -> Result<Amount, ApiError> {
        self.amount.or_errors(invalid_amount, invalid_amount)
    }
}

/// How long the reference of a deposit may be.
const REFERENCE_BYTES_MAX: usize = 128;

/// Money that comes in from outside.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DepositRequest {
    /// In the currency's smallest unit.
    #[serde(default)]
    #[schema(value_type = i64, required, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 50_000)]
    amount: Field<Amount>,
    /// What it is outside: 1 to 128 visible ASCII characters.
    #[serde(default)]
    #[schema(value_type = String, required, pattern = "^[!-~]{1,128}$", example = "bca-20261122-000017")]
    reference: Field<String>,
}

impl DepositRequest {
    pub(super) fn parse(self) -> Result<(Amount, String), ApiError> {
        let wrong = || {
            ApiError::bad_request("Invalid field", "invalid_field")
                .field("reference")
                .message("reference is 1 to 128 visible ASCII characters")
        };
        let amount = self.amount.or_errors(invalid_amount, invalid_amount)?;
        let reference = self.reference.or_errors(wrong, wrong)?;
        let is_visible = reference.bytes().all(|byte| byte.is_ascii_graphic());
        if reference.is_empty() || reference.len() > REFERENCE_BYTES_MAX || !is_visible {
            return Err(wrong());
        }
        Ok((amount, reference))
    }
}

/// The status that a wallet gets.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusRequest {
    #[serde(default)]
    #[schema(schema_with = new_status_schema, required)]
    status: Field<WalletStatus>,
    /// Why. It is kept in the audit log.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*\S[^\x00-\x1f\x7f-\x9f]*$")]
    reason: Field<String>,
}

impl StatusRequest {
    /// The status, and what the administrator says about it.
    pub(super) fn parse(self) -> Result<(WalletStatus, Option<String>), ApiError> {
        let wrong = || {
            ApiError::bad_request("Invalid status", "invalid_status")
                .field("status")
                .message("status is active or frozen")
        };
        let status = match self.status.or_errors(wrong, wrong)? {
            WalletStatus::Closed => return Err(wrong()),
            status => status,
        };
        let no_text = || {
            ApiError::bad_request("Invalid field", "invalid_field")
                .field("reason")
                .message("reason is a text")
        };
        let reason = self.reason.optional(no_text)?;
        let reason = reason.map(|reason| text(&reason, "reason", FIELD_CHARS_MAX));
        Ok((status, reason.transpose()?))
    }
}

fn invalid_amount() -> ApiError {
    ApiError::bad_request("Invalid amount", "invalid_amount")
        .field("amount")
        .message("amount is a whole number from 1 to 9007199254740991")
}
