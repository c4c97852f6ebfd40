//! `dompet`: the whole wallet in one process, and its audit.

mod greeting;

use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, Parser, Subcommand};
use clock::{Clock, Entropy};
use http_server::{read_or_say_why_not, say_why_not};
use local::{Bank, Config, Home, ServiceDatabases};
use settings::{Findings, Settings};
use telemetry::TelemetryConfig;

/// The time that a start which is told to stop may take to come to its end.
const START_REST: Duration = Duration::from_secs(2);
/// The program, in what it says.
const NAME: &str = "dompet";

/// Without a command it starts the whole wallet in one process: gateway, users, wallets, transactions, payments
///
/// The API is then on http://localhost:5000, the data in ./data (SQLite), with demo users. Ctrl-C ends it, and the next start goes on.
/// Every option is an environment variable too, and stands before or after a command.
#[derive(Parser)]
#[command(name = NAME, version = http_server::VERSION, propagate_version = true)]
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
    /// Start the whole wallet, as without a command
    Serve,
    /// Audit the ledger and what follows it: a line for each invariant, exit 1 if one fails; also while it runs
    Verify {
        /// Also check that this receipt, a file with the API's answer, is one of this ledger
        #[arg(long, value_name = "FILE")]
        receipt: Option<PathBuf>,
        /// Where each service has a database of its own
        #[command(flatten)]
        databases: ServiceDatabases,
    },
    /// Copy the data folder as it is at one moment, also while it runs, and audit the copy; exit 1 if that fails
    Backup {
        /// The folder to make; it must not be there yet, or be empty
        #[arg(value_name = "DIR", value_parser = local::folder)]
        to: PathBuf,
    },
    /// Put a backup into the data folder, which must be empty, after its files were compared and the ledger audited; exit 1 if that fails
    Restore {
        /// The folder that `backup` made
        #[arg(value_name = "DIR", value_parser = local::folder)]
        from: PathBuf,
        /// Move what is in the data folder into a folder before-restore-… in it
        #[arg(long)]
        replace: bool,
    },
    /// Say which databases do not belong together and how to go on without the right ones; nothing is changed without `--yes`
    Repair {
        /// Do it: what follows from the ledger is built anew, and users that are missing are given up
        #[arg(long)]
        yes: bool,
    },
}

impl Settings for Cli {
    fn check(&self, found: &mut Findings) {
        self.telemetry.check(found);
        if matches!(self.command, None | Some(Command::Serve)) {
            self.config.check(found);
        }
    }
}

fn main() -> ExitCode {
    settings::without_empty_variables();
    let command = Cli::command().mut_args(|argument| argument.global(true));
    let (cli, hints) = match read_or_say_why_not::<Cli>(NAME, command, std::env::args_os()) {
        Ok(read) => read,
        Err(code) => return code,
    };
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run(cli, hints)));
    match result {
        Ok(code) => code,
        Err(error) => say_why_not(NAME, &error),
    }
}

async fn run(cli: Cli, hints: Vec<String>) -> anyhow::Result<ExitCode> {
    // Every command logs to standard error, as the services do. What it finds, and why it fails, is no log.
    let _telemetry = telemetry::init(NAME, &cli.telemetry)?;
    for hint in &hints {
        tracing::warn!("{hint}");
    }
    match cli.command {
        None | Some(Command::Serve) => serve(cli.config).await,
        Some(Command::Verify { receipt, databases }) => {
            let home = Home::new(&cli.config).with(databases).to_read();
            let whole =
                local::verify::verify(&home, receipt.as_deref(), &mut std::io::stdout()).await?;
            Ok(code(whole))
        }
        Some(Command::Backup { to }) => {
            let home = Home::new(&cli.config);
            let done = local::backup(&home, &to, &Clock::system(), &mut std::io::stdout()).await?;
            Ok(code(done))
        }
        Some(Command::Restore { from, replace }) => {
            let (home, clock) = (Home::new(&cli.config), Clock::system());
            let mut out = std::io::stdout();
            let done = local::restore(&home, &from, replace, &clock, &mut out).await?;
            Ok(code(done))
        }
        Some(Command::Repair { yes }) => {
            let home = Home::new(&cli.config);
            let done = local::repair::repair(&home, yes, &mut std::io::stdout()).await?;
            Ok(code(done))
        }
    }
}

fn code(succeeded: bool) -> ExitCode {
    if succeeded {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn serve(config: Config) -> anyhow::Result<ExitCode> {
    let ignored = ignored_variables();
    if !ignored.is_empty() {
        tracing::info!("not heeded by the local mode: {}", ignored.join(", "));
    }
    let stop = http_server::stop_signal()?;
    let (home, demo) = (Home::new(&config), config.has_demo_data());
    let audit = greeting::audit_command(&config);
    let mut starting = pin!(Bank::start(config, Clock::system(), Entropy::system()));
    let bank = tokio::select! {
        started = &mut starting => started?,
        () = stop.cancelled() => match tokio::time::timeout(START_REST, starting).await {
            // It serves already, and ends in order below.
            Ok(started) => started?,
            // It waits for its database, and nothing serves yet.
            Err(_) => return Ok(ExitCode::SUCCESS),
        },
    };
    // A greeting that nobody reads is no reason to wait, to end, or to end in another order.
    telemetry::stdout().say(&greeting::greeting(&bank, &home, demo, &audit));
    stop.cancelled().await;
    telemetry::stdout().say("Stopping: open requests finish first. Ctrl-C again ends at once.\n");
    bank.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Variables of the services that are set, and that this program does not read.
fn ignored_variables() -> Vec<&'static str> {
    let command = Cli::command();
    let is_read = |name: &str| {
        command
            .get_arguments()
            .any(|argument| argument.get_env().is_some_and(|variable| variable == name))
    };
    settings::VARIABLES
        .iter()
        .copied()
        .filter(|name| std::env::var_os(name).is_some() && !is_read(name))
        .collect()
}
