//! The routes of passwords and sessions.

use api_error::ApiError;
use auth::{Caller, ServiceKeys};
use axum::extract::{FromRef, FromRequestParts, Path, Query, State};
use client_address::ClientAddress;
use clock::Timestamp;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use http_server::{Json, PathId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use crate::error::Error;
use crate::sessions::Client;
use crate::sign_in::PasswordChange;
use crate::store::{OpenSession, Which};
use crate::users::Users;
use crate::wire::{PasswordRequest, SessionView, SessionsBody};

pub(super) fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(change_password))
        .routes(routes!(list, end_many))
        .routes(routes!(end_one))
}

/// Who sends a request: the address, and what it calls itself.
pub(super) struct From(pub(super) Client);

impl<S> FromRequestParts<S> for From
where
    S: Send + Sync,
    ServiceKeys: FromRef<S>,
{
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let ClientAddress(address) = ClientAddress::from_request_parts(parts, state).await?;
        let address = (!address.is_unspecified()).then(|| address.to_string());
        Ok(From(Client::new(user_agent(&parts.headers), address)))
    }
}

fn user_agent(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::USER_AGENT)?.to_str().ok()
}

/// Changes one's own password
///
/// Every other session of the user ends: at the user service at once, at the other services within two seconds. The session of the token goes
/// on. A wrong old password counts as a failed log-in.
#[utoipa::path(
    put,
    path = "/users/{id}/password",
    operation_id = "changePassword",
    params(("id" = inline(PathId), Path, description = "The id of the user.")),
    request_body = PasswordRequest,
    responses(
        (status = 204, description = "The password is changed."),
        (status = 400, description = "All fields required: missing_fields; Invalid field: invalid_field, weak_password; Invalid request body: unknown_field"),
        (status = 403, description = "Wrong password: wrong_password; Unauthorized to update this user: not_owner"),
        (status = 404, description = "User not found: user_not_found"),
    )
)]
async fn change_password(
    State(users): State<Users>,
    caller: Caller,
    From(client): From,
    id: PathId,
    Json(body): Json<PasswordRequest>,
) -> Result<StatusCode, ApiError> {
    let (old, new) = body.parse()?;
    let change = PasswordChange { old, new };
    let id = id.or(Error::NotFound)?;
    users.change_password(&caller, id, change, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the sessions of a user, the newest first
///
/// Users see their own, administrators anyone's. A session ends by itself after 24 hours; where there are 100, one more ends the oldest.
#[utoipa::path(
    get,
    path = "/users/{id}/sessions",
    operation_id = "listSessions",
    params(("id" = inline(PathId), Path, description = "The id of the user.")),
    responses(
        (status = 200, description = "The sessions.", body = SessionsBody),
        (status = 403, description = "Unauthorized: not_owner"),
        (status = 404, description = "User not found: user_not_found"),
    )
)]
async fn list(
    State(users): State<Users>,
    caller: Caller,
    id: PathId,
) -> Result<Json<SessionsBody>, ApiError> {
    let open = users.sessions(&caller, id.or(Error::NotFound)?).await?;
    let sessions = open.into_iter().map(|session| seen_by(&caller, session));
    Ok(Json(SessionsBody {
        sessions: sessions.collect(),
    }))
}

fn seen_by(caller: &Caller, session: OpenSession) -> SessionView {
    let ends = session.expires_at.saturating_mul(1_000_000);
    SessionView {
        current: session.id == caller.session,
        id: session.id,
        created_at: session.created_at.rfc3339(),
        expires_at: Timestamp::from_micros(ends).rfc3339(),
        user_agent: session.user_agent,
        address: session.address,
    }
}

/// Ends every session of a user, or every other
///
/// Users end their own, administrators anyone's. The user service refuses the tokens at once, the other services within two seconds.
#[utoipa::path(
    delete,
    path = "/users/{id}/sessions",
    operation_id = "endSessions",
    params(
        ("id" = inline(PathId), Path, description = "The id of the user."),
        ("except" = inline(Option<Except>), Query, description = "`current`: all but the session of the token. Left out: all."),
    ),
    responses(
        (status = 204, description = "The sessions are over."),
        (status = 400, description = "Invalid query: invalid_query"),
        (status = 403, description = "Unauthorized: not_owner"),
        (status = 404, description = "User not found: user_not_found"),
    )
)]
async fn end_many(
    State(users): State<Users>,
    caller: Caller,
    From(client): From,
    id: PathId,
    query: Result<Query<Vec<(String, String)>>, axum::extract::rejection::QueryRejection>,
) -> Result<StatusCode, ApiError> {
    let wrong = || {
        ApiError::bad_request("Invalid query", "invalid_query")
            .field("except")
            .message("except is the word current, once")
    };
    let Query(pairs) = query.map_err(|_| wrong())?;
    // A parameter that is mistyped must not end more sessions than were meant.
    let which = match pairs.as_slice() {
        [] => Which::All,
        [(name, value)] if name == "except" && value == "current" => Which::AllBut(&caller.session),
        _ => return Err(wrong()),
    };
    let id = id.or(Error::NotFound)?;
    users.end_sessions(&caller, id, which, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The word that `except` can be.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only the document shows it")]
enum Except {
    Current,
}

/// Ends one session of a user
///
/// Users end their own, administrators anyone's. The user service refuses the token at once, the other services within two seconds.
#[utoipa::path(
    delete,
    path = "/users/{id}/sessions/{session_id}",
    operation_id = "endSession",
    params(
        ("id" = inline(PathId), Path, description = "The id of the user."),
        ("session_id" = String, Path, description = "The id of the session."),
    ),
    responses(
        (status = 204, description = "The session is over."),
        (status = 403, description = "Unauthorized: not_owner"),
        (status = 404, description = "User not found: user_not_found; Session not found: session_not_found"),
    )
)]
async fn end_one(
    State(users): State<Users>,
    caller: Caller,
    From(client): From,
    Path((id, session)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let id = PathId::parse(&id).or(Error::NotFound)?;
    let which = Which::One(&session);
    users.end_sessions(&caller, id, which, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}
