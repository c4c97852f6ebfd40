//! SQLite: a file, one connection that writes, a few that read.
//!
//! It is opened in WAL with `synchronous=FULL`, so that what was committed survives a power cut. What must hold: nothing is written into
//! a file that nobody will find again. A process goes on writing to a file that was deleted or moved, so each write first looks whether
//! the file is still where it was opened.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, Sqlite, SqliteConnection};

use crate::condition::Condition;
use crate::fault::{Fault, Unusable, cause};
use crate::read_only;
use crate::session::Session;
use crate::watch::Watch;

/// The time that a request waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// The time that a writer of SQLite waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The page cache of the connection that writes to SQLite, in KiB. The default of 2 MiB holds no index of a busy wallet, and
/// every page of it is read and written again and again.
const CACHE_KIB: &str = "-16384";
/// Pages that SQLite's log gathers before they go into the file (32 MiB): a page that changes often goes there once.
const LOG_PAGES: &str = "8000";
/// The number of SQLite connections that read at once.
const READERS: u32 = 4;

/// SQLite has one writer; readers do not wait for it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SqlitePools {
    /// Connections that only read.
    pub read: SqlitePool,
    /// The one connection that writes.
    pub write: SqlitePool,
    files: Arc<[OpenFile]>,
    watch: Watch,
}

/// A file as it was when it was opened.
#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    /// Device and number: another file at the same path has others.
    identity: (u64, u64),
}

impl OpenFile {
    fn at(path: PathBuf) -> Option<OpenFile> {
        let identity = identity(&path)?;
        Some(OpenFile { path, identity })
    }

    fn is_there(&self) -> bool {
        identity(&self.path) == Some(self.identity)
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let about = std::fs::metadata(path).ok()?;
    Some((about.dev(), about.ino()))
}

impl SqlitePools {
    pub(crate) async fn open(path: &Path) -> anyhow::Result<SqlitePools> {
        let cannot = |verb: &str, error: &sqlx::Error| {
            anyhow::anyhow!("cannot {verb} {}: {}", path.display(), cause(error))
        };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let writing = |options: SqliteConnectOptions| {
            options
                .pragma("cache_size", CACHE_KIB)
                .pragma("wal_autocheckpoint", LOG_PAGES)
        };
        // Connections stay open: with the last of them SQLite takes its log away, and a new one is another file.
        let pool = || {
            SqlitePoolOptions::new()
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .idle_timeout(None)
                .max_lifetime(None)
        };
        let write = pool()
            .max_connections(1)
            // SQLite ends a transaction by itself when the disk is full. The connection then still believes to be in one, and could never
            // begin another: it is replaced.
            .before_acquire(|connection, _| {
                let is_usable = !connection.is_in_transaction();
                Box::pin(async move { Ok(is_usable) })
            })
            .connect_with(writing(options.clone()))
            .await
            .map_err(|error| cannot("open", &error))?;
        // From here on the file is there. A connection that is opened later must not make another at its place.
        let options = options.create_if_missing(false);
        write.set_connect_options(writing(options.clone()));
        let read = pool()
            .max_connections(READERS)
            .connect_with(options.pragma("query_only", "on"))
            .await
            .map_err(|error| cannot("open", &error))?;
        let may_write = match write.begin_with("BEGIN IMMEDIATE").await {
            Ok(transaction) => transaction.rollback().await,
            Err(error) => Err(error),
        };
        if let Err(error) = may_write
            && Fault::of(&error).is_outage()
        {
            return Err(cannot("write", &error));
        }
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let files = [path.to_owned(), log.into()]
            .into_iter()
            .filter_map(OpenFile::at);
        let name = format!("SQLite in {}", path.display());
        Ok(SqlitePools {
            read,
            write,
            files: files.collect(),
            watch: Watch::new(Condition::new(name)),
        })
    }

    /// Opens a file to be read only; both pools are the same.
    pub(crate) async fn open_to_read(path: &Path) -> anyhow::Result<SqlitePools> {
        let read = read_only::open(path).await?;
        Ok(SqlitePools {
            write: read.clone(),
            read,
            files: Arc::from([]),
            watch: Watch::new(Condition::new(format!("SQLite in {}", path.display()))),
        })
    }

    /// The database's condition.
    pub(crate) fn condition(&self) -> &Condition {
        self.watch.condition()
    }

    pub(crate) fn name(&self) -> String {
        let path = self
            .files
            .first()
            .map(|file| file.path.display().to_string());
        format!("SQLite in {}", path.unwrap_or_default())
    }

    /// A transaction that has the write lock.
    pub async fn begin(&self) -> sqlx::Result<Session<Sqlite>> {
        self.ensure_files()?;
        let transaction = self.noted(self.write.begin_with("BEGIN IMMEDIATE").await)?;
        Ok(Session::transaction(transaction, true, self.watch.clone()))
    }

    /// The connections that only read, while the files are those that were opened: a new connection would find others at their place.
    pub fn readers(&self) -> sqlx::Result<&SqlitePool> {
        self.ensure_files()?;
        Ok(&self.read)
    }

    /// The result, after the condition was told of it.
    pub fn noted<T>(&self, result: sqlx::Result<T>) -> sqlx::Result<T> {
        result.inspect_err(|error| self.watch.failed(error))
    }

    /// Fails where the files are not those any more that were opened.
    fn ensure_files(&self) -> sqlx::Result<()> {
        let Some(lost) = self.files.iter().find(|file| !file.is_there()) else {
            return Ok(());
        };
        let unusable = Unusable {
            fault: Fault::Unwritable,
            sentence: format!(
                "{} was deleted or replaced while it was in use; put the same file back, or restart with a restored one",
                lost.path.display()
            ),
            passes: false,
        };
        self.watch.condition().is_unusable(&unusable);
        Err(unusable.into_error())
    }

    /// Runs `work` on the connection that writes, with commits that do not wait for the disk: a power cut may undo the newest of them, all
    /// of each or nothing. For what follows from elsewhere, and keeps its position in the same commit.
    pub async fn without_waiting<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> sqlx::Result<T>,
    ) -> sqlx::Result<T> {
        self.ensure_files()?;
        let mut connection = self.noted(self.write.acquire().await)?;
        sqlx::query("pragma synchronous = normal")
            .execute(&mut *connection)
            .await?;
        let result = self.noted(work(&mut connection).await);
        if result.is_ok() {
            self.watch.written();
        }
        // Whoever writes next may be told that it is durable. A connection that cannot be set back is not used again.
        let set_back = sqlx::query("pragma synchronous = full")
            .execute(&mut *connection)
            .await;
        if let Err(error) = set_back {
            connection.close_on_drop();
            return Err(error);
        }
        result
    }

    pub(crate) async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, and says where"
)]
mod tests {
    use super::*;
    use crate::{Database, DatabaseConfig, Step, in_transaction};

    const STEPS: &[Step] = &[Step {
        version: 1,
        name: "kept",
        postgres: "",
        sqlite: "create table kept (id integer)",
    }];

    async fn opened(folder: &Path) -> (Database, SqlitePools) {
        let url = format!("sqlite://{}/test.db", folder.display());
        let config = DatabaseConfig::at(url);
        let database = Database::open(&config).await.unwrap();
        database.migrate(&config, STEPS).await.unwrap();
        let Database::Sqlite(pools) = database.clone() else {
            unreachable!("the URL says sqlite")
        };
        (database, pools)
    }

    #[tokio::test]
    async fn sqlite_writes_again_after_a_transaction_that_it_ended_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let (_, pools) = opened(folder.path()).await;
        let mut transaction = pools.write.begin_with("BEGIN IMMEDIATE").await.unwrap();
        // What SQLite does when the disk is full; nobody told the connection.
        sqlx::query("rollback")
            .execute(&mut *transaction)
            .await
            .unwrap();
        drop(transaction);
        let again = pools.write.begin_with("BEGIN IMMEDIATE").await.unwrap();
        again.commit().await.unwrap();
    }

    #[tokio::test]
    async fn nothing_is_written_into_a_file_that_was_moved_away_until_it_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let (database, _) = opened(folder.path()).await;
        let write = async || -> sqlx::Result<()> {
            in_transaction!(&database, tx => {
                let sql = "insert into kept values (1)";
                sqlx::query(sql).execute(&mut *tx).await.map(drop)
            })
        };
        write().await.unwrap();
        for name in ["test.db", "test.db-wal"] {
            let (here, away) = (folder.path().join(name), folder.path().join("away"));
            std::fs::rename(&here, &away).unwrap();
            let error = write().await.unwrap_err();
            assert_eq!(Fault::of(&error), Fault::Unwritable);
            let why = database.check(STEPS).await.unwrap_err();
            assert_eq!(why, "the files of the database cannot be written");
            std::fs::rename(&away, &here).unwrap();
            while database.check(STEPS).await.is_err() {
                tokio::task::yield_now().await;
            }
            write().await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_full_disk_is_told_until_there_is_room_again() {
        let folder = tempfile::tempdir().unwrap();
        let (database, pools) = opened(folder.path()).await;
        let write = async || -> sqlx::Result<()> {
            in_transaction!(&database, tx => {
                let sql = "insert into storage_probe values (2, hex(randomblob(100000))) on conflict (id) do update set filler = excluded.filler";
                sqlx::query(sql).execute(&mut *tx).await.map(drop)
            })
        };
        let limit = async |pages: &'static str| {
            sqlx::raw_sql(pages).execute(&pools.write).await.unwrap();
        };
        limit("pragma max_page_count = 10").await;
        let error = write().await.unwrap_err();
        assert_eq!(Fault::of(&error), Fault::Full);
        let why = database.check(STEPS).await.unwrap_err();
        assert_eq!(why, "the disk of the database is full");
        limit("pragma max_page_count = 100000").await;
        while database.check(STEPS).await.is_err() {
            tokio::task::yield_now().await;
        }
        write().await.unwrap();
    }
}
