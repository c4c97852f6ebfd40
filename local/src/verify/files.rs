//! The four files of a data folder, as an audit finds them: there or missing, whole copies or not, and left alone while it reads.

use anyhow::Context as _;
use store::{Database, Still};

use crate::Home;
use crate::data::SERVICES;

/// The files of a folder that nobody used when the audit began. Empty where the databases are no files.
pub(super) struct Files {
    still: Vec<Still>,
    wallet_has_no_log: bool,
}

impl Files {
    pub(super) fn of(home: &Home) -> Files {
        // An audit that opens files as their owner does makes a log itself.
        let still = |service: &str| {
            let file = home.file(service).filter(|_| home.is_read_only());
            file.and_then(|file| Still::at(&file))
        };
        Files {
            still: SERVICES.into_iter().filter_map(still).collect(),
            wallet_has_no_log: still("wallet").is_some(),
        }
    }

    /// Fails where somebody began to write: what was read is then of no one moment.
    pub(super) fn ensure_still(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.still.iter().all(Still::is_still),
            "the folder was written to while it was read, so nothing is known of it: dompet was started meanwhile, or files were copied into it. Run verify again"
        );
        Ok(())
    }

    /// Other causes of a ledger that is shorter than what follows it, or that has nothing in it.
    pub(super) fn hint(&self, is_whole: bool, entries: i64) -> Option<&'static str> {
        if !self.wallet_has_no_log || (is_whole && entries > 0) {
            return None;
        }
        Some(if is_whole {
            "the ledger is empty: if it should not be, look for a wallet.db-wal that was not copied along with wallet.db"
        } else {
            "wallet.db has no wallet.db-wal beside it: if it was copied from a dompet that ran or was killed, the newest entries are in that file"
        })
    }
}

/// Fails where there is no ledger, and says which file is missing.
pub(super) fn ensure_a_ledger(home: &Home) -> anyhow::Result<()> {
    if home.exists() {
        return Ok(());
    }
    let is_there = |service: &str| home.file(service).is_some_and(|file| file.exists());
    if let Some(wallet) = home.file("wallet")
        && SERVICES.into_iter().any(is_there)
    {
        anyhow::bail!("{} is missing, and the ledger is in it", wallet.display());
    }
    anyhow::bail!(
        "there is no ledger: {} holds none; set DATA_DIR or DATABASE_URL",
        home.describe()
    )
}

/// The reason that a service's file cannot be compared with the ledger, if it is a file and cannot.
pub(super) async fn flaw(home: &Home, service: &str) -> anyhow::Result<Option<String>> {
    let Some(file) = home.file(service) else {
        return Ok(None);
    };
    // To open it could make it.
    if !file.exists() {
        return Ok(Some(format!("{} is missing", file.display())));
    }
    match Database::open(&home.database(service)).await {
        Ok(database) => {
            database.close().await;
            Ok(None)
        }
        Err(error) => Ok(Some(format!("{error:#}"))),
    }
}

/// The sentence about a file that opens, and lacks the tables of its service.
pub(super) fn lacks_tables(home: &Home, service: &str) -> anyhow::Result<String> {
    let file = home.file(service).context("the database is no file")?;
    let file = file.display();
    Ok(format!(
        "{file} lacks tables of the {service} service: it was copied without its {file}-wal, or an older version used it last; a start of this version brings it up to date"
    ))
}
