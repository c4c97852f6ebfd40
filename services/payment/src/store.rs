//! The tables of the read model. The position in the log moves in the transaction that adds the rows.

mod postgres;
mod sqlite;

use api_error::ApiError;
use clock::Timestamp;
use feed_follower::Position;
use http_server::Page;
use store::sqlx;
use store::{Database, in_transaction, on_read};

use crate::domain::Payment;

/// The database did not do it.
#[derive(Debug, thiserror::Error)]
#[error("the database failed")]
pub(crate) struct Error(#[from] sqlx::Error);

impl From<Error> for ApiError {
    fn from(Error(error): Error) -> ApiError {
        store::answer(&error)
    }
}

/// `id, user_id, wallet_id, merchant, amount, currency, created_at`
type Row = (i64, i64, i64, String, i64, String, i64);

/// The read model's tables. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    database: Database,
}

impl Store {
    pub(crate) fn new(database: Database) -> Store {
        Store { database }
    }

    /// The position of the model in the log.
    pub(crate) async fn position(&self) -> Result<Position, Error> {
        let sql = "select seq, ledger, mark from feed_position where id = 0";
        let (seq, ledger, mark) = on_read!(&self.database, pool => {
            sqlx::query_as(sql).fetch_one(pool).await
        })?;
        Ok(Position { seq, ledger, mark })
    }

    /// Adds payments and moves the position from `from` to `to`, at once; `false`, and nothing, when it is not at `from`.
    pub(crate) async fn append(
        &self,
        from: i64,
        to: &Position,
        payments: &[Payment],
    ) -> Result<bool, Error> {
        Ok(match &self.database {
            Database::Postgres(pool) => postgres::append(pool, from, to, payments).await?,
            Database::Sqlite(pools) => sqlite::append(pools, from, to, payments).await?,
        })
    }

    /// Forgets everything, so that the log is followed from its beginning.
    pub(crate) async fn forget(&self) -> Result<(), Error> {
        in_transaction!(&self.database, tx => {
            sqlx::query("delete from payments").execute(&mut *tx).await?;
            sqlx::query("update feed_position set seq = 0, ledger = null, mark = null where id = 0")
                .execute(&mut *tx)
                .await
                .map(|_| ())
                .map_err(Error::from)
        })
    }

    /// The payment with this id.
    pub(crate) async fn find(&self, id: i64) -> Result<Option<Payment>, Error> {
        let sql = "select id, user_id, wallet_id, merchant, amount, currency, created_at \
                   from payments where id = $1";
        let row: Option<Row> = on_read!(&self.database, pool => {
            sqlx::query_as(sql).bind(id).fetch_optional(pool).await
        })?;
        Ok(row.map(payment).transpose()?)
    }

    /// Every payment after `after`, up to `last`, in the order of ids.
    pub(crate) async fn between(&self, after: i64, last: i64) -> Result<Vec<Payment>, Error> {
        let sql = "select id, user_id, wallet_id, merchant, amount, currency, created_at \
                   from payments where id > $1 and id <= $2 order by id";
        let rows: Vec<Row> = on_read!(&self.database, pool => {
            sqlx::query_as(sql).bind(after).bind(last).fetch_all(pool).await
        })?;
        Ok(rows.into_iter().map(payment).collect::<Result<_, _>>()?)
    }

    /// One page of a user's payments, the newest first.
    pub(crate) async fn of_user(&self, user_id: i64, page: Page) -> Result<Vec<Payment>, Error> {
        let sql = "select id, user_id, wallet_id, merchant, amount, currency, created_at \
                   from payments where user_id = $1 and id < $2 order by id desc limit $3";
        let rows: Vec<Row> = on_read!(&self.database, pool => {
            sqlx::query_as(sql).bind(user_id).bind(page.before).bind(page.limit).fetch_all(pool).await
        })?;
        Ok(rows.into_iter().map(payment).collect::<Result<_, _>>()?)
    }
}

fn payment(row: Row) -> Result<Payment, sqlx::Error> {
    let (id, user_id, wallet_id, merchant, amount, currency, created_at) = row;
    Ok(Payment {
        id,
        user_id,
        wallet_id,
        merchant,
        amount,
        currency: currency
            .parse()
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        created_at: Timestamp::from_micros(created_at),
    })
}
