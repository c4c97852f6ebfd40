//! Demo data: the wallets of the contract's three demo users, filled by ordinary recorded transactions.
//!
//! Every order has a fixed key, so that any number of replicas and restarts leave one set of demo data. A ledger that is
//! in use already, and was not begun with demo data, is left alone. So is an empty one whose users belong to another: money that was lost
//! is not made up for with demo money.

use std::time::Duration;

use ledger_api::{Operation, Order, Outcome, Uuid, idempotency_key};
use money::{Amount, Currency};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use user_api::UserClient;

use ledger::Ledger;
use ledger::store::{LedgerStore, StoreError};

/// The wait before a database that is not ready is asked again.
const RETRY_EVERY: Duration = Duration::from_millis(100);

/// Brings the demo data in, however often it takes; then says so.
pub(crate) async fn seed(
    ledger: Ledger,
    store: std::sync::Arc<dyn LedgerStore>,
    users: UserClient,
    done: watch::Sender<bool>,
    stop: CancellationToken,
) {
    while !done.borrow().to_owned() {
        match try_seed(&ledger, &*store, &users).await {
            Ok(()) => drop(done.send_replace(true)),
            Err(error) => {
                tracing::debug!(error = format!("{error:#}"), "no demo data yet");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(RETRY_EVERY) => {}
                }
            }
        }
    }
}

async fn try_seed(
    ledger: &Ledger,
    store: &dyn LedgerStore,
    users: &UserClient,
) -> anyhow::Result<()> {
    let (identity, head) = store.identity().await?;
    if head > 0 && !is_in(store).await? {
        tracing::info!("DEMO_DATA is left out: this ledger is in use");
        return Ok(());
    }
    // An empty ledger may be one that was lost. Who is asked then knows which ledger the users belong to.
    if head == 0 {
        let belonging = users.belonging().await?;
        let is_ours = match belonging.ledger {
            Some(theirs) => theirs == identity,
            None => belonging.highest == 0,
        };
        if !is_ours {
            tracing::info!("DEMO_DATA is left out: the users belong to another ledger");
            return Ok(());
        }
    }
    for outcome in ledger.submit(orders()?).await? {
        if let Outcome::Refused { reason } = outcome {
            tracing::debug!(?reason, "a demo order was refused");
        }
    }
    Ok(())
}

/// Whether a ledger began with demo data.
async fn is_in(store: &dyn LedgerStore) -> Result<bool, StoreError> {
    let (_, known) = store.find(&[demo_key()]).await?;
    Ok(!known.is_empty())
}

/// The key of the first order of demo data.
pub fn demo_key() -> Uuid {
    key(0)
}

fn key(number: usize) -> Uuid {
    idempotency_key(0, "demo data", &number.to_string())
}

/// John, Jane and Bob end with 1,000,000, 500,000 and 750,000 rupiah. Nobody receives a transfer: pages that were made before there was
/// a direction show what was received as spent, and what they show at first should be right.
fn orders() -> anyhow::Result<Vec<Order>> {
    let open = |user_id| Operation::OpenWallet {
        user_id,
        currency: Currency::IDR,
    };
    let top_up = |user_id, units| {
        let amount = Amount::new(units)?;
        Ok::<_, money::InvalidAmount>(wallet_api::top_up(user_id, user_id, amount))
    };
    let pay = |user_id, merchant: &str, units| {
        let amount = Amount::new(units)?;
        Ok::<_, money::InvalidAmount>(wallet_api::pay(user_id, user_id, merchant, amount))
    };
    let operations = [
        open(1),
        open(2),
        open(3),
        top_up(1, 1_050_000)?,
        top_up(2, 600_000)?,
        top_up(3, 750_000)?,
        pay(1, "Tokopedia", 50_000)?,
        pay(2, "Gojek", 100_000)?,
    ];
    let order = |(number, operation): (usize, Operation)| Order {
        key: key(number),
        operation,
    };
    Ok(operations.into_iter().enumerate().map(order).collect())
}
