//! The gateway's binary: parse the configuration, build, serve.

use std::process::ExitCode;

use clock::{Clock, Entropy};
use http_server::NothingToMigrate;

fn main() -> ExitCode {
    gateway::PROGRAM.run(
        async |config| gateway::build(config, Clock::system(), Entropy::system()).await,
        async |_: NothingToMigrate| Ok(()),
    )
}
