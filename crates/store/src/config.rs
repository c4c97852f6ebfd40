//! The settings of a service's database.

use std::fmt;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

/// As long as a server needs to start on a machine that has much to do.
const WAIT_S: u64 = 60;

/// As long as PostgreSQL lets a name be.
const SCHEMA_BYTES_MAX: usize = 63;

/// The database, and how it is reached.
#[derive(Clone, clap::Args)]
pub struct DatabaseConfig {
    /// `postgres://user:password@host/database` or `sqlite://path/to/file.db`
    #[arg(long = "database-url", env = "DATABASE_URL", hide_env_values = true, value_parser = database_url)]
    pub url: String,
    /// The schema of PostgreSQL that the tables are in; it is made when missing
    #[arg(long = "database-schema", env = "DATABASE_SCHEMA", value_parser = schema_name)]
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
    #[arg(long = "database-wait", env = "DATABASE_WAIT", default_value_t = WAIT_S, value_parser = settings::whole_seconds)]
    pub wait_s: u64,
    /// True if a file is opened to be read only: it must be there, and nothing is made beside it
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

    /// The time that a migration waits for the server.
    pub(crate) fn wait(&self) -> Duration {
        Duration::from_secs(self.wait_s)
    }

    /// The schema, quoted: `user` is a word of SQL.
    pub(crate) fn schema(&self) -> anyhow::Result<Option<String>> {
        let Some(schema) = self.schema.as_deref() else {
            return Ok(None);
        };
        let schema = schema_name(schema)
            .map_err(|why| anyhow::anyhow!("DATABASE_SCHEMA={schema}: {why}"))?;
        Ok(Some(format!("\"{schema}\"")))
    }
}

/// Checks the name of a database, as far as it can be told without asking. No part of it is in the sentence: it has a password in it.
pub fn database_url(text: &str) -> Result<String, String> {
    const FORM: &str =
        "a URL such as postgres://user:password@host/database or sqlite://path/to/file.db";
    let url = text.trim();
    if is_of_postgres(url) {
        return postgres_url(url);
    }
    match url.strip_prefix("sqlite://") {
        Some(path) if !path.is_empty() => Ok(url.to_owned()),
        _ => Err(FORM.to_owned()),
    }
}

/// The same for one that must be a PostgreSQL.
pub fn postgres_url(text: &str) -> Result<String, String> {
    const FORM: &str = "a URL such as postgres://user:password@host/database";
    let url = text.trim();
    if !is_of_postgres(url) {
        return Err(FORM.to_owned());
    }
    if has_bare_signs(url) {
        return Err(format!(
            "{FORM}: a name or a password with @, /, ? or # in it has them as %40, %2F, %3F and %23"
        ));
    }
    if let Some(name) = unknown_parameter(url) {
        return Err(format!(
            "{FORM}: there is no parameter {name}; there are {}",
            PARAMETERS.join(", ")
        ));
    }
    match PgConnectOptions::from_str(url) {
        Ok(_) => Ok(url.to_owned()),
        Err(error) => Err(format!("{FORM}: {}", crate::fault::cause(&error))),
    }
}

/// The parameters that a URL may have. The driver would ignore any other, a time limit or a wish for a primary, and would go on.
const PARAMETERS: [&str; 12] = [
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "application_name",
    "options",
];
/// Other spellings that the driver knows.
const OTHER_PARAMETERS: [&str; 6] = [
    "ssl-mode",
    "ssl-root-cert",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "statement-cache-capacity",
];

/// The first parameter that the driver does not know.
fn unknown_parameter(url: &str) -> Option<&str> {
    let (_, query) = url.split_once('?')?;
    let mut names = query
        .split('&')
        .filter_map(|pair| pair.split('=').next())
        .filter(|name| !name.is_empty());
    names.find(|name| {
        !PARAMETERS.contains(name)
            && !OTHER_PARAMETERS.contains(name)
            && !name.starts_with("options[")
            && !name.starts_with("options%5B")
    })
}

/// Returns whether a name or a password has signs in it that end it in a URL: the rest of it would be taken for the host, and shown.
fn has_bare_signs(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else {
        return false;
    };
    // A parameter may have an @ in its value.
    let before_query = match rest.split_once('?') {
        Some((before, query))
            if query
                .split('@')
                .next()
                .is_some_and(|name| name.contains('=')) =>
        {
            before
        }
        _ => rest,
    };
    match before_query.rsplit_once('@') {
        Some((user, _)) => !before_query.starts_with('/') && user.contains(['@', '/', '?', '#']),
        None => false,
    }
}

pub(crate) fn is_of_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

fn schema_name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let name = text.trim();
    if name.is_empty() || name.len() > SCHEMA_BYTES_MAX || !name.bytes().all(plain) {
        return Err(format!(
            "a name of lower-case letters, digits and _ only, at most {SCHEMA_BYTES_MAX}"
        ));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_no_database_can_have_is_refused_without_being_shown() {
        for good in [
            "postgres://user:hunter2@host/database",
            " postgresql://host:5433/database?sslmode=verify-full\n",
            "postgres://user:p%40ss%2Fword%23%3F@[::1]:5433/database?sslrootcert=/ca.pem&options=-c%20a=b",
            "postgres:///database?host=/run/postgresql&user=ann@host",
            "postgres://host/database?user=ann@host",
            "sqlite://wallet.db",
            "sqlite:///data/wallet.db",
        ] {
            assert_eq!(database_url(good).as_deref(), Ok(good.trim()));
        }
        for wrong in [
            "",
            "hunter2",
            "mysql://user:hunter2@host/database",
            "sqlite://",
            "sqlite:hunter2.db",
            "host=localhost password=hunter2",
            "postgres://user:hunter2@host:port/database",
            "postgres://user:hunter2@host:99999/database",
            "postgres://user:hunter2@host/database?sslmode=sometimes",
            "postgres://user:hunter2@host/database?connect_timeout=5",
            "postgres://user:hunter2@host/database?sslmode=require&schema=public",
            "postgres://user:p@hunter2@host/database",
            "postgres://user:p/hunter2@host/database",
            "postgres://user:p#hunter2@host/database",
            "postgres://user:p?hunter2@host/database",
            "postgres://user:p@/hunter2#x@host/database",
        ] {
            let said = database_url(wrong).err().unwrap_or_default();
            assert!(
                said.starts_with("a URL such as postgres://"),
                "{wrong}: {said}"
            );
            assert!(!said.contains("hunter2"), "{said}");
        }
        for (wrong, why) in [
            (
                "postgres://u:p@w/d@host/x",
                "has them as %40, %2F, %3F and %23",
            ),
            (
                "postgres://u@host/x?target_session_attrs=read-write",
                "there is no parameter target_session_attrs; there are host, ",
            ),
        ] {
            let said = database_url(wrong).err().unwrap_or_default();
            assert!(said.contains(why), "{said}");
        }
        assert!(postgres_url("sqlite://wallet.db").is_err());
        assert!(schema_name("Wallet").is_err() && schema_name("wallet_2").is_ok());
    }
}
