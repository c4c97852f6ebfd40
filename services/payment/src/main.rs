//! The payment service as a program of its own.

use std::process::ExitCode;

use clock::{Clock, Entropy};

fn main() -> ExitCode {
    payment::PROGRAM.run(
        async |config| payment::build(config, Clock::system(), Entropy::system()).await,
        async |database| payment::migrate(&database).await,
    )
}
