//! What became of a request, by its `Idempotency-Key`: for a client whose answer was lost, and who would rather look than send again.
//!
//! The ledger keeps every key forever, in the row of the movement itself. Its key is a digest of the user, the call and the client's
//! key, so nobody finds another's request, and all calls that take a key are looked up at once.
//!
//! What must hold: an answer of 200 is as durable as the request's own. 404 is not the last word: the request may still be on its way.

use api_error::ApiError;
use auth::Caller;
use axum::extract::{Path, State};
use clock::Timestamp;
use http_server::{Json, idempotency_key_of};
use ledger_api::{Entry, Event, Kinds, Leg, idempotency_key};
use money::Currency;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::Object;

use super::Wallets;
use super::refusals::unreadable;

/// The time after which it makes sense to ask again: a request on its way is decided within a few milliseconds.
const ASK_AGAIN_S: u32 = 1;

/// Shows what became of the caller's own request, by its `Idempotency-Key`
///
/// After an answer was lost this tells whether the request was carried out, without sending it again. 404 says that it was not, up to now:
/// it may still be on its way, or it was refused, which leaves no trace. `Retry-After` says when to ask again. A repeat of the request with
/// its key remains the way to have it carried out, and gets the first answer.
#[utoipa::path(
    get,
    path = "/requests/{key}",
    operation_id = "getRequest",
    params(("key" = String, Path, min_length = 1, max_length = 255, example = "0b9a4c1e-6f53-4a7e-9d0c-2b7f8e315d64", description = "The Idempotency-Key, percent-encoded where it has to be.")),
    responses(
        (status = 200, description = "The requests that were carried out with this key: one, unless it was used for several calls.", body = RequestsBody),
        (status = 400, description = "Invalid idempotency key: invalid_idempotency_key"),
        (status = 404, description = "Request not found: request_not_found"),
    )
)]
pub(super) async fn find(
    State(wallets): State<Wallets>,
    caller: Caller,
    Path(key): Path<String>,
) -> Result<Json<RequestsBody>, ApiError> {
    let key = idempotency_key_of(&key)?;
    let user_id = caller.user_id.0;
    let routes = wallet_api::KEYED_ROUTES.iter();
    let asked: Vec<_> = routes
        .map(|route| (idempotency_key(user_id, route, &key), *route))
        .collect();
    let keys: Vec<_> = asked.iter().map(|(key, _)| *key).collect();
    let (_, rows) = wallets.store.find(&keys).await.map_err(unreadable)?;
    let mut requests = Vec::new();
    for row in rows {
        if let Some((_, call)) = asked.iter().find(|(key, _)| *key == row.key) {
            requests.push(RequestView::of(&row.entry, call, user_id, wallets.kinds)?);
        }
    }
    if requests.is_empty() {
        return Err(not_found());
    }
    requests.sort_unstable_by_key(|request| request.entry);
    Ok(Json(RequestsBody { requests }))
}

fn not_found() -> ApiError {
    ApiError::not_found("Request not found", "request_not_found")
        .message("It was not carried out up to now. It may still be on its way; if it was refused, nothing is left of it")
        .retry_after(ASK_AGAIN_S)
}

/// Requests of one key.
#[derive(Serialize, ToSchema)]
pub(super) struct RequestsBody {
    /// The oldest first.
    #[schema(min_items = 1)]
    requests: Vec<RequestView>,
}

/// A request that was carried out.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"call": "POST /payments/pay", "state": "done", "type": "payment", "wallet_id": 1, "amount": 25000, "currency": "IDR", "balance_after": 975_000, "payment_id": 3, "entry": 9, "created_at": "2026-11-25T08:20:17.028323Z"}))]
pub(super) struct RequestView {
    #[schema(schema_with = call_schema)]
    call: &'static str,
    #[schema(schema_with = state_schema)]
    state: &'static str,
    /// The kind of movement, as `type` of a transaction, or `wallet` for a wallet that was opened.
    #[serde(rename = "type")]
    #[schema(example = "payment")]
    kind: &'static str,
    /// The caller's wallet: the one that the money came from, or that it came into, or that was opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    wallet_id: Option<i64>,
    /// In the smallest unit of the currency. Left out where no money moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    amount: Option<i64>,
    /// A code of ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: String,
    /// What the caller's wallet held after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    balance_after: Option<i64>,
    /// The payment that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    payment_id: Option<i64>,
    /// The number of its entry in the ledger's log, as receipts have it.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    entry: i64,
    /// RFC 3339, in UTC.
    #[schema(format = DateTime)]
    created_at: String,
}

fn call_schema() -> Object {
    http_server::words(
        "The call, without the prefix of the gateway.",
        wallet_api::KEYED_ROUTES,
    )
}

fn state_schema() -> Object {
    http_server::words(
        "Always `done`: a request that was not carried out is not there.",
        &["done"],
    )
}

impl RequestView {
    /// The view of an entry that `user_id` asked for. Of the two accounts they see their own.
    fn of(
        entry: &Entry,
        call: &'static str,
        user_id: i64,
        kinds: &Kinds,
    ) -> Result<RequestView, ApiError> {
        let view = |kind, wallet_id: Option<i64>, currency: Currency| RequestView {
            call,
            state: "done",
            kind,
            wallet_id,
            amount: None,
            currency: currency.code().to_owned(),
            balance_after: None,
            payment_id: None,
            entry: entry.seq,
            created_at: Timestamp::from_micros(entry.at).rfc3339(),
        };
        match &entry.event {
            Event::Posted(posting) => {
                let is_own = |leg: &&Leg| leg.user_id == Some(user_id);
                let own = [&posting.debit, &posting.credit].into_iter().find(is_own);
                let kind = kinds.get(posting.kind).ok_or_else(ApiError::internal)?;
                Ok(RequestView {
                    amount: Some(posting.amount.units()),
                    balance_after: own.map(|leg| leg.balance),
                    payment_id: posting.number,
                    ..view(kind.name, own.map(|leg| leg.account), posting.currency)
                })
            }
            Event::WalletOpened {
                wallet_id,
                user_id: _,
                currency,
            } => Ok(view("wallet", Some(*wallet_id), *currency)),
            // No call with a key becomes one of these.
            Event::StatusChanged { .. }
            | Event::UserClosed { .. }
            | Event::TierChanged { .. }
            | Event::LimitsChanged { .. } => {
                tracing::error!(
                    seq = entry.seq,
                    call,
                    "a key belongs to an entry of another call"
                );
                Err(ApiError::internal())
            }
        }
    }
}
