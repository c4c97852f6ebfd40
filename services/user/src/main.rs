//! The user service as a program of its own.

use std::process::ExitCode;

use clock::{Clock, Entropy};

fn main() -> ExitCode {
    user::PROGRAM.run(
        async |config| user::build(config, Clock::system(), Entropy::system()).await,
        async |database| user::migrate(&database).await,
    )
}
