//! The routes: each parses, makes one call, and maps the answer. The OpenAPI document is made from the same list.

mod holds;
mod refunds;
mod refusals;

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use api_error::ApiError;
use auth::{Caller, Verifier};
use axum::Router;
use axum::extract::{FromRef, State};
use clock::{Clock, Entropy};
use feed_follower::{Follower, Freshness};
use http::StatusCode;
use http_server::{IdempotencyKey, Json, Page, PathId, Replayed};
use ledger_api::{Entry, LedgerClient, Operation, Order, Outcome, Refusal, idempotency_key};
use service_client::CallError;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::refusals::{payment_refused, transfer_refused};
use crate::domain::{Payment, Sent};
use crate::store::Store;
use crate::wire::{
    PaidBody, PayRequest, PaymentBody, PaymentView, PaymentsBody, SentBody, TransferRequest,
};

/// The state of the handlers. Every request takes some copies along, so it is one pointer.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

/// The parts of an [`App`].
pub(crate) struct Parts {
    pub(crate) ledger: LedgerClient,
    pub(crate) follower: Follower,
    pub(crate) store: Store,
    pub(crate) verifier: Verifier,
    pub(crate) clock: Clock,
    pub(crate) entropy: Entropy,
    /// Whether the user who paid may give the money back to themselves.
    pub(crate) payer_refunds: bool,
}

impl App {
    pub(crate) fn new(parts: Parts) -> App {
        App(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl FromRef<App> for Verifier {
    fn from_ref(app: &App) -> Verifier {
        app.verifier.clone()
    }
}

/// Every route.
pub(crate) fn router(app: App) -> Router {
    let (router, _) = documented().split_for_parts();
    router.with_state(app)
}

/// What the OpenAPI document says of the public routes; the gateway adds what all calls have in common.
pub fn openapi() -> utoipa::openapi::OpenApi {
    documented().into_openapi()
}

fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(pay))
        .routes(routes!(transfer))
        .routes(routes!(list))
        .routes(routes!(find))
        .routes(routes!(refunds::refund, refunds::list))
        .routes(routes!(refunds::cancel))
        .routes(routes!(holds::authorize))
        .routes(routes!(holds::list))
        .routes(routes!(holds::find))
        .routes(routes!(holds::capture))
        .routes(routes!(holds::void))
        .routes(routes!(holds::cancel))
}

/// Pays a merchant
///
/// With an `Idempotency-Key` the call can be repeated, also after a failure whose outcome is unknown (503, 504, a broken connection):
/// the money moves once, and the first answer comes again.
#[utoipa::path(
    post,
    path = "/payments/pay",
    operation_id = "pay",
    request_body = PayRequest,
    responses(
        (status = 201, description = "The payment is made and durable.", body = PaidBody),
        (status = 400, description = "Missing required fields: missing_fields; Invalid wallet: invalid_wallet_id, wallet_not_found, not_owner, wallet_not_active; Invalid amount: invalid_amount, limit_exceeded, ledger_limit; Insufficient balance: insufficient_balance; Invalid field: invalid_field, invisible_character"),
    )
)]
async fn pay(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    Json(body): Json<PayRequest>,
) -> Result<(StatusCode, Replayed, Json<PaidBody>), ApiError> {
    let operation = body.parse(caller.user_id)?;
    let order = app.order(&caller, "POST /payments/pay", &key, operation);
    let (entry, replayed) = app.submit(order, &key, payment_refused).await?;
    let payment = Payment::of(&entry).ok_or_else(|| another_entry(&entry))?;
    Ok((StatusCode::CREATED, replayed, Json(payment.into())))
}

/// Sends money to another user
///
/// The receiver gets it in their wallet of the same currency. Both wallets change together or not at all, and the transfer shows in the
/// transactions of both. It is repeated like a payment.
#[utoipa::path(
    post,
    path = "/payments/transfer",
    operation_id = "transfer",
    request_body = TransferRequest,
    responses(
        (status = 201, description = "The transfer is made and durable.", body = SentBody),
        (status = 400, description = "Missing required fields: missing_fields; Invalid source wallet: invalid_wallet_id, wallet_not_found, not_owner, wallet_not_active, same_wallet; Invalid amount: invalid_amount, limit_exceeded, ledger_limit; Insufficient balance: insufficient_balance"),
        (status = 404, description = "Destination user not found: destination_not_found"),
    )
)]
async fn transfer(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    Json(body): Json<TransferRequest>,
) -> Result<(StatusCode, Replayed, Json<SentBody>), ApiError> {
    let operation = body.parse(caller.user_id)?;
    let order = app.order(&caller, "POST /payments/transfer", &key, operation);
    let (entry, replayed) = app.submit(order, &key, transfer_refused).await?;
    let sent = Sent::of(&entry).ok_or_else(|| another_entry(&entry))?;
    Ok((StatusCode::CREATED, replayed, Json(sent.into())))
}

/// Lists the caller's payments, the newest first
#[utoipa::path(
    get,
    path = "/payments",
    operation_id = "listPayments",
    params(Page),
    responses(
        (status = 200, description = "One page.", body = PaymentsBody),
        (status = 400, description = "Invalid query: invalid_query, unknown_parameter"),
    )
)]
async fn list(
    State(app): State<App>,
    caller: Caller,
    page: Page,
) -> Result<(Freshness, Json<PaymentsBody>), (Freshness, ApiError)> {
    let freshness = app.follower.freshness().await?;
    let payments = app.payments(&caller, page).await;
    freshness.answer(payments.map(Json))
}

/// Shows one of the caller's payments
///
/// While the ledger cannot be reached, a payment that was just made may be missing.
#[utoipa::path(
    get,
    path = "/payments/{id}",
    operation_id = "getPayment",
    params(("id" = inline(PathId), Path, description = "The id of the payment.")),
    responses(
        (status = 200, description = "The payment.", body = PaymentBody),
        (status = 403, description = "Unauthorized: not_owner"),
        (status = 404, description = "Payment not found: payment_not_found"),
    )
)]
async fn find(
    State(app): State<App>,
    caller: Caller,
    id: PathId,
) -> Result<(Freshness, Json<PaymentBody>), (Freshness, ApiError)> {
    let freshness = app.follower.freshness().await?;
    let payment = app.payment(&caller, id).await;
    freshness.answer(payment.map(|payment| Json(PaymentBody { payment })))
}

impl App {
    /// The order of a request: under the client's key if it sent one, otherwise under a key of its own.
    fn order(
        &self,
        caller: &Caller,
        route: &str,
        IdempotencyKey(key): &IdempotencyKey,
        operation: Operation,
    ) -> Order {
        let key = match key {
            Some(key) => idempotency_key(caller.user_id.0, route, key),
            None => self.entropy.uuid_v7(self.clock.now()),
        };
        Order { key, operation }
    }

    /// The log's entry for the order, and whether it says so since an earlier request.
    async fn submit(
        &self,
        order: Order,
        key: &IdempotencyKey,
        refused: fn(Refusal) -> ApiError,
    ) -> Result<(Entry, Replayed), ApiError> {
        let (entries, replayed) = self.try_submit(order, key).await?.map_err(refused)?;
        let entry = entries.into_iter().next().ok_or_else(no_entry)?;
        Ok((entry, replayed))
    }

    /// All entries of the order, or why the ledger refused it.
    async fn try_submit(
        &self,
        order: Order,
        key: &IdempotencyKey,
    ) -> Result<Result<(Vec<Entry>, Replayed), Refusal>, ApiError> {
        // Money that is moved in a wrong ledger is lost when the right one is back.
        if let Some(stopped) = self.follower.stopped() {
            return Err(stopped.into());
        }
        match self.ledger.submit(order).await {
            // A call that broke on its way was made again; that is nothing to a client that sent no key.
            Ok(Outcome::Accepted { entries, replayed }) => {
                Ok(Ok((entries, Replayed(replayed && key.0.is_some()))))
            }
            Ok(Outcome::Refused { reason }) => Ok(Err(reason)),
            Ok(Outcome::KeyReused) => Err(ApiError::idempotency_key_reused()),
            Err(error) => Err(unknown_outcome(&error, key)),
        }
    }

    /// These payments, with what was given back of each.
    async fn views(&self, payments: Vec<Payment>) -> Result<Vec<PaymentView>, ApiError> {
        let refunded = self.store.refunded(&payments).await?;
        let refunded: HashMap<i64, i64> = refunded.into_iter().collect();
        Ok(payments
            .into_iter()
            .map(|payment| {
                let of_it = refunded.get(&payment.seq).copied();
                PaymentView::new(payment, of_it.unwrap_or_default())
            })
            .collect())
    }

    async fn payments(&self, caller: &Caller, page: Page) -> Result<PaymentsBody, ApiError> {
        let payments = self.store.of_user(caller.user_id.0, page).await?;
        let next = page.next(payments.iter().map(|payment| payment.id));
        let payments = self.views(payments).await?;
        Ok(PaymentsBody { payments, next })
    }

    async fn payment(&self, caller: &Caller, id: PathId) -> Result<PaymentView, ApiError> {
        let payment = self.own_payment(caller, id).await?;
        let mut views = self.views(vec![payment]).await?;
        views.pop().ok_or_else(ApiError::internal)
    }

    async fn own_payment(&self, caller: &Caller, id: PathId) -> Result<Payment, ApiError> {
        let not_found = || ApiError::not_found("Payment not found", "payment_not_found");
        let id = id.or(not_found())?;
        let payment = self.store.find(id).await?.ok_or_else(not_found)?;
        if payment.user_id != caller.user_id.0 {
            return Err(ApiError::forbidden("Unauthorized", "not_owner"));
        }
        Ok(payment)
    }
}

/// The ledger gave no answer, so nobody knows whether the money moved. The client is told how to find out.
fn unknown_outcome(error: &CallError, IdempotencyKey(key): &IdempotencyKey) -> ApiError {
    let advice = if key.is_some() {
        "repeat it with the same Idempotency-Key: it is carried out once"
    } else {
        "look at your transactions before you send it again. With an Idempotency-Key a repeat would be safe"
    };
    let error = ApiError::from(error);
    let message = format!("It is not known whether the request was carried out: {advice}");
    match error.body.message.clone() {
        Some(why) => error.message(format!("{why}. {message}")),
        None => error.message(message),
    }
}

/// The ledger accepted an order and says of no entry that it is it: a mistake in the ledger.
fn no_entry() -> ApiError {
    tracing::error!("the ledger accepted an order without an entry");
    ApiError::internal()
}

/// The ledger answered one order with the entry of another kind: a mistake in the ledger, or in here.
fn another_entry(entry: &Entry) -> ApiError {
    tracing::error!(seq = entry.seq, "the ledger answered with another entry");
    ApiError::internal()
}
