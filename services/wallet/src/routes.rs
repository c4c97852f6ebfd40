//! The HTTP routes: parse → one call → map.

mod administration;
mod currencies;
pub(crate) mod internal;
mod limits;
mod public;
mod refusals;
mod requests;
mod wire;

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use auth::{ServiceKeys, Verifier};
use axum::Router;
use axum::extract::FromRef;
use clock::{Clock, Entropy};
use store::Together;
use user_api::UserClient;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::{Currencies, TopUp};
use ledger::domain::Policy;
use ledger::store::{Holding, LedgerStore, StoreError};
use ledger::{Ledger, LedgerMetrics};
use ledger_api::Kinds;

/// What handlers work with.
#[derive(Clone)]
pub(crate) struct Wallets(Arc<Parts>);

/// What is in [`Wallets`].
pub(crate) struct Parts {
    pub(crate) ledger: Ledger,
    pub(crate) store: Arc<dyn LedgerStore>,
    pub(crate) accounts: Together<i64, Holding>,
    pub(crate) accounts_of: Together<i64, Vec<Holding>>,
    pub(crate) users: UserClient,
    pub(crate) verifier: Verifier,
    pub(crate) service_keys: ServiceKeys,
    pub(crate) clock: Clock,
    pub(crate) entropy: Entropy,
    pub(crate) metrics: LedgerMetrics,
    pub(crate) kinds: &'static Kinds,
    pub(crate) topup: TopUp,
    pub(crate) policy: Policy,
    pub(crate) currencies: Currencies,
}

impl Wallets {
    pub(crate) fn new(parts: Parts) -> Wallets {
        Wallets(Arc::new(parts))
    }
}

impl Deref for Wallets {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl FromRef<Wallets> for Verifier {
    fn from_ref(wallets: &Wallets) -> Verifier {
        wallets.verifier.clone()
    }
}

impl FromRef<Wallets> for ServiceKeys {
    fn from_ref(wallets: &Wallets) -> ServiceKeys {
        wallets.service_keys.clone()
    }
}

fn public() -> OpenApiRouter<Wallets> {
    OpenApiRouter::new()
        .routes(routes!(public::list, public::open))
        .routes(routes!(currencies::list))
        .routes(routes!(public::show))
        .routes(routes!(public::balance))
        .routes(routes!(public::top_up))
        .routes(routes!(public::deposit))
        .routes(routes!(public::deduct))
        .routes(routes!(public::set_status))
        .routes(routes!(limits::show))
        .routes(routes!(limits::set_tier))
        .routes(routes!(requests::find))
        .routes(routes!(administration::wallets))
}

/// Wallets, or users, that one query asks for at most.
const TOGETHER_MAX: usize = 512;

/// Reads of accounts by their ids.
pub(crate) fn accounts(store: Arc<dyn LedgerStore>) -> Together<i64, Holding> {
    Together::new(TOGETHER_MAX, move |ids| {
        let store = store.clone();
        async move {
            let found = store.holdings(&ids).await?.into_iter();
            Ok::<_, StoreError>(found.map(|holding| (holding.account.id, holding)).collect())
        }
    })
}

/// Reads of a user's accounts, oldest first.
pub(crate) fn accounts_of(store: Arc<dyn LedgerStore>) -> Together<i64, Vec<Holding>> {
    Together::new(TOGETHER_MAX, move |users| {
        let store = store.clone();
        async move {
            let mut holdings = store.holdings_of(&users).await?;
            holdings.sort_unstable_by_key(|holding| holding.account.id);
            let mut of_users: HashMap<i64, Vec<Holding>> = HashMap::new();
            for holding in holdings {
                if let Some(user_id) = holding.account.user_id {
                    of_users.entry(user_id).or_default().push(holding);
                }
            }
            Ok::<_, StoreError>(of_users)
        }
    })
}

/// Everything that this service answers, without the probes.
pub(crate) fn router(wallets: Wallets) -> Router {
    let (public, _) = public().split_for_parts();
    let orders = internal::orders_router(
        wallets.ledger.clone(),
        wallets.service_keys.clone(),
        wallets.verifier.clone(),
    );
    public
        .merge(internal::router())
        .with_state(wallets)
        .merge(orders)
}

/// What the OpenAPI document says of the public routes; the gateway adds what all calls have in common.
pub fn openapi() -> utoipa::openapi::OpenApi {
    public().into_openapi()
}
