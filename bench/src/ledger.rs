//! The ledger alone: callers in the same process, each waiting for its outcome before it asks again.

use std::sync::Arc;
use std::time::Duration;

use auth::ServiceIdentity;
use clock::{Clock, Entropy};
use http_server::{Metrics, Workers};
use ledger::store::{STEPS, SqlStore};
use ledger::{Ledger, LedgerMetrics, Peers};
use ledger_api::{ORDERS_MAX, Operation, Order, Outcome, Uuid};
use money::{Amount, Currency};
use store::{Database, DatabaseConfig};

use crate::closed_loop::Progress;
use crate::{Load, report};

/// The balance of each wallet at the start.
const BALANCE: i64 = 1_000_000_000;

pub(crate) struct Bench {
    ledger: Ledger,
    workers: Workers,
    accounts: i64,
}

/// The schema of the ledger that is measured alone.
pub(crate) fn config(url: &str) -> DatabaseConfig {
    DatabaseConfig::at(url).in_schema("ledger")
}

/// A ledger over a database, with its writer.
pub(crate) async fn open(config: &DatabaseConfig) -> anyhow::Result<(Ledger, Workers)> {
    open_among(config, None).await
}

/// The same for one of several processes, whose name to the others comes with how it proves who it is.
pub(crate) async fn open_among(
    config: &DatabaseConfig,
    peer: Option<(String, ServiceIdentity)>,
) -> anyhow::Result<(Ledger, Workers)> {
    let database = Database::open(config).await?;
    database.migrate(config, STEPS).await?;
    let workers = Workers::default();
    let metrics = LedgerMetrics::register(&Metrics::new()?, &wallet_api::KINDS)?;
    let mut store = SqlStore::new(database);
    if let Some((url, _)) = &peer {
        store = store.written_by(url);
    }
    let ledger = Ledger::start(
        Arc::new(store),
        &wallet_api::KINDS,
        Clock::system(),
        Entropy::system(),
        metrics,
        peer.map(|(url, identity)| Peers::new(url, identity)),
        &workers,
    );
    Ok((ledger, workers))
}

/// Opens a wallet for each of the users 1 to `accounts`, whose id is the user's, and fills it.
pub(crate) async fn seed(ledger: &Ledger, accounts: i64) -> anyhow::Result<()> {
    report::say(&format!("opening {accounts} wallets"));
    let entropy = Entropy::system();
    let order = |operation| Order {
        key: entropy.uuid_v7(Clock::system().now()),
        operation,
    };
    let amount = Amount::new(BALANCE)?;
    let users: Vec<i64> = (1..=accounts).collect();
    for chunk in users.chunks(ORDERS_MAX / 2) {
        let open = chunk.iter().map(|user_id| {
            order(Operation::OpenWallet {
                user_id: *user_id,
                currency: Currency::IDR,
            })
        });
        expect_accepted(ledger.submit(open.collect()).await?)?;
        let fill = chunk
            .iter()
            .map(|id| order(wallet_api::top_up(*id, *id, amount)));
        expect_accepted(ledger.submit(fill.collect()).await?)?;
    }
    Ok(())
}

fn expect_accepted(outcomes: Vec<Outcome>) -> anyhow::Result<()> {
    for outcome in outcomes {
        anyhow::ensure!(
            matches!(outcome, Outcome::Accepted { .. }),
            "not accepted: {outcome:?}"
        );
    }
    Ok(())
}

/// Draws numbers quickly; quality does not matter here (Marsaglia's xorshift64).
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: usize) -> Draw {
        Draw((seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// From 1 to `max`.
    pub(crate) fn up_to(&mut self, max: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % max.unsigned_abs()).cast_signed() + 1
    }
}

/// The payer and the receiver: `None` for the merchant.
pub(crate) fn movement(draw: &mut Draw, load: Load, accounts: i64) -> (i64, Option<i64>) {
    let from = draw.up_to(accounts);
    if load == Load::Hot && draw.up_to(10) > 1 {
        return (from, None);
    }
    let to = draw.up_to(accounts);
    (
        from,
        Some(if to == from { from % accounts + 1 } else { to }),
    )
}

impl Bench {
    pub(crate) async fn prepare(url: &str, accounts: i64) -> anyhow::Result<Bench> {
        let bench = Bench::attach(url, accounts).await?;
        seed(&bench.ledger, accounts).await?;
        Ok(bench)
    }

    /// A writer of a ledger that has these accounts already.
    pub(crate) async fn attach(url: &str, accounts: i64) -> anyhow::Result<Bench> {
        Ok(Bench::over(open(&config(url)).await?, accounts))
    }

    pub(crate) fn over((ledger, workers): (Ledger, Workers), accounts: i64) -> Bench {
        Bench {
            ledger,
            workers,
            accounts,
        }
    }

    pub(crate) async fn measure(
        &self,
        load: Load,
        waiting: usize,
        span: Duration,
    ) -> anyhow::Result<f64> {
        let progress = Progress::default();
        let callers = (0..waiting)
            .map(|number| {
                let ledger = self.ledger.clone();
                tokio::spawn(call(ledger, self.accounts, load, number, progress.clone()))
            })
            .collect();
        let rate = progress.rate(Duration::from_secs(1), span).await;
        progress.end(callers).await?;
        Ok(rate)
    }

    pub(crate) async fn finish(self) -> anyhow::Result<()> {
        self.workers.finish(Duration::from_secs(5)).await;
        Ok(())
    }
}

async fn call(
    ledger: Ledger,
    accounts: i64,
    load: Load,
    number: usize,
    progress: Progress,
) -> anyhow::Result<()> {
    let (entropy, amount) = (Entropy::system(), Amount::new(1)?);
    let mut draw = Draw::new(number);
    while !progress.is_over() {
        let operation = match movement(&mut draw, load, accounts) {
            (from, Some(to)) => wallet_api::transfer(from, from, to, amount),
            (from, None) => wallet_api::pay(from, from, "Tokopedia", amount),
        };
        // As random as the digest of a client's key, and as pgbench's.
        let key = Uuid::from_bytes(entropy.bytes16());
        expect_accepted(ledger.submit(vec![Order { key, operation }]).await?)?;
        progress.count();
    }
    Ok(())
}
