//! Two processes that write one ledger, compared with one that does it alone. Each remembers balances, and each learns from the
//! log what the other one wrote.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use testing::DurablePostgres;

use crate::report::{self, Report};
use crate::{Cli, Load, ledger};

/// Callers that wait, in one process or shared by two.
const WAITING: [usize; 2] = [64, 1024];

/// One process that writes.
#[derive(Clone, PartialEq, Eq, clap::Args)]
pub(crate) struct Writer {
    url: String,
    accounts: i64,
    load: Load,
    waiting: usize,
    seconds: u64,
}

impl Writer {
    /// Writes, and prints how many movements a second it made.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        use std::io::Write as _;
        let bench = ledger::Bench::attach(&self.url, self.accounts).await?;
        let span = Duration::from_secs(self.seconds);
        let rate = bench.measure(self.load, self.waiting, span).await?;
        bench.finish().await?;
        Ok(writeln!(std::io::stdout(), "{rate}")?)
    }

    fn start(&self) -> anyhow::Result<std::process::Child> {
        Ok(Command::new(std::env::current_exe()?)
            .args(["writer", &self.url])
            .arg(self.accounts.to_string())
            .arg(match self.load {
                Load::Uniform => "uniform",
                Load::Hot => "hot",
            })
            .arg(self.waiting.to_string())
            .arg(self.seconds.to_string())
            .stdout(Stdio::piped())
            .spawn()?)
    }
}

/// Movements a second of so many processes together.
fn rate(processes: usize, waiting: usize, writer: &Writer) -> anyhow::Result<f64> {
    let writer = Writer {
        waiting: waiting / processes,
        ..writer.clone()
    };
    let running = (0..processes).map(|_| writer.start());
    let running = running.collect::<anyhow::Result<Vec<_>>>()?;
    let mut sum = 0.0;
    for process in running {
        let output = process.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let rate: f64 = said.trim().parse().context("a writer failed")?;
        sum += rate;
    }
    Ok(sum)
}

pub(crate) async fn run(cli: &Cli) -> anyhow::Result<()> {
    let postgres = DurablePostgres::start().await?;
    let bench = ledger::Bench::prepare(&postgres.url(), cli.accounts).await?;
    bench.finish().await?;
    let mut report = Report::default();
    for round in 1..=cli.rounds {
        for load in Load::ALL {
            for waiting in WAITING {
                let writer = Writer {
                    url: postgres.url(),
                    accounts: cli.accounts,
                    load,
                    waiting,
                    seconds: cli.seconds,
                };
                report::say(&format!(
                    "round {round} of {}: one process and two, {waiting} waiting, {}",
                    cli.rounds,
                    load.name()
                ));
                let alone = rate(1, waiting, &writer)?;
                let together = rate(2, waiting, &writer)?;
                let name = format!("ledger, two processes, {waiting} waiting");
                report.add(&name, load, together, alone);
            }
        }
    }
    report.print("one process")
}
