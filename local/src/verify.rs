//! `dompet verify`: every invariant of the ledger, recomputed from the rows, and whether what follows the ledger agrees with it; a
//! line each.

mod files;

use std::io::{IsTerminal as _, Write};
use std::path::Path;

use anyhow::Context as _;
use feed_follower::Verdict;
use ledger::receipts;
use ledger::store::SqlStore;
use ledger_api::Receipt;
use money::Amount;
use store::Database;
use wallet_api::KINDS;

use self::files::Files;
use crate::Home;
use crate::belonging::Ledger;

/// Audits the ledger of a data folder or database, and what follows it, also while they run, and writes what it saw to `out`.
/// With a receipt it also says whether that belongs to this ledger. `false` when anything fails.
pub async fn verify(
    home: &Home,
    receipt: Option<&Path>,
    out: &mut (impl Write + Send),
) -> anyhow::Result<bool> {
    anyhow::ensure!(
        home.knows("wallet"),
        "WALLET_DATABASE_URL is not set: the ledger is in the wallet service's database, and nothing can be compared without it"
    );
    files::ensure_a_ledger(home)?;
    let files = Files::of(home);
    let receipt = receipt.map(read_receipt).transpose()?;
    let store = SqlStore::new(Database::open(&home.database("wallet")).await?);
    writeln!(
        out,
        "Auditing the ledger ({}). Ctrl-C stops it; nothing is changed.",
        home.describe()
    )?;
    let report = ledger::verify::verify(
        &store,
        wallet::policy(&KINDS, Amount::MAX),
        &progress("entries of the ledger"),
    )
    .await
    .context("the ledger could not be read")?;
    let mut is_whole = report.is_whole();
    for check in &report.checks {
        say(out, check.name, check.failure.as_deref())?;
    }
    for (service, name, verdict) in followers(home, &store).await? {
        let variable = format!("{}_DATABASE_URL", service.to_uppercase());
        match verdict {
            Verdict::Agrees => say(out, name, None)?,
            Verdict::Differs(difference) => {
                is_whole = false;
                say(out, name, Some(&difference))?;
            }
            // Whoever names a database expects it to be looked at.
            Verdict::NotHere if home.names(service) => {
                is_whole = false;
                let failure = format!(
                    "the database in {variable} does not answer, or lacks the {service} service's tables"
                );
                say(out, name, Some(&failure))?;
            }
            Verdict::NotHere if home.file(service).is_some() => {
                is_whole = false;
                say(out, name, Some(&files::lacks_tables(home, service)?))?;
            }
            Verdict::NotHere => writeln!(
                out,
                "  left    {name}: these rows are in another database; name it in {variable}"
            )?,
        }
    }
    if let Some(receipt) = receipt {
        let flaw = receipts::check_in(&store, &receipt).await?.err();
        is_whole &= flaw.is_none();
        let failure = flaw.map(|flaw| flaw.to_string());
        say(out, "the receipt is one of this ledger", failure.as_deref())?;
    }
    files.ensure_still()?;
    if report.erased_notes > 0 {
        let erased = report.erased_notes;
        writeln!(
            out,
            "  note    {erased} texts were erased; the chain of hashes has their hashes in their place"
        )?;
    }
    if let Some(hint) = files.hint(is_whole, report.entries) {
        writeln!(out, "  note    {hint}")?;
    }
    writeln!(
        out,
        "{} entries, {} accounts: {}",
        report.entries,
        report.accounts,
        if is_whole { "whole" } else { "NOT WHOLE" }
    )?;
    Ok(is_whole)
}

fn say(out: &mut impl Write, name: &str, failure: Option<&str>) -> std::io::Result<()> {
    match failure {
        None => writeln!(out, "  holds   {name}"),
        Some(failure) => writeln!(out, "  BROKEN  {name}: {failure}"),
    }
}

/// Shows how far it is to a person at a terminal.
fn progress(what: &'static str) -> impl Fn(i64, i64) + Sync {
    let is_shown = std::io::stderr().is_terminal();
    move |done, all| {
        if is_shown {
            // Progress that cannot be shown is no reason to stop.
            let _ = write!(std::io::stderr(), "\r  {done} of {all} {what}\x1b[K\r");
        }
    }
}

/// The followers of the ledger: the service, what is claimed of it, and whether that is so.
type Claim = (&'static str, &'static str, Verdict);

async fn followers(home: &Home, store: &SqlStore) -> anyhow::Result<[Claim; 3]> {
    let log = Ledger(store.clone());
    let users = if let Some(flaw) = files::flaw(home, "user").await? {
        Verdict::Differs(flaw)
    } else if home.knows("user") {
        let verified = user::verify(&home.database("user"), &log).await;
        match verified.context("the users could not be read")? {
            None => Verdict::NotHere,
            Some(None) => Verdict::Agrees,
            Some(Some(difference)) => Verdict::Differs(difference),
        }
    } else {
        Verdict::NotHere
    };
    let history = if let Some(flaw) = files::flaw(home, "transaction").await? {
        Verdict::Differs(flaw)
    } else if home.knows("transaction") {
        let database = home.database("transaction");
        transaction::verify(&database, &KINDS, &log, &progress("entries in history"))
            .await
            .context("history could not be read")?
    } else {
        Verdict::NotHere
    };
    let payments = if let Some(flaw) = files::flaw(home, "payment").await? {
        Verdict::Differs(flaw)
    } else if home.knows("payment") {
        let database = home.database("payment");
        payment::verify(&database, &log, &progress("entries in payments"))
            .await
            .context("the payments could not be read")?
    } else {
        Verdict::NotHere
    };
    Ok([
        (
            "user",
            "users belong to this ledger, and every wallet to one of them",
            users,
        ),
        (
            "transaction",
            "history and its sums are what the log says",
            history,
        ),
        ("payment", "the payments are what the log says", payments),
    ])
}

/// A receipt as the API gave it: the whole answer, or only what is under `receipt`.
fn read_receipt(path: &Path) -> anyhow::Result<Receipt> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut body: serde_json::Value =
        serde_json::from_slice(&text).context("the receipt is not JSON")?;
    if let Some(error) = body.get("error").and_then(|error| error.as_str()) {
        anyhow::bail!("this file is an error answer: {error}");
    }
    let receipt = match body.get_mut("receipt") {
        Some(receipt) => receipt.take(),
        None => body,
    };
    serde_json::from_value(receipt).context("the receipt lacks something, or is none")
}
