//! The user service as a program of its own. And `adopt`, for when its database does not go with the ledger.

use std::process::ExitCode;

use clock::{Clock, Entropy};
use http_server::OwnCommand;
use settings::{Findings, Settings};
use store::DatabaseConfig;
use user::{Config, PROGRAM};

/// The arguments of `adopt`.
#[derive(clap::Args)]
struct Adopt {
    #[command(flatten)]
    config: Config,
    /// Do it: users that are missing are given up, and their ids are not given again
    #[arg(long)]
    yes: bool,
}

impl OwnCommand for Adopt {
    const NAME: &'static str = "adopt";
    const ABOUT: &'static str = "Say whether the users go with the ledger, and how to go on where users are lost; nothing is changed \
                                 without --yes";
}

impl Settings for Adopt {
    fn check(&self, found: &mut Findings) {
        self.config.check(found);
    }
}

fn main() -> ExitCode {
    PROGRAM.run_with(
        async |Adopt { config, yes }| {
            let out = &mut std::io::stdout();
            let ledger = user::ledger_of(&config, Clock::system())?;
            let go_together = user::adopt(&config.database, &ledger, yes, out).await?;
            anyhow::ensure!(go_together, "nothing was changed; --yes does the above");
            Ok(())
        },
        async |config| user::build(config, Clock::system(), Entropy::system()).await,
        async |database: DatabaseConfig| user::migrate(&database).await,
    )
}
