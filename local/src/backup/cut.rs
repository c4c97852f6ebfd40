//! One moment of four SQLite databases, while another process writes them.
//!
//! How: the write lock of all four is taken, and while nobody can commit, a reader is opened on each, and each write-ahead log is
//! copied. Then the locks go, after a few milliseconds, and the database files are copied at leisure while the readers stay open.
//!
//! Why that is consistent, by how SQLite's log works (<https://sqlite.org/walformat.html>): a reader that uses the log holds it where it
//! is, so a checkpoint may move into the file only what the log had at the moment, and what the copy of the log has, too; a page that is
//! copied half before and half after such a move is in the copied log, which wins when the copy is opened. A reader that found the whole log moved
//! already reads the file alone, and no checkpoint may write to it while that reader is there.
//!
//! A file that this process closes loses the locks of all its connections (POSIX), so the files are closed after the readers.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use store::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use store::sqlx::{self, ConnectOptions as _, Connection as _, Row as _};

use super::LedgerHead;
use crate::data::{SERVICES, file_of, log_of};
use crate::progress::Progress;

/// The time that a lock is waited for. A service holds one for the time of a commit.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// The time until a lock that SQLite does not wait for is tried again.
const LOCK_RETRY: Duration = Duration::from_millis(20);

/// The databases at one moment, held until they are copied.
pub(super) struct Cut {
    sources: Vec<Source>,
    ledger: LedgerHead,
}

struct Source {
    path: PathBuf,
    /// Keeps the moment.
    reader: SqliteConnection,
    file: File,
    /// Kept open for its locks.
    _log: Option<File>,
}

impl Cut {
    /// Holds the databases of `folder` as they are at one moment, with their logs copied into `to`.
    pub(super) async fn take(folder: &Path, to: &Path) -> anyhow::Result<Cut> {
        let mut writers = Vec::new();
        for service in SERVICES {
            let path = folder.join(file_of(service));
            ensure!(path.exists(), "{} is missing", path.display());
            let mut writer = connect(&path).await?;
            // What is moved now need not be copied while everybody waits. Another process may be at it: then it stays in the log.
            sqlx::query("pragma wal_checkpoint(passive)")
                .execute(&mut writer)
                .await?;
            writers.push((path, writer));
        }
        for (path, writer) in &mut writers {
            sqlx::query("begin immediate")
                .execute(writer)
                .await
                .with_context(|| format!("{} is locked, or cannot be written", path.display()))?;
        }
        let mut sources = Vec::new();
        for (path, _) in &writers {
            sources.push(Source::open(path, to).await?);
        }
        for (_, writer) in &mut writers {
            sqlx::query("rollback").execute(&mut *writer).await?;
        }
        for (_, writer) in writers {
            writer.close().await?;
        }
        let ledger = ledger_head(&mut sources).await?;
        Ok(Cut { sources, ledger })
    }

    /// The number of the ledger's last entry.
    pub(super) fn ledger(&self) -> LedgerHead {
        self.ledger.clone()
    }

    /// Copies the databases, and lets go of them.
    pub(super) async fn copy(mut self, to: &Path) -> anyhow::Result<()> {
        let mut bytes = 0_u64;
        for source in &self.sources {
            bytes = bytes.saturating_add(source.file.metadata()?.len());
        }
        let mut progress = Progress::new("bytes", bytes);
        for source in &mut self.sources {
            let name = source.path.file_name().unwrap_or_default();
            let to = to.join(name);
            copy(&mut source.file, &to, &mut progress).with_context(|| {
                format!("cannot copy {} to {}", source.path.display(), to.display())
            })?;
        }
        for source in self.sources {
            let Source { reader, file, .. } = source;
            reader.close().await?;
            drop(file);
        }
        Ok(())
    }
}

impl Source {
    /// While the write lock is held.
    async fn open(path: &Path, to: &Path) -> anyhow::Result<Source> {
        let mut reader = connect(path).await?;
        sqlx::query("begin").execute(&mut reader).await?;
        // A transaction has its moment from its first read on.
        sqlx::query("select count(*) from sqlite_master")
            .execute(&mut reader)
            .await?;
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let log_path = log_of(path);
        let log = match File::open(&log_path) {
            Ok(mut log) => {
                let to = to.join(log_path.file_name().unwrap_or_default());
                copy(&mut log, &to, &mut Progress::hidden())
                    .with_context(|| format!("cannot copy {}", log_path.display()))?;
                Some(log)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", log_path.display()));
            }
        };
        Ok(Source {
            path: path.to_owned(),
            reader,
            file,
            _log: log,
        })
    }
}

async fn ledger_head(sources: &mut [Source]) -> anyhow::Result<LedgerHead> {
    let wallet = sources
        .iter_mut()
        .find(|source| source.path.ends_with(file_of("wallet")))
        .context("there is no ledger")?;
    let row = sqlx::query("select seq, hash from ledger_head where id = 0")
        .fetch_one(&mut wallet.reader)
        .await
        .context("wallet.db has no ledger")?;
    Ok(LedgerHead {
        entries: row.try_get("seq")?,
        hash: hex::encode(row.try_get::<Vec<u8>, _>("hash")?),
    })
}

fn copy(from: &mut File, to: &Path, progress: &mut Progress) -> io::Result<()> {
    let mut to = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(to)?;
    io::copy(&mut progress.reading(from), &mut to)?;
    Ok(())
}

/// A connection that neither makes the database nor changes how it keeps its log.
async fn connect(path: &Path) -> anyhow::Result<SqliteConnection> {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(LOCK_WAIT)
        .disable_statement_logging()
        .connect()
        .await
        .with_context(|| format!("cannot open {}", path.display()))
}

/// Moves what the log has into the file, checks the file's pages, and leaves a database that is one file.
pub(super) async fn settle(path: &Path) -> anyhow::Result<()> {
    let mut connection = connect(path).await?;
    let flaw: String = sqlx::query_scalar("pragma integrity_check(1)")
        .fetch_one(&mut connection)
        .await?;
    ensure!(flaw == "ok", "{flaw}");
    // SQLite does not wait for this lock by itself, and the audit's connections may still be closing.
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        let mode = sqlx::query_scalar::<_, String>("pragma journal_mode = delete")
            .fetch_one(&mut connection)
            .await;
        match mode {
            Ok(mode) if mode == "delete" => break,
            Ok(_) | Err(_) if Instant::now() < deadline => tokio::time::sleep(LOCK_RETRY).await,
            Ok(mode) => bail!("its log cannot be ended: it stays in the mode {mode}"),
            Err(error) => return Err(error).context("its log cannot be ended"),
        }
    }
    connection.close().await?;
    Ok(())
}

/// Moves what the log has into the file and leaves the log empty, where nobody else uses the database.
pub(crate) async fn empty_log(path: &Path) -> anyhow::Result<()> {
    let mut connection = connect(path).await?;
    sqlx::query("pragma wal_checkpoint(truncate)")
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(())
}
