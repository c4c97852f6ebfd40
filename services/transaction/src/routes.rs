//! The routes: each parses, makes one call, and maps the answer. The OpenAPI document is made from the same list.

mod events;
mod past;
mod receipts;
mod reversals;

use std::ops::Deref;
use std::sync::Arc;

use api_error::ApiError;
use auth::{Caller, ServiceCaller, ServiceKeys, Verifier};
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRef, Query, State};
use clock::{Clock, Entropy};
use feed_follower::{Follower, Freshness};
use http::StatusCode;
use http_server::{IdempotencyKey, Json, Page, PathId, Replayed};
use ledger_api::LedgerClient;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::domain::{Figures, Movement, Wallet};
use crate::events::Events;
use crate::kept::{KeptPages, PageBody};
use crate::store::{Cursor, Key, Pages, Place, Recorded, Store};
use crate::wire::{
    RecordRequest, StatsBody, StatsQuery, TransactionBody, TransactionsBody, invalid_wallet,
};

/// What handlers are given. Every request takes some copies along, so it is one pointer.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

/// What is in an [`App`].
pub(crate) struct Parts {
    pub(crate) follower: Follower,
    pub(crate) ledger: LedgerClient,
    pub(crate) store: Store,
    pub(crate) pages: KeptPages,
    pub(crate) newest: Pages,
    pub(crate) events: Events,
    pub(crate) stopping: CancellationToken,
    pub(crate) verifier: Verifier,
    pub(crate) service_keys: ServiceKeys,
    pub(crate) clock: Clock,
    pub(crate) entropy: Entropy,
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

impl FromRef<App> for ServiceKeys {
    fn from_ref(app: &App) -> ServiceKeys {
        app.service_keys.clone()
    }
}

/// An answer that says how fresh it is.
type Fresh<T> = Result<(Freshness, Json<T>), (Freshness, ApiError)>;

/// The same of a page, which is JSON already.
type FreshPage = Result<(Freshness, PageBody), (Freshness, ApiError)>;

/// Every route.
pub(crate) fn router(app: App) -> Router {
    let (router, _) = documented().split_for_parts();
    router.merge(past::router()).with_state(app)
}

/// What the OpenAPI document says of the public routes; the gateway adds what all calls have in common.
pub fn openapi() -> utoipa::openapi::OpenApi {
    documented().into_openapi()
}

fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, record))
        .routes(routes!(stats))
        .routes(routes!(of_wallet))
        .routes(routes!(find))
        .routes(routes!(receipts::receipt))
        .routes(routes!(reversals::reverse))
        .routes(routes!(events::events))
}

/// Lists the caller's transactions, the newest first
///
/// Every top-up, payment and transfer is in the list as soon as its call was answered. A transfer is in the receiver's list, too.
#[utoipa::path(
    get,
    path = "/transactions",
    operation_id = "listTransactions",
    params(Page),
    responses(
        (status = 200, description = "One page.", body = TransactionsBody),
        (status = 400, description = "Invalid query: invalid_query, unknown_parameter"),
    )
)]
async fn list(State(app): State<App>, caller: Caller, page: Page) -> FreshPage {
    let freshness = app.follower.freshness().await?;
    let transactions = app.history(caller.user_id.0, None, page, freshness);
    freshness.answer(transactions.await)
}

/// Shows one of the caller's transactions
///
/// While the ledger cannot be reached, a transaction that was just made may be missing.
#[utoipa::path(
    get,
    path = "/transactions/{id}",
    operation_id = "getTransaction",
    params(("id" = inline(PathId), Path, description = "The id of the transaction.")),
    responses(
        (status = 200, description = "The transaction.", body = TransactionBody),
        (status = 403, description = "Unauthorized: not_owner"),
        (status = 404, description = "Transaction not found: transaction_not_found"),
    )
)]
async fn find(State(app): State<App>, caller: Caller, id: PathId) -> Fresh<TransactionBody> {
    let freshness = app.follower.freshness().await?;
    let movement = app.own_movement(caller.user_id.0, id).await;
    freshness.answer(movement.map(|movement| Json(movement.into())))
}

/// Lists the transactions of one of the caller's wallets, the newest first
#[utoipa::path(
    get,
    path = "/transactions/wallet/{wallet_id}",
    operation_id = "listWalletTransactions",
    params(("wallet_id" = inline(PathId), Path, description = "The id of the wallet."), Page),
    responses(
        (status = 200, description = "One page.", body = TransactionsBody),
        (status = 400, description = "Invalid query: invalid_query, unknown_parameter"),
        (status = 403, description = "Invalid wallet: invalid_wallet"),
    )
)]
async fn of_wallet(
    State(app): State<App>,
    caller: Caller,
    wallet_id: PathId,
    page: Page,
) -> FreshPage {
    let freshness = app.follower.freshness().await?;
    let transactions = async {
        let wallet = app.own_wallet(caller.user_id.0, wallet_id).await?;
        app.history(wallet.user_id, Some(wallet.wallet_id), page, freshness)
            .await
    };
    freshness.answer(transactions.await)
}

/// Sums up the caller's transactions of one currency
#[utoipa::path(
    get,
    path = "/transactions/stats",
    operation_id = "getStatistics",
    params(StatsQuery),
    responses(
        (status = 200, description = "The sums.", body = StatsBody),
        (status = 400, description = "Invalid query: invalid_query"),
    )
)]
async fn stats(
    State(app): State<App>,
    caller: Caller,
    query: Result<Query<StatsQuery>, QueryRejection>,
) -> Fresh<StatsBody> {
    let freshness = app.follower.freshness().await?;
    let stats = async {
        let currency = StatsQuery::currency(query)?;
        let sums = app.store.sums(caller.user_id.0, currency).await?;
        Ok(Json(StatsBody::new(Figures::of(&sums), currency)))
    };
    freshness.answer(stats.await)
}

/// Records an entry of history that moves no money (services only)
///
/// It stands for something that happened elsewhere. It counts in the statistics, and `"source": "recorded"` tells it from the ledger's own.
#[utoipa::path(
    post,
    path = "/transactions",
    operation_id = "recordTransaction",
    request_body = RecordRequest,
    responses(
        (status = 201, description = "The entry is recorded.", body = TransactionBody),
        (status = 400, description = "Missing required fields: missing_fields; Invalid wallet: wallet_not_found; Invalid transaction type: invalid_type; Invalid amount: invalid_amount; Invalid field: invalid_field, invisible_character"),
        (status = 403, description = "Unauthorized: services_only"),
    )
)]
async fn record(
    State(app): State<App>,
    ServiceCaller(service): ServiceCaller,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<RecordRequest>,
) -> Result<(StatusCode, Replayed, Json<TransactionBody>), ApiError> {
    let new = body.parse(app.store.kinds())?;
    let wallet = app.known_wallet(new.wallet_id).await?;
    let key = key.map(|key| Key {
        service: service.to_string(),
        key,
    });
    let at = app.clock.now();
    let (movement, replayed) = match app.store.record(&new, &wallet, key.as_ref(), at).await? {
        Recorded::Now(movement) => (movement, false),
        Recorded::Before(movement) => (movement, true),
        Recorded::KeyReused => return Err(ApiError::idempotency_key_reused()),
    };
    Ok((
        StatusCode::CREATED,
        Replayed(replayed),
        Json(movement.into()),
    ))
}

impl App {
    /// One page of what a user's wallets, or one of them, went through.
    async fn history(
        &self,
        user_id: i64,
        wallet_id: Option<i64>,
        page: Page,
        freshness: Freshness,
    ) -> Result<PageBody, ApiError> {
        let after = match page.before {
            i64::MAX => Cursor::NEWEST,
            id => self.store.cursor(user_id, id).await?.ok_or_else(|| {
                ApiError::bad_request("Invalid query", "invalid_query")
                    .field("before")
                    .message("before is the id of a transaction in this list")
            })?,
        };
        let place = Place {
            user_id,
            wallet_id,
            after,
            limit: page.limit,
        };
        self.pages.read(place, freshness).await
    }

    async fn own_movement(&self, user_id: i64, id: PathId) -> Result<Movement, ApiError> {
        let not_found = || ApiError::not_found("Transaction not found", "transaction_not_found");
        let id = id.or(not_found())?;
        let movement = self.store.find(id).await?.ok_or_else(not_found)?;
        if movement.user_id != user_id {
            return Err(ApiError::forbidden("Unauthorized", "not_owner"));
        }
        Ok(movement)
    }

    async fn own_wallet(&self, user_id: i64, wallet_id: PathId) -> Result<Wallet, ApiError> {
        let invalid = || ApiError::forbidden("Invalid wallet", "invalid_wallet");
        let wallet = self.store.wallet(wallet_id.or(invalid())?).await?;
        wallet
            .filter(|wallet| wallet.user_id == user_id)
            .ok_or_else(invalid)
    }

    /// A wallet that is not there is an error of the caller's, unless it may only not have arrived.
    async fn known_wallet(&self, wallet_id: i64) -> Result<Wallet, ApiError> {
        let freshness = self.follower.freshness().await?;
        let wallet = self.store.wallet(wallet_id).await?;
        wallet.ok_or_else(|| match freshness {
            Freshness::Current => invalid_wallet(),
            Freshness::Behind => ApiError::unavailable(
                "The wallet is not known here, and the ledger cannot be asked",
            ),
        })
    }
}
