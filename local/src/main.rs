//! `dompet`: the whole wallet in one process, and its audit.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use clock::{Clock, Entropy};
use local::{Bank, Config, Home, ServiceDatabases};
use telemetry::TelemetryConfig;

/// The whole wallet in one process: gateway, users, wallets, transactions, payments
#[derive(Parser)]
#[command(name = "dompet", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    telemetry: TelemetryConfig,
}

#[derive(Subcommand)]
enum Command {
    /// Audit the ledger and what follows it: a line for each invariant, exit 1 if one fails; also while it runs
    Verify {
        /// Also check that this receipt, a file with the API's answer, is one of this ledger
        #[arg(long, value_name = "FILE")]
        receipt: Option<PathBuf>,
        /// Where each service has a database of its own
        #[command(flatten)]
        databases: ServiceDatabases,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run(cli)));
    match result {
        Ok(code) => code,
        Err(error) => {
            // Nothing can be done if even this cannot be written.
            let _ = writeln!(std::io::stderr(), "dompet: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let home = Home::new(&cli.config);
    if let Some(Command::Verify { receipt, databases }) = cli.command {
        let home = home.with(databases);
        let whole =
            local::verify::verify(&home, receipt.as_deref(), &mut std::io::stdout()).await?;
        return Ok(if whole {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    let _telemetry = telemetry::init("dompet", &cli.telemetry)?;
    let stop = http_server::stop_signal()?;
    let demo = cli.config.demo_data;
    let bank = Bank::start(cli.config, Clock::system(), Entropy::system()).await?;
    // A greeting that nobody reads, such as one into a closed pipe, is no reason to end, or to end in another order.
    let _ = greet(&bank, &home, demo);
    stop.cancelled().await;
    let _ = writeln!(
        std::io::stdout(),
        "Stopping: open requests finish first. Ctrl-C again ends at once."
    );
    bank.stop().await;
    Ok(ExitCode::SUCCESS)
}

fn greet(bank: &Bank, home: &Home, demo: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    let [gateway, user, wallet, transaction, payment] = bank.urls();
    writeln!(out, "Dompet is running ({}).\n", home.describe())?;
    writeln!(out, "  API           {gateway}/api/v1")?;
    writeln!(out, "  Documents     {gateway}/docs")?;
    writeln!(out, "  Users         {user}")?;
    writeln!(out, "  Wallets       {wallet}")?;
    writeln!(out, "  Transactions  {transaction}")?;
    writeln!(out, "  Payments      {payment}")?;
    if demo {
        writeln!(
            out,
            "\n  Demo logins   john@example.com, jane@example.com, bob@example.com"
        )?;
        writeln!(
            out,
            "                password123 for each; DEMO_DATA=false leaves them out"
        )?;
    }
    writeln!(
        out,
        "\n  Stop with Ctrl-C. Audit with: cargo run --release -- verify\n"
    )
}
