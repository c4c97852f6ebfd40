//! Receipts: the proof that a transaction is in the ledger's chain of hashes.

use api_error::{ApiError, ErrorBody};
use auth::Caller;
use axum::extract::State;
use http_server::{Json, PathId};

use super::{App, Fresh};
use crate::wire::ReceiptBody;

/// Proves that one of the caller's transactions is in the ledger
///
/// The hashes lead from the movement to the commit that it was part of, and that is chained to every commit before. Nothing of
/// other movements is shown, nor what the other side holds. How to check a receipt is in docs/RECEIPTS.md.
#[utoipa::path(
    get,
    path = "/transactions/{id}/receipt",
    tag = "Transactions",
    operation_id = "getReceipt",
    security(("bearer" = [])),
    params(("id" = i64, Path, description = "The transaction's id", minimum = 1)),
    responses(
        (status = 200, description = "The transaction and its proof", body = ReceiptBody, headers(("X-Data-Behind" = Option<String>, description = "`true` while the ledger cannot be reached"))),
        (status = 401, description = "`Token is missing`, `Invalid token`, `Token has expired`", body = ErrorBody, example = json!({"error": "Token is missing", "code": "token_missing"})),
        (status = 403, description = "`Unauthorized`: somebody else's", body = ErrorBody, example = json!({"error": "Unauthorized", "code": "not_owner"})),
        (status = 404, description = "`Transaction not found`; `No receipt` for what a service wrote down, which moved no money", body = ErrorBody, example = json!({"error": "No receipt", "code": "no_receipt"})),
        (status = 503, description = "The ledger cannot be reached", body = ErrorBody, example = json!({"error": "Service unavailable", "code": "unavailable"})),
    )
)]
pub(super) async fn receipt(
    State(app): State<App>,
    caller: Caller,
    id: PathId,
) -> Fresh<ReceiptBody> {
    let freshness = app.follower.freshness().await?;
    let body = async {
        let movement = app.own_movement(caller.user_id.0, id).await?;
        let none = || {
            ApiError::not_found("No receipt", "no_receipt")
                .message("It was recorded by a service and moved no money")
        };
        let entry = movement.entry().ok_or_else(none)?;
        let receipt = app.ledger.receipt(entry).await?.ok_or_else(none)?;
        Ok(Json(ReceiptBody {
            transaction: (&movement).into(),
            receipt,
        }))
    };
    freshness.answer(body.await)
}
