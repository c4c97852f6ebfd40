//! The routes of lists, of the look-up of a recipient, and of the back office.

use api_error::ApiError;
use auth::Caller;
use axum::extract::{FromRequestParts, Query, State};
use http::request::Parts;
use http_server::{FIELD_CHARS_MAX, Json, Page, PathId, text};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::sessions::From;
use crate::administration::LookUp;
use crate::audit::Kind;
use crate::domain::{Email, UserStatus, Viewer};
use crate::error::Error;
use crate::store::{AuditFilter, UserFilter};
use crate::users::Users;
use crate::wire::{ActView, AuditBody, RecipientBody, UserBody, UserStatusRequest, UsersBody};

pub(super) fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(look_up))
        .routes(routes!(set_status))
        .routes(routes!(audit_log))
}

/// The query of a request, of which each field comes once.
struct Fields(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Fields {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(pairs) = pairs.map_err(|_| wrong("q", "the query is not readable"))?;
        Ok(Fields(pairs))
    }
}

impl Fields {
    /// The value of a field, if it is there. One with nothing in it is a mistake.
    fn get(&self, field: &'static str) -> Result<Option<String>, ApiError> {
        let mut values = self.0.iter().filter(|(name, _)| name == field);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some((_, value)), None) => match text(value, field, FIELD_CHARS_MAX) {
                Ok(value) => Ok(Some(value)),
                Err(_) => Err(wrong(field, "it has 1 to 200 characters that can be seen")),
            },
            (Some(_), Some(_)) => Err(wrong(field, "it comes once")),
        }
    }
}

fn wrong(field: &'static str, why: &str) -> ApiError {
    ApiError::bad_request("Invalid query", "invalid_query")
        .field(field)
        .message(format!("{field}: {why}"))
}

/// Lists users, the newest first
///
/// The address and the number of others are masked. Administrators see all in full, and can search: by an id, or by how a name, an address or a
/// number begins.
#[utoipa::path(
    get,
    path = "/users",
    operation_id = "listUsers",
    params(
        Page,
        ("q" = inline(Option<String>), Query, min_length = 1, max_length = 200, description = "For administrators: an id, or how a name, an address or a number begins."),
        ("status" = inline(Option<UserStatus>), Query, description = "For administrators: only users of this status."),
    ),
    responses(
        (status = 200, description = "One page.", body = UsersBody),
        (status = 400, description = "Invalid query: invalid_query, unknown_parameter"),
        (status = 403, description = "Unauthorized: admins_only"),
    )
)]
async fn list(
    State(users): State<Users>,
    caller: Caller,
    page: Page,
    fields: Fields,
) -> Result<Json<UsersBody>, ApiError> {
    let status = fields.get("status")?.map(|word| {
        UserStatus::parse(&word).ok_or_else(|| wrong("status", "it is active or suspended"))
    });
    let filter = UserFilter {
        text: fields.get("q")?,
        status: status.transpose()?,
    };
    let (users, next) = users.list(Viewer::from(&caller), &filter, page).await?;
    Ok(Json(UsersBody { users, next }))
}

/// Looks a recipient up by address or number
///
/// Only the whole address or the whole number finds somebody, and the answer shows just enough to tell a mistake. A number that several users
/// have finds nobody.
#[utoipa::path(
    get,
    path = "/users/lookup",
    operation_id = "lookUpUser",
    params(
        ("email" = inline(Option<String>), Query, min_length = 1, max_length = 200, description = "The address. Either this or `phone`."),
        ("phone" = inline(Option<String>), Query, min_length = 1, max_length = 200, description = "The number. `+62` and `0` are the same; what stands between digits does not matter."),
    ),
    responses(
        (status = 200, description = "The recipient.", body = RecipientBody),
        (status = 400, description = "Invalid query: invalid_query"),
        (status = 404, description = "User not found: user_not_found"),
    )
)]
async fn look_up(
    State(users): State<Users>,
    _caller: Caller,
    fields: Fields,
) -> Result<Json<RecipientBody>, ApiError> {
    let by = match (fields.get("email")?, fields.get("phone")?) {
        (Some(email), None) => LookUp::Email(Email::parse(&email).ok_or(Error::NotFound)?),
        (None, Some(phone)) => LookUp::Phone(phone),
        _ => return Err(wrong("email", "either email or phone is given")),
    };
    let user = users.look_up(by).await?;
    Ok(Json(RecipientBody { user }))
}

/// Suspends a user, or lets them in again
///
/// For administrators. A suspended user cannot log in, and every session of theirs ends: at the user service at once, at the other services
/// within two seconds. Wallets stay as they are, and money still arrives; freeze them where that is to stop, too.
#[utoipa::path(
    put,
    path = "/users/{id}/status",
    operation_id = "setUserStatus",
    params(("id" = inline(PathId), Path, description = "The id of the user.")),
    request_body = UserStatusRequest,
    responses(
        (status = 200, description = "The user has this status.", body = UserBody),
        (status = 400, description = "Invalid status: invalid_status; Missing required fields: missing_fields; Invalid field: invalid_field, invisible_character; Invalid request body: unknown_field"),
        (status = 403, description = "Unauthorized: admins_only, last_administrator"),
        (status = 404, description = "User not found: user_not_found"),
    )
)]
async fn set_status(
    State(users): State<Users>,
    caller: Caller,
    From(client): From,
    id: PathId,
    Json(body): Json<UserStatusRequest>,
) -> Result<Json<UserBody>, ApiError> {
    let change = body.parse()?;
    let id = id.or(Error::NotFound)?;
    let user = users.set_status(&caller, id, change, &client).await?;
    Ok(Json(UserBody { user }))
}

/// Lists what was done to accounts and wallets, the newest first
///
/// For administrators: log-ins, good and failed, changes of passwords, ends of sessions, and every act of an administrator. Rows are only added,
/// and leave after the retention time (`AUDIT_RETENTION_DAYS`).
#[utoipa::path(
    get,
    path = "/admin/audit",
    operation_id = "listAuditLog",
    params(
        Page,
        ("actor" = inline(Option<PathId>), Query, description = "Only acts of this user."),
        ("act" = inline(Option<String>), Query, min_length = 1, max_length = 200, description = "Only acts of this kind, such as `log_in`."),
        ("object" = inline(Option<String>), Query, min_length = 1, max_length = 200, description = "Only acts on this: `user:2`, `wallet:7`, or a kind of thing alone, `wallet`."),
    ),
    responses(
        (status = 200, description = "One page.", body = AuditBody),
        (status = 400, description = "Invalid query: invalid_query, unknown_parameter"),
        (status = 403, description = "Unauthorized: admins_only"),
    )
)]
async fn audit_log(
    State(users): State<Users>,
    caller: Caller,
    page: Page,
    fields: Fields,
) -> Result<Json<AuditBody>, ApiError> {
    let filter = audit_filter(&fields)?;
    let (rows, next) = users.audit_log(&caller, &filter, page).await?;
    let entries = rows.into_iter().map(ActView::from).collect();
    Ok(Json(AuditBody { entries, next }))
}

fn audit_filter(fields: &Fields) -> Result<AuditFilter, ApiError> {
    let actor = fields.get("actor")?.map(|text| {
        let id = PathId::parse(&text).0.filter(|id| *id <= Page::BEFORE_MAX);
        id.ok_or_else(|| wrong("actor", "it is a user's id"))
    });
    let act = fields.get("act")?.map(|word| {
        let kind = Kind::parse(&word).map(Kind::word);
        kind.ok_or_else(|| wrong("act", "there is no such act"))
    });
    let object = fields.get("object")?;
    let (object_kind, object_id) = match object.as_deref().map(|text| text.split_once(':')) {
        None => (None, None),
        Some(None) => (object, None),
        Some(Some((kind, id))) => (Some(kind.to_owned()), Some(id.to_owned())),
    };
    Ok(AuditFilter {
        actor_id: actor.transpose()?,
        act: act.transpose()?,
        object_kind,
        object_id,
    })
}
