//! The command line that every service's binary has: `serve`, `migrate`, `healthcheck`.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use settings::{Findings, NotUsable, Settings};
use telemetry::{TelemetryConfig, TelemetryGuard};

use crate::{
    FileNeeds, HttpConfig, Probes, Readiness, Service, healthcheck, listen, serve, stop_signal,
};

/// The exit code where the command line or a setting is not understood; clap's own.
const NOT_UNDERSTOOD: u8 = 2;

const NO_METRICS: &str =
    "PUBLIC_METRICS=false, and there is no PROBE_PORT: nobody can read the metrics";

/// The version, and the revision that the build was told, if it was.
pub const VERSION: &str = match option_env!("DOMPET_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

/// The name of a program, and the port that it has unless told otherwise.
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
#[command(version = VERSION, propagate_version = true)]
pub struct Cli<C: Args, M: Args> {
    #[command(subcommand)]
    command: Command<C, M>,
}

#[derive(Subcommand)]
enum Command<C: Args, M: Args> {
    /// Serve until SIGTERM
    Serve(Box<ServeArgs<C>>),
    /// Bring the database's schema to this version's, and end
    Migrate(Box<MigrateArgs<M>>),
    /// Ask the server on this machine whether it is ready; exit 1 if not
    Healthcheck(ListenConfig),
}

/// The address that a service listens on.
#[derive(Args, Debug)]
pub struct ListenConfig {
    /// The address to listen on
    #[arg(long, env = "BIND", default_value = "0.0.0.0", value_parser = settings::bind_address)]
    pub bind: IpAddr,
    /// The port to listen on; without it that of the service (below)
    #[arg(long, env = "PORT", value_parser = settings::port)]
    pub port: Option<u16>,
    /// The port for `/livez`, `/readyz`, `/health` and `/metrics` alone, which answers also when all of MAX_CONNECTIONS are taken; without it
    /// they are at the service's own port only
    #[arg(long = "probe-port", env = "PROBE_PORT", value_parser = settings::port)]
    pub probe_port: Option<u16>,
    /// The port that the service's own variable says.
    // Its variable is the program's, and known only there.
    #[arg(long = "port-of-service", hide = true, value_parser = settings::port)]
    pub port_of_service: Option<u16>,
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

#[derive(Args)]
struct MigrateArgs<M: Args> {
    #[command(flatten)]
    config: M,
    // It waits for its database, and says for whom, and what it did then.
    #[command(flatten)]
    telemetry: TelemetryConfig,
}

/// The `migrate` of a service that has no database.
#[derive(Args, Debug)]
pub struct NothingToMigrate {}

impl Settings for NothingToMigrate {}

impl<C: Args + Settings, M: Args + Settings> Settings for Cli<C, M> {
    fn check(&self, found: &mut Findings) {
        match &self.command {
            Command::Serve(args) => {
                args.config.check(found);
                args.http.check(found);
                if !args.http.public_metrics && args.listen.probe_port.is_none() {
                    found.hint(NO_METRICS);
                }
                args.http.check_call(args.config.call_timeout(), found);
                args.telemetry.check(found);
            }
            Command::Migrate(args) => {
                args.config.check(found);
                args.telemetry.check(found);
            }
            Command::Healthcheck(_) => {}
        }
    }
}

impl Program {
    /// The clap command, for documents that are made from it.
    pub fn command<C: Args, M: Args>(&self) -> clap::Command {
        let own_port = |command: clap::Command| {
            command.mut_arg("port_of_service", |argument| {
                argument.env(self.port_variable)
            })
        };
        Cli::<C, M>::command()
            .name(self.name)
            .about(self.about)
            .mut_subcommand("serve", own_port)
            .mut_subcommand("healthcheck", own_port)
    }

    /// Runs the command line of this process, to its end.
    pub fn run<C: Args + Settings, M: Args + Settings>(
        &self,
        build: impl AsyncFnOnce(C) -> anyhow::Result<Service>,
        migrate: impl AsyncFnOnce(M) -> anyhow::Result<()>,
    ) -> ExitCode {
        settings::without_empty_variables();
        self.run_from(std::env::args_os(), build, migrate)
    }

    /// Runs this command line, whose first word is the program, to its end.
    pub fn run_from<C: Args + Settings, M: Args + Settings>(
        &self,
        words: impl IntoIterator<Item = impl Into<OsString>>,
        build: impl AsyncFnOnce(C) -> anyhow::Result<Service>,
        migrate: impl AsyncFnOnce(M) -> anyhow::Result<()>,
    ) -> ExitCode {
        match read_or_say_why_not(self.name, self.command::<C, M>(), words) {
            Ok((cli, hints)) => self.run_read(cli, &hints, build, migrate),
            Err(code) => code,
        }
    }

    /// The same for a program with subcommands of its own besides, which has read its command line by itself.
    pub fn run_read<C: Args, M: Args>(
        &self,
        cli: Cli<C, M>,
        hints: &[String],
        build: impl AsyncFnOnce(C) -> anyhow::Result<Service>,
        migrate: impl AsyncFnOnce(M) -> anyhow::Result<()>,
    ) -> ExitCode {
        self.block_on(async {
            match cli.command {
                Command::Serve(args) => self.serve(*args, hints, build).await,
                Command::Migrate(args) => {
                    let _telemetry = self.log(&args.telemetry, hints)?;
                    migrate(args.config).await
                }
                Command::Healthcheck(args) => {
                    let address = self.probe_address(&args);
                    healthcheck(address.unwrap_or_else(|| self.address(&args))).await
                }
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
            Err(error) => say_why_not(self.name, &error),
        }
    }

    /// Begins the log, with what is worth a word about the settings.
    pub(crate) fn log(
        &self,
        config: &TelemetryConfig,
        hints: &[String],
    ) -> anyhow::Result<TelemetryGuard> {
        let guard = telemetry::init(self.name, config)?;
        for hint in hints {
            tracing::warn!("{hint}");
        }
        Ok(guard)
    }

    async fn serve<C: Args>(
        &self,
        args: ServeArgs<C>,
        hints: &[String],
        build: impl AsyncFnOnce(C) -> anyhow::Result<Service>,
    ) -> anyhow::Result<()> {
        let _telemetry = self.log(&args.telemetry, hints)?;
        let stop = stop_signal()?;
        let mut http = args.http;
        FileNeeds::SERVICE.claim(&mut http)?;
        let address = self.address(&args.listen);
        let listener = listen(address, self.name, "PORT").await?;
        // Where port 0 was asked for, the one that the system chose.
        let port = listener.local_addr()?.port();
        let at_probes = match self.probe_address(&args.listen) {
            Some(address) => Some(Probes::listen(address).await?),
            None => None,
        };
        let service = build(args.config).await?;
        // Until the end, beyond that of the service.
        let probes = at_probes
            .map(|listener| Probes::of([&service]).serve(listener))
            .transpose()?;
        let probe_port = probes.as_ref().map(|probes| probes.address().port());
        tracing::info!(
            service = self.name,
            version = VERSION,
            port,
            probe_port,
            "serving"
        );
        tokio::spawn(service.health.clone().tell_changes(Readiness::Starting));
        serve(service, listener, http, stop).await;
        drop(probes);
        Ok(())
    }

    fn probe_address(&self, args: &ListenConfig) -> Option<SocketAddr> {
        Some(SocketAddr::new(args.bind, args.probe_port?))
    }

    fn address(&self, args: &ListenConfig) -> SocketAddr {
        let port = args.port.or(args.port_of_service);
        SocketAddr::new(args.bind, port.unwrap_or(self.default_port))
    }
}

/// Reads a command line, with options before the command or after it. What cannot be used is said, all at once; then this gives the
/// exit code.
pub fn read_or_say_why_not<T: FromArgMatches + Settings>(
    name: &str,
    command: clap::Command,
    words: impl IntoIterator<Item = impl Into<OsString>>,
) -> Result<(T, Vec<String>), ExitCode> {
    let words = words.into_iter().map(Into::into).collect();
    let words = command_first(words, &command);
    match settings::read::<T>(command, &words) {
        Ok((read, mut hints)) => {
            let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
            hints.extend(settings::hints(names));
            Ok((read, hints))
        }
        Err(NotUsable::Words(error)) => {
            // Help that nobody reads is no reason to fail.
            let _ = error.print();
            Err(ExitCode::from(
                u8::try_from(error.exit_code()).unwrap_or(NOT_UNDERSTOOD),
            ))
        }
        Err(NotUsable::Settings(mistakes)) => {
            let said = match mistakes.as_slice() {
                [mistake] => format!("{name}: {mistake}"),
                all => format!(
                    "{name}: {} settings cannot be used:\n  {}",
                    all.len(),
                    all.join("\n  ")
                ),
            };
            telemetry::stderr().say_last(&format!("{said}\n"));
            Err(ExitCode::from(NOT_UNDERSTOOD))
        }
    }
}

/// Says why a program ends, with its causes, in one line.
pub fn say_why_not(name: &str, error: &anyhow::Error) -> ExitCode {
    let why = telemetry::with_causes(&**error);
    telemetry::stderr().say_last(&format!("{name}: {why}\n"));
    ExitCode::FAILURE
}

/// `program --port 80 serve` is `program serve --port 80`: whoever reads the options first should not have to know their place.
fn command_first(mut words: Vec<OsString>, command: &clap::Command) -> Vec<OsString> {
    let is_command = |word: &OsString| {
        word.to_str()
            .is_some_and(|word| command.find_subcommand(word).is_some())
    };
    if let Some(place) = words.iter().skip(1).position(is_command) {
        let word = words.remove(place.saturating_add(1));
        words.insert(1, word);
    }
    words
}
