//! The two databases that a service can stand on, PostgreSQL and SQLite, behind one type.
//!
//! A service writes its SQL once, in the text that both understand (`$1`, `returning`, `on conflict`), and runs it with
//! [`on_read!`] or [`in_transaction!`]; only where the two really differ does it match on [`Database`]. What was committed
//! survives a power cut on both. A database that is away, full, read-only or not fit for its work is told apart from a request that it
//! does not take ([`Fault`]), and is not ready for as long as that lasts ([`Database::check`]).

mod condition;
mod config;
mod fault;
mod migrations;
mod postgres;
mod reach;
mod read_only;
mod session;
mod sqlite;
mod together;
mod watch;

use std::path::Path;

use anyhow::Context as _;

pub use condition::Condition;
pub use config::{DatabaseConfig, database_url, postgres_url};
pub use fault::{Fault, Unusable, answer, cause, fault_in};
pub use postgres::{PostgresPool, Repeats};
pub use read_only::Still;
pub use session::{Lent, Session};
pub use sqlite::SqlitePools;
pub use sqlx;
pub use together::{Together, Unreadable};

/// A table that a database is tried with, after a write failed.
pub(crate) const PROBE: &str =
    "create table storage_probe (id bigint primary key, filler text not null)";

/// An open database. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Database {
    /// PostgreSQL.
    Postgres(PostgresPool),
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

/// The steps of the crate's schema: number, name, and the file in `migrations/postgres` and `migrations/sqlite`.
#[macro_export]
macro_rules! steps {
    ($(($version:literal, $name:literal, $file:literal)),+ $(,)?) => {
        &[$($crate::Step {
            version: $version,
            name: $name,
            postgres: include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"), "/migrations/postgres/", $file
            )),
            sqlite: include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite/", $file
            )),
        }),+]
    };
}

impl Step {
    /// The tables that it makes.
    fn tables(&self) -> impl Iterator<Item = &'static str> {
        let after = self.postgres.split("create table ").skip(1);
        after.filter_map(|text| text.split([' ', '(', '\n']).next())
    }
}

impl Database {
    /// Opens the database. PostgreSQL need not answer yet: the first use will tell.
    pub async fn open(config: &DatabaseConfig) -> anyhow::Result<Database> {
        if config::is_of_postgres(&config.url) {
            return Ok(Database::Postgres(PostgresPool::new(config)?));
        }
        if let Some(path) = config.url.strip_prefix("sqlite://") {
            let path = Path::new(path);
            let pools = if config.read_only {
                SqlitePools::open_to_read(path).await?
            } else {
                SqlitePools::open(path).await?
            };
            return Ok(Database::Sqlite(pools));
        }
        anyhow::bail!("DATABASE_URL starts with postgres:// or sqlite://")
    }

    /// Opens a database that must be there, with the tables of this program, for a command of an operator. A mistyped path makes no file.
    pub async fn open_migrated(
        config: &DatabaseConfig,
        steps: &[Step],
    ) -> anyhow::Result<Database> {
        if config.url.starts_with("sqlite://") {
            let to_read = DatabaseConfig {
                read_only: true,
                ..config.clone()
            };
            Database::open(&to_read).await?.close().await;
        }
        let database = Database::open(config).await?;
        let at_once = DatabaseConfig {
            wait_s: 0,
            ..config.clone()
        };
        database.wait_until_there(&at_once).await?;
        let checked = database.check(steps).await;
        checked.map_err(anyhow::Error::msg)?;
        Ok(database)
    }

    /// `postgres` or `sqlite`.
    pub fn backend(&self) -> &'static str {
        match self {
            Database::Postgres(_) => "postgres",
            Database::Sqlite(_) => "sqlite",
        }
    }

    /// The database's condition, as its last uses tell.
    pub fn condition(&self) -> &Condition {
        match self {
            Database::Postgres(pool) => pool.condition(),
            Database::Sqlite(pools) => pools.condition(),
        }
    }

    /// Waits for a server that is not there yet, as long as the configuration says; why it cannot be used, otherwise.
    pub async fn wait_until_there(&self, config: &DatabaseConfig) -> anyhow::Result<()> {
        match self {
            Database::Postgres(pool) => pool.wait_for(config.wait()).await,
            Database::Sqlite(_) => Ok(()),
        }
    }

    /// Brings the schema to the newest step. Several processes may do so at once. Waits for a server that is not there yet.
    pub async fn migrate(&self, config: &DatabaseConfig, steps: &[Step]) -> anyhow::Result<()> {
        self.wait_until_there(config).await?;
        match self {
            Database::Postgres(pool) => {
                let schema = config.schema()?;
                let migrated = migrations::on_postgres(pool, schema.as_deref(), steps)
                    .await
                    .with_context(|| format!("{} cannot be migrated", pool.server().name()))?;
                tracing::info!(
                    step = migrated.version,
                    carried_out = migrated.steps,
                    schema,
                    "the schema is at its newest step"
                );
                Ok(())
            }
            Database::Sqlite(pools) => migrations::on_sqlite(pools, steps)
                .await
                .with_context(|| format!("{} cannot be migrated", pools.name())),
        }
    }

    /// Returns whether the database can serve: it answers, its schema is at least at the newest step that this program knows, and the last
    /// write did not fail. Otherwise why, as a sentence that may be shown to anybody.
    pub async fn check(&self, steps: &[Step]) -> Result<(), String> {
        let newest = steps.iter().map(|step| step.version).max().unwrap_or(0);
        match self.version().await {
            Ok(Some(version)) if version >= newest => {}
            Ok(_) => return Err("the database is not migrated".to_owned()),
            Err(error) => return Err(lower(self.fault_of(&error))),
        }
        if let Database::Postgres(pool) = self {
            let tables: Vec<&str> = steps.iter().flat_map(Step::tables).collect();
            match pool.lacks(&tables).await {
                Ok(None) => {}
                Ok(Some(why)) => return Err(why),
                Err(error) => return Err(lower(self.fault_of(&error))),
            }
        }
        if self.condition().fault().is_some_and(Fault::is_of_writes) {
            self.try_to_write().await;
        }
        match self.condition().fault() {
            None => Ok(()),
            Some(fault) => Err(lower(fault)),
        }
    }

    fn fault_of(&self, error: &sqlx::Error) -> Fault {
        self.condition().fault().unwrap_or_else(|| Fault::of(error))
    }

    /// The newest step that was carried out; `None` where there was none.
    async fn version(&self) -> sqlx::Result<Option<i64>> {
        let is_there = match self {
            Database::Postgres(_) => "select to_regclass('_sqlx_migrations') is not null",
            Database::Sqlite(_) => {
                "select exists (select 1 from sqlite_master where name = '_sqlx_migrations')"
            }
        };
        let is_there: bool =
            on_read!(self, pool => sqlx::query_scalar(is_there).fetch_one(pool).await)?;
        if !is_there {
            return Ok(None);
        }
        let version = "select max(version) from _sqlx_migrations where success";
        let version = on_read!(self, pool => sqlx::query_scalar(version).fetch_one(pool).await)?;
        self.condition().answered();
        Ok(version)
    }

    /// Asks for room of 64 KiB, as much as a large batch takes. What comes of it is noted.
    async fn try_to_write(&self) {
        let filler = match self {
            Database::Postgres(_) => {
                "(select string_agg(md5(random()::text), '') from generate_series(1, 2048))"
            }
            Database::Sqlite(_) => "hex(randomblob(32768))",
        };
        let sql = format!(
            "insert into storage_probe (id, filler) values (1, {filler}) on conflict (id) do update set filler = excluded.filler"
        );
        let tried = async {
            in_transaction!(self, tx => {
                sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *tx).await.map(drop)
            })
        };
        if let Err(error) = tried.await
            && !Fault::of(&error).is_of_writes()
        {
            // It could not be tried, so the next write will tell.
            self.condition().written();
        }
    }

    /// Waits for open statements and closes every connection.
    pub async fn close(&self) {
        match self {
            Database::Postgres(pool) => pool.close().await,
            Database::Sqlite(pools) => pools.close().await,
        }
    }
}

/// A fault's sentence, to follow a colon.
fn lower(fault: Fault) -> String {
    fault.sentence().replacen("The", "the", 1)
}

/// Returns whether a statement failed because a value that must be unique is there already.
pub fn is_unique_violation(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.is_unique_violation())
}

/// Runs an expression of type `sqlx::Result<_>` that reads, with `$pool` as what runs statements of either database. Where the connection
/// turns out to be dead it is run again on another.
#[macro_export]
macro_rules! on_read {
    ($database:expr, $pool:ident => $body:expr) => {
        $crate::on_read!($database, postgres $pool => $body, sqlite $pool => $body)
    };
    // Where the two read in different ways.
    ($database:expr, postgres $pool:ident => $body:expr, sqlite $file:ident => $other:expr) => {
        match $database {
            $crate::Database::Postgres(postgres) => $crate::on_postgres!(postgres, $pool => $body),
            $crate::Database::Sqlite(pools) => {
                pools.noted(match pools.readers() {
                    Ok($file) => $other,
                    Err(error) => Err(error),
                })
            }
        }
    };
}

/// The same where it is known that the database is a PostgreSQL.
#[macro_export]
macro_rules! on_postgres {
    ($postgres:expr, $connection:ident => $body:expr) => {{
        let mut repeats = $crate::Repeats::default();
        loop {
            let result = match $postgres.lend().await {
                Ok(mut session) => {
                    let $connection = &mut *session;
                    $body
                }
                Err(error) => Err(error),
            };
            match result {
                Err(error) if repeats.is_worth_it(&error) => {}
                result => break result,
            }
        }
    }};
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
                let mut $tx = pools.begin().await?;
                let result = $body;
                if result.is_ok() {
                    $tx.commit().await?;
                }
                result
            }
        }
    };
}
