//! The bodies of requests and answers, as clients write and read them.

use api_error::ApiError;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use http_server::{FIELD_CHARS_MAX, Field, Page, text, words};
use ledger_api::{Kind, Kinds, Receipt};
use money::{Amount, Currency};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::openapi::Object;
use utoipa::{IntoParams, ToSchema};

use crate::domain::{Figures, Movement, names_in_history, recordable, recordable_names};

/// An entry of history that moves no money here.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"wallet_id": 1, "type": "payment", "amount": 50000, "description": "Paid at the old counter"}))]
pub(crate) struct RecordRequest {
    /// The wallet whose history it belongs to.
    #[serde(default)]
    #[schema(value_type = i64, required, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    wallet_id: Field<i64>,
    #[serde(default, rename = "type")]
    #[schema(schema_with = recordable_schema, required)]
    kind: Field<String>,
    /// In the smallest unit of the wallet's currency.
    #[serde(default)]
    #[schema(value_type = i64, required, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    amount: Field<Amount>,
    /// A sentence for people.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 200)]
    description: Field<String>,
}

/// The same, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewRecord {
    pub(crate) wallet_id: i64,
    pub(crate) kind: &'static Kind,
    pub(crate) amount: Amount,
    pub(crate) description: String,
}

impl RecordRequest {
    pub(crate) fn parse(self, kinds: &Kinds) -> Result<NewRecord, ApiError> {
        let missing = || {
            ApiError::bad_request("Missing required fields", "missing_fields")
                .message("wallet_id, type, amount and description are required")
        };
        let empty = matches!(&self.description, Field::Given(said) if said.trim().is_empty());
        if self.wallet_id.is_missing()
            || self.kind.is_missing()
            || self.amount.is_missing()
            || self.description.is_missing()
            || empty
        {
            return Err(missing());
        }
        let wallet_id = self.wallet_id.filter(|id| *id > 0);
        let wallet_id = wallet_id.or_errors(missing, invalid_wallet)?;
        let kind = match self.kind {
            Field::Given(name) => recordable(kinds, &name),
            _ => None,
        };
        let kind = kind.ok_or_else(|| {
            ApiError::bad_request("Invalid transaction type", "invalid_type")
                .field("type")
                .message(format!("type is {}", one_of(&recordable_names(kinds))))
        })?;
        let amount = self.amount.or_errors(missing, || {
            ApiError::bad_request("Invalid amount", "invalid_amount")
                .field("amount")
                .message(money::InvalidAmount.to_string())
        })?;
        let description = self.description.or_errors(missing, || {
            ApiError::bad_request("Invalid field", "invalid_field")
                .field("description")
                .message("description is text")
        })?;
        Ok(NewRecord {
            wallet_id,
            kind,
            amount,
            description: text(&description, "description", FIELD_CHARS_MAX)?,
        })
    }
}

impl NewRecord {
    /// Tells whether a request under a known idempotency key is the first one, come again.
    pub(crate) fn sha256(&self) -> Vec<u8> {
        // The text comes last, so no two records are written alike.
        let fields = format!(
            "v1 {} {} {} {}",
            self.wallet_id,
            self.kind.code.0,
            self.amount.units(),
            self.description
        );
        Sha256::digest(fields).to_vec()
    }
}

/// The names as a sentence lists them: `a, b or c`.
fn one_of(names: &[&str]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        names => names.concat(),
    }
}

pub(crate) fn invalid_wallet() -> ApiError {
    ApiError::bad_request("Invalid wallet", "wallet_not_found")
        .field("wallet_id")
        .message("There is no such wallet")
}

/// One movement, as the owner of one wallet sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": 84, "user_id": 1, "wallet_id": 1, "type": "payment", "direction": "out", "amount": 50000, "currency": "IDR", "description": "Payment to Tokopedia", "status": "completed", "balance_after": 950000, "payment_id": 1, "source": "ledger", "created_at": "2026-11-22T08:15:30.123456Z"}))]
pub(crate) struct TransactionView {
    /// The id.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    id: i64,
    /// The owner of the wallet.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    user_id: i64,
    /// The wallet.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    wallet_id: i64,
    #[serde(rename = "type")]
    #[schema(schema_with = kind_schema)]
    kind: &'static str,
    #[schema(schema_with = direction_schema)]
    direction: &'static str,
    /// In the smallest unit of the currency.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    amount: i64,
    /// A code of ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: String,
    /// A sentence for people.
    description: String,
    #[schema(schema_with = status_schema)]
    status: &'static str,
    /// The other wallet of a transfer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    counterparty_wallet_id: Option<i64>,
    /// The balance of the wallet afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    balance_after: Option<i64>,
    /// The payment that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    payment_id: Option<i64>,
    #[schema(schema_with = source_schema)]
    source: &'static str,
    /// RFC 3339, in UTC.
    #[schema(format = DateTime)]
    created_at: String,
}

fn recordable_schema() -> Object {
    words(
        "The kind of movement.",
        &recordable_names(&wallet_api::KINDS),
    )
}

fn kind_schema() -> Object {
    words(
        "The kind of movement.",
        &names_in_history(&wallet_api::KINDS),
    )
}

fn direction_schema() -> Object {
    words(
        "`in` when money came into the wallet, `out` when it left.",
        &["in", "out"],
    )
}

fn status_schema() -> Object {
    words("Always `completed`.", &["completed"])
}

fn source_schema() -> Object {
    words(
        "`ledger` when money moved, `recorded` when a service only wrote it down.",
        &["ledger", "recorded"],
    )
}

impl From<&Movement> for TransactionView {
    fn from(movement: &Movement) -> TransactionView {
        TransactionView {
            id: movement.id,
            user_id: movement.user_id,
            wallet_id: movement.wallet_id,
            kind: movement.kind.name,
            direction: if movement.is_in() { "in" } else { "out" },
            amount: movement.amount,
            currency: movement.currency.code().to_owned(),
            status: "completed",
            counterparty_wallet_id: movement.counterparty_wallet_id,
            balance_after: movement.balance_after,
            payment_id: movement.payment_id,
            source: if movement.is_recorded() {
                "recorded"
            } else {
                "ledger"
            },
            created_at: movement.created_at.rfc3339(),
            description: movement.description.clone(),
        }
    }
}

/// One transaction.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TransactionBody {
    pub(crate) transaction: TransactionView,
}

impl From<Movement> for TransactionBody {
    fn from(movement: Movement) -> TransactionBody {
        TransactionBody {
            transaction: (&movement).into(),
        }
    }
}

/// One transaction, and the proof that it is in the ledger.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReceiptBody {
    pub(crate) transaction: TransactionView,
    pub(crate) receipt: Receipt,
}

/// What a wallet held at a moment.
#[derive(Debug, Serialize)]
pub(crate) struct BalanceBody {
    pub(crate) wallet_id: i64,
    pub(crate) balance: i64,
    pub(crate) currency: String,
    /// The moment, in UTC.
    pub(crate) at: String,
}

/// A page of transactions, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TransactionsBody {
    pub(crate) transactions: Vec<TransactionView>,
    /// `before` of the next page. Left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 42)]
    pub(crate) next: Option<i64>,
}

impl TransactionsBody {
    /// The page with these rows, which are at most `limit`.
    pub(crate) fn of(rows: &[Movement], limit: i64) -> TransactionsBody {
        // Where it begins does not matter to what comes after it.
        let before = i64::MAX;
        TransactionsBody {
            transactions: rows.iter().map(Into::into).collect(),
            next: Page { limit, before }.next(rows.iter().map(|row| row.id)),
        }
    }
}

/// The sums of the caller's transactions of one currency. A sum that reaches 2^63 - 1 stays there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"total_transactions": 3, "total_topup": 1050000, "total_payment": 50000, "total_transfer": 0, "net_amount": 1000000, "total_received": 0, "total_withdrawal": 0, "total_held": 0, "total_released": 0, "total_refunded": 0, "currency": "IDR"}))]
pub(crate) struct StatsBody {
    /// How many transactions there are.
    #[schema(minimum = 0)]
    total_transactions: i64,
    /// The sum of top-ups.
    #[schema(minimum = 0)]
    total_topup: i64,
    /// The sum of payments.
    #[schema(minimum = 0)]
    total_payment: i64,
    /// The sum of transfers to others.
    #[schema(minimum = 0)]
    total_transfer: i64,
    /// `total_topup - total_payment - total_transfer`
    net_amount: i64,
    /// The sum of transfers from others.
    #[schema(minimum = 0)]
    total_received: i64,
    /// The sum of withdrawals.
    #[schema(minimum = 0)]
    total_withdrawal: i64,
    /// The sum of what was reserved for merchants, whatever became of it.
    #[schema(minimum = 0)]
    total_held: i64,
    /// The part of it that came back.
    #[schema(minimum = 0)]
    total_released: i64,
    /// The sum of refunds.
    #[schema(minimum = 0)]
    total_refunded: i64,
    /// A code of ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: String,
}

impl StatsBody {
    pub(crate) fn new(figures: Figures, currency: Currency) -> StatsBody {
        StatsBody {
            total_transactions: figures.entries,
            total_topup: figures.topup,
            total_payment: figures.payment,
            total_transfer: figures.sent,
            net_amount: figures.net(),
            total_received: figures.received,
            total_withdrawal: figures.withdrawal,
            total_held: figures.held,
            total_released: figures.released,
            total_refunded: figures.refunded,
            currency: currency.code().to_owned(),
        }
    }
}

/// Which figures: `?currency=USD`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatsQuery {
    /// A code of ISO 4217, `IDR` unless given.
    #[param(value_type = String, required = false, pattern = "^[A-Za-z]{3}$", example = "IDR")]
    currency: Option<String>,
}

impl StatsQuery {
    /// The currency that is asked for.
    pub(crate) fn currency(
        query: Result<Query<StatsQuery>, QueryRejection>,
    ) -> Result<Currency, ApiError> {
        let wrong = || {
            ApiError::bad_request("Invalid query", "invalid_query")
                .field("currency")
                .message("currency is a code of ISO 4217, such as IDR")
        };
        let Query(query) = query.map_err(|_| wrong())?;
        match query.currency {
            None => Ok(Currency::IDR),
            Some(code) => code.parse().map_err(|_| wrong()),
        }
    }
}
