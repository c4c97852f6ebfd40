//! Refunds: give money of a payment back, and look at what was given back.

use api_error::ApiError;
use auth::Caller;
use axum::extract::State;
use feed_follower::Freshness;
use http::StatusCode;
use http_server::{IdempotencyKey, Json, PathId, Replayed};
use ledger_api::{Actor, Entry, NewPosting, Operation, Refusal};

use super::refusals::{all_refunded, hold_refused, payer_may_not_refund};
use super::{App, another_entry, no_entry};
use crate::domain::Payment;
use crate::holds::Hold;
use crate::refunds::{Reason, Refund};
use crate::wire::{
    CancelledBody, NewRefund, PaymentView, RefundRequest, RefundView, RefundedBody, RefundsBody,
};

/// Gives a payment back, or a part of it
///
/// Several refunds of one payment add up to no more than was paid. The money goes back to the wallet that it came from, also while that is
/// frozen. An administrator may refund any payment; who paid may do so where the operator lets payers refund, as a demo does.
#[utoipa::path(
    post,
    path = "/payments/{id}/refunds",
    operation_id = "refundPayment",
    params(("id" = inline(PathId), Path, description = "The id of the payment.")),
    request_body = RefundRequest,
    responses(
        (status = 201, description = "The money is back.", body = RefundedBody),
        (status = 400, description = "Amount exceeds the payment: refund_exceeds_payment; Invalid amount: invalid_amount; Invalid field: invalid_field, invisible_character; Invalid request body: unknown_field"),
        (status = 403, description = "Unauthorized: not_owner, payer_may_not_refund, forbidden"),
        (status = 404, description = "Payment not found: payment_not_found"),
        (status = 409, description = "Nothing is left to give back: payment_already_refunded; The wallet is closed: wallet_closed"),
    )
)]
pub(super) async fn refund(
    State(app): State<App>,
    caller: Caller,
    id: PathId,
    key: IdempotencyKey,
    Json(body): Json<RefundRequest>,
) -> Result<(StatusCode, Replayed, Json<RefundedBody>), ApiError> {
    let payment = app.payment_to_refund(&caller, id).await?;
    let asked = body.parse()?;
    if asked.to_unclaimed && !caller.is_admin() {
        return Err(ApiError::forbidden("Unauthorized", "forbidden")
            .field("to")
            .message("Only an administrator may keep the money of a closed wallet for its owner"));
    }
    let operation = order_of(&payment, &caller, &asked).into();
    let order = app.order(&caller, "POST /payments/{id}/refunds", &key, operation);
    let (entries, replayed) = match app.try_submit(order, &key).await? {
        Ok(done) => done,
        Err(reason) => return Err(app.why_not_refunded(&payment, reason).await),
    };
    let entry = entries.first().ok_or_else(no_entry)?;
    let refund = Refund::of(entry).ok_or_else(|| another_entry(entry))?;
    if replayed.0 && asked.amount.is_none() && !app.was_the_rest(&payment, &refund).await? {
        return Err(ApiError::idempotency_key_reused());
    }
    let body = RefundedBody {
        refund: RefundView::new(&refund, payment.id, payment.currency.code()),
        payment: app.payment_as_it_stands(payment, &[refund]).await?,
    };
    Ok((StatusCode::CREATED, replayed, Json(body)))
}

/// Cancels a payment
///
/// What is left of it goes back. If it was captured from a hold that is open, what is left of the hold goes back in the same moment.
/// Whoever may refund the payment may cancel it.
#[utoipa::path(
    post,
    path = "/payments/{id}/cancel",
    operation_id = "cancelPayment",
    params(("id" = inline(PathId), Path, description = "The id of the payment.")),
    responses(
        (status = 200, description = "Nothing of it is with the merchant any more.", body = CancelledBody),
        (status = 403, description = "Unauthorized: not_owner, payer_may_not_refund"),
        (status = 404, description = "Payment not found: payment_not_found"),
        (status = 409, description = "Nothing is left to give back: payment_already_refunded; The wallet is closed: wallet_closed"),
    )
)]
pub(super) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    id: PathId,
    key: IdempotencyKey,
) -> Result<(Replayed, Json<CancelledBody>), ApiError> {
    let payment = app.payment_to_refund(&caller, id).await?;
    let by = Actor::User(caller.user_id.0);
    let rest = NewRefund {
        amount: None,
        note: Reason::RequestedByCustomer.note(None),
        to_unclaimed: false,
    };
    let operation = match payment.hold_id {
        Some(hold) => {
            wallet_api::cancel(Some(hold), &[payment.seq], payment.user_id, by, &rest.note)
        }
        None => order_of(&payment, &caller, &rest).into(),
    };
    let submit = async |operation: Operation, route: &str| {
        let order = app.order(&caller, route, &key, operation);
        app.try_submit(order, &key).await
    };
    let mut done = submit(operation, "POST /payments/{id}/cancel").await?;
    // The rest of a hold that has expired goes back by itself.
    if payment.hold_id.is_some() && done == Err(Refusal::RemainderExpired) {
        let alone = order_of(&payment, &caller, &rest).into();
        done = submit(alone, "POST /payments/{id}/cancel alone").await?;
    }
    let (entries, replayed) = match done {
        Ok(done) => done,
        Err(reason) => return Err(app.why_not_refunded(&payment, reason).await),
    };
    let refunds: Vec<Refund> = entries.iter().filter_map(Refund::of).collect();
    let currency = payment.currency.code();
    let views = refunds
        .iter()
        .map(|refund| RefundView::new(refund, payment.id, currency))
        .collect();
    let payment = app.payment_as_it_stands(payment, &refunds).await?;
    let body = CancelledBody {
        payment,
        refunds: views,
    };
    Ok((replayed, Json(body)))
}

/// Lists the refunds of one of the caller's payments, the oldest first
#[utoipa::path(
    get,
    path = "/payments/{id}/refunds",
    operation_id = "listRefunds",
    params(("id" = inline(PathId), Path, description = "The id of the payment.")),
    responses(
        (status = 200, description = "Every refund of the payment, up to 200.", body = RefundsBody),
        (status = 403, description = "Unauthorized: not_owner"),
        (status = 404, description = "Payment not found: payment_not_found"),
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    id: PathId,
) -> Result<(Freshness, Json<RefundsBody>), (Freshness, ApiError)> {
    let freshness = app.follower.freshness().await?;
    let refunds = app.refunds(&caller, id).await;
    freshness.answer(refunds.map(Json))
}

/// The posting that a refund is.
fn order_of(payment: &Payment, caller: &Caller, asked: &NewRefund) -> NewPosting {
    let (by, note) = (Actor::User(caller.user_id.0), Some(asked.note.clone()));
    if asked.to_unclaimed {
        return wallet_api::refund_unclaimed(payment.seq, by, asked.amount, note);
    }
    wallet_api::refund(payment.seq, payment.user_id, by, asked.amount, note)
}

/// The refunds among these entries, which gave back what was captured of this hold.
pub(super) async fn refund_views(
    app: &App,
    hold: &Hold,
    entries: &[Entry],
) -> Result<Vec<RefundView>, ApiError> {
    let captures = app.store.captures_of(hold.id).await?;
    let refunds = entries.iter().filter_map(Refund::of);
    Ok(refunds
        .filter_map(|refund| {
            let of = |capture: &&Payment| capture.seq == refund.payment_seq;
            let payment = captures.iter().find(of)?;
            Some(RefundView::new(&refund, payment.id, hold.currency.code()))
        })
        .collect())
}

impl App {
    /// Whether money may go back on the word of this caller, who owns the wallet or is an administrator.
    pub(super) fn may_give_back(&self, caller: &Caller) -> Result<(), ApiError> {
        if caller.is_admin() || self.payer_refunds {
            return Ok(());
        }
        Err(payer_may_not_refund())
    }

    /// A payment that the caller may give back.
    async fn payment_to_refund(&self, caller: &Caller, id: PathId) -> Result<Payment, ApiError> {
        let not_found = || ApiError::not_found("Payment not found", "payment_not_found");
        let id = id.or(not_found())?;
        let payment = match self.store.find(id).await? {
            Some(payment) => payment,
            None => {
                self.follower.freshness().await?;
                self.store.find(id).await?.ok_or_else(not_found)?
            }
        };
        if payment.user_id != caller.user_id.0 && !caller.is_admin() {
            return Err(ApiError::forbidden("Unauthorized", "not_owner"));
        }
        self.may_give_back(caller)?;
        Ok(payment)
    }

    /// The payment after these refunds, and after everything else that the service knows of.
    async fn payment_as_it_stands(
        &self,
        payment: Payment,
        refunds: &[Refund],
    ) -> Result<PaymentView, ApiError> {
        // Where the ledger is away now, what it just answered is added to what is there.
        let _ = self.follower.freshness().await;
        let mut known = self.store.refunds_of(payment.seq).await?;
        for refund in refunds {
            if !known.iter().any(|there| there.id == refund.id) {
                known.push(refund.clone());
            }
        }
        let refunded = known.iter().map(|refund| refund.amount);
        let refunded = refunded.fold(0, i64::saturating_add);
        Ok(PaymentView::new(payment, refunded))
    }

    /// Whether a refund gave back all that was left of the payment then: only then did it ask for no amount.
    async fn was_the_rest(&self, payment: &Payment, refund: &Refund) -> Result<bool, ApiError> {
        self.follower.freshness().await?;
        let all = self.store.refunds_of(payment.seq).await?;
        let until = all.iter().filter(|other| other.id <= refund.id);
        let sum = until.fold(0, |sum: i64, other| sum.saturating_add(other.amount));
        Ok(sum == payment.amount)
    }

    /// Why nothing was given back.
    async fn why_not_refunded(&self, payment: &Payment, reason: Refusal) -> ApiError {
        if reason != Refusal::RemainderExceeded {
            return hold_refused(reason);
        }
        match self.payment_as_it_stands(payment.clone(), &[]).await {
            Ok(payment) if payment.refundable() > 0 => {
                ApiError::bad_request("Amount exceeds the payment", "refund_exceeds_payment")
                    .field("amount")
                    .detail("refundable", payment.refundable())
                    .message(format!(
                        "{} of the payment can still be given back",
                        payment.refundable()
                    ))
            }
            Ok(_) => all_refunded(),
            Err(error) => error,
        }
    }

    async fn refunds(&self, caller: &Caller, id: PathId) -> Result<RefundsBody, ApiError> {
        let payment = self.own_payment(caller, id).await?;
        let refunds = self.store.refunds_of(payment.seq).await?;
        let currency = payment.currency.code();
        let refunds = refunds.iter();
        Ok(RefundsBody {
            refunds: refunds
                .map(|refund| RefundView::new(refund, payment.id, currency))
                .collect(),
        })
    }
}
