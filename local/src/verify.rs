//! `dompet verify`: every invariant of the ledger, recomputed from the rows, a line each.

use std::io::{IsTerminal as _, Write};

use anyhow::Context as _;
use store::Database;
use wallet::store::SqlStore;

use crate::Home;

/// Audits the ledger of a data folder or database, also while it runs, and writes what it saw to `out`. `false` when an
/// invariant fails.
pub async fn verify(home: &Home, out: &mut (impl Write + Send)) -> anyhow::Result<bool> {
    anyhow::ensure!(
        home.exists(),
        "there is no ledger: {} holds none; set DATA_DIR or DATABASE_URL",
        home.describe()
    );
    let database = Database::open(&home.database("wallet")).await?;
    let store = SqlStore::new(database);
    writeln!(
        out,
        "Auditing the ledger ({}). Ctrl-C stops it; nothing is changed.",
        home.describe()
    )?;
    let shows_progress = std::io::stderr().is_terminal();
    let progress = move |done: i64, all: i64| {
        if shows_progress {
            // Progress that cannot be shown is no reason to stop.
            let _ = write!(std::io::stderr(), "\r  {done} of {all} entries\x1b[K\r");
        }
    };
    let report = wallet::verify::verify(&store, &progress)
        .await
        .context("the ledger could not be read")?;
    for check in &report.checks {
        match &check.failure {
            None => writeln!(out, "  holds   {}", check.name)?,
            Some(failure) => writeln!(out, "  BROKEN  {}: {failure}", check.name)?,
        }
    }
    writeln!(
        out,
        "{} entries, {} accounts: {}",
        report.entries,
        report.accounts,
        if report.is_whole() {
            "whole"
        } else {
            "NOT WHOLE"
        }
    )?;
    Ok(report.is_whole())
}
