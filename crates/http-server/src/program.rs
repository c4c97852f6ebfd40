//! The command line that every service's binary has: `serve`, `migrate`, `healthcheck`.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use telemetry::TelemetryConfig;

use crate::{FileNeeds, HttpConfig, Service, healthcheck, listen, serve, stop_signal};

/// What a program is called, and which port it has unless told otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// The service's name, such as `wallet-service`.
    pub name: &'static str,
    /// One sentence for `--help`.
    pub about: &'static str,
    /// The variable that names the port beside `PORT`, such as `WALLET_SERVICE_PORT`.
    pub port_variable: &'static str,
    /// The port of the contract.
    pub default_port: u16,
}

/// The command line of a service whose configuration is `C`, and whose `migrate` takes `M`.
#[derive(Parser)]
pub struct Cli<C: Args, M: Args> {
    #[command(subcommand)]
    command: Command<C, M>,
}

#[derive(Subcommand)]
enum Command<C: Args, M: Args> {
    /// Serve until SIGTERM
    Serve(Box<ServeArgs<C>>),
    /// Bring the database's schema to this version's, and end
    Migrate(M),
    /// Ask the server on this machine whether it is ready; exit 1 if not
    Healthcheck(ListenConfig),
}

/// Where a service listens.
#[derive(Args, Debug)]
pub struct ListenConfig {
    /// The address to listen on
    #[arg(long, env = "BIND", default_value = "0.0.0.0")]
    pub bind: IpAddr,
    /// The port to listen on; without it that of the service (below)
    #[arg(long, env = "PORT")]
    pub port: Option<u16>,
}

#[derive(Args)]
struct ServeArgs<C: Args> {
    #[command(flatten)]
    listen: ListenConfig,
    #[command(flatten)]
    config: C,
    #[command(flatten)]
    http: HttpConfig,
    #[command(flatten)]
    telemetry: TelemetryConfig,
}

/// The `migrate` of a service that has no database.
#[derive(Args, Debug)]
pub struct NothingToMigrate {}

impl Program {
    /// The clap command, for documents that are made from it.
    pub fn command<C: Args, M: Args>(&self) -> clap::Command {
        Cli::<C, M>::command().name(self.name).about(self.about)
    }

    /// Runs the command line of this process, to its end.
    pub fn run<C: Args, M: Args>(
        &self,
        build: impl AsyncFnOnce(C) -> anyhow::Result<Service>,
        migrate: impl AsyncFnOnce(M) -> anyhow::Result<()>,
    ) -> ExitCode {
        self.run_from(std::env::args_os(), build, migrate)
    }

    /// Runs this command line, whose first word is the program, to its end.
    pub fn run_from<C: Args, M: Args>(
        &self,
        words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
        build: impl AsyncFnOnce(C) -> anyhow::Result<Service>,
        migrate: impl AsyncFnOnce(M) -> anyhow::Result<()>,
    ) -> ExitCode {
        let matches = self.command::<C, M>().get_matches_from(words);
        self.run_parsed(&matches, build, migrate)
    }

    /// The same for a program with subcommands of its own besides, which has parsed its command line by itself.
    pub fn run_parsed<C: Args, M: Args>(
        &self,
        matches: &ArgMatches,
        build: impl AsyncFnOnce(C) -> anyhow::Result<Service>,
        migrate: impl AsyncFnOnce(M) -> anyhow::Result<()>,
    ) -> ExitCode {
        let cli = Cli::<C, M>::from_arg_matches(matches).unwrap_or_else(|error| error.exit());
        self.block_on(async {
            match cli.command {
                Command::Serve(args) => self.serve(*args, build).await,
                Command::Migrate(args) => migrate(args).await,
                Command::Healthcheck(args) => healthcheck(self.address(&args)?).await,
            }
        })
    }

    /// Runs this on a runtime of its own. An error goes to stderr, and makes the exit code 1.
    pub fn block_on(&self, work: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build();
        let result = runtime
            .context("no runtime")
            .and_then(|runtime| runtime.block_on(work));
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                use std::io::Write as _;
                // The chain of causes in one line; nothing can be done if even this cannot be written.
                let _ = writeln!(std::io::stderr(), "{}: {error:#}", self.name);
                ExitCode::FAILURE
            }
        }
    }

    async fn serve<C: Args>(
        &self,
        args: ServeArgs<C>,
        build: impl AsyncFnOnce(C) -> anyhow::Result<Service>,
    ) -> anyhow::Result<()> {
        let _telemetry = telemetry::init(self.name, &args.telemetry)?;
        let stop = stop_signal()?;
        let mut http = args.http;
        FileNeeds::SERVICE.claim(&mut http)?;
        let address = self.address(&args.listen)?;
        let listener = listen(address, self.name, "PORT").await?;
        // Where port 0 was asked for, the one that the system chose.
        let port = listener.local_addr()?.port();
        let service = build(args.config).await?;
        tracing::info!(service = self.name, port, "serving");
        serve(service, listener, http, stop).await;
        Ok(())
    }

    fn address(&self, args: &ListenConfig) -> anyhow::Result<SocketAddr> {
        let port = match (args.port, std::env::var(self.port_variable)) {
            (Some(port), _) => port,
            (None, Ok(port)) => port
                .parse()
                .with_context(|| format!("{} is not a port", self.port_variable))?,
            (None, Err(_)) => self.default_port,
        };
        Ok(SocketAddr::new(args.bind, port))
    }
}
