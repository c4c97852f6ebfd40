//! The wallet service's binary.

use std::process::ExitCode;

use clock::{Clock, Entropy};
use store::DatabaseConfig;

fn main() -> ExitCode {
    wallet::PROGRAM.run(
        async |config: wallet::Config| {
            wallet::build(config, Clock::system(), Entropy::system()).await
        },
        async |database: DatabaseConfig| wallet::migrate(&database).await,
    )
}
