//! `dompet repair`: how to go on where databases do not belong together and the right one is lost.
//!
//! What follows from the ledger is built anew from it; users that the ledger knows and nobody has an account of any more are given
//! up, and their ids and wallets stay theirs. A ledger that is missing cannot be repaired: there is no money without it.

use std::io::Write;

use crate::Home;
use crate::belonging::{Ledger, check_that_none_is_missing, findings};

/// Says what does not go together and what would be done about it, and does that with `yes`. `false` where something is left to do.
pub async fn repair(home: &Home, yes: bool, out: &mut (impl Write + Send)) -> anyhow::Result<bool> {
    anyhow::ensure!(
        home.exists(),
        "there is no ledger to go by: {} holds none. Put the wallet service's database back, or begin in another folder",
        home.describe()
    );
    let _lock = home.lock()?;
    if yes {
        // A users' database that is missing begins empty, and is adopted below before anybody is in it.
        crate::bank::migrate(home).await?;
    } else if let Err(missing) = check_that_none_is_missing(home).await {
        writeln!(
            out,
            "{missing:#}\nIf it is lost: `dompet repair --yes` begins an empty one, in which the ids that the ledger knows are not given again."
        )?;
        return Ok(false);
    }
    let ledger = Ledger::open(home).await?;
    let findings = findings(home, &ledger, false).await?;
    if findings.is_empty() {
        writeln!(
            out,
            "The databases belong together; there is nothing to do."
        )?;
        return Ok(true);
    }
    writeln!(
        out,
        "What does not go with the ledger ({}), and what is done about it:",
        home.describe()
    )?;
    for finding in &findings {
        let database = home.database(finding.service);
        match finding.service {
            "user" => {
                user::adopt(&database, &ledger, yes, out).await?;
            }
            "transaction" => {
                writeln!(out, "  {}", finding.why)?;
                transaction::rebuild(&database, &wallet_api::KINDS, yes, out).await?;
            }
            _ => {
                writeln!(out, "  {}", finding.why)?;
                payment::rebuild(&database, yes, out).await?;
            }
        }
    }
    if !yes {
        writeln!(
            out,
            "Nothing was changed. If a backup of the right database is there, put it back instead. `dompet repair --yes` does the above."
        )?;
    }
    Ok(yes)
}
