//! The limits of a wallet, told before one of them refuses something, and the tier that decides which they are.

use api_error::ApiError;
use auth::Caller;
use axum::extract::State;
use clock::Timestamp;
use http_server::{Field, IdempotencyKey, Json, PathId, text, words};
use ledger::domain::Account;
use ledger::domain::limits::{Limits, period, resets_at};
use ledger_api::{Actor, Limit, LimitName, Measure, Operation, Tier, Window};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::Object;

use super::Wallets;
use super::refusals::{not_found, unauthorized, unreadable};

/// How long a reason may be, in characters.
const REASON_CHARS_MAX: usize = 200;

/// One limit, and how much of it is used.
#[derive(Serialize, ToSchema)]
pub(super) struct LimitView {
    /// Its name, as a refusal says it.
    #[schema(value_type = String, pattern = "^[a-z0-9_-]{1,32}$", example = "received-month")]
    limit: LimitName,
    #[schema(schema_with = window_schema)]
    window: &'static str,
    #[schema(schema_with = direction_schema)]
    direction: &'static str,
    /// The kinds of movements that it counts; all where there are none.
    kinds: Vec<&'static str>,
    #[schema(schema_with = measure_schema)]
    measure: &'static str,
    /// The most that it allows.
    #[schema(minimum = 0, example = 40_000_000)]
    max: i64,
    /// The part of it that is used.
    #[schema(minimum = 0, example = 1_500_000)]
    used: i64,
    /// When nothing of it is used again. Left out where no time brings that.
    #[schema(value_type = String, required = false, format = DateTime, example = "2026-11-30T17:00:00Z")]
    #[serde(skip_serializing_if = "Option::is_none")]
    resets_at: Option<String>,
}

fn window_schema() -> Object {
    words(
        "The time that it counts over: days and months begin at midnight in Jakarta.",
        &[
            Window::Transaction,
            Window::Day,
            Window::Month,
            Window::Balance,
        ]
        .map(Window::as_str),
    )
}

fn direction_schema() -> Object {
    words(
        "Whether it is about what the wallet receives, spends, or both.",
        &["in", "out", "both"],
    )
}

fn measure_schema() -> Object {
    words(
        "Whether it counts money, in the currency's smallest unit, or movements.",
        &[Measure::Amount, Measure::Count].map(Measure::as_str),
    )
}

fn tier_schema() -> Object {
    words(
        "How well the owner is known. It decides the limits.",
        &Tier::ALL.map(Tier::as_str),
    )
}

/// The limits of a wallet.
#[derive(Serialize, ToSchema)]
pub(super) struct LimitsBody {
    /// The wallet.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
    wallet_id: i64,
    #[schema(schema_with = tier_schema)]
    tier: &'static str,
    /// Each limit of this tier.
    limits: Vec<LimitView>,
}

/// Shows the limits of one of the caller's wallets, and how much of each is used
///
/// They are the numbers by which the ledger decides. What takes something back, such as a refund, is not limited. An administrator may look at
/// any wallet.
#[utoipa::path(
    get,
    path = "/wallets/{id}/limits",
    operation_id = "getLimits",
    params(("id" = inline(PathId), Path, description = "The id of the wallet.")),
    responses(
        (status = 200, description = "The limits.", body = LimitsBody),
        (status = 403, description = "Unauthorized: not_owner"),
        (status = 404, description = "Wallet not found: wallet_not_found"),
    )
)]
pub(super) async fn show(
    State(wallets): State<Wallets>,
    caller: Caller,
    id: PathId,
) -> Result<Json<LimitsBody>, ApiError> {
    let ledger::store::Holding { account, .. } = wallets.account(id.or(not_found())?).await?;
    if account.user_id != Some(caller.user_id.0) && !caller.is_admin() {
        return Err(unauthorized());
    }
    let head = wallets.store.head().await.map_err(unreadable)?;
    let set = wallets.store.limits(i64::MAX).await.map_err(unreadable)?;
    let set = set.and_then(|(_, limits)| Limits::new(limits));
    let in_force = set.as_ref().unwrap_or(&wallets.policy.limits);
    // The next movement is of this moment, as the log counts time.
    let at = wallets.clock.now().micros().max(head.at);
    let movement = LimitView {
        limit: LimitName::MOVEMENT,
        window: Window::Transaction.as_str(),
        direction: "both",
        kinds: Vec::new(),
        measure: Measure::Amount.as_str(),
        max: wallets.policy.movement_max.units(),
        used: 0,
        resets_at: None,
    };
    let others = in_force.of(account.tier, account.currency, at);
    let others = others.flat_map(|limit| views(&wallets, limit, &account, at));
    Ok(Json(LimitsBody {
        wallet_id: account.id,
        tier: account.tier.as_str(),
        limits: std::iter::once(movement).chain(others).collect(),
    }))
}

/// A limit as it stands for this account: one view for each measure.
fn views(wallets: &Wallets, limit: &Limit, account: &Account, at: i64) -> Vec<LimitView> {
    let (amount, count) = match (limit.window, period(limit.window, at)) {
        (Window::Balance, _) => (account.balance, 0),
        (_, Some(period)) => account.usage.of(limit.name, period),
        (_, None) => (0, 0),
    };
    let kinds = limit.kinds.iter();
    let kinds = kinds.filter_map(|code| wallets.policy.kinds.get(*code));
    let kinds: Vec<_> = kinds.map(|kind| kind.name).collect();
    let resets_at = resets_at(limit.window, at).map(|at| Timestamp::from_micros(at).rfc3339());
    let measures = [
        (Measure::Amount, limit.max_amount, amount),
        (Measure::Count, limit.max_count, count),
    ];
    let view = |(measure, max, used): (Measure, Option<i64>, i64)| {
        Some(LimitView {
            limit: limit.name,
            window: limit.window.as_str(),
            direction: limit.direction.as_str(),
            kinds: kinds.clone(),
            measure: measure.as_str(),
            max: max?,
            used,
            resets_at: resets_at.clone(),
        })
    };
    measures.into_iter().filter_map(view).collect()
}

/// The tier that a wallet gets.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TierRequest {
    #[serde(default)]
    #[schema(schema_with = tier_schema, required)]
    tier: Field<Tier>,
    /// Why, for whoever reads the ledger later.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 200, example = "Identity card checked")]
    reason: Field<String>,
}

/// The tier of a wallet.
#[derive(Serialize, ToSchema)]
pub(super) struct TierBody {
    /// The wallet.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
    wallet_id: i64,
    #[schema(schema_with = tier_schema)]
    tier: &'static str,
}

/// Says how well a wallet's owner is known, which decides its limits
///
/// Only administrators may call it. The ledger keeps who decided it, and why.
#[utoipa::path(
    put,
    path = "/wallets/{id}/tier",
    operation_id = "setWalletTier",
    params(("id" = inline(PathId), Path, description = "The id of the wallet.")),
    request_body = TierRequest,
    responses(
        (status = 200, description = "The wallet is of this tier.", body = TierBody),
        (status = 400, description = "Invalid tier: invalid_tier; Missing required fields: missing_fields; Invalid field: invalid_field, invisible_character; Invalid request body: unknown_field"),
        (status = 403, description = "Unauthorized: not_owner; Wallet is not active: wallet_not_active"),
        (status = 404, description = "Wallet not found: wallet_not_found"),
    )
)]
pub(super) async fn set_tier(
    State(wallets): State<Wallets>,
    caller: Caller,
    id: PathId,
    Json(body): Json<TierRequest>,
) -> Result<Json<TierBody>, ApiError> {
    if !caller.is_admin() {
        return Err(unauthorized());
    }
    let wallet_id = id.or(not_found())?;
    let (tier, reason) = body.parse()?;
    let user_id = caller.user_id.0;
    let key = wallets.key(user_id, "PUT /wallets/{id}/tier", IdempotencyKey(None));
    let operation = Operation::SetTier {
        wallet_id,
        tier,
        reason,
        by: Actor::User(user_id),
    };
    wallets.submit(key, operation).await?;
    Ok(Json(TierBody {
        wallet_id,
        tier: tier.as_str(),
    }))
}

impl TierRequest {
    fn parse(self) -> Result<(Tier, String), ApiError> {
        let wrong_tier = || {
            ApiError::bad_request("Invalid tier", "invalid_tier")
                .field("tier")
                .message("tier is unregistered, registered or merchant")
        };
        let missing =
            || ApiError::bad_request("Missing required fields", "missing_fields").field("reason");
        let wrong_reason = || {
            ApiError::bad_request("Invalid field", "invalid_field")
                .field("reason")
                .message("reason is a text")
        };
        let tier = self.tier.or_errors(wrong_tier, wrong_tier)?;
        let reason = self.reason.or_errors(missing, wrong_reason)?;
        Ok((tier, text(&reason, "reason", REASON_CHARS_MAX)?))
    }
}
