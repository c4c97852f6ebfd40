//! How long payments take at a fixed rate. The clock of each starts when it is due, not when a client was free to send it: who
//! waits behind a slow one has waited, too.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use store::sqlx::{self, Connection as _, Executor as _};
use testing::DurablePostgres;
use tokio::sync::{Mutex, mpsc};

use crate::http::Connection;
use crate::pgbench::Yardstick;
use crate::report;
use crate::{Cli, Load, bank};

/// Connections that payments are sent on.
const CONNECTIONS: usize = 256;
/// Clients that find out the highest rate.
const WAITING: usize = 512;
/// Payments a second that a wallet has on an ordinary day.
const ORDINARY: f64 = 100.0;

/// Measures payments on an ordinary day, at half of the highest rate, and on an ordinary day right after the highest; the first beside
/// pgbench's own transfers at that rate.
pub(crate) async fn run(cli: &Cli, slow_disk: bool) -> anyhow::Result<()> {
    // PostgreSQL waits so many microseconds before each flush of its log, whoever else is there.
    let settings = if slow_disk {
        "-c commit_delay=1000 -c commit_siblings=0"
    } else {
        ""
    };
    let postgres = DurablePostgres::start_with(settings).await?;
    let yardstick = Yardstick::prepare(&postgres, cli.accounts).await?;
    let bench = bank::Bench::start(Some(postgres.url()), cli.accounts).await?;
    let span = Duration::from_secs(cli.seconds);
    report::say("payments, so that connections, tokens and accounts are known");
    open_loop(&bench, ORDINARY, Duration::from_secs(3)).await?;
    let mut table = Table::default();
    for round in 1..=cli.rounds {
        let measure = async |when: &str, rate: f64| {
            recycle_log(&postgres.url()).await?;
            report::say(&format!(
                "round {round} of {}: {when}: {rate:.0} payments a second, for {} s",
                cli.rounds,
                cli.seconds * 2
            ));
            open_loop(&bench, rate, span * 2).await
        };
        let took = yardstick.latencies(ORDINARY, span * 2)?;
        table.add("pgbench's transfers on that day", ORDINARY, took);
        let took = measure("an ordinary day", ORDINARY).await?;
        table.add("an ordinary day", ORDINARY, took);
        let half = bench.measure(Load::Uniform, WAITING, span).await? / 2.0;
        let took = measure("half of the highest rate", half).await?;
        table.add("half of the highest rate", half, took);
        // PostgreSQL still cleans up what the full load left behind.
        let took = measure("right after full load", ORDINARY).await?;
        table.add("right after full load", ORDINARY, took);
    }
    table.print(slow_disk)?;
    bench.finish().await
}

/// The measure of a load: rates, and milliseconds, one of each for each round.
#[derive(Default)]
struct Rounds {
    rate: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    p999: Vec<f64>,
    highest: Vec<f64>,
}

/// Loads in the order in which they came first.
#[derive(Default)]
struct Table(Vec<(&'static str, Rounds)>);

impl Table {
    fn add(&mut self, when: &'static str, rate: f64, mut took: Vec<Duration>) {
        took.sort_unstable();
        let part = |part: f64| {
            let index = (took.len() as f64 * part) as usize;
            let took = took.get(index.min(took.len().saturating_sub(1)));
            took.map_or(f64::NAN, |took| took.as_secs_f64() * 1000.0)
        };
        let place = self.0.iter().position(|(name, _)| *name == when);
        let place = place.unwrap_or_else(|| {
            self.0.push((when, Rounds::default()));
            self.0.len() - 1
        });
        let rounds = &mut self.0[place].1;
        rounds.rate.push(rate);
        rounds.p50.push(part(0.5));
        rounds.p99.push(part(0.99));
        rounds.p999.push(part(0.999));
        rounds.highest.push(part(1.0));
    }

    /// The medians of the rounds, and each round's 99th percentile.
    fn print(&self, slow_disk: bool) -> anyhow::Result<()> {
        let mut out = std::io::stdout();
        writeln!(
            out,
            "\n| when | per second | p50 | p99 | p99 of each round | p99.9 | highest |\n|---|---|---|---|---|---|---|"
        )?;
        let mut lines = Vec::new();
        for (when, rounds) in &self.0 {
            let of = |values: &[f64]| report::median(values.iter().copied());
            let (rate, p50, p99) = (of(&rounds.rate), of(&rounds.p50), of(&rounds.p99));
            let (p999, highest) = (of(&rounds.p999), of(&rounds.highest));
            let each: Vec<String> = rounds.p99.iter().map(|p99| format!("{p99:.1}")).collect();
            writeln!(
                out,
                "| {when} | {rate:.0} | {p50:.1} ms | {p99:.1} ms | {} | {p999:.1} ms | {highest:.1} ms |",
                each.join(", ")
            )?;
            lines.push(json!({"when": when, "per_s": rate.round(), "slow_disk": slow_disk, "p50_ms": p50, "p99_ms": p99, "p99_ms_each": rounds.p99, "p999_ms": p999, "max_ms": highest}));
        }
        writeln!(out, "\n{}", json!({ "latency": lines }))?;
        Ok(())
    }
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
