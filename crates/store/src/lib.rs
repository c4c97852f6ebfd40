//! The two databases that a service can stand on, PostgreSQL and SQLite, behind one type.
//!
//! A service writes its SQL once, in the text that both understand (`$1`, `returning`, `on conflict`), and runs it with
//! [`on_read!`] or [`in_transaction!`]; only where the two really differ does it match on [`Database`]. SQLite is opened
//! in WAL with `synchronous=FULL`: what was committed survives a power cut there too.

mod read_only;
mod together;

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection as _, SqlStr, SqliteConnection};

pub use read_only::Still;
pub use sqlx;
pub use together::{Together, Unreadable};

/// How long a request waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// The services' statements look rows up by key, and each has one good plan. A plan made anew at each use costs time; one made
/// while a table was small and kept when it is large must not read the whole table.
const PLANNING: [(&str, &str); 7] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    // Nor may it gather all that comes after a number, and sort it, for a page of what comes next.
    ("enable_bitmapscan", "off"),
    ("enable_sort", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];
/// How long a writer of SQLite waits for another process that writes.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// What the connection that writes to SQLite remembers of the file, in KiB. The default of 2 MiB holds no index of a busy wallet, and
/// every page of it is read and written again and again.
const SQLITE_CACHE_KIB: &str = "-16384";
/// Pages that SQLite's log gathers before they go into the file (32 MiB): a page that changes often goes there once.
const SQLITE_LOG_PAGES: &str = "8000";
/// How many SQLite connections read at once.
const SQLITE_READERS: u32 = 4;

/// Which database.
#[derive(Clone, clap::Args)]
pub struct DatabaseConfig {
    /// `postgres://user:password@host/database` or `sqlite://path/to/file.db`
    #[arg(long = "database-url", env = "DATABASE_URL", hide_env_values = true)]
    pub url: String,
    /// The schema of PostgreSQL that the tables are in; it is made when missing
    #[arg(long = "database-schema", env = "DATABASE_SCHEMA")]
    pub schema: Option<String>,
    /// Connections to PostgreSQL that are open at most
    #[arg(
        long = "database-connections",
        env = "DATABASE_CONNECTIONS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(2..=1000)
    )]
    pub max_connections: u32,
    /// Whether a file is opened to be read only: it must be there, and nothing is made beside it
    #[arg(skip)]
    pub read_only: bool,
}

impl settings::Settings for DatabaseConfig {}

impl fmt::Debug for DatabaseConfig {
    /// Without the URL, which has a password in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseConfig")
            .field("schema", &self.schema)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

/// SQLite has one writer; readers do not wait for it.
#[derive(Clone, Debug)]
pub struct SqlitePools {
    /// Connections that only read.
    pub read: SqlitePool,
    /// The one connection that writes.
    pub write: SqlitePool,
}

/// An open database. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Database {
    /// PostgreSQL.
    Postgres(PgPool),
    /// SQLite.
    Sqlite(SqlitePools),
}

/// One step of a schema: its number, its name, and its text in each dialect. Once released it is never edited.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Counts from 1.
    pub version: i64,
    /// A short name.
    pub name: &'static str,
    /// The text for PostgreSQL.
    pub postgres: &'static str,
    /// The text for SQLite.
    pub sqlite: &'static str,
}

impl DatabaseConfig {
    /// The database at `url`, in its default schema.
    pub fn at(url: impl Into<String>) -> DatabaseConfig {
        DatabaseConfig {
            url: url.into(),
            schema: None,
            max_connections: 10,
            read_only: false,
        }
    }

    /// The same database, but in a schema of its own.
    #[must_use]
    pub fn in_schema(mut self, schema: &str) -> DatabaseConfig {
        self.schema = Some(schema.to_owned());
        self
    }

    /// The schema, quoted: `user` is a word of SQL.
    fn schema(&self) -> anyhow::Result<Option<String>> {
        let Some(schema) = self.schema.as_deref() else {
            return Ok(None);
        };
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        anyhow::ensure!(
            !schema.is_empty() && schema.len() <= 63 && schema.bytes().all(plain),
            "DATABASE_SCHEMA has lower-case letters, digits and _ only"
        );
        Ok(Some(format!("\"{schema}\"")))
    }
}

impl Database {
    /// Opens the database. PostgreSQL need not answer yet: the first use will tell.
    pub async fn open(config: &DatabaseConfig) -> anyhow::Result<Database> {
        if config.url.starts_with("postgres://") || config.url.starts_with("postgresql://") {
            return open_postgres(config);
        }
        if let Some(path) = config.url.strip_prefix("sqlite://") {
            if config.read_only {
                let read = read_only::open(Path::new(path)).await?;
                let write = read.clone();
                return Ok(Database::Sqlite(SqlitePools { read, write }));
            }
            return open_sqlite(Path::new(path)).await;
        }
        anyhow::bail!("DATABASE_URL starts with postgres:// or sqlite://")
    }

    /// `postgres` or `sqlite`.
    pub fn backend(&self) -> &'static str {
        match self {
            Database::Postgres(_) => "postgres",
            Database::Sqlite(_) => "sqlite",
        }
    }

    /// Brings the schema to the newest step. Several processes may do so at once.
    pub async fn migrate(&self, config: &DatabaseConfig, steps: &[Step]) -> anyhow::Result<()> {
        match self {
            Database::Postgres(pool) => {
                let mut migrator = migrator(steps, |step| step.postgres);
                if let Some(schema) = config.schema()? {
                    migrator.create_schema(schema);
                }
                migrator.run(pool).await
            }
            Database::Sqlite(pools) => migrator(steps, |step| step.sqlite).run(&pools.write).await,
        }
        .context("the database could not be migrated")
    }

    /// Whether the database answers and its schema is at least at the newest step that this program knows.
    pub async fn check(&self, steps: &[Step]) -> Result<(), String> {
        let newest = steps.iter().map(|step| step.version).max().unwrap_or(0);
        let at: Result<Option<i64>, sqlx::Error> = on_read!(self, pool => {
            sqlx::query_scalar("select max(version) from _sqlx_migrations where success")
                .fetch_one(pool)
                .await
        });
        match at {
            Ok(Some(version)) if version >= newest => Ok(()),
            Ok(_) => Err("the database is not migrated".to_owned()),
            Err(sqlx::Error::Database(error)) => {
                tracing::warn!(%error, "the database refuses");
                Err("the database is not migrated".to_owned())
            }
            Err(error) => {
                tracing::warn!(%error, "the database does not answer");
                Err("the database does not answer".to_owned())
            }
        }
    }

    /// Waits for open statements and closes every connection.
    pub async fn close(&self) {
        match self {
            Database::Postgres(pool) => pool.close().await,
            Database::Sqlite(pools) => {
                pools.read.close().await;
                pools.write.close().await;
            }
        }
    }
}

fn open_postgres(config: &DatabaseConfig) -> anyhow::Result<Database> {
    let mut options = PgConnectOptions::from_str(&config.url)
        .context("DATABASE_URL is not understood")?
        .options(PLANNING)
        .disable_statement_logging();
    if let Some(schema) = config.schema()? {
        options = options.options([("search_path", schema)]);
    }
    let pool = PgPoolOptions::new()
        .max_connections(config.max_connections.max(2))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A connection that is dead is found when it is used; asking first costs a round trip each time.
        .test_before_acquire(false)
        .connect_lazy_with(options);
    Ok(Database::Postgres(pool))
}

async fn open_sqlite(path: &Path) -> anyhow::Result<Database> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(SQLITE_BUSY_TIMEOUT)
        .disable_statement_logging();
    let write = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // SQLite ends a transaction by itself when the disk is full. The connection then still believes to be in one, and could never
        // begin another: it is replaced.
        .before_acquire(|connection, _| {
            let is_usable = !connection.is_in_transaction();
            Box::pin(async move { Ok(is_usable) })
        })
        .connect_with(
            options
                .clone()
                .pragma("cache_size", SQLITE_CACHE_KIB)
                .pragma("wal_autocheckpoint", SQLITE_LOG_PAGES),
        )
        .await
        .with_context(|| format!("cannot open {}", path.display()))?;
    let read = SqlitePoolOptions::new()
        .max_connections(SQLITE_READERS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options.pragma("query_only", "on"))
        .await
        .with_context(|| format!("cannot open {}", path.display()))?;
    Ok(Database::Sqlite(SqlitePools { read, write }))
}

fn migrator(steps: &[Step], text: impl Fn(&Step) -> &'static str) -> Migrator {
    let migrations = steps
        .iter()
        .map(|step| {
            Migration::new(
                step.version,
                Cow::Borrowed(step.name),
                MigrationType::Simple,
                SqlStr::from_static(text(step)),
                false,
            )
        })
        .collect();
    Migrator::with_migrations(migrations)
}

/// Whether a statement failed because a value that must be unique is there already.
pub fn is_unique_violation(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.is_unique_violation())
}

/// Runs an expression that reads, with `$pool` as the pool of either database.
#[macro_export]
macro_rules! on_read {
    ($database:expr, $pool:ident => $body:expr) => {
        match $database {
            $crate::Database::Postgres($pool) => $body,
            $crate::Database::Sqlite($crate::SqlitePools { read: $pool, .. }) => $body,
        }
    };
}

impl SqlitePools {
    /// Runs `work` on the connection that writes, with commits that do not wait for the disk: a power cut may undo the newest of them, all
    /// of each or nothing. For what follows from elsewhere, and keeps its position in the same commit.
    pub async fn without_waiting<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> sqlx::Result<T>,
    ) -> sqlx::Result<T> {
        let mut connection = self.write.acquire().await?;
        sqlx::query("pragma synchronous = normal")
            .execute(&mut *connection)
            .await?;
        let result = work(&mut connection).await;
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
}

/// Runs an expression of type `Result<_, sqlx::Error>` (or of an error that comes from one) in a transaction of either database,
/// and commits when it is `Ok`. SQLite takes its write lock at the start, so that a transaction never fails half way for lack of it.
#[macro_export]
macro_rules! in_transaction {
    ($database:expr, $tx:ident => $body:expr) => {
        match $database {
            $crate::Database::Postgres(pool) => {
                let mut $tx = pool.begin().await?;
                let result = $body;
                if result.is_ok() {
                    $tx.commit().await?;
                }
                result
            }
            $crate::Database::Sqlite(pools) => {
                let mut $tx = pools.write.begin_with("BEGIN IMMEDIATE").await?;
                let result = $body;
                if result.is_ok() {
                    $tx.commit().await?;
                }
                result
            }
        }
    };
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, and says where"
)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sqlite_writes_again_after_a_transaction_that_it_ended_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/test.db", folder.path().display());
        let database = Database::open(&DatabaseConfig::at(url)).await.unwrap();
        let Database::Sqlite(pools) = &database else {
            unreachable!("the URL says sqlite")
        };
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
}
