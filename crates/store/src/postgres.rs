//! PostgreSQL as it is run elsewhere: by itself or behind a connection pooler, with defaults of its own, restarted at times.
//!
//! Before its first use, and after every failure, the server is looked at on a connection of its own: whether it can be reached, what
//! stands in between, and whether it may be written and keeps every text. What must hold:
//!
//! - every session has the settings of this module, whatever the role's, the database's or the server's defaults are. Directly they
//!   come with the connection; where something in between keeps them away, each transaction begins with them;
//! - a statement is sent again only where nothing of it can have been done: a read, or the beginning of a transaction;
//! - while the server cannot be used, nobody waits for it.

use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Postgres, Row as _};
use tokio::sync::Mutex;

use crate::condition::Condition;
use crate::fault::{Fault, Unusable, has_lost_connection};
use crate::reach::{Server, cannot_connect};
use crate::session::Session;
use crate::watch::{DIRECT, POOLED, Watch};
use crate::{DatabaseConfig, reach};

/// The time that a request waits for a free connection: an answer comes within the three seconds that docs/OPERATIONS.md promises.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// The time that a look at the server may take.
pub(crate) const LOOK_LIMIT: Duration = Duration::from_millis(1500);
/// The time that a failed look counts: who comes meanwhile is told the same at once.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(250);
/// The time that a connection which is asked whether it is still there may take to answer.
const ASK_LIMIT: Duration = Duration::from_secs(1);
/// The number of times that a read, or the beginning of a transaction, is tried on another connection.
const REPEATS_MAX: u32 = 3;

/// Settings of every session, whatever the defaults are. The services' statements look rows up by key, and each has one good plan. A plan
/// made anew at each use costs time; one made while a table was small and kept when it is large must not read the whole table.
const SETTINGS: [(&str, &str); 14] = [
    // An accepted write is on the disk before it is answered. Followers, which can follow again, turn it off for their own commits.
    ("synchronous_commit", "on"),
    ("default_transaction_isolation", "read committed"),
    // Requests have deadlines of their own. What a default cuts off in the middle fails although nothing is wrong.
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("standard_conforming_strings", "on"),
    // A policy that hides rows is an error, and not a ledger without them.
    ("row_security", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    // Nor may it gather all that comes after a number, and sort it, for a page of what comes next.
    ("enable_bitmapscan", "off"),
    ("enable_sort", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];
/// A setting of our own. A server that knows its value has got the settings that came along with it, from this very process.
const MARK: &str = "dompet.session";

/// A PostgreSQL. Cheap to clone; clones are the same.
#[derive(Clone, Debug)]
pub struct PostgresPool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pool: PgPool,
    server: Server,
    schema: Option<String>,
    watch: Watch,
    /// The last look at the server, if it failed. Held while somebody looks.
    last_look: Mutex<Option<(Instant, Unusable)>>,
}

impl PostgresPool {
    /// The server need not be there yet: the first use will tell.
    pub(crate) fn new(config: &DatabaseConfig) -> anyhow::Result<PostgresPool> {
        let options = PgConnectOptions::from_str(&config.url)
            .map_err(|error| anyhow::anyhow!("{}", crate::fault::cause(&error)))
            .context("DATABASE_URL is not understood")?
            .extra_float_digits(None)
            .disable_statement_logging();
        reach::check_files(&config.url)?;
        let server = Server::of(reach::without_brackets(options));
        let condition = Condition::new(server.name());
        let watch = Watch::of_server(condition, server.clone());
        let (link, released) = (watch.link.clone(), watch.link.clone());
        let pool = PgPoolOptions::new()
            .max_connections(config.max_connections.max(2))
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(move |connection, about| {
                let is_outdated = link.is_outdated(about.age);
                let is_doubtful = link.is_doubtful(about.idle_for);
                Box::pin(async move {
                    if is_outdated {
                        return Ok(false);
                    }
                    if !is_doubtful {
                        return Ok(true);
                    }
                    let answer = tokio::time::timeout(ASK_LIMIT, connection.ping()).await;
                    Ok(matches!(answer, Ok(Ok(()))))
                })
            })
            .after_release(move |connection, _| {
                // The pool asks every connection that comes back, and has no limit for its answer.
                let is_doubtful = released.is_suspect.load(Ordering::Relaxed);
                Box::pin(async move {
                    if !is_doubtful {
                        return Ok(true);
                    }
                    let answer = tokio::time::timeout(ASK_LIMIT, connection.ping()).await;
                    Ok(matches!(answer, Ok(Ok(()))))
                })
            })
            .connect_lazy_with(server.options.clone());
        Ok(PostgresPool(Arc::new(Shared {
            pool,
            server,
            schema: config.schema()?,
            watch,
            last_look: Mutex::new(None),
        })))
    }

    /// The database's condition.
    pub fn condition(&self) -> &Condition {
        self.0.watch.condition()
    }

    /// A connection for one operation of one statement. What it writes is durable when [`Session::commit`] returns.
    pub async fn lend(&self) -> sqlx::Result<Session<Postgres>> {
        if self.way().await? == POOLED {
            return self.begin().await;
        }
        let connection = self
            .0
            .pool
            .acquire()
            .await
            .inspect_err(|error| self.0.watch.failed(error))?;
        Ok(Session::plain(connection, self.0.watch.clone()))
    }

    /// A transaction.
    pub async fn begin(&self) -> sqlx::Result<Session<Postgres>> {
        self.begin_with("", "").await
    }

    /// A transaction with modes, such as `read only`, and statements that it begins with; both may be empty. It is begun on another
    /// connection where the first turns out to be dead.
    pub async fn begin_with(&self, modes: &str, first: &str) -> sqlx::Result<Session<Postgres>> {
        let mut repeats = Repeats::default();
        loop {
            let keeps_names = self.way().await? == DIRECT;
            let settings = if keeps_names {
                String::new()
            } else {
                self.0.local_settings()
            };
            let begin = format!("begin {modes}; {settings}{first}");
            let watch = self.0.watch.clone();
            let begun = watch.heard(self.0.pool.begin_with(AssertSqlSafe(begin)));
            let begun = begun.await;
            match begun {
                Ok(transaction) => {
                    return Ok(Session::transaction(transaction, keeps_names, watch));
                }
                Err(error) => {
                    watch.failed(&error);
                    if !repeats.is_worth_it(&error) {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Looks at the server until it can be used, or what is wrong will not pass, or the time is over. Whoever is told why at the end
    /// says so, and nothing else does.
    pub(crate) async fn wait_for(&self, limit: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            match self.look().await {
                Ok(_) => return Ok(()),
                Err(unusable) if !unusable.passes || Instant::now() >= deadline => {
                    return Err(unusable.into());
                }
                Err(unusable) => {
                    self.condition().is_unusable(&unusable);
                    tokio::time::sleep(LOOK_AGAIN_AFTER).await;
                }
            }
        }
    }

    /// The way in which the server is spoken to. Looks first where that is unknown, or something went wrong.
    async fn way(&self) -> sqlx::Result<u8> {
        let link = &self.0.watch.link;
        if !link.is_suspect.load(Ordering::Relaxed) {
            return Ok(link.way.load(Ordering::Relaxed));
        }
        self.look().await.map_err(|unusable| {
            self.condition().is_unusable(&unusable);
            unusable.into_error()
        })
    }

    async fn look(&self) -> Result<u8, Unusable> {
        let Shared {
            pool,
            server,
            watch,
            last_look,
            ..
        } = &*self.0;
        let link = &watch.link;
        let mut last = last_look.lock().await;
        if !link.is_suspect.load(Ordering::Relaxed) {
            return Ok(link.way.load(Ordering::Relaxed));
        }
        if let Some((at, unusable)) = &*last
            && at.elapsed() < LOOK_AGAIN_AFTER
        {
            return Err(unusable.clone());
        }
        let mark = format!("{}-{}", std::process::id(), link.now_ms());
        let seen = tokio::time::timeout(LOOK_LIMIT, self.0.look_at_server(&mark)).await;
        let seen = seen.unwrap_or_else(|_| {
            let why = format!("no answer within {} ms", LOOK_LIMIT.as_millis());
            Err(server.unusable(Fault::Away, true, &why))
        });
        let way = match seen {
            Ok(way) => way,
            // Those that are open may do. The settings of new ones stay as they are.
            Err(unusable)
                if unusable.fault == Fault::Crowded && has_one_that_answers(pool).await =>
            {
                *last = None;
                link.is_suspect.store(false, Ordering::Relaxed);
                return Ok(link.way.load(Ordering::Relaxed));
            }
            Err(unusable) => {
                *last = Some((Instant::now(), unusable.clone()));
                return Err(unusable);
            }
        };
        *last = None;
        let options = if way == DIRECT {
            self.0.direct(&mark)
        } else {
            server.options.clone()
        };
        pool.set_connect_options(options);
        link.way.store(way, Ordering::Relaxed);
        link.is_suspect.store(false, Ordering::Relaxed);
        watch.condition().answered();
        Ok(way)
    }

    /// Returns whether it may write here, and has everything that `tables` need.
    pub(crate) async fn lacks(&self, tables: &[&str]) -> sqlx::Result<Option<String>> {
        let mut session = self.lend().await?;
        reach::lacking(&mut session, tables).await
    }

    pub(crate) fn server(&self) -> &Server {
        &self.0.server
    }

    pub(crate) async fn close(&self) {
        self.0.pool.close().await;
    }
}

impl Shared {
    /// Options of a connection that brings its settings along.
    fn direct(&self, mark: &str) -> PgConnectOptions {
        let options = self
            .server
            .options
            .clone()
            .options(SETTINGS)
            .options([(MARK, mark)]);
        match &self.schema {
            Some(schema) => options.options([("search_path", schema)]),
            None => options,
        }
    }

    /// The same as statements of a transaction.
    fn local_settings(&self) -> String {
        let mut statements: String = SETTINGS
            .iter()
            // Too late for this transaction: "begin" says it.
            .filter(|(name, _)| *name != "default_transaction_isolation")
            .map(|(name, value)| format!("set local {name} to '{value}'; "))
            .collect();
        statements.push_str("set transaction isolation level read committed; ");
        if let Some(schema) = &self.schema {
            statements.push_str(&format!("set local search_path to {schema}; "));
        }
        statements
    }

    async fn look_at_server(&self, mark: &str) -> Result<u8, Unusable> {
        let fails = |error| cannot_connect(&self.server, error);
        let (mut connection, marked) = match self.direct(mark).connect().await {
            Ok(connection) => (connection, true),
            Err(error) if reach::keeps_options_away(&error) => {
                (self.server.options.connect().await.map_err(fails)?, false)
            }
            Err(error) => return Err(fails(error)),
        };
        let row = sqlx::raw_sql(reach::LOOK)
            .fetch_one(&mut connection)
            .await
            .map_err(fails)?;
        let known_mark: Option<String> = row.try_get("mark").map_err(fails)?;
        let way = if marked && known_mark.as_deref() == Some(mark) {
            DIRECT
        } else {
            POOLED
        };
        if way == POOLED {
            // Two messages: a pooler that has no transactions only notices one that stays open.
            let begin = format!("begin; {}", self.local_settings());
            let transaction = connection.begin_with(AssertSqlSafe(begin)).await;
            transaction
                .map_err(fails)?
                .rollback()
                .await
                .map_err(fails)?;
        }
        reach::judge(&self.server, &row)?;
        // What was asked is answered; a connection that does not end in order does no harm.
        let _ = connection.close().await;
        Ok(way)
    }
}

/// Returns whether an open connection that nobody uses is good. Those that are not are closed.
async fn has_one_that_answers(pool: &PgPool) -> bool {
    let answers = async {
        while let Some(mut connection) = pool.try_acquire() {
            if connection.ping().await.is_ok() {
                return true;
            }
            drop(connection.detach());
        }
        false
    };
    matches!(tokio::time::timeout(ASK_LIMIT, answers).await, Ok(true))
}

/// The number of times that an operation was tried again.
#[derive(Debug, Default)]
pub struct Repeats(u32);

impl Repeats {
    /// Returns whether to try again, on another connection, what failed with this error and has done nothing.
    pub fn is_worth_it(&mut self, error: &sqlx::Error) -> bool {
        self.0 = self.0.saturating_add(1);
        self.0 <= REPEATS_MAX && has_lost_connection(error)
    }
}
