//! Two processes of one ledger, compared with one alone. The one that is not the last to write passes its orders on to the other over
//! HTTP, as the wallet service does; with `--each-writes` both write, remember balances, and learn from the log what the
//! other wrote.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use auth::{ServiceIdentity, ServiceKeyConfig, Verifier};
use clock::Clock;
use testing::{DurablePostgres, free_ports};
use tokio::net::TcpListener;

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
    /// Where it takes orders from the others; 0 where it does not
    port: u16,
}

impl Writer {
    /// Writes, and prints how many movements a second it made.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        use std::io::Write as _;
        let bench = match self.port {
            0 => ledger::Bench::attach(&self.url, self.accounts).await?,
            port => self.among_others(port).await?,
        };
        let span = Duration::from_secs(self.seconds);
        let rate = bench.measure(self.load, self.waiting, span).await?;
        bench.finish().await?;
        Ok(writeln!(std::io::stdout(), "{rate}")?)
    }

    /// A ledger that others pass orders on to, and that passes its own on.
    async fn among_others(&self, port: u16) -> anyhow::Result<ledger::Bench> {
        let secret = "a secret of the benchmark, longer than 32 bytes";
        let keys = ServiceKeyConfig::from_secret(secret).service_keys(Clock::system())?;
        let identity = ServiceIdentity::new(ledger_api::SERVICE, keys.clone());
        let peer = (format!("http://127.0.0.1:{port}"), identity);
        let (ledger, workers) = ledger::open_among(&ledger::config(&self.url), Some(peer)).await?;
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let verifier = Verifier::new(Clock::system());
        let router = wallet::orders_router(ledger.clone(), keys, verifier);
        tokio::spawn(async { axum::serve(listener, router).await });
        Ok(ledger::Bench::over((ledger, workers), self.accounts))
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
            .arg(self.port.to_string())
            .stdout(Stdio::piped())
            .spawn()?)
    }
}

/// Movements a second of the processes that listen on these ports, together.
fn rate(ports: &[u16], writer: &Writer) -> anyhow::Result<f64> {
    let running = ports.iter().map(|port| {
        let one = Writer {
            waiting: writer.waiting / ports.len(),
            port: *port,
            ..writer.clone()
        };
        one.start()
    });
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

pub(crate) async fn run(cli: &Cli, each_writes: bool) -> anyhow::Result<()> {
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
                    port: 0,
                };
                report::say(&format!(
                    "round {round} of {}: one process and two, {waiting} waiting, {}",
                    cli.rounds,
                    load.name()
                ));
                let ports = if each_writes { [0, 0] } else { free_ports() };
                let alone = rate(&[0], &writer)?;
                let together = rate(&ports, &writer)?;
                let name = format!("ledger, two processes, {waiting} waiting");
                report.add(&name, load, together, alone);
            }
        }
    }
    report.print("one process")
}
