//! Holds: reserve, capture, void, cancel, and look at them.

use api_error::ApiError;
use auth::Caller;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use feed_follower::Freshness;
use http::StatusCode;
use http_server::{IdempotencyKey, Json, Page, PathId, Replayed};
use ledger_api::{Actor, Entry, Refusal};

use super::refunds::refund_views;
use super::refusals::{hold_finished, hold_refused, payment_refused};
use super::{App, another_entry, no_entry};
use crate::changes::captured;
use crate::holds::{CAPTURES_MAX, Draw, Hold};
use crate::refunds::Reason;
use crate::store::HoldFilter;
use crate::wire::{
    AuthorizeRequest, CaptureRequest, CapturedBody, HoldBody, HoldCancelledBody,
    HoldWithCapturesBody, HoldsBody, HoldsQuery, PaymentView, VoidRequest,
};

/// Cancellations are repeated for captures that came at the same moment, at most this often.
const CANCEL_ROUNDS_MAX: usize = 4;

/// Reserves money of a wallet for a merchant
///
/// Nobody can spend it until it is captured, voided, or its time is over. It is repeated like a payment.
#[utoipa::path(
    post,
    path = "/payments/authorize",
    operation_id = "authorize",
    request_body = AuthorizeRequest,
    responses(
        (status = 201, description = "The money is reserved.", body = HoldBody),
        (status = 400, description = "Missing required fields: missing_fields; Invalid wallet: invalid_wallet_id, wallet_not_found, not_owner, wallet_not_active; Invalid amount: invalid_amount, limit_exceeded, ledger_limit; Insufficient balance: insufficient_balance; Invalid field: invalid_field, invisible_character; Invalid request body: unknown_field"),
    )
)]
pub(super) async fn authorize(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    Json(body): Json<AuthorizeRequest>,
) -> Result<(StatusCode, Replayed, Json<HoldBody>), ApiError> {
    let operation = body.parse(caller.user_id)?;
    let order = app.order(&caller, "POST /payments/authorize", &key, operation);
    let (entry, replayed) = app.submit(order, &key, payment_refused).await?;
    let hold = Hold::of(&entry).ok_or_else(|| another_entry(&entry))?;
    let body = HoldBody { hold: hold.into() };
    Ok((StatusCode::CREATED, replayed, Json(body)))
}

/// Captures a hold, or a part of it
///
/// The capture is a payment with an id of its own. Unless `final` is false, what it leaves over goes back to the wallet in the same moment.
/// The owner of the wallet may capture, and an administrator. A wallet that is frozen does not stand in the way: its money left it when it
/// was reserved.
#[utoipa::path(
    post,
    path = "/holds/{id}/capture",
    operation_id = "captureHold",
    params(("id" = inline(PathId), Path, description = "The id of the hold.")),
    request_body = CaptureRequest,
    responses(
        (status = 201, description = "The merchant is paid.", body = CapturedBody),
        (status = 400, description = "Amount exceeds the hold: capture_exceeds_hold; Invalid amount: invalid_amount; Invalid field: invalid_field; Invalid request body: unknown_field"),
        (status = 403, description = "Unauthorized: not_owner"),
        (status = 404, description = "Hold not found: hold_not_found"),
        (status = 409, description = "The hold is finished: hold_captured, hold_voided, hold_expired; It has too many captures: too_many_captures; The wallet is closed: wallet_closed"),
    )
)]
pub(super) async fn capture(
    State(app): State<App>,
    caller: Caller,
    id: PathId,
    key: IdempotencyKey,
    Json(body): Json<CaptureRequest>,
) -> Result<(StatusCode, Replayed, Json<CapturedBody>), ApiError> {
    let hold = app.hold_to_change(&caller, id).await?;
    let (amount, is_final) = body.parse()?;
    let captures = app.store.captures_of(hold.id).await?;
    if captures.len() >= CAPTURES_MAX && hold.state.is_open() {
        return Err(too_many_captures());
    }
    let by = Actor::User(caller.user_id.0);
    let operation = wallet_api::capture(hold.id, hold.user_id, by, amount, is_final);
    let order = app.order(&caller, "POST /holds/{id}/capture", &key, operation);
    let (entries, replayed) = match app.try_submit(order, &key).await? {
        Ok(done) => done,
        Err(reason) => return Err(app.why_not(&hold, reason).await),
    };
    let first = entries.first().ok_or_else(no_entry)?;
    let draw = Draw::of(first);
    let payment = draw.and_then(|draw| captured(&hold, &draw));
    let capture = PaymentView::new(payment.ok_or_else(|| another_entry(first))?, 0);
    let hold = app.as_it_stands(hold, &entries).await?.into();
    let body = CapturedBody { capture, hold };
    Ok((StatusCode::CREATED, replayed, Json(body)))
}

/// Voids a hold
///
/// What is left of it goes back to the wallet. Whoever may refund a payment may void a hold.
#[utoipa::path(
    post,
    path = "/holds/{id}/void",
    operation_id = "voidHold",
    params(("id" = inline(PathId), Path, description = "The id of the hold.")),
    request_body = VoidRequest,
    responses(
        (status = 200, description = "The money is back in the wallet.", body = HoldBody),
        (status = 400, description = "Invalid field: invalid_field, invisible_character; Invalid request body: unknown_field"),
        (status = 403, description = "Unauthorized: not_owner, payer_may_not_refund"),
        (status = 404, description = "Hold not found: hold_not_found"),
        (status = 409, description = "The hold is finished: hold_captured, hold_voided, hold_expired; The wallet is closed: wallet_closed"),
    )
)]
pub(super) async fn void(
    State(app): State<App>,
    caller: Caller,
    id: PathId,
    key: IdempotencyKey,
    Json(body): Json<VoidRequest>,
) -> Result<(Replayed, Json<HoldBody>), ApiError> {
    let hold = app.hold_to_change(&caller, id).await?;
    app.may_give_back(&caller)?;
    let note = body.parse()?;
    let by = Actor::User(caller.user_id.0);
    let operation = wallet_api::void(hold.id, hold.user_id, by, note);
    let order = app.order(&caller, "POST /holds/{id}/void", &key, operation);
    let (entries, replayed) = match app.try_submit(order, &key).await? {
        Ok(done) => done,
        Err(reason) => return Err(app.why_not(&hold, reason).await),
    };
    let hold = app.as_it_stands(hold, &entries).await?.into();
    Ok((replayed, Json(HoldBody { hold })))
}

/// Cancels a hold, whatever became of it
///
/// What is left of it goes back to the wallet, and so does what is left of each of its captures, all in the same moment. Whoever may refund
/// a payment may cancel a hold.
#[utoipa::path(
    post,
    path = "/holds/{id}/cancel",
    operation_id = "cancelHold",
    params(("id" = inline(PathId), Path, description = "The id of the hold.")),
    responses(
        (status = 200, description = "Nothing of the hold is with the merchant any more.", body = HoldCancelledBody),
        (status = 403, description = "Unauthorized: not_owner, payer_may_not_refund"),
        (status = 404, description = "Hold not found: hold_not_found"),
        (status = 409, description = "There is nothing to give back: hold_voided, hold_expired, payment_already_refunded; The wallet is closed: wallet_closed"),
    )
)]
pub(super) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    id: PathId,
    key: IdempotencyKey,
) -> Result<(Replayed, Json<HoldCancelledBody>), ApiError> {
    let hold = app.hold_to_change(&caller, id).await?;
    app.may_give_back(&caller)?;
    let by = Actor::User(caller.user_id.0);
    let mut all: Vec<Entry> = Vec::new();
    let mut replayed = Replayed(false);
    for round in 0..CANCEL_ROUNDS_MAX {
        let captures = app.store.captures_of(hold.id).await?;
        let seqs: Vec<i64> = captures.iter().map(|capture| capture.seq).collect();
        let later = seqs
            .get(round.saturating_mul(CAPTURES_MAX)..)
            .unwrap_or_default();
        let note = Reason::RequestedByCustomer.note(None);
        let submit = async |rest: Option<i64>, route: String| {
            let operation = wallet_api::cancel(rest, later, hold.user_id, by, &note);
            let order = app.order(&caller, &route, &key, operation);
            app.try_submit(order, &key).await
        };
        let route = match round {
            0 => "POST /holds/{id}/cancel".to_owned(),
            _ => format!("POST /holds/{{id}}/cancel {round}"),
        };
        let mut done = submit(Some(hold.id), route.clone()).await?;
        // The rest of a hold that has expired goes back by itself.
        if done == Err(Refusal::RemainderExpired) && !later.is_empty() {
            done = submit(None, format!("{route} captures")).await?;
        }
        match done {
            Ok((entries, was_replayed)) => {
                all.extend(entries);
                replayed.0 |= was_replayed.0;
            }
            Err(Refusal::RemainderExceeded) if round > 0 => break,
            Err(Refusal::RemainderExceeded | Refusal::RemainderExpired) => {
                return Err(app.why_nothing_is_left(&hold).await);
            }
            Err(reason) => return Err(hold_refused(reason)),
        }
        // A capture that was decided before the cancellation is in the log by now.
        app.follower.freshness().await?;
        let captures_now = app.store.captures_of(hold.id).await?.len();
        if captures_now <= seqs.len() && seqs.len() <= (round + 1) * CAPTURES_MAX {
            break;
        }
    }
    let refunds = refund_views(&app, &hold, &all).await?;
    let hold = app.as_it_stands(hold, &all).await?.into();
    Ok((replayed, Json(HoldCancelledBody { hold, refunds })))
}

/// Lists the caller's holds, the newest first
#[utoipa::path(
    get,
    path = "/holds",
    operation_id = "listHolds",
    params(Page, HoldsQuery),
    responses(
        (status = 200, description = "One page.", body = HoldsBody),
        (status = 400, description = "Invalid query: invalid_query, unknown_parameter"),
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    page: Page,
    query: Result<Query<HoldsQuery>, QueryRejection>,
) -> Result<(Freshness, Json<HoldsBody>), (Freshness, ApiError)> {
    let freshness = app.follower.freshness().await?;
    let holds = app.holds(&caller, page, query).await;
    freshness.answer(holds.map(Json))
}

/// Shows one of the caller's holds, and what was captured of it
///
/// An administrator sees every hold.
#[utoipa::path(
    get,
    path = "/holds/{id}",
    operation_id = "getHold",
    params(("id" = inline(PathId), Path, description = "The id of the hold.")),
    responses(
        (status = 200, description = "The hold.", body = HoldWithCapturesBody),
        (status = 403, description = "Unauthorized: not_owner"),
        (status = 404, description = "Hold not found: hold_not_found"),
    )
)]
pub(super) async fn find(
    State(app): State<App>,
    caller: Caller,
    id: PathId,
) -> Result<(Freshness, Json<HoldWithCapturesBody>), (Freshness, ApiError)> {
    let freshness = app.follower.freshness().await?;
    let found = app.hold_with_captures(&caller, id).await;
    freshness.answer(found.map(Json))
}

impl App {
    /// A hold that the caller may change. It may be older than its last change.
    async fn hold_to_change(&self, caller: &Caller, id: PathId) -> Result<Hold, ApiError> {
        let id = id.or(not_found())?;
        let hold = match self.store.hold(id).await? {
            Some(hold) => hold,
            None => {
                self.follower.freshness().await?;
                self.store.hold(id).await?.ok_or_else(not_found)?
            }
        };
        if hold.user_id != caller.user_id.0 && !caller.is_admin() {
            return Err(ApiError::forbidden("Unauthorized", "not_owner"));
        }
        Ok(hold)
    }

    /// The hold after these entries, which drew on it, and after everything else that the service knows of.
    async fn as_it_stands(&self, mut hold: Hold, entries: &[Entry]) -> Result<Hold, ApiError> {
        // Where the ledger is away now, what it just answered is enough.
        if self.follower.freshness().await.is_ok()
            && let Some(now) = self.store.hold(hold.id).await?
        {
            hold = now;
        }
        for draw in entries.iter().filter_map(Draw::of) {
            hold.draw(&draw);
        }
        Ok(hold)
    }

    /// Why nothing more could be drawn of a hold.
    async fn why_not(&self, hold: &Hold, reason: Refusal) -> ApiError {
        if reason != Refusal::RemainderExceeded {
            return hold_refused(reason);
        }
        match self.as_it_stands(hold.clone(), &[]).await {
            Ok(hold) if hold.state.is_open() => {
                ApiError::bad_request("Amount exceeds the hold", "capture_exceeds_hold")
                    .field("amount")
                    .detail("remaining", hold.remaining())
                    .message(format!("{} is left of the hold", hold.remaining()))
            }
            Ok(hold) => hold_finished(hold.state),
            Err(error) => error,
        }
    }

    /// Why a cancellation has nothing to give back.
    async fn why_nothing_is_left(&self, hold: &Hold) -> ApiError {
        match self.as_it_stands(hold.clone(), &[]).await {
            Ok(hold) if hold.captured > 0 => super::refusals::all_refunded(),
            Ok(hold) if !hold.state.is_open() => hold_finished(hold.state),
            Ok(_) => hold_refused(Refusal::RemainderExpired),
            Err(error) => error,
        }
    }

    async fn holds(
        &self,
        caller: &Caller,
        page: Page,
        query: Result<Query<HoldsQuery>, QueryRejection>,
    ) -> Result<HoldsBody, ApiError> {
        let Query(query) =
            query.map_err(|_| ApiError::bad_request("Invalid query", "invalid_query"))?;
        let (states, wallet_id) = query.parse()?;
        let filter = HoldFilter {
            user_id: caller.user_id.0,
            states,
            wallet_id,
        };
        let holds = self.store.holds_of(filter, page).await?;
        let next = page.next(holds.iter().map(|hold| hold.id));
        let holds = holds.into_iter().map(Into::into).collect();
        Ok(HoldsBody { holds, next })
    }

    async fn hold_with_captures(
        &self,
        caller: &Caller,
        id: PathId,
    ) -> Result<HoldWithCapturesBody, ApiError> {
        let hold = self.hold_to_change(caller, id).await?;
        let captures = self.store.captures_of(hold.id).await?;
        Ok(HoldWithCapturesBody {
            captures: self.views(captures).await?,
            hold: hold.into(),
        })
    }
}

fn not_found() -> ApiError {
    ApiError::not_found("Hold not found", "hold_not_found")
}

fn too_many_captures() -> ApiError {
    ApiError::conflict("Too many captures", "too_many_captures")
        .message(format!("A hold has at most {CAPTURES_MAX} captures"))
}
