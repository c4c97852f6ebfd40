//! The bodies of requests and answers about refunds.

use api_error::ApiError;
use http_server::{Field, words};
use money::Amount;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::Object;

use super::PaymentView;
use super::holds::{optional_amount, optional_text};
use crate::refunds::{Reason, Refund};

/// A part of a payment to give back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"amount": 10000, "reason": "requested_by_customer"}))]
pub(crate) struct RefundRequest {
    /// In the smallest unit of the currency; all that is left unless given.
    #[serde(default)]
    #[schema(value_type = i64, required = false, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    amount: Field<Amount>,
    #[serde(default)]
    #[schema(schema_with = reason_schema, required = false)]
    reason: Field<String>,
    /// For people.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*\S[^\x00-\x1f\x7f-\x9f]*$")]
    note: Field<String>,
    /// Where the money goes if the wallet is closed. Only an administrator may say so.
    #[serde(default)]
    #[schema(schema_with = to_schema, required = false)]
    to: Field<String>,
}

/// A refund that was asked for.
#[derive(Debug)]
pub(crate) struct NewRefund {
    /// `None` for all that is left.
    pub(crate) amount: Option<Amount>,
    /// The note in the log.
    pub(crate) note: String,
    /// True if the money is to wait for an owner whose wallet is closed.
    pub(crate) to_unclaimed: bool,
}

impl RefundRequest {
    pub(crate) fn parse(self) -> Result<NewRefund, ApiError> {
        let amount = optional_amount(self.amount)?;
        let reason = match self.reason.optional(wrong_reason)? {
            None => Reason::RequestedByCustomer,
            Some(word) => Reason::from_word(&word).ok_or_else(wrong_reason)?,
        };
        let note = optional_text(self.note, "note")?;
        let wrong_to = || {
            ApiError::bad_request("Invalid field", "invalid_field")
                .field("to")
                .message("to is wallet or unclaimed")
        };
        let to_unclaimed = match self.to.optional(wrong_to)?.as_deref() {
            None | Some("wallet") => false,
            Some("unclaimed") => true,
            Some(_) => return Err(wrong_to()),
        };
        Ok(NewRefund {
            amount,
            note: reason.note(note.as_deref()),
            to_unclaimed,
        })
    }
}

fn wrong_reason() -> ApiError {
    ApiError::bad_request("Invalid field", "invalid_field")
        .field("reason")
        .message("reason is duplicate, fraudulent, requested_by_customer or other")
}

fn reason_schema() -> Object {
    words(
        "Why the money is given back; `requested_by_customer` unless given.",
        &Reason::ALL.map(Reason::as_str),
    )
}

fn to_schema() -> Object {
    words(
        "`wallet`, or `unclaimed` where the wallet is closed: then the money waits for its owner.",
        &["wallet", "unclaimed"],
    )
}

fn refund_status_schema() -> Object {
    words("Always `succeeded`: the money has moved.", &["succeeded"])
}

/// Money of a payment that was given back.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": 43, "payment_id": 1, "amount": 10000, "currency": "IDR", "status": "succeeded", "reason": "requested_by_customer", "to": "wallet", "created_at": "2026-11-22T08:15:30.123456Z"}))]
pub(crate) struct RefundView {
    /// The id.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    id: i64,
    /// The payment.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    payment_id: i64,
    /// In the smallest unit of the currency.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    amount: i64,
    /// A code of ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: String,
    #[schema(schema_with = refund_status_schema)]
    status: &'static str,
    #[schema(schema_with = reason_schema)]
    reason: &'static str,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    note: Option<String>,
    #[schema(schema_with = to_schema)]
    to: &'static str,
    /// RFC 3339, in UTC.
    #[schema(format = DateTime)]
    created_at: String,
}

impl RefundView {
    /// A refund of this payment.
    pub(crate) fn new(refund: &Refund, payment_id: i64, currency: &str) -> RefundView {
        let (reason, note) = refund.reason();
        RefundView {
            id: refund.id,
            payment_id,
            amount: refund.amount,
            currency: currency.to_owned(),
            status: "succeeded",
            reason: reason.as_str(),
            note: note.map(ToOwned::to_owned),
            to: if refund.is_unclaimed {
                "unclaimed"
            } else {
                "wallet"
            },
            created_at: refund.created_at.rfc3339(),
        }
    }
}

/// The answer to a refund.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefundedBody {
    pub(crate) refund: RefundView,
    /// The payment as it stands now.
    pub(crate) payment: PaymentView,
}

/// The refunds of one payment, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefundsBody {
    pub(crate) refunds: Vec<RefundView>,
}

/// The answer to the cancellation of a payment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CancelledBody {
    /// The payment as it stands now.
    pub(crate) payment: PaymentView,
    /// The refunds that the cancellation made.
    pub(crate) refunds: Vec<RefundView>,
}
