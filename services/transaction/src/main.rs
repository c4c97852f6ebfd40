//! The transaction service as a program of its own.

use std::process::ExitCode;

use clock::{Clock, Entropy};

fn main() -> ExitCode {
    transaction::PROGRAM.run(
        async |config| transaction::build(config, Clock::system(), Entropy::system()).await,
        async |database| transaction::migrate(&database).await,
    )
}
