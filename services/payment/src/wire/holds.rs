//! The bodies of requests and answers about holds.

use api_error::ApiError;
use auth::UserId;
use http_server::{FIELD_CHARS_MAX, Field, Page, text, words};
use ledger_api::Operation;
use money::Amount;
use serde::{Deserialize, Serialize};
use utoipa::openapi::Object;
use utoipa::{IntoParams, ToSchema};
use wallet_api::{HOLD_SECONDS, HOLD_SECONDS_MAX, HOLD_SECONDS_MIN};

use super::{PaymentView, RefundView, amount, merchant, missing, wallet};
use crate::holds::{Hold, HoldState};

/// A hold to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"wallet_id": 1, "merchant": "Tokopedia", "amount": 50000, "expires_in": 3600}))]
pub(crate) struct AuthorizeRequest {
    /// One of the caller's wallets.
    #[serde(default)]
    #[schema(value_type = i64, required, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    wallet_id: Field<i64>,
    /// The name of the merchant for whom the money is held.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*\S[^\x00-\x1f\x7f-\x9f]*$")]
    merchant: Field<String>,
    /// In the smallest unit of the wallet's currency.
    #[serde(default)]
    #[schema(value_type = i64, required, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    amount: Field<Amount>,
    /// After how many seconds what is left goes back; a week unless given.
    #[serde(default)]
    #[schema(value_type = u32, required = false, minimum = 60, maximum = 2_678_400, default = 604_800)]
    expires_in: Field<u32>,
}

impl AuthorizeRequest {
    /// The order that `caller` gives.
    pub(crate) fn parse(self, caller: UserId) -> Result<Operation, ApiError> {
        if self.wallet_id.is_missing() || self.amount.is_missing() || self.merchant.is_missing() {
            return Err(missing("wallet_id, merchant and amount are required"));
        }
        let wallet_id = wallet(self.wallet_id, "Invalid wallet", "wallet_id")?;
        let amount = amount(self.amount)?;
        let merchant = merchant(self.merchant)?;
        let bounds = HOLD_SECONDS_MIN..=HOLD_SECONDS_MAX;
        let expires_in = self.expires_in.filter(|seconds| bounds.contains(seconds));
        let expires_in = expires_in.optional(|| {
            ApiError::bad_request("Invalid field", "invalid_field")
                .field("expires_in")
                .message(format!(
                    "expires_in is a whole number of seconds from {HOLD_SECONDS_MIN} to {HOLD_SECONDS_MAX}"
                ))
        })?;
        let expires_in = expires_in.unwrap_or(HOLD_SECONDS);
        Ok(wallet_api::hold(
            wallet_id, caller.0, merchant, amount, expires_in,
        ))
    }
}

/// A part of a hold to capture.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"amount": 40000, "final": true}))]
pub(crate) struct CaptureRequest {
    /// In the smallest unit of the currency; all that is left unless given.
    #[serde(default)]
    #[schema(value_type = i64, required = false, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    amount: Field<Amount>,
    /// Whether it is the last capture: what it leaves over goes back at once.
    #[serde(default, rename = "final")]
    #[schema(value_type = bool, required = false, default = true)]
    is_final: Field<bool>,
}

impl CaptureRequest {
    /// The amount, and whether what is left over goes back.
    pub(crate) fn parse(self) -> Result<(Option<Amount>, bool), ApiError> {
        let wrong = || {
            ApiError::bad_request("Invalid field", "invalid_field")
                .field("final")
                .message("final is true or false")
        };
        let amount = optional_amount(self.amount)?;
        Ok((amount, self.is_final.optional(wrong)?.unwrap_or(true)))
    }
}

/// An amount that may be left out.
pub(crate) fn optional_amount(field: Field<Amount>) -> Result<Option<Amount>, ApiError> {
    field.optional(|| {
        ApiError::bad_request("Invalid amount", "invalid_amount")
            .field("amount")
            .message(money::InvalidAmount.to_string())
    })
}

/// Why a hold is voided.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "The shop is out of stock"}))]
pub(crate) struct VoidRequest {
    /// For people.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*\S[^\x00-\x1f\x7f-\x9f]*$")]
    reason: Field<String>,
}

impl VoidRequest {
    pub(crate) fn parse(self) -> Result<Option<String>, ApiError> {
        optional_text(self.reason, "reason")
    }
}

/// A text that may be left out.
pub(crate) fn optional_text(
    field: Field<String>,
    name: &'static str,
) -> Result<Option<String>, ApiError> {
    let wrong = || {
        ApiError::bad_request("Invalid field", "invalid_field")
            .field(name)
            .message(format!("{name} is text"))
    };
    let given = field.optional(wrong)?;
    given
        .map(|value| text(&value, name, FIELD_CHARS_MAX))
        .transpose()
}

/// Which holds: `?state=open&wallet_id=1`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct HoldsQuery {
    /// Only those in this state. `open` stands for `authorized` and `partially_captured`.
    #[param(value_type = String, required = false, pattern = "^(open|authorized|partially_captured|captured|voided|expired)$", example = "open")]
    state: Option<String>,
    /// Only those of this wallet.
    #[param(value_type = i64, required = false, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    wallet_id: Option<String>,
}

impl HoldsQuery {
    /// The codes of the states, from and to, and the wallet.
    pub(crate) fn parse(self) -> Result<((i16, i16), Option<i64>), ApiError> {
        let wrong = |field: &'static str, message: &'static str| {
            ApiError::bad_request("Invalid query", "invalid_query")
                .field(field)
                .message(message)
        };
        let only = |state: HoldState| (state.code(), state.code());
        let states = match self.state.as_deref() {
            None => (HoldState::Authorized.code(), HoldState::Expired.code()),
            Some("open") => (
                HoldState::Authorized.code(),
                HoldState::PartiallyCaptured.code(),
            ),
            Some(word) => {
                let mut all = HoldState::ALL.into_iter();
                let found = all.find(|state| state.as_str() == word);
                only(found.ok_or_else(|| {
                    wrong(
                        "state",
                        "state is open, authorized, partially_captured, captured, voided or expired",
                    )
                })?)
            }
        };
        let wallet_id = self.wallet_id.map(|id| {
            let id = id.parse::<i64>().ok();
            let id = id.filter(|id| (1..=Page::BEFORE_MAX).contains(id));
            id.ok_or_else(|| wrong("wallet_id", "wallet_id is a positive whole number"))
        });
        Ok((states, wallet_id.transpose()?))
    }
}

fn state_schema() -> Object {
    words(
        "Something of it is reserved while it is `authorized` or `partially_captured`. In the other states it is finished.",
        &HoldState::ALL.map(HoldState::as_str),
    )
}

/// Money of a wallet that is reserved for a merchant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": 42, "user_id": 1, "wallet_id": 1, "merchant": "Tokopedia", "amount": 50000, "currency": "IDR", "captured": 0, "released": 0, "remaining": 50000, "state": "authorized", "created_at": "2026-11-22T08:15:30.123456Z", "expires_at": "2026-11-29T08:15:30.123456Z"}))]
pub(crate) struct HoldView {
    /// The id.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    id: i64,
    /// The owner of the wallet.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    user_id: i64,
    /// The wallet that the money is reserved from.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    wallet_id: i64,
    /// The name of the merchant.
    merchant: String,
    /// The amount that was reserved, in the smallest unit of the currency.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    amount: i64,
    /// A code of ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: String,
    /// The part that was paid to the merchant.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    captured: i64,
    /// The part that went back to the wallet.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    released: i64,
    /// The part that is reserved.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    remaining: i64,
    #[schema(schema_with = state_schema)]
    state: &'static str,
    /// RFC 3339, in UTC.
    #[schema(format = DateTime)]
    created_at: String,
    /// From then on nothing can be captured, and what is left goes back. RFC 3339, in UTC.
    #[schema(format = DateTime)]
    expires_at: String,
}

impl From<Hold> for HoldView {
    fn from(hold: Hold) -> HoldView {
        HoldView {
            id: hold.id,
            user_id: hold.user_id,
            wallet_id: hold.wallet_id,
            amount: hold.amount,
            currency: hold.currency.code().to_owned(),
            captured: hold.captured,
            released: hold.released,
            remaining: hold.remaining(),
            state: hold.state.as_str(),
            created_at: hold.created_at.rfc3339(),
            expires_at: hold.expires_at.rfc3339(),
            merchant: hold.merchant,
        }
    }
}

/// One hold.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HoldBody {
    pub(crate) hold: HoldView,
}

/// One hold, and what was captured of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HoldWithCapturesBody {
    pub(crate) hold: HoldView,
    /// The payments that it became, the oldest first.
    pub(crate) captures: Vec<PaymentView>,
}

/// A page of holds, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HoldsBody {
    pub(crate) holds: Vec<HoldView>,
    /// `before` of the next page. Left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 42)]
    pub(crate) next: Option<i64>,
}

/// The answer to a capture.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CapturedBody {
    /// The payment that it made.
    pub(crate) capture: PaymentView,
    /// The hold as it stands now.
    pub(crate) hold: HoldView,
}

/// The answer to the cancellation of a hold.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HoldCancelledBody {
    /// The hold as it stands now.
    pub(crate) hold: HoldView,
    /// The refunds of what had been captured.
    pub(crate) refunds: Vec<RefundView>,
}
