//! How long payments take at a fixed rate. The clock of each starts when it is due, not when a client was free to send it: who
//! waits behind a slow one has waited, too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use store::sqlx::{self, Connection as _, Executor as _};
use testing::DurablePostgres;
use tokio::sync::{Mutex, mpsc};

use crate::http::Connection;
use crate::report;
use crate::{Cli, Load, bank};

/// Connections that payments are sent on.
const CONNECTIONS: usize = 256;
/// Clients that find out the highest rate.
const WAITING: usize = 512;
/// Payments a second that a wallet has on an ordinary day.
const ORDINARY: f64 = 100.0;

pub(crate) async fn run(cli: &Cli, slow_disk: bool) -> anyhow::Result<()> {
    use std::io::Write as _;
    // PostgreSQL waits so many microseconds before each flush of its log, whoever else is there.
    let settings = if slow_disk {
        "-c commit_delay=1000 -c commit_siblings=0"
    } else {
        ""
    };
    let postgres = DurablePostgres::start_with(settings).await?;
    let bench = bank::Bench::start(Some(postgres.url()), cli.accounts).await?;
    let span = Duration::from_secs(cli.seconds);
    report::say("payments, so that connections, tokens and accounts are known");
    open_loop(&bench, ORDINARY, Duration::from_secs(3)).await?;
    let mut out = std::io::stdout();
    let mut lines = Vec::new();
    let mut measure = async |when: &str, rate: f64| {
        recycle_log(&postgres.url()).await?;
        report::say(&format!(
            "{when}: {rate:.0} payments a second, for {} s",
            cli.seconds * 2
        ));
        let mut took = open_loop(&bench, rate, span * 2).await?;
        took.sort_unstable();
        let [p50, p99, p999, most] = [0.5, 0.99, 0.999, 1.0].map(|part| {
            let index = (took.len() as f64 * part) as usize;
            let took = took[index.min(took.len().saturating_sub(1))];
            took.as_secs_f64() * 1000.0
        });
        let sent = took.len();
        lines.push((
            format!("| {when} | {rate:.0} | {sent} | {p50:.1} ms | {p99:.1} ms | {p999:.1} ms | {most:.1} ms |"),
            json!({"when": when, "per_s": rate.round(), "slow_disk": slow_disk, "p50_ms": p50, "p99_ms": p99, "p999_ms": p999, "max_ms": most}),
        ));
        anyhow::Ok(())
    };
    measure("an ordinary day", ORDINARY).await?;
    let highest = bench.measure(Load::Uniform, WAITING, span).await?;
    measure("half of the highest rate", highest / 2.0).await?;
    // PostgreSQL still cleans up what the full load left behind.
    measure("right after full load", ORDINARY).await?;

    writeln!(
        out,
        "\n| when | payments/s | sent | p50 | p99 | p99.9 | highest |\n|---|---|---|---|---|---|---|"
    )?;
    let (rows, lines): (Vec<String>, Vec<serde_json::Value>) = lines.into_iter().unzip();
    writeln!(out, "{}", rows.join("\n"))?;
    writeln!(
        out,
        "\n{}",
        json!({"highest_per_s": highest.round(), "latency": lines})
    )?;
    bench.finish().await
}

/// PostgreSQL's log goes on in files that a checkpoint has put aside. One that has just been made has none, and the commit that meets
/// the end of a file makes the next, 16 MB of zeros: 80 ms that a server which has run for five minutes does not know.
async fn recycle_log(url: &str) -> anyhow::Result<()> {
    sqlx::PgConnection::connect(url)
        .await?
        .execute("checkpoint")
        .await?;
    Ok(())
}

/// Sends so many a second, evenly, and gives how long each took from when it was due.
async fn open_loop(
    bench: &bank::Bench,
    rate: f64,
    span: Duration,
) -> anyhow::Result<Vec<Duration>> {
    let (due, waiting) = mpsc::unbounded_channel::<Instant>();
    let waiting = Arc::new(Mutex::new(waiting));
    let mut senders = Vec::with_capacity(CONNECTIONS);
    for number in 0..CONNECTIONS {
        let mut client = bench.client(number, Load::Uniform)?;
        let mut connection = Connection::open(client.port).await?;
        let waiting = waiting.clone();
        senders.push(tokio::spawn(async move {
            let mut took = Vec::new();
            loop {
                let Some(due) = waiting.lock().await.recv().await else {
                    return anyhow::Ok(took);
                };
                client.pay(&mut connection).await?;
                took.push(due.elapsed());
            }
        }));
    }
    let began = Instant::now();
    for number in 0.. {
        let after = Duration::from_secs_f64(f64::from(number) / rate);
        if after >= span {
            break;
        }
        tokio::time::sleep_until((began + after).into()).await;
        due.send(began + after)?;
    }
    drop(due);
    let mut took = Vec::new();
    for sender in senders {
        took.extend(sender.await??);
    }
    Ok(took)
}
