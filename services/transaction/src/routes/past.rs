//! What a wallet held at a moment of the past. The path is the wallet service's; the gateway sends the call here when it asks for
//! the past, because history is kept here in the order of each wallet. The document is the wallet service's too.

use std::borrow::Cow;
use std::time::Duration;

use api_error::ApiError;
use auth::Caller;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::routing::get;
use clock::Timestamp;
use http_server::{Json, PathId};
use serde::Deserialize;

use super::{App, Fresh};
use crate::wire::BalanceBody;

/// How long ago a client's "now" may be when it is read, while the log's time is ahead of the clock.
const NOW_LASTS: Duration = Duration::from_secs(5);

pub(super) fn router() -> Router<App> {
    Router::new().route("/wallets/{id}/balance", get(balance_at))
}

/// When: `?at=2026-11-22T08:15:30Z`.
#[derive(Debug, Deserialize)]
struct AtQuery {
    at: String,
}

async fn balance_at(
    State(app): State<App>,
    caller: Caller,
    id: PathId,
    query: Result<Query<AtQuery>, QueryRejection>,
) -> Fresh<BalanceBody> {
    let freshness = app.follower.freshness().await?;
    let body = async {
        let not_found = || ApiError::not_found("Wallet not found", "wallet_not_found");
        let wallet = app.store.wallet(id.or(not_found())?).await?;
        let wallet = wallet.ok_or_else(not_found)?;
        if wallet.user_id != caller.user_id.0 {
            return Err(ApiError::forbidden("Unauthorized", "not_owner"));
        }
        let newest = app.store.newest_at(wallet.wallet_id).await?;
        let at = moment(query, app.clock.now(), newest)?;
        Ok(Json(BalanceBody {
            wallet_id: wallet.wallet_id,
            balance: app.store.balance_at(wallet.wallet_id, at).await?,
            currency: wallet.currency.code().to_owned(),
            at: at.rfc3339(),
        }))
    };
    freshness.answer(body.await)
}

/// The moment that is asked for. The log's time never goes back: after a clock that was ahead it stands still until clocks have come
/// as far, and what is written meanwhile bears a time that no clock shows yet. Then "now" is the later of both.
fn moment(
    query: Result<Query<AtQuery>, QueryRejection>,
    now: Timestamp,
    newest: Option<Timestamp>,
) -> Result<Timestamp, ApiError> {
    const FORM: &str = "at is a time of RFC 3339, such as 2026-11-22T08:15:30Z";
    let wrong = |message: &'static str| {
        ApiError::bad_request("Invalid query", "invalid_query")
            .field("at")
            .message(message)
    };
    let Query(query) = query.map_err(|_| wrong(FORM))?;
    let at = Timestamp::parse_rfc3339(&with_plus(&query.at)).ok_or_else(|| wrong(FORM))?;
    let ahead = newest.filter(|newest| *newest > now).unwrap_or(now);
    if at > ahead {
        return Err(wrong("at lies in the future"));
    }
    if ahead > now && at.plus(NOW_LASTS) >= now {
        return Ok(ahead);
    }
    Ok(at)
}

/// A `+` that is not written as `%2B` in a query is read as a space. Before the difference to UTC it can have been nothing else.
fn with_plus(at: &str) -> Cow<'_, str> {
    match at.rsplit_once(' ') {
        Some((time, offset)) if offset.len() == "07:00".len() && time.contains(['T', 't', ' ']) => {
            Cow::Owned(format!("{time}+{offset}"))
        }
        _ => Cow::Borrowed(at),
    }
}
