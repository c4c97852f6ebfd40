//! What other services call: orders that travel together, and the log that they follow.

use api_error::ApiError;
use auth::{ServiceCaller, ServiceKeys, Verifier};
use axum::Extension;
use axum::Router;
use axum::extract::{FromRef, Query, State};
use axum::routing::{get, post};
use http_server::{BodyLimit, Json, PathId};
use wallet_api::{
    LOG_PAGE_MAX, LogPage, LogQuery, ORDERS_MAX, OrdersRequest, OrdersResponse, Receipt,
};

use super::Wallets;
use crate::ledger::Ledger;
use crate::receipts;
use crate::store::entries;

/// Room for [`ORDERS_MAX`] orders with the longest merchant names.
const ORDERS_BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

pub(super) fn router() -> Router<Wallets> {
    Router::new()
        .route("/internal/log", get(log))
        .route("/internal/receipts/{entry}", get(receipt))
}

/// What the route of orders works with.
#[derive(Clone)]
struct Door {
    ledger: Ledger,
    service_keys: ServiceKeys,
    verifier: Verifier,
}

impl FromRef<Door> for ServiceKeys {
    fn from_ref(door: &Door) -> ServiceKeys {
        door.service_keys.clone()
    }
}

impl FromRef<Door> for Verifier {
    fn from_ref(door: &Door) -> Verifier {
        door.verifier.clone()
    }
}

/// Where orders come in that services gathered, and those that another process of the ledger passes on.
pub fn orders_router(ledger: Ledger, service_keys: ServiceKeys, verifier: Verifier) -> Router {
    let orders = post(orders).layer(Extension(BodyLimit(ORDERS_BODY_BYTES_MAX)));
    Router::new()
        .route("/internal/orders", orders)
        .with_state(Door {
            ledger,
            service_keys,
            verifier,
        })
}

/// Carries out orders. Repeating the call is safe: each order has its key.
async fn orders(
    State(door): State<Door>,
    _service: ServiceCaller,
    Json(body): Json<OrdersRequest>,
) -> Result<Json<OrdersResponse>, ApiError> {
    if body.orders.len() > ORDERS_MAX {
        return Err(ApiError::bad_request("Too many orders", "too_many_orders"));
    }
    let outcomes = door.ledger.submit(body.orders).await?;
    Ok(Json(OrdersResponse { outcomes }))
}

/// The proof that an entry is in the chain.
async fn receipt(
    State(wallets): State<Wallets>,
    _service: ServiceCaller,
    entry: PathId,
) -> Result<Json<Receipt>, ApiError> {
    let not_found = || ApiError::not_found("Entry not found", "entry_not_found");
    let receipt = receipts::of(&*wallets.store, entry.or(not_found())?).await?;
    Ok(Json(receipt.ok_or_else(not_found)?))
}

/// A part of the log, and where it ends now.
async fn log(
    State(wallets): State<Wallets>,
    service: ServiceCaller,
    Query(query): Query<LogQuery>,
) -> Result<Json<LogPage>, ApiError> {
    let limit = query.limit.clamp(1, LOG_PAGE_MAX);
    // The head is asked for after the follower asked: a page up to it has everything that was committed before.
    let head = wallets.store.head().await?.seq;
    let most = usize::try_from(limit).unwrap_or_default();
    let entries = match wallets.ledger.recent(query.after, head, most) {
        Some(entries) => entries,
        None => entries(wallets.store.log(query.after, limit).await?),
    };
    // What is read from the database may be newer than the head that was read before it.
    let head = entries.last().map_or(head, |entry| head.max(entry.seq));
    wallets.metrics.followed(&service.0, query.after, head);
    Ok(Json(LogPage { entries, head }))
}
