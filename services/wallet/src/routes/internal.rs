//! What other services call: orders that travel together, and the log that they follow.

use api_error::ApiError;
use auth::{ServiceCaller, ServiceKeys, Verifier};
use axum::Extension;
use axum::Router;
use axum::extract::{FromRef, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use http_server::{BodyLimit, Json, PathId};
use ledger_api::{
    LogPage, LogQuery, ORDERS_MAX, OrdersRequest, OrdersResponse, Receipt, Standing, StandingQuery,
    USERS_PAGE_MAX, UserIds, UsersQuery, UsersTold,
};

use super::Wallets;
use super::refusals::{no_outcome, unreadable};
use crate::demo::demo_key;
use ledger::Ledger;
use ledger::receipts;
use ledger::standing;

/// Room for [`ORDERS_MAX`] orders with the longest merchant names.
const ORDERS_BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

pub(super) fn router() -> Router<Wallets> {
    Router::new()
        .route("/internal/log", get(log))
        .route("/internal/ledger", get(standing_at))
        .route("/internal/ledger/users", get(users).post(note_users))
        .route("/internal/ledger/users/closed", get(closed_users))
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
    let outcomes = door.ledger.submit(body.orders).await.map_err(no_outcome)?;
    Ok(Json(OrdersResponse { outcomes }))
}

/// The proof that an entry is in the chain.
async fn receipt(
    State(wallets): State<Wallets>,
    _service: ServiceCaller,
    entry: PathId,
) -> Result<Json<Receipt>, ApiError> {
    let not_found = || ApiError::not_found("Entry not found", "entry_not_found");
    let receipt = receipts::of(&*wallets.store, entry.or(not_found())?)
        .await
        .map_err(unreadable)?;
    Ok(Json(receipt.ok_or_else(not_found)?))
}

/// A part of the log, and where it ends now.
async fn log(
    State(wallets): State<Wallets>,
    service: ServiceCaller,
    Query(query): Query<LogQuery>,
) -> Result<Json<LogPage>, ApiError> {
    let (store, ledger) = (&*wallets.store, Some(&wallets.ledger));
    let page = standing::page(store, ledger, query.after, query.limit)
        .await
        .map_err(unreadable)?;
    wallets.metrics.followed(&service.0, query.after, page.head);
    Ok(Json(page))
}

/// Which ledger it is, and how it looks from one entry.
async fn standing_at(
    State(wallets): State<Wallets>,
    _service: ServiceCaller,
    Query(query): Query<StandingQuery>,
) -> Result<Json<Standing>, ApiError> {
    Ok(Json(
        standing::standing(&*wallets.store, query.seq, demo_key())
            .await
            .map_err(unreadable)?,
    ))
}

/// Takes note of how far the ids of users have come.
async fn note_users(
    State(wallets): State<Wallets>,
    _service: ServiceCaller,
    Json(told): Json<UsersTold>,
) -> Result<Json<UsersTold>, ApiError> {
    if wallets
        .store
        .note_users(told.ledger, told.highest)
        .await
        .map_err(unreadable)?
    {
        return Ok(Json(told));
    }
    Err(ApiError::new(
        StatusCode::CONFLICT,
        "Another ledger",
        "other_ledger",
    ))
}

/// Users that the ledger knows.
async fn users(
    State(wallets): State<Wallets>,
    _service: ServiceCaller,
    Query(query): Query<UsersQuery>,
) -> Result<Json<UserIds>, ApiError> {
    let users = wallets
        .store
        .users(query.after, USERS_PAGE_MAX)
        .await
        .map_err(unreadable)?;
    Ok(Json(UserIds { users }))
}

/// Users whose wallets are closed, because they were deleted.
async fn closed_users(
    State(wallets): State<Wallets>,
    _service: ServiceCaller,
    Query(query): Query<UsersQuery>,
) -> Result<Json<UserIds>, ApiError> {
    let users = wallets
        .store
        .closed_users(query.after, USERS_PAGE_MAX)
        .await
        .map_err(unreadable)?;
    Ok(Json(UserIds { users }))
}
