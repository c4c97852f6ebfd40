//! The ground that tests stand on: a fresh database of either kind, and servers on ports of their own.
//!
//! PostgreSQL is found by `TEST_DATABASE_URL`, or started from the machine's binaries, once a test process, and ended with it. Without
//! either the tests run on SQLite alone and say so; with `REQUIRE_POSTGRES` they fail instead.

mod collector;
mod command;
mod events;
mod http;
mod link;
mod pooler;
mod postgres;

pub use collector::{Collector, Span, SpanKind, attribute, hex};
pub use command::{Said, run_command};
pub use events::{EventStream, StreamEvent};
pub use http::{Answer, TestClient, TestServer, free_ports, wait_until};
pub use link::Link;
pub use pooler::{PgBouncer, PoolMode};
pub use postgres::{DurablePostgres, own_postgres};

use store::sqlx::{self, AssertSqlSafe, Executor as _};
use store::{Database, DatabaseConfig};

/// A secret for tests.
pub const SECRET: &str = "a secret of tests, longer than 32 bytes";

/// An empty database, gone when dropped (on PostgreSQL: with the server).
#[derive(Debug)]
pub struct TestDatabase {
    /// `sqlite` or `postgres`.
    pub backend: &'static str,
    url: String,
    _folder: Option<tempfile::TempDir>,
}

impl TestDatabase {
    /// The configuration that opens it. On PostgreSQL `name` is a schema, on SQLite a file, so that one test database serves many services.
    pub fn config(&self, name: &str) -> DatabaseConfig {
        match self.backend {
            "sqlite" => DatabaseConfig::at(format!("{}/{name}.db", self.url)),
            _ => DatabaseConfig::at(&self.url).in_schema(name),
        }
    }
}

/// An empty database of each kind that this machine has.
pub async fn every_database() -> Vec<TestDatabase> {
    let mut databases = vec![sqlite()];
    if let Some(url) = postgres::fresh_database().await {
        databases.push(TestDatabase {
            backend: "postgres",
            url,
            _folder: None,
        });
    }
    databases
}

/// Runs SQL behind a service's back, on the connections that write.
pub async fn execute(database: &Database, sql: &str) -> sqlx::Result<()> {
    let sql = AssertSqlSafe(sql.to_owned());
    match database {
        Database::Postgres(pool) => {
            let mut session = pool.lend().await?;
            session.execute(sql).await?;
            session.commit().await
        }
        Database::Sqlite(pools) => pools.write.execute(sql).await.map(drop),
    }
}

fn sqlite() -> TestDatabase {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder for tests: {error}"));
    TestDatabase {
        backend: "sqlite",
        url: format!("sqlite://{}", folder.path().display()),
        _folder: Some(folder),
    }
}
