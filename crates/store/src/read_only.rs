//! Opens a SQLite file to read it and nothing else: nothing is made, moved or written, neither the file nor anything beside it.
//!
//! What must hold: everything that was committed is seen, or the open fails with a sentence. Commits are in `x.db-wal` until SQLite moves
//! them into `x.db`. Where that log is there, it is read along, which needs `x.db-shm`; where it is not there, everything is in the file,
//! and the file is read as one that nobody changes (`immutable`), because SQLite would otherwise make both. A process that uses the file
//! has its log open, so a file without a log is used by nobody at that moment; whoever reads for long asks afterwards whether that
//! stayed so ([`Still`]).

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

/// The number of connections that read at once.
const READERS: u32 = 2;
/// A log of no more than its header has no commit in it (<https://sqlite.org/fileformat2.html#walformat>).
const LOG_HEADER_BYTES: u64 = 32;

/// A file without a log, as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Still {
    path: PathBuf,
    bytes: u64,
    changed: Option<SystemTime>,
}

impl Still {
    /// The file as it is, if everything that was committed is in it.
    pub fn at(path: &Path) -> Option<Still> {
        if has_log(path) {
            return None;
        }
        let about = std::fs::metadata(path).ok()?;
        Some(Still {
            path: path.to_owned(),
            bytes: about.len(),
            changed: about.modified().ok(),
        })
    }

    /// Returns whether nobody has changed it since.
    pub fn is_still(&self) -> bool {
        Still::at(&self.path).as_ref() == Some(self)
    }
}

/// Opens the file.
pub(crate) async fn open(path: &Path) -> anyhow::Result<SqlitePool> {
    let name = path.display();
    match std::fs::metadata(path) {
        Ok(about) if about.is_file() => {}
        Ok(_) => anyhow::bail!("{name} is not a file"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            anyhow::bail!("{name} is missing")
        }
        Err(error) => anyhow::bail!("cannot read {name}: {error}"),
    }
    let is_immutable = !has_log(path);
    let error = match connect(path, is_immutable).await {
        Ok(pool) => return Ok(pool),
        Err(error) => error,
    };
    // A log of a process that is gone, which nobody may take up where nothing can be written; without commits in it none is needed.
    if !is_immutable
        && log_bytes(path).is_some_and(|bytes| bytes <= LOG_HEADER_BYTES)
        && let Ok(pool) = connect(path, true).await
    {
        return Ok(pool);
    }
    if is_immutable || std::fs::File::open(path).is_err() {
        anyhow::bail!("cannot read {name}: {}", sentence(&error));
    }
    anyhow::bail!(
        "cannot read {name} together with {name}-wal: {}. Where a folder cannot be written, a copy of it that can be is read",
        sentence(&error)
    )
}

async fn connect(path: &Path, is_immutable: bool) -> sqlx::Result<SqlitePool> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .immutable(is_immutable)
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .max_connections(READERS)
        .connect_lazy_with(options);
    // SQLite opens a file at its first use.
    sqlx::query_scalar::<_, i64>("select count(*) from sqlite_master")
        .fetch_one(&pool)
        .await?;
    Ok(pool)
}

/// Returns whether commits may be beside the file.
fn has_log(path: &Path) -> bool {
    // An empty log is one of a process that is there, or it is nothing.
    match log_bytes(path) {
        Some(bytes) => bytes > LOG_HEADER_BYTES || bytes_beside(path, "-shm").is_some(),
        None => false,
    }
}

fn log_bytes(path: &Path) -> Option<u64> {
    bytes_beside(path, "-wal")
}

fn bytes_beside(path: &Path, suffix: &str) -> Option<u64> {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    Some(std::fs::metadata(PathBuf::from(name)).ok()?.len())
}

/// SQLite's own words, without its code.
fn sentence(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        error => error.to_string(),
    }
}
