//! The findings of a look at a PostgreSQL, each as one sentence with where the server is and the cause, once.

use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{Postgres, Row as _};

use crate::fault::{Fault, Unusable, cause};
use crate::session::Session;

/// The address of a PostgreSQL. Debug shows no password.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) options: PgConnectOptions,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}

/// The question to a server. As text, so that it can be asked without preparing a statement.
pub(crate) const LOOK: &str = "
    select current_setting('dompet.session', true) as mark,
           current_setting('server_encoding') as encoding,
           pg_is_in_recovery()::text as recovers,
           current_setting('default_transaction_read_only') as read_only,
           current_setting('fsync') as fsync,
           current_setting('full_page_writes') as full_page_writes";

impl Server {
    pub(crate) fn of(options: PgConnectOptions) -> Server {
        Server { options }
    }

    /// The server's name in messages.
    pub(crate) fn name(&self) -> String {
        format!(
            "PostgreSQL at {}, database \"{}\"",
            self.place(),
            self.database()
        )
    }

    fn place(&self) -> String {
        let options = &self.options;
        match options.get_socket() {
            Some(socket) => format!("{} (port {})", socket.display(), options.get_port()),
            None if options.get_host().starts_with('/') => {
                format!("{} (port {})", options.get_host(), options.get_port())
            }
            None if options.get_host().contains(':') => {
                format!("[{}]:{}", options.get_host(), options.get_port())
            }
            None => format!("{}:{}", options.get_host(), options.get_port()),
        }
    }

    fn database(&self) -> &str {
        let options = &self.options;
        options
            .get_database()
            .unwrap_or_else(|| options.get_username())
    }

    /// The role that connects.
    pub(crate) fn role(&self) -> &str {
        self.options.get_username()
    }

    /// It was reached, and cannot be used.
    pub(crate) fn unfit(&self, why: &str) -> Unusable {
        Unusable {
            fault: Fault::Unfit,
            sentence: format!("{} (DATABASE_URL) cannot be used: {why}", self.name()),
            passes: false,
        }
    }

    /// It was not reached.
    pub(crate) fn unusable(&self, fault: Fault, passes: bool, why: &str) -> Unusable {
        Unusable {
            fault,
            sentence: format!(
                "cannot connect to PostgreSQL at {} (DATABASE_URL, database \"{}\"): {why}",
                self.place(),
                self.database()
            ),
            passes,
        }
    }
}

/// The driver takes an address of IPv6 with its brackets from the URL, and then for a name.
pub(crate) fn without_brackets(options: PgConnectOptions) -> PgConnectOptions {
    let host = options.get_host();
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .map(str::to_owned);
    match address {
        Some(address) => options.host(&address),
        None => options,
    }
}

/// The variables that may name a file of TLS, each with its names in a URL.
const FILES: [(&str, [&str; 2]); 3] = [
    ("PGSSLROOTCERT", ["sslrootcert", "ssl-root-cert"]),
    ("PGSSLCERT", ["sslcert", "ssl-cert"]),
    ("PGSSLKEY", ["sslkey", "ssl-key"]),
];

/// Refuses files of TLS that cannot be read: the driver would tell of them as of a server that is away, and name none.
pub(crate) fn check_files(url: &str) -> anyhow::Result<()> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    for (variable, in_url) in FILES {
        let mut parameters = query.split('&').filter_map(|pair| pair.split_once('='));
        let named = parameters.find(|(name, _)| in_url.contains(name));
        let (name, value) = match named {
            Some((name, value)) => (format!("{name} in DATABASE_URL"), value.to_owned()),
            None => match std::env::var(variable) {
                Ok(value) => (variable.to_owned(), value),
                Err(_) => continue,
            },
        };
        // A PEM text itself, or a path in an encoding that the driver reads.
        if value.contains("-----BEGIN") || value.contains('%') {
            continue;
        }
        if let Err(error) = std::fs::File::open(&value) {
            anyhow::bail!("{name} is {value}: {}", cause(&sqlx::Error::Io(error)));
        }
    }
    Ok(())
}

/// Returns whether a pooler refused the settings that came along. PgBouncer does unless it is told to ignore them.
pub(crate) fn keeps_options_away(error: &sqlx::Error) -> bool {
    let said = error.as_database_error().map(|error| error.message());
    said.is_some_and(|said| said.contains("unsupported startup parameter"))
}

/// The reason that there is no connection.
pub(crate) fn cannot_connect(server: &Server, error: sqlx::Error) -> Unusable {
    let why = cause(&error);
    if why.contains("transaction blocks not allowed") {
        return server.unfit(
            "the connection pooler is in statement mode, which has no transactions; set its pool_mode to transaction or session",
        );
    }
    let hint = if why.contains("not valid for name") {
        "; connect by a name that is in the certificate, or with sslmode=verify-ca"
    } else if why.contains("UnknownIssuer") || why.contains("BadSignature") {
        "; name the file of its CA as sslrootcert in the URL, or as PGSSLROOTCERT"
    } else if why.contains("no encryption") {
        "; the server may demand TLS: sslmode=require"
    } else {
        ""
    };
    let code = error.as_database_error().and_then(|error| error.code());
    let (fault, passes) = match (&error, code.as_deref()) {
        (_, Some("53300")) => (Fault::Crowded, true),
        (_, Some("57P03" | "57P01" | "57P02")) => (Fault::Away, true),
        // What a pooler says while its server is away.
        (_, Some(code)) if code.starts_with("08") => (Fault::Away, true),
        (_, Some(_)) | (sqlx::Error::Tls(_) | sqlx::Error::Configuration(_), _) => {
            (Fault::Unfit, false)
        }
        // A certificate that is not good, which the driver tells as bad data.
        (sqlx::Error::Io(error), _) if error.kind() == std::io::ErrorKind::InvalidData => {
            (Fault::Unfit, false)
        }
        _ => (Fault::Away, true),
    };
    server.unusable(fault, passes, &format!("{why}{hint}"))
}

/// Returns whether a server that answers will do.
pub(crate) fn judge(server: &Server, row: &PgRow) -> Result<(), Unusable> {
    let says = |column: &str| {
        row.try_get::<String, _>(column)
            .map_err(|error| cannot_connect(server, error))
    };
    let encoding = says("encoding")?;
    if encoding != "UTF8" {
        return Err(server.unfit(&format!(
            "its encoding is {encoding}, which cannot keep every text; make one with: create database … encoding 'UTF8' template template0"
        )));
    }
    if says("recovers")? == "true" {
        return Err(Unusable {
            fault: Fault::ReadOnly,
            passes: true,
            ..server.unfit("it is a standby, which can only be read; connect to the primary")
        });
    }
    if says("read_only")? == "on" {
        return Err(Unusable {
            fault: Fault::ReadOnly,
            ..server.unfit(
                "default_transaction_read_only is on, for the role, the database or the server",
            )
        });
    }
    // Such a server is good for tests, so it is no reason to refuse it. Nobody shall run it without knowing.
    for name in ["fsync", "full_page_writes"] {
        if says(name)? == "off" {
            tracing::warn!(
                "{} has {name} = off: after a power cut, accepted payments may be lost or the database unreadable",
                server.name()
            );
        }
    }
    Ok(())
}

/// The first of these tables that the role may not read and write, as a sentence.
pub(crate) async fn lacking(
    session: &mut Session<Postgres>,
    tables: &[&str],
) -> sqlx::Result<Option<String>> {
    // Which of the two it needs depends on the table: some are only appended to, some only updated.
    let row: Option<(String, String)> = sqlx::query_as(
        "select t.name, current_user::text from unnest($1::text[]) t (name)
         where to_regclass(t.name) is not null
           and not (has_table_privilege(to_regclass(t.name), 'select')
                    and (has_table_privilege(to_regclass(t.name), 'insert') or has_table_privilege(to_regclass(t.name), 'update')))
         limit 1",
    )
    .bind(tables)
    .fetch_optional(&mut **session)
    .await?;
    Ok(row.map(|(table, role)| {
        format!("the role \"{role}\" may not read and write the table {table}")
    }))
}
