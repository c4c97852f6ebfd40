//! Whether the ledger keeps its pace when there is much in it.

use std::time::Duration;

use store::sqlx::{self, AssertSqlSafe, Connection as _, Executor as _};
use testing::DurablePostgres;

use crate::report::{self, Report};
use crate::{Cli, Load, ledger};

/// Rows that one statement adds.
const ROWS: i64 = 500_000;
const WAITING: usize = 1024;

pub(crate) async fn run(
    cli: &Cli,
    transfers: i64,
    many: i64,
    settings: &[String],
) -> anyhow::Result<()> {
    let span = Duration::from_secs(cli.seconds);
    let options: String = settings.iter().map(|one| format!("-c {one} ")).collect();
    let empty = DurablePostgres::start_with(&options).await?;
    let few = ledger::Bench::prepare(&empty.url(), cli.accounts).await?;
    let full = DurablePostgres::start_with(&options).await?;
    ledger::Bench::attach(&full.url(), many)
        .await?
        .finish()
        .await?;
    fill(&full.url(), transfers, many).await?;
    // Both writers have met their accounts when they are measured: a first meeting reads two rows, which is not what size costs.
    let full = (ledger::Bench::prepare(&full.url(), many).await?, full);
    settle(&full.1.url()).await?;

    let mut report = Report::default();
    for round in 1..=cli.rounds {
        for load in Load::ALL {
            report::say(&format!("round {round} of {}: {}", cli.rounds, load.name()));
            let before = few.measure(load, WAITING, span).await?;
            let rate = full.0.measure(load, WAITING, span).await?;
            let name = format!(
                "ledger with {transfers} movements more and {many} accounts {}",
                settings.join(", ")
            );
            report.add(&name, load, rate, before);
        }
    }
    report.print("an empty one")
}

/// Movements as if they had been made: rows, and the head behind them. Their hashes are missing, which a writer does not ask for.
async fn fill(url: &str, transfers: i64, accounts: i64) -> anyhow::Result<()> {
    let mut connection = sqlx::PgConnection::connect(url).await?;
    let mut done = 0;
    while done < transfers {
        report::say(&format!("{done} of {transfers} movements are there"));
        let rows = ROWS.min(transfers - done);
        let insert = format!(
            "insert into ledger.postings (seq, debit_account, credit_account, amount, debit_balance, credit_balance, at, key, kind)
             select h.seq + n, n % {accounts} + 1, (n * 7) % {accounts} + 1, 1, 1, 1, h.at, gen_random_uuid(), 3
             from ledger.ledger_head h, generate_series(1, {rows}) n"
        );
        let advance = format!("update ledger.ledger_head set seq = seq + {rows}");
        connection.execute(AssertSqlSafe(insert)).await?;
        connection.execute(AssertSqlSafe(advance)).await?;
        done += rows;
    }
    Ok(())
}

/// Brings a server to the state of one that has run for a while.
async fn settle(url: &str) -> anyhow::Result<()> {
    let mut connection = sqlx::PgConnection::connect(url).await?;
    connection.execute("checkpoint").await?;
    connection.execute("vacuum analyze ledger.postings").await?;
    connection.execute("vacuum analyze ledger.accounts").await?;
    Ok(())
}
