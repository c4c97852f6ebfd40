//! What administrators look up: anybody's wallets. They see them, and move nothing: every movement is asked for by its owner or by a
//! service.

use std::collections::HashMap;

use api_error::ApiError;
use auth::Caller;
use axum::extract::{Query, State};
use http_server::{Json, PathId};
use utoipa::IntoParams;

use super::Wallets;
use super::refusals::unauthorized;
use super::wire::{Wallet, WalletsBody};

/// Whose wallets: `?user_id=7`, or one of them: `?id=9`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only the document has it")]
pub(super) struct Asked {
    /// The wallets of this user.
    #[param(value_type = i64, required = false, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
    user_id: Option<i64>,
    /// The wallet with this id.
    #[param(value_type = i64, required = false, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    id: Option<i64>,
}

/// Looks up the wallets of a user, or one wallet, for administrators
///
/// One of `user_id` and `id` is needed. Where there is nothing, the list is empty.
#[utoipa::path(
    get,
    path = "/admin/wallets",
    operation_id = "findWallets",
    params(Asked),
    responses(
        (status = 200, description = "The wallets, the oldest first.", body = WalletsBody),
        (status = 400, description = "Invalid query: invalid_query"),
        (status = 403, description = "Unauthorized: not_owner"),
    )
)]
pub(super) async fn wallets(
    State(wallets): State<Wallets>,
    caller: Caller,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<WalletsBody>, ApiError> {
    if !caller.is_admin() {
        return Err(unauthorized());
    }
    let number = |field: &'static str, text: &str| {
        PathId::parse(text)
            .0
            .ok_or_else(|| wrong(field, "An id is a positive whole number"))
    };
    let found = match (query.get("user_id"), query.get("id")) {
        (Some(user), None) => {
            let user_id = number("user_id", user)?;
            wallets.accounts_of.get(user_id).await?.unwrap_or_default()
        }
        (None, Some(id)) => {
            let account = wallets.accounts.get(number("id", id)?).await?;
            account.into_iter().collect()
        }
        (None, None) => return Err(wrong("user_id", "user_id or id is needed")),
        (Some(_), Some(_)) => return Err(wrong("id", "Either user_id or id is asked for")),
    };
    let wallets = found.iter().filter_map(Wallet::of).collect();
    Ok(Json(WalletsBody { wallets }))
}

fn wrong(field: &'static str, message: &'static str) -> ApiError {
    ApiError::bad_request("Invalid query", "invalid_query")
        .field(field)
        .message(message)
}
