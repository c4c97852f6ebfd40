//! What the uses of connections tell of the server behind them: which of them are still good, and whether it answers at all.
//!
//! What must hold: a statement may take as long as it needs while its server answers others, and is given up when the server has fallen
//! silent. Nothing else would notice: a host that has vanished from the network sends no word, and the system goes on trying for a quarter
//! of an hour.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::{ConnectOptions as _, Connection as _};

use crate::condition::Condition;
use crate::fault::{Fault, has_lost_connection};
use crate::postgres::LOOK_LIMIT;
use crate::reach::Server;

/// A connection that was not used for so long is asked whether it is still there; sooner, asking costs more than it tells.
const ASK_AFTER_IDLE: Duration = Duration::from_secs(5);
/// The time after which a statement that is not answered has somebody ask whether the server still answers anything.
const ASK_AFTER_SILENCE: Duration = Duration::from_secs(1);
/// The number of looks in a row that get no answer before the statement is given up.
const LOOKS_IN_VAIN_MAX: u32 = 2;

/// Nobody has looked yet.
const UNKNOWN: u8 = 0;
/// Connections have their settings.
pub(crate) const DIRECT: u8 = 1;
/// Something in between may change the server's connection after each transaction, and keeps settings away.
pub(crate) const POOLED: u8 = 2;

/// Facts about connections that their uses tell.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    condition: Condition,
    pub(crate) link: Arc<Link>,
}

#[derive(Debug)]
pub(crate) struct Link {
    began: Instant,
    /// The way in which the server is spoken to: [`UNKNOWN`], [`DIRECT`] or [`POOLED`].
    pub(crate) way: AtomicU8,
    /// Something went wrong since the last look.
    pub(crate) is_suspect: AtomicBool,
    /// The moment at which a connection was found dead, in milliseconds since `began`: others from before may be, too.
    lost_ms: AtomicU64,
    /// The moment at which a server turned out to be read-only, likewise: connections from before may still lead to what was the primary.
    demoted_ms: AtomicU64,
    /// The server that can fall silent. A file does not.
    server: Option<Server>,
}

impl Watch {
    /// Of a file.
    pub(crate) fn new(condition: Condition) -> Watch {
        Watch::of(condition, None)
    }

    /// Of a server.
    pub(crate) fn of_server(condition: Condition, server: Server) -> Watch {
        Watch::of(condition, Some(server))
    }

    fn of(condition: Condition, server: Option<Server>) -> Watch {
        Watch {
            condition,
            link: Arc::new(Link {
                began: Instant::now(),
                way: AtomicU8::new(UNKNOWN),
                is_suspect: AtomicBool::new(true),
                lost_ms: AtomicU64::new(0),
                demoted_ms: AtomicU64::new(0),
                server,
            }),
        }
    }

    /// Waits for this answer of the server, for as long as it takes, unless the server answers nothing at all any more: then it is lost.
    /// A host that has vanished from the network is found by nothing else for a quarter of an hour.
    pub(crate) async fn heard<T>(
        &self,
        answer: impl Future<Output = sqlx::Result<T>>,
    ) -> sqlx::Result<T> {
        let Some(server) = &self.link.server else {
            return answer.await;
        };
        tokio::select! {
            biased;
            answer = answer => answer,
            () = falls_silent(server) => {
                let why = "the server does not answer any more";
                Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, why)))
            }
        }
    }

    pub(crate) fn condition(&self) -> &Condition {
        &self.condition
    }

    pub(crate) fn failed(&self, error: &sqlx::Error) {
        self.condition.failed(error);
        let when = if Fault::of(error) == Fault::ReadOnly {
            &self.link.demoted_ms
        } else if has_lost_connection(error) || matches!(error, sqlx::Error::PoolTimedOut) {
            &self.link.lost_ms
        } else {
            return;
        };
        when.store(self.link.now_ms(), Ordering::Relaxed);
        self.link.is_suspect.store(true, Ordering::Relaxed);
    }

    pub(crate) fn written(&self) {
        self.condition.written();
    }
}

impl Link {
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Returns whether a connection that was idle for so long should be asked first.
    pub(crate) fn is_doubtful(&self, idle_for: Duration) -> bool {
        idle_for >= ASK_AFTER_IDLE || self.is_before(idle_for, &self.lost_ms)
    }

    /// Returns whether a connection of this age may lead to another server than a new one.
    pub(crate) fn is_outdated(&self, age: Duration) -> bool {
        self.is_before(age, &self.demoted_ms)
    }

    /// Returns whether so long ago was before this moment.
    fn is_before(&self, ago: Duration, moment_ms: &AtomicU64) -> bool {
        let ago_ms = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
        let moment_ms = moment_ms.load(Ordering::Relaxed);
        moment_ms > 0 && self.now_ms().saturating_sub(ago_ms) <= moment_ms
    }
}

/// Ends when the server answers nothing any more.
async fn falls_silent(server: &Server) {
    let mut in_vain = 0;
    while in_vain < LOOKS_IN_VAIN_MAX {
        if in_vain == 0 {
            tokio::time::sleep(ASK_AFTER_SILENCE).await;
        }
        in_vain = if answers(server).await {
            0
        } else {
            in_vain.saturating_add(1)
        };
    }
}

/// Returns whether the server says anything, be it that it takes no more connections.
async fn answers(server: &Server) -> bool {
    let asked = async {
        let mut connection = server.options.connect().await?;
        // A pooler takes connections also while its server is silent.
        connection.ping().await?;
        connection.close().await
    };
    match tokio::time::timeout(LOOK_LIMIT, asked).await {
        Ok(Ok(()) | Err(sqlx::Error::Database(_))) => true,
        Ok(Err(_)) | Err(_) => false,
    }
}
