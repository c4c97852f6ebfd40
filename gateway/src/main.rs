//! The gateway's binary: parse the configuration, build, serve. And `story`, which tries out a gateway that is there.

use std::process::ExitCode;

use clap::{ArgMatches, Args as _, Command, Error, FromArgMatches};
use clock::{Clock, Entropy};
use gateway::{Config, PROGRAM, story};
use http_server::{Cli, NothingToMigrate, read_or_say_why_not};
use settings::{Findings, Settings};

const STORY: &str = "story";

/// The command that the command line asks for.
enum Words {
    Story(story::Options),
    Service(Box<Cli<Config, NothingToMigrate>>),
}

impl FromArgMatches for Words {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Words, Error> {
        match matches.subcommand() {
            Some((STORY, matches)) => story::Options::from_arg_matches(matches).map(Words::Story),
            _ => Cli::from_arg_matches(matches).map(|cli| Words::Service(Box::new(cli))),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Words::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Settings for Words {
    fn check(&self, found: &mut Findings) {
        if let Words::Service(cli) = self {
            cli.check(found);
        }
    }
}

fn main() -> ExitCode {
    settings::without_empty_variables();
    let about =
        "Play a story of two users through a gateway; exit 1 at the first step that does not hold";
    let command =
        PROGRAM
            .command::<Config, NothingToMigrate>()
            .subcommand(story::Options::augment_args(
                Command::new(STORY).about(about),
            ));
    match read_or_say_why_not(PROGRAM.name, command, std::env::args_os()) {
        Err(code) => code,
        Ok((Words::Story(options), _)) => {
            PROGRAM.block_on(async { story::play(&options, &mut std::io::stdout()).await })
        }
        Ok((Words::Service(cli), hints)) => PROGRAM.run_read(
            *cli,
            &hints,
            async |config| gateway::build(config, Clock::system(), Entropy::system()).await,
            async |_: NothingToMigrate| Ok(()),
        ),
    }
}
