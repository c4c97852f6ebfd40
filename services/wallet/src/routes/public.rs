//! What users, administrators and (for deposits and deductions) services call.

use std::collections::HashMap;

use api_error::ApiError;
use auth::{Caller, ServiceCaller};
use axum::Extension;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use http_server::{IdempotencyKey, Json, PathId, Peer, Replayed};
use ledger_api::{
    Actor, Event, Leg, Operation, Order, Outcome, Posting, Service, Uuid, WalletStatus,
    idempotency_key,
};

use super::Wallets;
use super::refusals::{
    currency_not_offered, no_outcome, not_found, refused, topup_closed, unauthorized, unreadable,
    user_unverified,
};
use super::wire::{
    AmountRequest, AtParameter, BalanceBody, DepositRequest, MovedBody, OpenRequest, StatusRequest,
    Wallet, WalletBody, WalletsBody,
};
use crate::TopUp;
use ledger::store::Holding;
use user_api::WalletAct;

/// Lists the caller's wallets, the oldest first
#[utoipa::path(
    get,
    path = "/wallets",
    operation_id = "listWallets",
    responses(
        (status = 200, description = "Every wallet of the caller.", body = WalletsBody),
    )
)]
pub(super) async fn list(
    State(wallets): State<Wallets>,
    caller: Caller,
) -> Result<Json<WalletsBody>, ApiError> {
    let accounts = wallets.accounts_of.get(caller.user_id.0).await?;
    let wallets = accounts.iter().flatten().filter_map(Wallet::of).collect();
    Ok(Json(WalletsBody { wallets }))
}

/// Opens a wallet for the caller
///
/// A user has one wallet of each currency; `GET /currencies` lists those that there can be. With an `Idempotency-Key` the call can be repeated: the first answer comes again.
#[utoipa::path(
    post,
    path = "/wallets",
    operation_id = "openWallet",
    request_body = OpenRequest,
    responses(
        (status = 201, description = "The wallet is open.", body = WalletBody),
        (status = 400, description = "Invalid currency: invalid_currency, currency_not_offered; User already has a wallet: wallet_exists; User verification failed: user_verification_failed"),
    )
)]
pub(super) async fn open(
    State(wallets): State<Wallets>,
    caller: Caller,
    key: IdempotencyKey,
    Json(body): Json<OpenRequest>,
) -> Result<Response, ApiError> {
    let currency = body.currency()?;
    let is_offered = wallets.currencies.offers(currency);
    let user_id = caller.user_id.0;
    wallets
        .users
        .find(user_id)
        .await?
        .ok_or_else(user_unverified)?;
    let key = wallets.key(user_id, "POST /wallets", key);
    // What was opened while it was offered is answered as it was.
    if !is_offered && !wallets.has_happened(&key).await? {
        return Err(currency_not_offered(currency));
    }
    let operation = Operation::OpenWallet { user_id, currency };
    let done = wallets.submit(key, operation).await?;
    let Event::WalletOpened { wallet_id, .. } = done.event else {
        return Err(ApiError::internal());
    };
    let wallet = Wallet {
        held: Some(0),
        total: Some(0),
        ..Wallet::new(wallet_id, user_id, 0, currency, WalletStatus::Active)
    };
    Ok((
        StatusCode::CREATED,
        done.replayed,
        Json(WalletBody { wallet }),
    )
        .into_response())
}

/// Shows one of the caller's wallets
#[utoipa::path(
    get,
    path = "/wallets/{id}",
    operation_id = "getWallet",
    params(("id" = inline(PathId), Path, description = "The id of the wallet.")),
    responses(
        (status = 200, description = "The wallet.", body = WalletBody),
        (status = 403, description = "Unauthorized: not_owner"),
        (status = 404, description = "Wallet not found: wallet_not_found"),
    )
)]
pub(super) async fn show(
    State(wallets): State<Wallets>,
    caller: Caller,
    id: PathId,
) -> Result<Json<WalletBody>, ApiError> {
    let holding = wallets.own(&caller, id).await?;
    let wallet = Wallet::of(&holding).ok_or_else(not_found)?;
    Ok(Json(WalletBody { wallet }))
}

/// Shows the balance of one of the caller's wallets, now or at a moment of the past
///
/// A wallet holds 0 before its first movement.
#[utoipa::path(
    get,
    path = "/wallets/{id}/balance",
    operation_id = "getBalance",
    params(("id" = inline(PathId), Path, description = "The id of the wallet."), AtParameter),
    responses(
        (status = 200, description = "The balance.", body = BalanceBody),
        (status = 400, description = "Invalid query: invalid_query"),
        (status = 403, description = "Unauthorized: not_owner"),
        (status = 404, description = "Wallet not found: wallet_not_found"),
    )
)]
pub(super) async fn balance(
    State(wallets): State<Wallets>,
    caller: Caller,
    id: PathId,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<BalanceBody>, ApiError> {
    if query.contains_key("at") {
        return Err(ApiError::bad_request("Invalid query", "invalid_query")
            .field("at")
            .message("The past is answered by the transaction service, or through the gateway"));
    }
    let Holding { account, .. } = wallets.own(&caller, id).await?;
    Ok(Json(BalanceBody {
        wallet_id: account.id,
        balance: account.balance,
        currency: account.currency.code().to_owned(),
        at: None,
    }))
}

/// Puts money from outside into one of the caller's wallets
///
/// With an `Idempotency-Key` the call can be repeated, also after a failure whose outcome is unknown (503, 504, a broken connection): the
/// money comes in once, and the first answer comes again. Where the operator does not leave it open to users (`TOPUP`), it is refused.
#[utoipa::path(
    post,
    path = "/wallets/{id}/topup",
    operation_id = "topUp",
    params(("id" = inline(PathId), Path, description = "The id of the wallet.")),
    request_body = AmountRequest,
    responses(
        (status = 200, description = "The money is in the wallet.", body = MovedBody),
        (status = 400, description = "Invalid amount: invalid_amount, limit_exceeded, balance_limit, ledger_limit"),
        (status = 403, description = "Unauthorized: not_owner; Wallet is not active: wallet_not_active; Top up is not available: topup_closed"),
        (status = 404, description = "Wallet not found: wallet_not_found"),
    )
)]
pub(super) async fn top_up(
    State(wallets): State<Wallets>,
    caller: Caller,
    id: PathId,
    key: IdempotencyKey,
    Json(body): Json<AmountRequest>,
) -> Result<Response, ApiError> {
    let wallet_id = id.or(not_found())?;
    let user_id = caller.user_id.0;
    let amount = body.amount()?;
    let key = wallets.key(user_id, "POST /wallets/{id}/topup", key);
    // What was done while it was open is answered as it was.
    if wallets.topup != TopUp::Open && !wallets.has_happened(&key).await? {
        return Err(topup_closed());
    }
    let operation = wallet_api::top_up(wallet_id, user_id, amount);
    let done = wallets.submit(key, operation).await?;
    done.moved("Top up successful", |posting| posting.credit)
}

/// Brings money from outside into a wallet (the operator's funding service only)
///
/// The gateway does not route it. The reference says what it is outside, such as a bank's number of the payment. It is unique for ever: a
/// repeat brings nothing in, and has the first answer.
#[utoipa::path(
    post,
    path = "/wallets/{id}/deposit",
    operation_id = "deposit",
    params(("id" = inline(PathId), Path, description = "The id of the wallet.")),
    request_body = DepositRequest,
    responses(
        (status = 200, description = "The money is in the wallet.", body = MovedBody),
        (status = 400, description = "Invalid amount: invalid_amount, limit_exceeded, balance_limit, ledger_limit; Invalid field: invalid_field; Invalid request body: unknown_field"),
        (status = 403, description = "Unauthorized: services_only, forbidden; Wallet is not active: wallet_not_active; Top up is not available: topup_closed"),
        (status = 404, description = "Wallet not found: wallet_not_found"),
        (status = 409, description = "Reference reused: reference_reused"),
    )
)]
pub(super) async fn deposit(
    State(wallets): State<Wallets>,
    service: ServiceCaller,
    id: PathId,
    Json(body): Json<DepositRequest>,
) -> Result<Response, ApiError> {
    if Service::from_name(&service.0) != Some(Service::Funding) {
        return Err(ApiError::forbidden("Unauthorized", "forbidden")
            .message("Only the operator's funding service brings money in"));
    }
    let wallet_id = id.or(not_found())?;
    let (amount, reference) = body.parse()?;
    let key = Key {
        key: idempotency_key(0, "POST /wallets/{id}/deposit", &reference),
        is_the_clients: true,
    };
    if wallets.topup == TopUp::Off && !wallets.has_happened(&key).await? {
        return Err(topup_closed());
    }
    let by = Actor::Service(Service::Funding);
    let operation = wallet_api::deposit(wallet_id, by, amount, reference);
    let done = wallets.submit(key, operation).await.map_err(|error| {
        if error.status == StatusCode::UNPROCESSABLE_ENTITY {
            return ApiError::new(StatusCode::CONFLICT, "Reference reused", "reference_reused")
                .field("reference")
                .message("This reference belongs to another deposit");
        }
        error
    })?;
    done.moved("Top up successful", |posting| posting.credit)
}

/// Takes money out of a wallet on behalf of a service (services only)
///
/// The gateway does not route it.
#[utoipa::path(
    post,
    path = "/wallets/{id}/deduct",
    operation_id = "deduct",
    params(("id" = inline(PathId), Path, description = "The id of the wallet.")),
    request_body = AmountRequest,
    responses(
        (status = 200, description = "The money is taken out.", body = MovedBody),
        (status = 400, description = "Invalid amount: invalid_amount, limit_exceeded, ledger_limit; Insufficient balance: insufficient_balance"),
        (status = 403, description = "Unauthorized: services_only; Wallet is not active: wallet_not_active"),
        (status = 404, description = "Wallet not found: wallet_not_found"),
    )
)]
pub(super) async fn deduct(
    State(wallets): State<Wallets>,
    service: ServiceCaller,
    id: PathId,
    key: IdempotencyKey,
    Json(body): Json<AmountRequest>,
) -> Result<Response, ApiError> {
    let by = Service::from_name(&service.0).ok_or_else(unauthorized)?;
    let wallet_id = id.or(not_found())?;
    let amount = body.amount()?;
    // Services have no user id; their keys live in a space of their own.
    let key = wallets.key(
        0,
        &format!("POST /wallets/{{id}}/deduct by {}", service.0),
        key,
    );
    let operation = wallet_api::withdraw(wallet_id, Actor::Service(by), amount, None);
    let done = wallets.submit(key, operation).await?;
    done.moved("Deduction successful", |posting| posting.debit)
}

/// Freezes a wallet, or makes it active again
///
/// Only administrators may call it. The ledger keeps who it was, and the audit log also why.
#[utoipa::path(
    put,
    path = "/wallets/{id}/status",
    operation_id = "setWalletStatus",
    params(("id" = inline(PathId), Path, description = "The id of the wallet.")),
    request_body = StatusRequest,
    responses(
        (status = 200, description = "The wallet has the status.", body = WalletBody),
        (status = 400, description = "Invalid status: invalid_status; Invalid field: invalid_field, invisible_character; Invalid request body: unknown_field"),
        (status = 403, description = "Unauthorized: not_owner; Wallet is not active: wallet_not_active"),
        (status = 404, description = "Wallet not found: wallet_not_found"),
    )
)]
pub(super) async fn set_status(
    State(wallets): State<Wallets>,
    caller: Caller,
    peer: Option<Extension<Peer>>,
    id: PathId,
    Json(body): Json<StatusRequest>,
) -> Result<Json<WalletBody>, ApiError> {
    if !caller.is_admin() {
        return Err(unauthorized());
    }
    let wallet_id = id.or(not_found())?;
    let (status, reason) = body.parse()?;
    let key = wallets.key(
        caller.user_id.0,
        "PUT /wallets/{id}/status",
        IdempotencyKey(None),
    );
    let operation = Operation::SetStatus {
        wallet_id,
        status,
        by: Actor::User(caller.user_id.0),
    };
    let act = WalletAct {
        key: key.key,
        actor_id: caller.user_id.0,
        wallet_id,
        is_frozen: status == WalletStatus::Frozen,
        reason,
        address: peer.map(|Extension(peer)| peer.0.ip().to_string()),
    };
    wallets.submit(key, operation).await?;
    if let Err(error) = wallets.users.note(&act).await {
        // It is done, and the ledger says by whom.
        tracing::error!(
            error = &error as &dyn std::error::Error,
            wallet_id,
            actor_id = act.actor_id,
            "a change of a wallet's status could not be written into the audit log"
        );
    }
    let holding = wallets.account(wallet_id).await?;
    let wallet = Wallet::of(&holding).ok_or_else(not_found)?;
    Ok(Json(WalletBody { wallet }))
}

/// What an accepted order came to.
pub(super) struct Done {
    event: Event,
    replayed: Replayed,
}

impl Done {
    /// The answer about the wallet on one side of a posting, as it stood after it. Money only moves in an active wallet.
    fn moved(self, message: &'static str, side: fn(&Posting) -> Leg) -> Result<Response, ApiError> {
        let posting = self.event.as_posting().ok_or_else(ApiError::internal)?;
        let leg = side(posting);
        let wallet = Wallet::new(
            leg.account,
            leg.user_id.unwrap_or_default(),
            leg.balance,
            posting.currency,
            WalletStatus::Active,
        );
        let body = Json(MovedBody { message, wallet });
        Ok((StatusCode::OK, self.replayed, body).into_response())
    }
}

/// The ledger's key of an order.
pub(super) struct Key {
    key: Uuid,
    /// Whether the client knows it: who sent none is told of no repeat.
    is_the_clients: bool,
}

impl Wallets {
    /// The ledger's key for a client's key, or a new one.
    pub(super) fn key(&self, user_id: i64, route: &str, key: IdempotencyKey) -> Key {
        match key.0 {
            Some(key) => Key {
                key: idempotency_key(user_id, route, &key),
                is_the_clients: true,
            },
            None => Key {
                key: self.entropy.uuid_v7(self.clock.now()),
                is_the_clients: false,
            },
        }
    }

    /// True if the log has an entry of this key. Who sent none has a new one.
    async fn has_happened(&self, key: &Key) -> Result<bool, ApiError> {
        if !key.is_the_clients {
            return Ok(false);
        }
        let (_, known) = self.store.find(&[key.key]).await.map_err(unreadable)?;
        Ok(!known.is_empty())
    }

    pub(super) async fn submit(&self, key: Key, operation: Operation) -> Result<Done, ApiError> {
        let order = Order {
            key: key.key,
            operation,
        };
        match self
            .ledger
            .submit(vec![order])
            .await
            .map_err(no_outcome)?
            .pop()
        {
            Some(Outcome::Accepted { entries, replayed }) => {
                let entry = entries.into_iter().next().ok_or_else(ApiError::internal)?;
                Ok(Done {
                    event: entry.event,
                    replayed: Replayed(replayed && key.is_the_clients),
                })
            }
            Some(Outcome::Refused { reason }) => Err(refused(reason)),
            Some(Outcome::KeyReused) => Err(ApiError::idempotency_key_reused()),
            None => Err(ApiError::internal()),
        }
    }

    pub(super) async fn account(&self, id: i64) -> Result<Holding, ApiError> {
        let holding = self.accounts.get(id).await?;
        holding
            .filter(|holding| holding.account.user_id.is_some())
            .ok_or_else(not_found)
    }

    async fn own(&self, caller: &Caller, id: PathId) -> Result<Holding, ApiError> {
        let holding = self.account(id.or(not_found())?).await?;
        if holding.account.user_id != Some(caller.user_id.0) {
            return Err(unauthorized());
        }
        Ok(holding)
    }
}
