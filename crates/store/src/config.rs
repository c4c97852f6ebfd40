//! Which database a service is told to use.

use std::fmt;
use std::time::Duration;

/// As long as a server needs to start on a machine that has much to do.
const WAIT_S: u64 = 60;

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
    /// Seconds that `migrate` waits for a PostgreSQL that is not there yet
    #[arg(long = "database-wait", env = "DATABASE_WAIT", default_value_t = WAIT_S)]
    pub wait_s: u64,
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

impl DatabaseConfig {
    /// The database at `url`, in its default schema.
    pub fn at(url: impl Into<String>) -> DatabaseConfig {
        DatabaseConfig {
            url: url.into(),
            schema: None,
            max_connections: 10,
            wait_s: WAIT_S,
            read_only: false,
        }
    }

    /// The same database, but in a schema of its own.
    #[must_use]
    pub fn in_schema(mut self, schema: &str) -> DatabaseConfig {
        self.schema = Some(schema.to_owned());
        self
    }

    /// How long a migration waits for the server.
    pub(crate) fn wait(&self) -> Duration {
        Duration::from_secs(self.wait_s)
    }

    /// The schema, quoted: `user` is a word of SQL.
    pub(crate) fn schema(&self) -> anyhow::Result<Option<String>> {
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
