//! The gateway's binary: parse the configuration, build, serve. And `story`, which tries out a gateway that is there.

use std::process::ExitCode;

use clap::{Args as _, Command, FromArgMatches as _};
use clock::{Clock, Entropy};
use gateway::{Config, PROGRAM, story};
use http_server::NothingToMigrate;

const STORY: &str = "story";

fn main() -> ExitCode {
    let about =
        "Play a story of two users through a gateway; exit 1 at the first step that does not hold";
    let command =
        PROGRAM
            .command::<Config, NothingToMigrate>()
            .subcommand(story::Options::augment_args(
                Command::new(STORY).about(about),
            ));
    let matches = command.get_matches();
    if let Some((STORY, matches)) = matches.subcommand() {
        let options =
            story::Options::from_arg_matches(matches).unwrap_or_else(|error| error.exit());
        return PROGRAM.block_on(async { story::play(&options, &mut std::io::stdout()).await });
    }
    PROGRAM.run_parsed(
        &matches,
        async |config| gateway::build(config, Clock::system(), Entropy::system()).await,
        async |_: NothingToMigrate| Ok(()),
    )
}
