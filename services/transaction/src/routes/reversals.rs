//! Reversals: an administrator takes a movement back that should not have been.

use api_error::ApiError;
use auth::Caller;
use axum::extract::State;
use http::StatusCode;
use http_server::{FIELD_CHARS_MAX, Field, IdempotencyKey, Json, PathId, Replayed, text};
use ledger_api::{Actor, Entry, Operation, Order, Outcome, Refusal, idempotency_key};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use crate::domain::Movement;

/// The call, as the ledger's keys have it.
const ROUTE: &str = "POST /admin/transactions/{id}/reverse";

/// Takes a movement back (administrators only)
///
/// All that is left of it goes back to where it came from, once, and the reason is in the ledger for good: a top-up in error, a transfer to the
/// wrong person, a withdrawal that failed outside, a payment, a hold. A frozen wallet does not stand in the way. Where the money is
/// spent already, nothing is done: no wallet goes below zero.
#[utoipa::path(
    post,
    path = "/admin/transactions/{id}/reverse",
    operation_id = "reverseTransaction",
    params(("id" = inline(PathId), Path, description = "The id of the transaction, of either side.")),
    request_body = ReverseRequest,
    responses(
        (status = 201, description = "It is taken back.", body = ReversedBody),
        (status = 400, description = "Missing required fields: missing_fields; Invalid field: invalid_field, invisible_character; Insufficient balance: insufficient_balance; Invalid request body: unknown_field"),
        (status = 403, description = "Unauthorized: forbidden"),
        (status = 404, description = "Transaction not found: transaction_not_found"),
        (status = 409, description = "Already reversed: already_reversed; It cannot be reversed: not_reversible, hold_expired; The wallet is closed: wallet_closed"),
    )
)]
pub(super) async fn reverse(
    State(app): State<App>,
    caller: Caller,
    id: PathId,
    key: IdempotencyKey,
    Json(body): Json<ReverseRequest>,
) -> Result<(StatusCode, Replayed, Json<ReversedBody>), ApiError> {
    if !caller.is_admin() {
        return Err(ApiError::forbidden("Unauthorized", "forbidden")
            .message("Only an administrator takes a movement back"));
    }
    let reason = body.parse()?;
    let not_found = || ApiError::not_found("Transaction not found", "transaction_not_found");
    let id = id.or(not_found())?;
    app.follower.freshness().await?;
    let movement = app.store.find(id).await?.ok_or_else(not_found)?;
    let operation = app.reversal_of(&movement, &caller, reason).await?;
    let admin = caller.user_id.0;
    let order = Order {
        key: match &key.0 {
            Some(key) => idempotency_key(admin, ROUTE, key),
            None => app.entropy.uuid_v7(app.clock.now()),
        },
        operation,
    };
    let outcome = app.ledger.submit(order).await;
    match outcome.map_err(|error| ApiError::from(&*error))? {
        Outcome::Accepted { entries, replayed } => {
            let entry = entries.into_iter().next().ok_or_else(ApiError::internal)?;
            tracing::info!(
                transaction = id,
                entry = entry.seq,
                admin,
                "a movement was taken back"
            );
            let body = ReversedBody::of(id, &entry, &app)?;
            let replayed = Replayed(replayed && key.0.is_some());
            Ok((StatusCode::CREATED, replayed, Json(body)))
        }
        Outcome::Refused { reason } => Err(refused(reason)),
        Outcome::KeyReused => Err(ApiError::idempotency_key_reused()),
    }
}

impl App {
    /// The order that takes a movement back.
    async fn reversal_of(
        &self,
        movement: &Movement,
        caller: &Caller,
        reason: String,
    ) -> Result<Operation, ApiError> {
        let not_reversible = |message: &'static str| {
            ApiError::conflict("Cannot be reversed", "not_reversible").message(message)
        };
        let entry = movement
            .entry()
            .ok_or_else(|| not_reversible("It was recorded by a service and moved no money"))?;
        let other = match movement.counterparty_wallet_id {
            Some(wallet_id) => self.store.wallet(wallet_id).await?,
            None => None,
        };
        let (own, other) = (Some(movement.user_id), other.map(|wallet| wallet.user_id));
        let (paid, received) = if movement.is_in() {
            (other, own)
        } else {
            (own, other)
        };
        let by = Actor::User(caller.user_id.0);
        wallet_api::reverse(entry, movement.kind.code, paid, received, by, reason)
            .ok_or_else(|| not_reversible("It takes something back itself"))
    }
}

/// The error for an administrator whose reversal was refused.
fn refused(reason: Refusal) -> ApiError {
    match reason {
        Refusal::RemainderExceeded => ApiError::conflict("Already reversed", "already_reversed")
            .message("Nothing is left of it to take back"),
        Refusal::RemainderExpired => ApiError::conflict("Hold has expired", "hold_expired")
            .message("What is left of it goes back by itself"),
        Refusal::DestinationNotActive | Refusal::DestinationNotFound | Refusal::UserClosed => {
            ApiError::conflict("Wallet is closed", "wallet_closed")
        }
        Refusal::InsufficientBalance => {
            ApiError::bad_request("Insufficient balance", "insufficient_balance")
                .message("The money is spent already")
        }
        Refusal::LedgerLimit => ApiError::bad_request("Invalid amount", "ledger_limit"),
        Refusal::NotStorable => ApiError::bad_request("Invalid value", "not_storable"),
        Refusal::WalletNotFound
        | Refusal::NotOwner
        | Refusal::WalletNotActive
        | Refusal::SameWallet
        | Refusal::CurrencyMismatch
        | Refusal::BalanceLimit
        | Refusal::LimitExceeded(_)
        | Refusal::LimitsNotValid
        | Refusal::WalletExists
        | Refusal::KindNotAllowed
        | Refusal::NothingToDraw
        | Refusal::RemainderNotExpired => {
            tracing::error!(?reason, "the ledger refused for a reason that cannot be");
            ApiError::internal()
        }
    }
}

/// Why a movement is taken back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "Sent to the wrong person"}))]
pub(super) struct ReverseRequest {
    /// For people. It stays in the ledger.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*\S[^\x00-\x1f\x7f-\x9f]*$")]
    reason: Field<String>,
}

impl ReverseRequest {
    fn parse(self) -> Result<String, ApiError> {
        let missing = || {
            ApiError::bad_request("Missing required fields", "missing_fields")
                .field("reason")
                .message("reason is required")
        };
        let wrong = || {
            ApiError::bad_request("Invalid field", "invalid_field")
                .field("reason")
                .message("reason is text")
        };
        let reason = self.reason.or_errors(missing, wrong)?;
        if reason.trim().is_empty() {
            return Err(missing());
        }
        text(&reason, "reason", FIELD_CHARS_MAX)
    }
}

/// A movement that was taken back.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"transaction_id": 7, "type": "transfer_reversal", "amount": 25000, "currency": "IDR", "entry": 44, "created_at": "2026-11-22T08:15:30.123456Z"}))]
pub(super) struct ReversedBody {
    /// The transaction that was taken back.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    transaction_id: i64,
    /// The kind of movement that took it back.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The part that was left of it, in the smallest unit of the currency.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    amount: i64,
    /// A code of ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: String,
    /// The number of its entry in the ledger's log.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    entry: i64,
    /// RFC 3339, in UTC.
    #[schema(format = DateTime)]
    created_at: String,
}

impl ReversedBody {
    fn of(transaction_id: i64, entry: &Entry, app: &App) -> Result<ReversedBody, ApiError> {
        let posting = entry.event.as_posting().ok_or_else(ApiError::internal)?;
        let kind = app.store.kinds().get(posting.kind);
        Ok(ReversedBody {
            transaction_id,
            kind: kind.ok_or_else(ApiError::internal)?.name,
            amount: posting.amount.units(),
            currency: posting.currency.code().to_owned(),
            entry: entry.seq,
            created_at: clock::Timestamp::from_micros(entry.at).rfc3339(),
        })
    }
}
