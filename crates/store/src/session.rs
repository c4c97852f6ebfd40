//! A connection that is lent out for one operation, in or out of a transaction.
//!
//! It runs statements as sqlx's own connections do, and tells the database's [`Condition`] how they went. Behind a connection pooler it
//! prepares them without a name: the next transaction may be on another server's connection, where the name is unknown or another's.

use std::fmt;
use std::ops::{Deref, DerefMut};

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, try_unfold};
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use sqlx::error::BoxDynError;
use sqlx::pool::PoolConnection;
use sqlx::{Database, Either, Execute, Executor, Postgres, SqlStr, Sqlite, Transaction};

use crate::watch::Watch;

/// A connection, until it is dropped. What was not committed by then is undone.
#[derive(Debug)]
pub struct Session<DB: Database>(Lent<DB>);

/// The connection or transaction that runs the statements of a [`Session`].
pub struct Lent<DB: Database> {
    connection: Connection<DB>,
    keeps_names: bool,
    watch: Watch,
}

#[derive(Debug)]
enum Connection<DB: Database> {
    /// Each statement commits by itself.
    Plain(PoolConnection<DB>),
    /// Nothing is committed before the end.
    Transaction(Transaction<'static, DB>),
}

impl<DB: Database> fmt::Debug for Lent<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").finish_non_exhaustive()
    }
}

impl<DB: Database> Session<DB> {
    /// A connection outside of a transaction.
    pub(crate) fn plain(connection: PoolConnection<DB>, watch: Watch) -> Session<DB> {
        Session(Lent {
            connection: Connection::Plain(connection),
            keeps_names: true,
            watch,
        })
    }

    /// A transaction that has begun.
    pub(crate) fn transaction(
        transaction: Transaction<'static, DB>,
        keeps_names: bool,
        watch: Watch,
    ) -> Session<DB> {
        Session(Lent {
            connection: Connection::Transaction(transaction),
            keeps_names,
            watch,
        })
    }

    /// Commits. Outside of a transaction every statement has done so by itself.
    pub async fn commit(self) -> sqlx::Result<()> {
        let Lent {
            connection, watch, ..
        } = self.0;
        if let Connection::Transaction(transaction) = connection {
            watch
                .heard(transaction.commit())
                .await
                .inspect_err(|error| watch.failed(error))?;
        }
        watch.written();
        Ok(())
    }

    /// Undoes what was not committed, and waits until that is so.
    pub async fn rollback(self) -> sqlx::Result<()> {
        match self.0.connection {
            Connection::Plain(_) => Ok(()),
            Connection::Transaction(transaction) => transaction.rollback().await,
        }
    }
}

impl<DB: Database> Deref for Session<DB> {
    type Target = Lent<DB>;

    fn deref(&self) -> &Lent<DB> {
        &self.0
    }
}

impl<DB: Database> DerefMut for Session<DB> {
    fn deref_mut(&mut self) -> &mut Lent<DB> {
        &mut self.0
    }
}

impl<DB: Database> Lent<DB> {
    fn connection(&mut self) -> &mut DB::Connection {
        match &mut self.connection {
            Connection::Plain(connection) => connection,
            Connection::Transaction(transaction) => transaction,
        }
    }
}

/// A statement that is not kept by name.
struct Unnamed<E>(E);

impl<'q, DB: Database, E: Execute<'q, DB>> Execute<'q, DB> for Unnamed<E> {
    fn sql(self) -> SqlStr {
        self.0.sql()
    }

    fn statement(&self) -> Option<&DB::Statement> {
        self.0.statement()
    }

    fn take_arguments(&mut self) -> Result<Option<DB::Arguments>, BoxDynError> {
        self.0.take_arguments()
    }

    fn persistent(&self) -> bool {
        false
    }
}

macro_rules! executor {
    ($database:ty) => {
        impl<'c> Executor<'c> for &'c mut Lent<$database> {
            type Database = $database;

            fn fetch_many<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxStream<
                'e,
                sqlx::Result<
                    Either<<$database as Database>::QueryResult, <$database as Database>::Row>,
                >,
            >
            where
                'c: 'e,
                E: 'q + Execute<'q, $database>,
            {
                let watch = self.watch.clone();
                let rows = if self.keeps_names {
                    self.connection().fetch_many(query)
                } else {
                    self.connection().fetch_many(Unnamed(query))
                };
                try_unfold((rows, watch), async |(mut rows, watch)| {
                    let next = watch.heard(rows.try_next()).await;
                    let next = next.inspect_err(|error| watch.failed(error))?;
                    Ok(next.map(|row| (row, (rows, watch))))
                })
                .boxed()
            }

            fn fetch_optional<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxFuture<'e, sqlx::Result<Option<<$database as Database>::Row>>>
            where
                'c: 'e,
                E: 'q + Execute<'q, $database>,
            {
                let watch = self.watch.clone();
                let row = if self.keeps_names {
                    self.connection().fetch_optional(query)
                } else {
                    self.connection().fetch_optional(Unnamed(query))
                };
                async move {
                    let row = watch.heard(row).await;
                    row.inspect_err(|error| watch.failed(error))
                }
                .boxed()
            }

            fn prepare_with<'e>(
                self,
                sql: SqlStr,
                parameters: &'e [<$database as Database>::TypeInfo],
            ) -> BoxFuture<'e, sqlx::Result<<$database as Database>::Statement>>
            where
                'c: 'e,
            {
                self.connection().prepare_with(sql, parameters)
            }
        }
    };
}

executor!(Postgres);
executor!(Sqlite);
