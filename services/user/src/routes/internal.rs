//! The calls that only services may make: who exists, and which sessions are over. The gateway does not route it, and a user's token
//! does not open it.

use api_error::ApiError;
use auth::{ServiceCaller, SessionUpdate};
use axum::Router;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use http_server::{Json, PathId};
use user_api::{Belonging, KnownUser, Noted, SessionsQuery, WalletAct};

use super::App;
use crate::error::Error;
use crate::users::Users;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/internal/users/{id}", get(find))
        .route("/internal/audit", post(note))
}

/// The routes that answer also where the users do not go with the ledger: the wallet service cannot start without it.
pub(super) fn open_router() -> Router<App> {
    Router::new()
        .route("/internal/sessions", get(sessions))
        .route("/internal/belonging", get(belonging))
}

async fn note(
    State(users): State<Users>,
    caller: ServiceCaller,
    Json(told): Json<WalletAct>,
) -> Result<Json<Noted>, ApiError> {
    // Nobody else knows what administrators do to wallets.
    if &*caller.0 != ledger_api::SERVICE {
        return Err(ApiError::forbidden("Unauthorized", "forbidden"));
    }
    users.note_wallet_act(told).await?;
    Ok(Json(Noted {}))
}

async fn belonging(
    State(users): State<Users>,
    _caller: ServiceCaller,
) -> Result<Json<Belonging>, ApiError> {
    let own = users.store.own().await?;
    Ok(Json(Belonging {
        ledger: own.position.ledger,
        highest: own.highest,
    }))
}

async fn find(
    State(users): State<Users>,
    _caller: ServiceCaller,
    id: PathId,
) -> Result<Json<KnownUser>, ApiError> {
    let user = users.find(id.or(Error::NotFound)?).await?;
    Ok(Json(KnownUser {
        id: user.id,
        name: user.name,
    }))
}

async fn sessions(
    State(users): State<Users>,
    _caller: ServiceCaller,
    query: Result<Query<SessionsQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<SessionUpdate>, ApiError> {
    let Ok(Query(SessionsQuery { after })) = query else {
        return Err(ApiError::bad_request("Invalid query", "invalid_query").field("after"));
    };
    Ok(Json(users.sessions.update_after(after).await?))
}
