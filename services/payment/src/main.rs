//! The payment service as a program of its own. And `rebuild`, for when its database does not go with the ledger.

use std::process::ExitCode;

use clock::{Clock, Entropy};
use http_server::OwnCommand;
use payment::PROGRAM;
use settings::{Findings, Settings};
use store::DatabaseConfig;

/// The arguments of `rebuild`.
#[derive(clap::Args)]
struct Rebuild {
    #[command(flatten)]
    database: DatabaseConfig,
    /// Do it; where the service runs, readers see only a part until it has caught up
    #[arg(long)]
    yes: bool,
}

impl OwnCommand for Rebuild {
    const NAME: &'static str = "rebuild";
    const ABOUT: &'static str = "Forget the payments, so that the service builds them anew from the ledger; nothing is changed without --yes";
}

impl Settings for Rebuild {
    fn check(&self, found: &mut Findings) {
        self.database.check(found);
    }
}

fn main() -> ExitCode {
    PROGRAM.run_with(
        async |Rebuild { database, yes }| {
            payment::rebuild(&database, yes, &mut std::io::stdout()).await?;
            anyhow::ensure!(yes, "nothing was changed; --yes does the above");
            Ok(())
        },
        async |config| payment::build(config, Clock::system(), Entropy::system()).await,
        async |database: DatabaseConfig| payment::migrate(&database).await,
    )
}
