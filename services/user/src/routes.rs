//! The routes: each parses, makes one call, and maps the answer. What clients may call is in the OpenAPI document, which is
//! made from the same list; what only services may call is in [`internal`].

mod internal;

use std::sync::Arc;

use api_error::{ApiError, ErrorBody};
use auth::{BearerScheme, Caller, ServiceKeys, Verifier};
use axum::Router;
use axum::extract::{FromRef, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use http_server::{IdempotencyKey, Json, Page, PathId, Replayed};
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::belonging::Belonging;
use crate::domain::Viewer;
use crate::error::Error;
use crate::users::{Registered, Users};
use crate::wire::{
    LoginRequest, LogoutRequest, MessageBody, RegisterRequest, SessionBody, UpdateRequest,
    UserBody, UsersBody,
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
        belonging.admit(path.ends_with("/auth/register")).await?;
    }
    Ok(next.run(request).await)
}

/// The OpenAPI document of the public routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    documented().into_openapi()
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Dompet: users", description = "Registering, logging in, and what users see of each other."),
    tags((name = "Users", description = "Accounts of people, and their sessions.")),
    modifiers(&BearerScheme),
)]
struct Document;

fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(register))
        .routes(routes!(log_in))
        .routes(routes!(log_out))
        .routes(routes!(list))
        .routes(routes!(verify))
        .routes(routes!(find, change, delete))
        .routes(routes!(jwks))
}

fn viewer(caller: &Caller) -> Viewer {
    Viewer {
        user_id: caller.user_id,
        is_admin: caller.is_admin(),
    }
}

/// Registers a user
///
/// Answers with a token, so that no log-in has to follow. With an `Idempotency-Key` the request may be repeated: the
/// first answer comes again, with the header `Idempotency-Replayed: true`. Its token is the first one too: when that session was
/// ended, or its day is over, log in.
#[utoipa::path(
    post,
    path = "/auth/register",
    tag = "Users",
    operation_id = "register",
    request_body = RegisterRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters; one for each registration", example = "3f0c1c9e-6c55-4e9b-9a57-0d9c9f6a3a11")),
    responses(
        (status = 201, description = "Registered", body = SessionBody, headers(("Idempotency-Replayed" = Option<String>, description = "`true` when this is the first answer, come again"))),
        (status = 400, description = "`All fields required`, `Invalid field`, `Email already registered`", body = ErrorBody, example = json!({"error": "Email already registered", "code": "email_taken"})),
        (status = 410, description = "`User was deleted`: the key registered a user who was deleted since", body = ErrorBody, example = json!({"error": "User was deleted", "code": "user_deleted", "message": "This Idempotency-Key registered a user who was deleted since"})),
        (status = 422, description = "`Idempotency key reused`: the key came with another request before", body = ErrorBody, example = json!({"error": "Idempotency key reused", "code": "idempotency_key_reused", "message": "This Idempotency-Key was used for another request; a new request needs a new key"})),
        (status = 503, description = "Too many at once; repeat after `Retry-After`", body = ErrorBody, example = json!({"error": "Service unavailable", "code": "overloaded"})),
    )
)]
async fn register(
    State(users): State<Users>,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<RegisterRequest>,
) -> Result<Registered, ApiError> {
    Ok(users.register(body.parse()?, key).await?)
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
    tag = "Users",
    operation_id = "login",
    request_body = LoginRequest,
    responses(
        (status = 200, description = "Logged in", body = SessionBody),
        (status = 400, description = "`Email and password required`, `Invalid field`", body = ErrorBody, example = json!({"error": "Email and password required", "code": "missing_fields"})),
        (status = 401, description = "`Invalid credentials`", body = ErrorBody, example = json!({"error": "Invalid credentials", "code": "invalid_credentials"})),
        (status = 503, description = "Too many at once; repeat after `Retry-After`", body = ErrorBody, example = json!({"error": "Service unavailable", "code": "overloaded"})),
    )
)]
async fn log_in(
    State(users): State<Users>,
    Json(body): Json<LoginRequest>,
) -> Result<Json<SessionBody>, ApiError> {
    let (token, user) = users.log_in(body.parse()?).await?;
    Ok(Json(SessionBody { token, user }))
}

/// Ends the session of the token
///
/// The token is refused from then on: here at once, by the other services within two seconds.
#[utoipa::path(
    post,
    path = "/auth/logout",
    tag = "Users",
    operation_id = "logout",
    request_body = Option<LogoutRequest>,
    security(("bearer" = [])),
    responses(
        (status = 204, description = "Ended"),
        (status = 400, description = "`Invalid request body`: there is nothing to say", body = ErrorBody, example = json!({"error": "Invalid request body", "code": "unknown_field", "message": "unknown field `everywhere`, there are no fields at line 1 column 13"})),
        (status = 401, description = "`Token is missing`, `Invalid token`, `Token has expired`", body = ErrorBody, example = json!({"error": "Token has expired", "code": "token_expired"})),
    )
)]
async fn log_out(
    State(users): State<Users>,
    caller: Caller,
    Json(LogoutRequest {}): Json<LogoutRequest>,
) -> Result<StatusCode, ApiError> {
    users
        .sessions
        .end(&caller.session, caller.expires_at)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists users, the newest first
///
/// Of others, the address and the number are masked; administrators see all in full.
#[utoipa::path(
    get,
    path = "/users",
    tag = "Users",
    operation_id = "listUsers",
    security(("bearer" = [])),
    params(
        ("limit" = Option<i64>, Query, description = "How many at most", minimum = 1, maximum = 200),
        ("before" = Option<i64>, Query, description = "Only users with a smaller id: `next` of the page before", minimum = 1),
    ),
    responses(
        (status = 200, description = "One page", body = UsersBody),
        (status = 400, description = "`Invalid query`", body = ErrorBody, example = json!({"error": "Invalid query", "code": "invalid_query", "field": "limit", "message": "limit is a whole number from 1 to 200"})),
        (status = 401, description = "`Token is missing`, `Invalid token`, `Token has expired`", body = ErrorBody, example = json!({"error": "Token is missing", "code": "token_missing"})),
    )
)]
async fn list(
    State(users): State<Users>,
    caller: Caller,
    page: Page,
) -> Result<Json<UsersBody>, ApiError> {
    let (users, next) = users.list(viewer(&caller), page).await?;
    Ok(Json(UsersBody { users, next }))
}

/// The user of the token
#[utoipa::path(
    get,
    path = "/users/verify",
    tag = "Users",
    operation_id = "verifyToken",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The user", body = UserBody),
        (status = 401, description = "`Token is missing`, `Invalid token`, `Token has expired`", body = ErrorBody, example = json!({"error": "Invalid token", "code": "token_invalid"})),
        (status = 404, description = "`User not found`", body = ErrorBody, example = json!({"error": "User not found", "code": "user_not_found"})),
    )
)]
async fn verify(State(users): State<Users>, caller: Caller) -> Result<Json<UserBody>, ApiError> {
    let user = users.find(caller.user_id.0).await?.in_full();
    Ok(Json(UserBody { user }))
}

/// One user
///
/// Of others, the address and the number are masked; administrators see all in full.
#[utoipa::path(
    get,
    path = "/users/{id}",
    tag = "Users",
    operation_id = "getUser",
    security(("bearer" = [])),
    params(("id" = i64, Path, description = "The user's id", minimum = 1)),
    responses(
        (status = 200, description = "The user", body = UserBody),
        (status = 401, description = "`Token is missing`, `Invalid token`, `Token has expired`", body = ErrorBody, example = json!({"error": "Token is missing", "code": "token_missing"})),
        (status = 404, description = "`User not found`", body = ErrorBody, example = json!({"error": "User not found", "code": "user_not_found"})),
    )
)]
async fn find(
    State(users): State<Users>,
    caller: Caller,
    id: PathId,
) -> Result<Json<UserBody>, ApiError> {
    let user = users.find(id.or(Error::NotFound)?).await?;
    let user = user.seen_by(viewer(&caller));
    Ok(Json(UserBody { user }))
}

/// Changes a user's name or number
///
/// Users change themselves, administrators anyone. What is left out stays.
#[utoipa::path(
    put,
    path = "/users/{id}",
    tag = "Users",
    operation_id = "updateUser",
    security(("bearer" = [])),
    params(("id" = i64, Path, description = "The user's id", minimum = 1)),
    request_body = UpdateRequest,
    responses(
        (status = 200, description = "Changed", body = UserBody),
        (status = 400, description = "`Invalid field`, `Invalid request body`", body = ErrorBody, example = json!({"error": "Invalid field", "code": "invalid_field", "field": "phone", "message": "phone has at most 32 characters"})),
        (status = 401, description = "`Token is missing`, `Invalid token`, `Token has expired`", body = ErrorBody, example = json!({"error": "Token is missing", "code": "token_missing"})),
        (status = 403, description = "`Unauthorized to update this user`", body = ErrorBody, example = json!({"error": "Unauthorized to update this user", "code": "not_owner"})),
        (status = 404, description = "`User not found`", body = ErrorBody, example = json!({"error": "User not found", "code": "user_not_found"})),
    )
)]
async fn change(
    State(users): State<Users>,
    caller: Caller,
    id: PathId,
    Json(body): Json<UpdateRequest>,
) -> Result<Json<UserBody>, ApiError> {
    let id = id.or(Error::NotFound)?;
    let user = users.change(viewer(&caller), id, body.parse()?).await?;
    Ok(Json(UserBody { user }))
}

/// Deletes a user
///
/// Users delete themselves, administrators anyone. What was personal is forgotten, every token of theirs stops working,
/// and their wallets are closed; what was recorded of money stays.
#[utoipa::path(
    delete,
    path = "/users/{id}",
    tag = "Users",
    operation_id = "deleteUser",
    security(("bearer" = [])),
    params(("id" = i64, Path, description = "The user's id", minimum = 1)),
    responses(
        (status = 200, description = "Deleted", body = MessageBody),
        (status = 401, description = "`Token is missing`, `Invalid token`, `Token has expired`", body = ErrorBody, example = json!({"error": "Token is missing", "code": "token_missing"})),
        (status = 403, description = "`Unauthorized to delete this user`", body = ErrorBody, example = json!({"error": "Unauthorized to delete this user", "code": "not_owner"})),
        (status = 404, description = "`User not found`", body = ErrorBody, example = json!({"error": "User not found", "code": "user_not_found"})),
    )
)]
async fn delete(
    State(users): State<Users>,
    caller: Caller,
    id: PathId,
) -> Result<Json<MessageBody>, ApiError> {
    users
        .delete(viewer(&caller), caller.expires_at, id.or(Error::NotFound)?)
        .await?;
    Ok(Json(MessageBody {
        message: "User deleted successfully",
    }))
}

/// The public keys that tokens are signed with (RFC 7517)
///
/// During a rotation there are two: the one of now, and the one before it.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "Users",
    operation_id = "jwks",
    responses((
        status = 200,
        description = "The keys",
        body = serde_json::Value,
        example = json!({"keys": [{"kid": "2yJ0bX3m5rQk", "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}),
    ))
)]
async fn jwks(State(users): State<Users>) -> impl IntoResponse {
    (
        [(header::CACHE_CONTROL, "public, max-age=60")],
        axum::Json(users.sessions.jwks().clone()),
    )
}
