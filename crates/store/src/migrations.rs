//! Brings a schema to the newest step.
//!
//! The tables are those of sqlx's own migrator, so that either continues what the other began. On PostgreSQL the steps run here, all in
//! one transaction: sqlx's migrator holds a lock of the session and prepares statements by name, and behind a connection pooler the
//! session that unlocks may be another one.

use std::borrow::Cow;

use anyhow::{Context as _, bail};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Postgres, SqlStr};

use crate::postgres::PostgresPool;
use crate::session::Session;
use crate::{PROBE, SqlitePools, Step};

/// One at a time in a database: schemas are made before anything in them could be locked.
const LOCK: i64 = 0x646f_6d70_6574;

/// The result of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Migrated {
    /// The newest step.
    pub(crate) version: i64,
    /// The number of steps that were carried out now.
    pub(crate) steps: usize,
}

pub(crate) fn migrator(steps: &[Step], text: impl Fn(&Step) -> &'static str) -> Migrator {
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

/// SQLite's, with sqlx's migrator.
pub(crate) async fn on_sqlite(pools: &SqlitePools, steps: &[Step]) -> anyhow::Result<()> {
    let migrator = migrator(steps, |step| step.sqlite);
    migrator
        .run(&pools.write)
        .await
        // Its message has its source in it.
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let is_there = "select exists (select 1 from sqlite_master where name = 'storage_probe')";
    if !sqlx::query_scalar(is_there).fetch_one(&pools.write).await? {
        sqlx::raw_sql(PROBE).execute(&pools.write).await?;
    }
    Ok(())
}

/// PostgreSQL's.
pub(crate) async fn on_postgres(
    pool: &PostgresPool,
    schema: Option<&str>,
    steps: &[Step],
) -> anyhow::Result<Migrated> {
    let mut session = pool.begin().await.map_err(plainly)?;
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *session)
        .await
        .map_err(plainly)?;
    if let Some(schema) = schema {
        make_schema(pool, &mut session, schema).await?;
    }
    let applied = applied(&mut session).await?;
    let migrator = migrator(steps, |step| step.postgres);
    for (version, _) in &applied {
        if !migrator.version_exists(*version) {
            bail!(
                "the schema is at step {version}, which this version of the program does not know: a newer one was here"
            );
        }
    }
    let mut done = 0_usize;
    for migration in migrator.iter() {
        match applied
            .iter()
            .find(|(version, _)| *version == migration.version)
        {
            Some((_, checksum)) if **checksum == *migration.checksum => {}
            Some(_) => bail!(
                "step {} of the schema was another one when it was carried out: these may be another service's tables",
                migration.version
            ),
            None => {
                apply(&mut session, migration)
                    .await
                    .map_err(plainly)
                    .with_context(|| format!("step {} of the schema", migration.version))?;
                done = done.saturating_add(1);
            }
        }
    }
    if !is_there(&mut session, "storage_probe").await? {
        sqlx::raw_sql(PROBE)
            .execute(&mut *session)
            .await
            .map_err(plainly)?;
    }
    session.commit().await.map_err(plainly)?;
    let version = migrator.iter().map(|step| step.version).max().unwrap_or(0);
    Ok(Migrated {
        version,
        steps: done,
    })
}

/// Makes the schema, unless it is there: who may not make schemas may still use one that somebody made for them.
async fn make_schema(
    pool: &PostgresPool,
    session: &mut Session<Postgres>,
    quoted: &str,
) -> anyhow::Result<()> {
    let schema = quoted.trim_matches('"');
    let is_there: bool =
        sqlx::query_scalar("select exists (select from pg_namespace where nspname = $1)")
            .bind(schema)
            .fetch_one(&mut **session)
            .await
            .map_err(plainly)?;
    let role = pool.server().role();
    if !is_there {
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("create schema {quoted}")))
            .execute(&mut **session)
            .await
            .map_err(plainly)
            .with_context(|| {
                format!("the schema {quoted} is missing, and the role \"{role}\" cannot make it; make it with: create schema {quoted} authorization \"{role}\"")
            })?;
    }
    let may_use: bool = sqlx::query_scalar("select has_schema_privilege($1, 'usage')")
        .bind(schema)
        .fetch_one(&mut **session)
        .await
        .map_err(plainly)?;
    if !may_use {
        bail!(
            "the schema {quoted} belongs to somebody else, and the role \"{role}\" may not use it"
        );
    }
    Ok(())
}

/// The steps that were carried out, with their checksums.
async fn applied(session: &mut Session<Postgres>) -> anyhow::Result<Vec<(i64, Vec<u8>)>> {
    if !is_there(session, "_sqlx_migrations").await? {
        sqlx::raw_sql(
            "create table _sqlx_migrations (
                version bigint primary key,
                description text not null,
                installed_on timestamptz not null default now(),
                success boolean not null,
                checksum bytea not null,
                execution_time bigint not null)",
        )
        .execute(&mut **session)
        .await
        .map_err(plainly)
        .context("the tables cannot be made")?;
    }
    sqlx::query_as("select version, checksum from _sqlx_migrations where success order by version")
        .fetch_all(&mut **session)
        .await
        .map_err(plainly)
        .context("the tables cannot be read")
}

async fn is_there(session: &mut Session<Postgres>, table: &str) -> anyhow::Result<bool> {
    sqlx::query_scalar("select to_regclass($1) is not null")
        .bind(table)
        .fetch_one(&mut **session)
        .await
        .map_err(plainly)
}

async fn apply(session: &mut Session<Postgres>, migration: &Migration) -> sqlx::Result<()> {
    sqlx::raw_sql(migration.sql.clone())
        .execute(&mut **session)
        .await?;
    sqlx::query(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time) values ($1, $2, true, $3, 0)",
    )
    .bind(migration.version)
    .bind(&*migration.description)
    .bind(&*migration.checksum)
    .execute(&mut **session)
    .await?;
    Ok(())
}

/// The cause alone.
fn plainly(error: sqlx::Error) -> anyhow::Error {
    anyhow::anyhow!("{}", crate::fault::cause(&error))
}
