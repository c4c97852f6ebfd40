//! Receipts: the proof that a transaction is in the ledger's chain of hashes.

use api_error::ApiError;
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
    operation_id = "getReceipt",
    params(("id" = inline(PathId), Path, description = "The id of the transaction.")),
    responses(
        (status = 200, description = "The transaction and its proof.", body = ReceiptBody),
        (status = 403, description = "Unauthorized: not_owner"),
        (status = 404, description = "Transaction not found: transaction_not_found; No receipt: no_receipt"),
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
