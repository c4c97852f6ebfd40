//! The bodies of requests and answers, as clients write and read them.

mod holds;
mod refunds;

pub(crate) use holds::{
    AuthorizeRequest, CaptureRequest, CapturedBody, HoldBody, HoldCancelledBody,
    HoldWithCapturesBody, HoldsBody, HoldsQuery, VoidRequest,
};
pub(crate) use refunds::{
    CancelledBody, NewRefund, RefundRequest, RefundView, RefundedBody, RefundsBody,
};

use api_error::ApiError;
use auth::UserId;
use http_server::{FIELD_CHARS_MAX, Field, text, words};
use ledger_api::Operation;
use money::Amount;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::Object;

use crate::domain::{Payment, Sent};

/// A payment to make.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"wallet_id": 1, "merchant": "Tokopedia", "amount": 50000}))]
pub(crate) struct PayRequest {
    /// One of the caller's wallets.
    #[serde(default)]
    #[schema(value_type = i64, required, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    wallet_id: Field<i64>,
    /// The name of the merchant who is paid.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*\S[^\x00-\x1f\x7f-\x9f]*$")]
    merchant: Field<String>,
    /// In the smallest unit of the wallet's currency.
    #[serde(default)]
    #[schema(value_type = i64, required, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    amount: Field<Amount>,
}

impl PayRequest {
    /// The order that `caller` gives.
    pub(crate) fn parse(self, caller: UserId) -> Result<Operation, ApiError> {
        let empty = |merchant: &Field<String>| matches!(merchant, Field::Given(name) if name.trim().is_empty());
        if self.wallet_id.is_missing()
            || self.amount.is_missing()
            || self.merchant.is_missing()
            || empty(&self.merchant)
        {
            return Err(missing("wallet_id, merchant and amount are required"));
        }
        let wallet_id = wallet(self.wallet_id, "Invalid wallet", "wallet_id")?;
        let amount = amount(self.amount)?;
        let merchant = merchant(self.merchant)?;
        Ok(wallet_api::pay(wallet_id, caller.0, merchant, amount))
    }
}

/// A transfer to make.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"from_wallet_id": 1, "to_user_id": 2, "amount": 25000}))]
pub(crate) struct TransferRequest {
    /// One of the caller's wallets.
    #[serde(default)]
    #[schema(value_type = i64, required, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    from_wallet_id: Field<i64>,
    /// The user who receives it, in their wallet of the same currency.
    #[serde(default)]
    #[schema(value_type = i64, required, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    to_user_id: Field<i64>,
    /// In the smallest unit of the wallet's currency.
    #[serde(default)]
    #[schema(value_type = i64, required, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    amount: Field<Amount>,
}

impl TransferRequest {
    /// The order that `caller` gives.
    pub(crate) fn parse(self, caller: UserId) -> Result<Operation, ApiError> {
        let nothing_missing = "from_wallet_id, to_user_id and amount are required";
        if self.from_wallet_id.is_missing()
            || self.to_user_id.is_missing()
            || self.amount.is_missing()
        {
            return Err(missing(nothing_missing));
        }
        let from_wallet_id = wallet(
            self.from_wallet_id,
            "Invalid source wallet",
            "from_wallet_id",
        )?;
        let amount = amount(self.amount)?;
        let to_user_id = self.to_user_id.filter(|id| *id > 0).or_errors(
            || missing(nothing_missing),
            || {
                ApiError::not_found("Destination user not found", "destination_not_found")
                    .field("to_user_id")
                    .message("A user's id is a positive whole number")
            },
        )?;
        Ok(wallet_api::transfer(
            from_wallet_id,
            caller.0,
            to_user_id,
            amount,
        ))
    }
}

fn missing(message: &'static str) -> ApiError {
    ApiError::bad_request("Missing required fields", "missing_fields").message(message)
}

fn wallet(field: Field<i64>, sentence: &'static str, name: &'static str) -> Result<i64, ApiError> {
    field.filter(|id| *id > 0).or_errors(
        || missing("the wallet is required"),
        || {
            ApiError::bad_request(sentence, "invalid_wallet_id")
                .field(name)
                .message("A wallet's id is a positive whole number")
        },
    )
}

fn merchant(field: Field<String>) -> Result<String, ApiError> {
    let merchant = field.or_errors(
        || missing("merchant is required"),
        || {
            ApiError::bad_request("Invalid field", "invalid_field")
                .field("merchant")
                .message("merchant is text")
        },
    )?;
    text(&merchant, "merchant", FIELD_CHARS_MAX)
}

fn amount(field: Field<Amount>) -> Result<Amount, ApiError> {
    field.or_errors(
        || missing("amount is required"),
        || {
            ApiError::bad_request("Invalid amount", "invalid_amount")
                .field("amount")
                .message(money::InvalidAmount.to_string())
        },
    )
}

/// Money that went from a wallet to a merchant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": 1, "user_id": 1, "wallet_id": 1, "merchant": "Tokopedia", "amount": 50000, "currency": "IDR", "status": "completed", "payment_method": "wallet", "refunded": 0, "refundable": 50000, "created_at": "2026-11-22T08:15:30.123456Z"}))]
pub(crate) struct PaymentView {
    /// The id.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    id: i64,
    /// The user who paid.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    user_id: i64,
    /// The wallet that the money came from.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    wallet_id: i64,
    /// The name of the merchant who was paid.
    merchant: String,
    /// In the smallest unit of the currency.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    amount: i64,
    /// A code of ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: String,
    #[schema(schema_with = status_schema)]
    status: &'static str,
    #[schema(schema_with = method_schema)]
    payment_method: &'static str,
    /// The part that was given back.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    refunded: i64,
    /// The part that can still be given back.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    refundable: i64,
    /// The hold that it was captured from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    hold_id: Option<i64>,
    /// RFC 3339, in UTC.
    #[schema(format = DateTime)]
    created_at: String,
}

fn status_schema() -> Object {
    words(
        "A payment is done, or it is not there. It says, too, whether money of it was given back.",
        &["completed", "partially_refunded", "refunded"],
    )
}

fn method_schema() -> Object {
    words("Always `wallet`.", &["wallet"])
}

impl PaymentView {
    /// The part that can still be given back.
    pub(crate) fn refundable(&self) -> i64 {
        self.refundable
    }

    /// A payment of which so much was given back.
    pub(crate) fn new(payment: Payment, refunded: i64) -> PaymentView {
        let refundable = payment.amount.saturating_sub(refunded);
        PaymentView {
            id: payment.id,
            user_id: payment.user_id,
            wallet_id: payment.wallet_id,
            merchant: payment.merchant,
            amount: payment.amount,
            currency: payment.currency.code().to_owned(),
            status: match (refunded, refundable) {
                (0, _) => "completed",
                (_, 0) => "refunded",
                _ => "partially_refunded",
            },
            payment_method: "wallet",
            refunded,
            refundable,
            hold_id: payment.hold_id,
            created_at: payment.created_at.rfc3339(),
        }
    }
}

/// The answer to a payment that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PaidBody {
    #[schema(example = "Payment successful")]
    message: &'static str,
    payment: PaymentView,
}

impl From<Payment> for PaidBody {
    fn from(payment: Payment) -> PaidBody {
        PaidBody {
            message: "Payment successful",
            payment: PaymentView::new(payment, 0),
        }
    }
}

/// One payment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PaymentBody {
    pub(crate) payment: PaymentView,
}

/// A page of payments, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PaymentsBody {
    pub(crate) payments: Vec<PaymentView>,
    /// `before` of the next page. Left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 42)]
    pub(crate) next: Option<i64>,
}

/// The answer to a transfer that was made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"message": "Transfer successful", "from_wallet_id": 1, "to_wallet_id": 2, "amount": 25000, "currency": "IDR", "created_at": "2026-11-22T08:15:30.123456Z"}))]
pub(crate) struct SentBody {
    message: &'static str,
    /// The sender's wallet.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    from_wallet_id: i64,
    /// The receiver's wallet.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    to_wallet_id: i64,
    /// In the smallest unit of the currency.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    amount: i64,
    /// A code of ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: String,
    /// RFC 3339, in UTC.
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<Sent> for SentBody {
    fn from(sent: Sent) -> SentBody {
        SentBody {
            message: "Transfer successful",
            from_wallet_id: sent.from_wallet_id,
            to_wallet_id: sent.to_wallet_id,
            amount: sent.amount,
            currency: sent.currency.code().to_owned(),
            created_at: sent.created_at.rfc3339(),
        }
    }
}
