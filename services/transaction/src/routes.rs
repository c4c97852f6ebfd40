//! The routes: each parses, makes one call, and maps the answer. The OpenAPI document is made from the same list.

mod past;
mod receipts;

use std::ops::Deref;
use std::sync::Arc;

use api_error::{ApiError, ErrorBody};
use auth::{BearerScheme, Caller, ServiceCaller, ServiceKeys, Verifier};
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRef, Query, State};
use clock::Clock;
use feed_follower::{Follower, Freshness};
use http::StatusCode;
use http_server::{IdempotencyKey, Json, Page, PathId, Replayed};
use ledger_api::LedgerClient;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::domain::{Figures, Movement, Wallet};
use crate::kept::{KeptPages, PageBody};
use crate::store::{Cursor, Key, Place, Recorded, Store};
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
    pub(crate) verifier: Verifier,
    pub(crate) service_keys: ServiceKeys,
    pub(crate) clock: Clock,
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

/// The OpenAPI document of the public routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    documented().into_openapi()
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Dompet: transactions", description = "What happened to a user's wallets, and what it sums up to."),
    tags((name = "Transactions", description = "History and statistics.")),
    modifiers(&BearerScheme),
)]
struct Document;

fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(list, record))
        .routes(routes!(stats))
        .routes(routes!(of_wallet))
        .routes(routes!(find))
        .routes(routes!(receipts::receipt))
}

/// Lists the caller's transactions, the newest first
///
/// Every top-up, payment and transfer is in it as soon as it was answered; a transfer also in the receiver's list.
#[utoipa::path(
    get,
    path = "/transactions",
    tag = "Transactions",
    operation_id = "listTransactions",
    security(("bearer" = [])),
    params(
        ("limit" = Option<i64>, Query, description = "How many at most, 100 unless given", minimum = 1, maximum = 200),
        ("before" = Option<i64>, Query, description = "Only what comes after this transaction in the list: `next` of the page before", minimum = 1),
    ),
    responses(
        (status = 200, description = "One page", body = TransactionsBody, headers(("X-Data-Behind" = Option<String>, description = "`true` while the ledger cannot be reached: the newest may be missing"))),
        (status = 400, description = "`Invalid query`", body = ErrorBody, example = json!({"error": "Invalid query", "code": "invalid_query", "field": "limit"})),
        (status = 401, description = "`Token is missing`, `Invalid token`, `Token has expired`", body = ErrorBody, example = json!({"error": "Token is missing", "code": "token_missing"})),
    )
)]
async fn list(State(app): State<App>, caller: Caller, page: Page) -> FreshPage {
    let freshness = app.follower.freshness().await?;
    let transactions = app.history(caller.user_id.0, None, page, freshness);
    freshness.answer(transactions.await)
}

/// Shows one of the caller's transactions
#[utoipa::path(
    get,
    path = "/transactions/{id}",
    tag = "Transactions",
    operation_id = "getTransaction",
    security(("bearer" = [])),
    params(("id" = i64, Path, description = "The transaction's id", minimum = 1)),
    responses(
        (status = 200, description = "The transaction", body = TransactionBody, headers(("X-Data-Behind" = Option<String>, description = "`true` while the ledger cannot be reached"))),
        (status = 401, description = "`Token is missing`, `Invalid token`, `Token has expired`", body = ErrorBody, example = json!({"error": "Token is missing", "code": "token_missing"})),
        (status = 403, description = "`Unauthorized`: somebody else's", body = ErrorBody, example = json!({"error": "Unauthorized", "code": "not_owner"})),
        (status = 404, description = "`Transaction not found`; while the ledger cannot be reached also one that was just made", body = ErrorBody, example = json!({"error": "Transaction not found", "code": "transaction_not_found"})),
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
    tag = "Transactions",
    operation_id = "listWalletTransactions",
    security(("bearer" = [])),
    params(
        ("wallet_id" = i64, Path, description = "The wallet's id", minimum = 1),
        ("limit" = Option<i64>, Query, description = "How many at most, 100 unless given", minimum = 1, maximum = 200),
        ("before" = Option<i64>, Query, description = "Only what comes after this transaction in the list: `next` of the page before", minimum = 1),
    ),
    responses(
        (status = 200, description = "One page", body = TransactionsBody, headers(("X-Data-Behind" = Option<String>, description = "`true` while the ledger cannot be reached: the newest may be missing"))),
        (status = 400, description = "`Invalid query`", body = ErrorBody, example = json!({"error": "Invalid query", "code": "invalid_query", "field": "limit"})),
        (status = 401, description = "`Token is missing`, `Invalid token`, `Token has expired`", body = ErrorBody, example = json!({"error": "Token is missing", "code": "token_missing"})),
        (status = 403, description = "`Invalid wallet`: not there, or somebody else's", body = ErrorBody, example = json!({"error": "Invalid wallet", "code": "invalid_wallet"})),
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
    tag = "Transactions",
    operation_id = "getStats",
    security(("bearer" = [])),
    params(("currency" = Option<String>, Query, description = "A code of ISO 4217, `IDR` unless given", example = "IDR")),
    responses(
        (status = 200, description = "The sums", body = StatsBody, headers(("X-Data-Behind" = Option<String>, description = "`true` while the ledger cannot be reached: the newest may be missing"))),
        (status = 400, description = "`Invalid query`", body = ErrorBody, example = json!({"error": "Invalid query", "code": "invalid_query", "field": "currency"})),
        (status = 401, description = "`Token is missing`, `Invalid token`, `Token has expired`", body = ErrorBody, example = json!({"error": "Token is missing", "code": "token_missing"})),
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
/// For what happened elsewhere. It counts in the statistics, and is told from the ledger's own by `"source": "recorded"`.
#[utoipa::path(
    post,
    path = "/transactions",
    tag = "Transactions",
    operation_id = "recordTransaction",
    security(("bearer" = [])),
    request_body = RecordRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters; one for each record", example = "c5c6f1d4-9a0f-4f5c-8b38-6f2d7e2f8b11")),
    responses(
        (status = 201, description = "Recorded", body = TransactionBody, headers(("Idempotency-Replayed" = Option<String>, description = "`true` when this is the first answer, come again"))),
        (status = 400, description = "`Missing required fields`, `Invalid wallet`, `Invalid transaction type`, `Invalid amount`, `Invalid field`", body = ErrorBody, example = json!({"error": "Invalid transaction type", "code": "invalid_type", "field": "type"})),
        (status = 401, description = "`Token is missing`, `Invalid token`, `Token has expired`", body = ErrorBody, example = json!({"error": "Token is missing", "code": "token_missing"})),
        (status = 403, description = "`Unauthorized`: the token is a user's", body = ErrorBody, example = json!({"error": "Unauthorized", "code": "services_only", "message": "Only services may call this"})),
        (status = 422, description = "`Idempotency key reused`: the key came with another record before", body = ErrorBody, example = json!({"error": "Idempotency key reused", "code": "idempotency_key_reused"})),
        (status = 503, description = "The wallet is not known, and the ledger cannot be asked now", body = ErrorBody, example = json!({"error": "Service unavailable", "code": "unavailable"})),
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
