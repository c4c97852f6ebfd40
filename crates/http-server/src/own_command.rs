//! A service's program that has one command of its own beside those that every service has.

use std::process::ExitCode;

use clap::{ArgMatches, Args, Error, FromArgMatches};
use settings::{Findings, Settings};
use telemetry::TelemetryConfig;

use crate::{Cli, Program, Service, read_or_say_why_not};

/// The command, as what it is told.
pub trait OwnCommand: Args + Settings {
    /// The word for it.
    const NAME: &'static str;
    /// One sentence for `--help`.
    const ABOUT: &'static str;
}

/// The command that the command line asks for.
enum Words<O: OwnCommand, C: Args, M: Args> {
    Own(Box<(O, TelemetryConfig)>),
    Service(Box<Cli<C, M>>),
}

impl<O: OwnCommand, C: Args, M: Args> FromArgMatches for Words<O, C, M> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Words<O, C, M>, Error> {
        match matches.subcommand() {
            Some((name, matches)) if name == O::NAME => {
                let own = O::from_arg_matches(matches)?;
                let telemetry = TelemetryConfig::from_arg_matches(matches)?;
                Ok(Words::Own(Box::new((own, telemetry))))
            }
            _ => Cli::from_arg_matches(matches).map(|cli| Words::Service(Box::new(cli))),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Words::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<O: OwnCommand, C: Args + Settings, M: Args + Settings> Settings for Words<O, C, M> {
    fn check(&self, found: &mut Findings) {
        match self {
            Words::Own(own) => {
                own.0.check(found);
                own.1.check(found);
            }
            Words::Service(cli) => cli.check(found),
        }
    }
}

impl Program {
    /// Runs the command line of this process, to its end; `own` is what the one more command does.
    pub fn run_with<O: OwnCommand, C: Args + Settings, M: Args + Settings>(
        &self,
        own: impl AsyncFnOnce(O) -> anyhow::Result<()>,
        build: impl AsyncFnOnce(C) -> anyhow::Result<Service>,
        migrate: impl AsyncFnOnce(M) -> anyhow::Result<()>,
    ) -> ExitCode {
        settings::without_empty_variables();
        let command = O::augment_args(clap::Command::new(O::NAME)).about(O::ABOUT);
        // It opens databases, which log.
        let command = TelemetryConfig::augment_args(command);
        let command = self.command::<C, M>().subcommand(command);
        match read_or_say_why_not(self.name, command, std::env::args_os()) {
            Err(code) => code,
            Ok((Words::<O, C, M>::Own(words), hints)) => self.block_on(async {
                let (words, telemetry) = *words;
                let _telemetry = self.log(&telemetry, &hints)?;
                own(words).await
            }),
            Ok((Words::Service(cli), hints)) => self.run_read(*cli, &hints, build, migrate),
        }
    }
}
