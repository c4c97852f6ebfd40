//! `bench`: how fast the ledger and whole payments are, as ratios to pgbench on the same PostgreSQL in the same run.
//!
//! It starts a PostgreSQL of its own with default durability, so that nothing but the machine decides the figures. The
//! yardstick and what is measured take turns; each figure is the median of its rounds.

mod bank;
mod closed_loop;
mod hash;
mod http;
mod latency;
mod ledger;
mod memory;
mod pgbench;
mod reads;
mod replicas;
mod report;
mod size;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use testing::DurablePostgres;

use crate::report::Report;

/// Measures Dompet against pgbench
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    what: What,
    /// Seconds of each measurement
    #[arg(long, global = true, default_value_t = 8)]
    seconds: u64,
    /// How often each measurement is repeated, in alternation
    #[arg(long, global = true, default_value_t = 3)]
    rounds: usize,
    /// How many accounts there are
    #[arg(long, global = true, default_value_t = 100_000)]
    accounts: i64,
}

#[derive(Clone, PartialEq, Eq, Subcommand)]
enum What {
    /// The ledger alone, without HTTP
    Ledger,
    /// Payments through gateway, payment and wallet service
    Payments,
    /// Payments in the local mode, on SQLite
    Local,
    /// Two wallet processes on one PostgreSQL, compared with one
    Replicas {
        /// Have both write, instead of one passing its orders on to the other
        #[arg(long)]
        each_writes: bool,
    },
    /// How long a payment takes, at fixed rates
    Latency {
        /// Make each of PostgreSQL's fsyncs a millisecond longer
        #[arg(long)]
        slow_disk: bool,
    },
    /// Reads through the gateway, compared with nginx in front of a bare axum
    Reads,
    /// The ledger with so much in its tables, compared with an empty one
    Size {
        /// Movements that are there
        #[arg(long, default_value_t = 10_000_000)]
        transfers: i64,
        /// Accounts that are there
        #[arg(long, default_value_t = 1_000_000)]
        many_accounts: i64,
        /// A setting of PostgreSQL for both; may be given several times. What stands here is what the chart and compose.yaml set
        #[arg(long = "setting", value_name = "NAME=VALUE", default_values = ["shared_buffers=512MB", "max_wal_size=4GB"])]
        settings: Vec<String>,
    },
    /// Memory of each process under load
    Memory {
        /// How long
        #[arg(long, default_value_t = 10)]
        minutes: u64,
    },
    /// What the chain of hashes costs
    Hash,
    /// Be one process that writes the ledger
    #[command(hide = true)]
    Writer(replicas::Writer),
    /// Be a bare axum
    #[command(hide = true)]
    Axum {
        /// Where to listen
        port: u16,
    },
    /// Be one of the bank's processes
    #[command(hide = true)]
    Serve {
        /// Which
        role: checker::process::Role,
    },
}

/// The accounts that move money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Load {
    /// Any to any.
    Uniform,
    /// Nine of ten movements go to one merchant.
    Hot,
}

impl Load {
    const ALL: [Load; 2] = [Load::Uniform, Load::Hot];

    fn name(self) -> &'static str {
        match self {
            Load::Uniform => "uniform",
            Load::Hot => "90% to one merchant",
        }
    }
}

fn main() -> anyhow::Result<ExitCode> {
    settings::without_empty_variables();
    let cli = Cli::parse();
    if let What::Serve { role } = cli.what {
        return Ok(role.serve());
    }
    if !matches!(cli.what, What::Writer(_) | What::Axum { .. }) {
        report::print_profile()?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match cli.what {
            What::Ledger | What::Payments | What::Local => ratios(&cli).await,
            What::Replicas { each_writes } => replicas::run(&cli, each_writes).await,
            What::Latency { slow_disk } => latency::run(&cli, slow_disk).await,
            What::Reads => reads::run(&cli).await,
            What::Size {
                transfers,
                many_accounts,
                ref settings,
            } => size::run(&cli, transfers, many_accounts, settings).await,
            What::Memory { minutes } => memory::run(minutes).await,
            What::Hash => hash::run(),
            What::Writer(writer) => writer.run().await,
            What::Axum { port } => reads::serve_bare_axum(port).await,
            What::Serve { .. } => Ok(()),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Measures something as a ratio to pgbench, in alternation with it.
async fn ratios(cli: &Cli) -> anyhow::Result<()> {
    let span = Duration::from_secs(cli.seconds);
    report::say("starting a PostgreSQL of its own, with default durability");
    let postgres = DurablePostgres::start().await?;
    let yardstick = pgbench::Yardstick::prepare(&postgres, cli.accounts).await?;
    let mut report = Report::default();
    let subject = Subject::prepare(cli, &postgres).await?;
    for round in 1..=cli.rounds {
        for load in Load::ALL {
            report::say(&format!(
                "round {round} of {}: pgbench, {}",
                cli.rounds,
                load.name()
            ));
            let best = yardstick.best(load, span)?;
            for waiting in subject.waiting() {
                let name = format!("{}, {waiting} waiting", subject.name());
                report::say(&format!(
                    "round {round} of {}: {name}, {}",
                    cli.rounds,
                    load.name()
                ));
                let rate = subject.measure(load, waiting, span).await?;
                report.add(&name, load, rate, best);
            }
        }
    }
    subject.finish().await?;
    report.print("pgbench")
}

/// The subject of a measurement.
enum Subject {
    Ledger(Box<ledger::Bench>),
    Bank(Box<bank::Bench>),
}

impl Subject {
    async fn prepare(cli: &Cli, postgres: &DurablePostgres) -> anyhow::Result<Subject> {
        Ok(match cli.what {
            What::Ledger => Subject::Ledger(Box::new(
                ledger::Bench::prepare(&postgres.url(), cli.accounts).await?,
            )),
            What::Local => Subject::Bank(Box::new(bank::Bench::start(None, cli.accounts).await?)),
            _ => Subject::Bank(Box::new(
                bank::Bench::start(Some(postgres.url()), cli.accounts).await?,
            )),
        })
    }

    fn name(&self) -> &'static str {
        match self {
            Subject::Ledger(_) => "ledger",
            Subject::Bank(bench) => bench.name(),
        }
    }

    fn waiting(&self) -> &'static [usize] {
        match self {
            Subject::Ledger(_) => &[64, 1024],
            Subject::Bank(_) => &[512],
        }
    }

    async fn measure(&self, load: Load, waiting: &usize, span: Duration) -> anyhow::Result<f64> {
        match self {
            Subject::Ledger(bench) => bench.measure(load, *waiting, span).await,
            Subject::Bank(bench) => bench.measure(load, *waiting, span).await,
        }
    }

    async fn finish(self) -> anyhow::Result<()> {
        match self {
            Subject::Ledger(bench) => bench.finish().await,
            Subject::Bank(bench) => bench.finish().await,
        }
    }
}
