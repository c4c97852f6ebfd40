//! The routes: each parses, makes one call, and maps the answer. What clients may call is in the OpenAPI document, which is
//! made from the same list; what only services may call is in [`internal`].

mod administration;
mod internal;
mod sessions;

use std::sync::Arc;

use api_error::ApiError;
use auth::{Caller, ServiceKeys, Verifier};
use axum::Router;
use axum::extract::{FromRef, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use http_server::{IdempotencyKey, Json, PathId, Replayed};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::sessions::From;
use crate::belonging::Belonging;
use crate::domain::Viewer;
use crate::error::Error;
use crate::users::{Registered, Users};
use crate::wire::{
    LoginRequest, LogoutRequest, MessageBody, RegisterRequest, SessionBody, UpdateRequest, UserBody,
};

/// The state of the handlers.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) users: Users,
    pub(crate) verifier: Verifier,
    pub(crate) service_keys: ServiceKeys,
}

impl FromRef<App> for Users {
    fn from_ref(app: &App) -> Users {
        app.users.clone()
    }
}

impl FromRef<App> for Verifier {
    fn from_ref(app: &App) -> Verifier {
        app.verifier.clone()
    }
}

impl FromRef<App> for ServiceKeys {
    fn from_ref(app: &App) -> ServiceKeys {
        app.service_keys.clone()
    }
}

/// Every route.
pub(crate) fn router(app: App) -> Router {
    let (public, _) = documented().split_for_parts();
    let gate = axum::middleware::from_fn_with_state(app.users.belonging.clone(), gate);
    public
        .merge(internal::router())
        .route_layer(gate)
        .merge(internal::open_router())
        .with_state(app)
}

/// Lets nobody in while the users do not go with the ledger. The public keys are for everybody, always.
async fn gate(
    State(belonging): State<Arc<Belonging>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let path = request.uri().path();
    if !path.starts_with("/.well-known/") {
        belonging.admit().await?;
    }
    Ok(next.run(request).await)
}

/// What the OpenAPI document says of the public routes; the gateway adds what all calls have in common.
pub fn openapi() -> utoipa::openapi::OpenApi {
    documented().into_openapi()
}

fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(register))
        .routes(routes!(log_in))
        .routes(routes!(log_out))
        .routes(routes!(verify))
        .routes(routes!(find, change, delete))
        .routes(routes!(jwks))
        .merge(sessions::documented())
        .merge(administration::documented())
}

/// Registers a user
///
/// The answer has a token, so that no log-in has to follow. With an `Idempotency-Key` the call can be repeated: the first answer comes
/// again, with the first token. When that session was ended, or its day is over, log in.
#[utoipa::path(
    post,
    path = "/auth/register",
    operation_id = "register",
    request_body = RegisterRequest,
    responses(
        (status = 201, description = "The user is registered.", body = SessionBody),
        (status = 400, description = "All fields required: missing_fields; Invalid field: invalid_field, invisible_character, weak_password; Email already registered: email_taken"),
        (status = 410, description = "User was deleted: user_deleted"),
    )
)]
async fn register(
    State(users): State<Users>,
    From(client): From,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<RegisterRequest>,
) -> Result<Registered, ApiError> {
    let registration = body.parse(users.password_rules)?;
    Ok(users.register(registration, &client, key).await?)
}

impl IntoResponse for Registered {
    fn into_response(self) -> Response {
        // Put together by hand: the user's text is the kept one, byte for byte. A token needs no escapes.
        let body = format!(r#"{{"token":"{}","user":{}}}"#, self.token, self.user_json);
        let json = [(header::CONTENT_TYPE, "application/json")];
        (StatusCode::CREATED, json, Replayed(self.replayed), body).into_response()
    }
}

/// Begins a session
#[utoipa::path(
    post,
    path = "/auth/login",
    operation_id = "logIn",
    request_body = LoginRequest,
    responses(
        (status = 200, description = "The session has begun.", body = SessionBody),
        (status = 400, description = "Email and password required: missing_fields; Invalid field: invalid_field"),
        (status = 401, description = "Invalid credentials: invalid_credentials"),
        (status = 403, description = "Account suspended: user_suspended"),
    )
)]
async fn log_in(
    State(users): State<Users>,
    From(client): From,
    Json(body): Json<LoginRequest>,
) -> Result<Json<SessionBody>, ApiError> {
    let (token, user) = users.log_in(body.parse()?, &client).await?;
    Ok(Json(SessionBody { token, user }))
}

/// Ends the session of the token
///
/// The user service refuses the token at once, the other services within two seconds.
#[utoipa::path(
    post,
    path = "/auth/logout",
    operation_id = "logOut",
    request_body = LogoutRequest,
    responses(
        (status = 204, description = "The session is over."),
        (status = 400, description = "Invalid request body: unknown_field"),
    )
)]
async fn log_out(
    State(users): State<Users>,
    caller: Caller,
    From(client): From,
    Json(LogoutRequest {}): Json<LogoutRequest>,
) -> Result<StatusCode, ApiError> {
    users.sessions.log_out(&caller, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows the user of the token
#[utoipa::path(
    get,
    path = "/users/verify",
    operation_id = "getCurrentUser",
    responses(
        (status = 200, description = "The user.", body = UserBody),
        (status = 404, description = "User not found: user_not_found"),
    )
)]
async fn verify(State(users): State<Users>, caller: Caller) -> Result<Json<UserBody>, ApiError> {
    let user = users.find(caller.user_id.0).await?.in_full();
    Ok(Json(UserBody { user }))
}

/// Shows one user
///
/// The address and the number of others are masked. Administrators see all in full.
#[utoipa::path(
    get,
    path = "/users/{id}",
    operation_id = "getUser",
    params(("id" = inline(PathId), Path, description = "The id of the user.")),
    responses(
        (status = 200, description = "The user.", body = UserBody),
        (status = 404, description = "User not found: user_not_found"),
    )
)]
async fn find(
    State(users): State<Users>,
    caller: Caller,
    id: PathId,
) -> Result<Json<UserBody>, ApiError> {
    let user = users.find(id.or(Error::NotFound)?).await?;
    let user = user.seen_by(Viewer::from(&caller));
    Ok(Json(UserBody { user }))
}

/// Changes a user's name or number
///
/// Users change themselves, administrators anyone. A field that is left out stays as it is.
#[utoipa::path(
    put,
    path = "/users/{id}",
    operation_id = "updateUser",
    params(("id" = inline(PathId), Path, description = "The id of the user.")),
    request_body = UpdateRequest,
    responses(
        (status = 200, description = "The user is changed.", body = UserBody),
        (status = 400, description = "Invalid field: invalid_field, invisible_character"),
        (status = 403, description = "Unauthorized to update this user: not_owner"),
        (status = 404, description = "User not found: user_not_found"),
    )
)]
async fn change(
    State(users): State<Users>,
    caller: Caller,
    From(client): From,
    id: PathId,
    Json(body): Json<UpdateRequest>,
) -> Result<Json<UserBody>, ApiError> {
    let id = id.or(Error::NotFound)?;
    let user = users.change(&caller, id, body.parse()?, &client).await?;
    Ok(Json(UserBody { user }))
}

/// Deletes a user
///
/// Users delete themselves, administrators anyone. Personal data is forgotten, every token of the user stops working, and their wallets are
/// closed. The record of money stays.
#[utoipa::path(
    delete,
    path = "/users/{id}",
    operation_id = "deleteUser",
    params(("id" = inline(PathId), Path, description = "The id of the user.")),
    responses(
        (status = 200, description = "The user is deleted.", body = MessageBody),
        (status = 403, description = "Unauthorized to delete this user: not_owner; Unauthorized: last_administrator"),
        (status = 404, description = "User not found: user_not_found"),
    )
)]
async fn delete(
    State(users): State<Users>,
    caller: Caller,
    From(client): From,
    id: PathId,
) -> Result<Json<MessageBody>, ApiError> {
    let id = id.or(Error::NotFound)?;
    users.delete(&caller, id, &client).await?;
    Ok(Json(MessageBody {
        message: "User deleted successfully",
    }))
}

/// Shows the public keys that tokens are signed with (RFC 7517)
///
/// During a rotation there are two: the present key, and the one before it.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "getPublicKeys",
    responses(
        (status = 200, description = "The keys.", body = auth::Jwks),
    )
)]
async fn jwks(State(users): State<Users>) -> impl IntoResponse {
    (
        [(header::CACHE_CONTROL, "public, max-age=60")],
        axum::Json(users.sessions.jwks().clone()),
    )
}
