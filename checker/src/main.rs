//! `checker`: breaks a running bank for as long as it is told to, and judges what clients saw.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use checker::bank::StoreKind;
use checker::planted::Bug;
use checker::process::Role;
use checker::run::{Plan, Report, run};
use clap::{Parser, Subcommand};

/// Breaks a running bank, and checks that the ledger explains every answer that its clients got
#[derive(Parser)]
#[command(version = http_server::VERSION)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a bank of its own, let clients call while things break, and judge; exit 1 if anything is not explained
    Run(Options),
    /// Be one of the bank's processes
    #[command(hide = true)]
    Serve {
        /// Which
        role: Role,
    },
}

#[derive(clap::Args)]
struct Options {
    /// Where the money is
    #[arg(long, default_value = "postgres")]
    store: StoreKind,
    /// How many rounds; each has a bank, a seed and a judgement of its own
    #[arg(long, default_value_t = 1)]
    rounds: i64,
    /// Seconds that clients call in each round
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// What chooses calls and faults in the first round; each later one has the next number
    #[arg(long, default_value_t = 1)]
    seed: i64,
    /// Break nothing
    #[arg(long)]
    peace: bool,
    /// A bug to plant, to see that it is found
    #[arg(long)]
    bug: Option<Bug>,
}

fn main() -> ExitCode {
    settings::without_empty_variables();
    match Cli::parse().command {
        Command::Serve { role } => role.serve(),
        Command::Run(options) => {
            let result = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .map_err(anyhow::Error::from)
                .and_then(|runtime| runtime.block_on(rounds(&options)));
            match result {
                Ok(true) => ExitCode::SUCCESS,
                Ok(false) => ExitCode::FAILURE,
                Err(error) => {
                    // Nothing can be done if even this cannot be written.
                    let _ = writeln!(std::io::stderr(), "checker: {error:#}");
                    ExitCode::FAILURE
                }
            }
        }
    }
}

async fn rounds(options: &Options) -> anyhow::Result<bool> {
    let mut is_good = true;
    for round in 0..options.rounds {
        let plan = Plan {
            program: std::env::current_exe()?,
            store: options.store,
            lasts: Duration::from_secs(options.seconds),
            seed: options.seed.saturating_add(round),
            with_faults: !options.peace,
            bug: options.bug,
        };
        writeln!(
            std::io::stdout(),
            "Round {} of {}: {:?}, {} s, seed {}. Ctrl-C stops it and every process of it.",
            round + 1,
            options.rounds,
            plan.store,
            options.seconds,
            plan.seed
        )?;
        let report = run(&plan).await?;
        show(&report)?;
        is_good &= report.is_good();
    }
    Ok(is_good)
}

fn show(report: &Report) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    for (fault, count) in &report.faults {
        writeln!(out, "  {count:4} x {fault}")?;
    }
    writeln!(out, "  {}", report.verdict)?;
    if let Some(audit) = &report.audit {
        writeln!(out, "{audit}")?;
    }
    if report.is_good() {
        writeln!(
            out,
            "  everything is explained, and the audit finds the ledger whole"
        )
    } else {
        writeln!(
            out,
            "  NOT GOOD; the processes' logs are in {}",
            report.logs.display()
        )
    }
}
