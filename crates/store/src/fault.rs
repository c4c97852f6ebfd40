//! The meaning of a failed statement: is the database away, full, read-only, or was it this one request?
//!
//! Every service answers by this one table, so that the same failure has the same status and code everywhere. What must hold: a
//! failure that belongs to one request is never taken for an outage, and an outage is never told as an internal error.

use std::error::Error as _;

use api_error::ApiError;
use http::StatusCode;

/// Seconds after which a client of a database that cannot be written asks again.
const RETRY_UNWRITABLE_S: u32 = 5;

/// The fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It cannot be reached, or ended the connection.
    Away,
    /// It takes no more connections, from this service or from anybody.
    Crowded,
    /// It could not do it now: locks, deadlocks, memory.
    Busy,
    /// Its disk is full.
    Full,
    /// It may only be read.
    ReadOnly,
    /// Its files cannot be written, or are gone.
    Unwritable,
    /// It is not set up as it must be; somebody has to do something.
    Unfit,
    /// It does not take a value of this one request; others are not concerned.
    Value,
    /// A fault that should not happen.
    Other,
}

/// A database that cannot be used, and why in one sentence.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct Unusable {
    /// The fault.
    pub fault: Fault,
    /// The cause, with where the database is. For the log: it names hosts.
    pub sentence: String,
    /// True if it may be well in a moment, without anybody doing anything.
    pub passes: bool,
}

impl Unusable {
    /// As the error that a statement would have given.
    pub(crate) fn into_error(self) -> sqlx::Error {
        sqlx::Error::Io(std::io::Error::other(self))
    }
}

impl Fault {
    /// Classifies an error.
    pub fn of(error: &sqlx::Error) -> Fault {
        match error {
            sqlx::Error::Io(error) => {
                let unusable = error
                    .get_ref()
                    .and_then(|error| error.downcast_ref::<Unusable>());
                unusable.map_or(Fault::Away, |unusable| unusable.fault)
            }
            sqlx::Error::Database(error) => match error.code() {
                Some(code) if code.len() == 5 => of_postgres(&code),
                Some(code) => code.parse().map_or(Fault::Other, of_sqlite),
                None => Fault::Other,
            },
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_)
            | sqlx::Error::BeginFailed
            | sqlx::Error::Tls(_) => Fault::Away,
            sqlx::Error::Encode(_) => Fault::Value,
            _ => Fault::Other,
        }
    }

    /// Returns whether no other request would have fared better.
    pub fn is_outage(self) -> bool {
        match self {
            Fault::Away
            | Fault::Crowded
            | Fault::Full
            | Fault::ReadOnly
            | Fault::Unwritable
            | Fault::Unfit => true,
            Fault::Busy | Fault::Value | Fault::Other => false,
        }
    }

    /// Returns whether reads go on while it lasts.
    pub fn is_of_writes(self) -> bool {
        match self {
            Fault::Full | Fault::ReadOnly | Fault::Unwritable => true,
            Fault::Away
            | Fault::Crowded
            | Fault::Busy
            | Fault::Unfit
            | Fault::Value
            | Fault::Other => false,
        }
    }

    /// A sentence that may be shown to anybody.
    pub fn sentence(self) -> &'static str {
        match self {
            Fault::Away => "The database cannot be reached",
            Fault::Crowded => "The database takes no more connections",
            Fault::Busy => "The database is busy",
            Fault::Full => "The disk of the database is full",
            Fault::ReadOnly => "The database is read-only",
            Fault::Unwritable => "The files of the database cannot be written",
            Fault::Unfit => "The database is not set up as the service needs it",
            Fault::Value => "The database cannot keep a value of this request",
            Fault::Other => "The database failed",
        }
    }

    /// A stable word for programs.
    pub fn code(self) -> &'static str {
        match self {
            Fault::Away | Fault::Crowded | Fault::Busy | Fault::Unfit => "unavailable",
            Fault::Full => "storage_full",
            Fault::ReadOnly => "storage_read_only",
            Fault::Unwritable => "storage_unwritable",
            Fault::Value => "not_storable",
            Fault::Other => "internal",
        }
    }
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> ApiError {
        match fault {
            Fault::Away | Fault::Crowded | Fault::Busy | Fault::Unfit => {
                ApiError::unavailable(fault.sentence())
            }
            Fault::Full | Fault::ReadOnly | Fault::Unwritable => ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Service unavailable",
                fault.code(),
            )
            .message(fault.sentence())
            .retry_after(RETRY_UNWRITABLE_S),
            Fault::Value => {
                ApiError::bad_request("Invalid value", fault.code()).message(fault.sentence())
            }
            Fault::Other => ApiError::internal(),
        }
    }
}

/// The error that a client is told. An outage was logged when it began; what concerns this request alone is logged here, once.
pub fn answer(error: &sqlx::Error) -> ApiError {
    let fault = Fault::of(error);
    match fault {
        Fault::Other => tracing::error!(error = cause(error), "a statement failed"),
        Fault::Busy | Fault::Value => {
            tracing::warn!(error = cause(error), "a statement was refused")
        }
        Fault::Away
        | Fault::Crowded
        | Fault::Full
        | Fault::ReadOnly
        | Fault::Unwritable
        | Fault::Unfit => {}
    }
    fault.into()
}

/// The fault of a database that another error comes from.
pub fn fault_in(error: &(dyn std::error::Error + 'static)) -> Option<Fault> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<sqlx::Error>() {
            return Some(Fault::of(error));
        }
        cause = error.source();
    }
    None
}

/// The cause alone, once: what a driver wraps around it tells nothing.
pub fn cause(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Io(error) => match error.kind() {
            std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            std::io::ErrorKind::UnexpectedEof
            | std::io::ErrorKind::ConnectionReset
            | std::io::ErrorKind::BrokenPipe => "the connection was closed".to_owned(),
            _ => {
                let said = error.to_string();
                match said.split_once("failed to lookup address information: ") {
                    Some((_, why)) => format!("the host name is not known ({why})"),
                    None => said
                        .split(" (os error")
                        .next()
                        .unwrap_or_default()
                        .to_owned(),
                }
            }
        },
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::PoolTimedOut => "no connection became free in time".to_owned(),
        sqlx::Error::Tls(error) => {
            let mut innermost: &dyn std::error::Error = &**error;
            while let Some(source) = innermost.source() {
                innermost = source;
            }
            format!("TLS failed: {innermost}")
        }
        error => match error.source() {
            Some(source) => source.to_string(),
            None => error.to_string(),
        },
    }
}

/// Returns whether the connection is of no use any more: the next statement needs another.
pub(crate) fn has_lost_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.get_ref().is_none_or(|error| !error.is::<Unusable>()),
        sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed | sqlx::Error::BeginFailed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            matches!(
                &*code,
                // Ended by an administrator, a crash, a time limit; or what is behind the connection is another server than before.
                "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04" | "26000" | "42P05"
            ) || code.len() == 5 && code.starts_with("08")
        }),
        _ => false,
    }
}

/// By <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn of_postgres(code: &str) -> Fault {
    match code {
        "53300" => Fault::Crowded,
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04" | "26000" | "42P05" => {
            Fault::Away
        }
        "53100" => Fault::Full,
        "25006" => Fault::ReadOnly,
        // "cached plan must not change result type": the next time it is made anew.
        "55P03" | "55006" | "57014" | "0A000" => Fault::Busy,
        _ => match &code[..2] {
            "08" => Fault::Away,
            "22" | "23" | "54" | "P0" => Fault::Value,
            "40" | "53" => Fault::Busy,
            "58" => Fault::Unwritable,
            "28" | "3D" | "3F" | "42" => Fault::Unfit,
            _ => Fault::Other,
        },
    }
}

/// By <https://sqlite.org/rescode.html>: the last eight bits are the primary code.
fn of_sqlite(code: i32) -> Fault {
    /// The file was moved or deleted.
    const READONLY_DBMOVED: i32 = 1032;
    if code == READONLY_DBMOVED {
        return Fault::Unwritable;
    }
    match code & 0xff {
        4..=7 | 9 => Fault::Busy,
        8 => Fault::ReadOnly,
        13 => Fault::Full,
        10 | 14 => Fault::Unwritable,
        11 | 26 => Fault::Unfit,
        18 | 19 | 20 | 25 => Fault::Value,
        _ => Fault::Other,
    }
}
