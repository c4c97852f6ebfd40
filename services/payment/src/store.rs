//! The tables of the read model. The position in the log moves in the transaction that adds the rows.

mod changed;
mod postgres;
mod rows;
mod sqlite;

use api_error::ApiError;
use feed_follower::Position;
use http_server::Page;
use store::sqlx;
use store::{Database, in_transaction, on_read};

pub(crate) use self::changed::ROWS_MAX;
use self::rows::{HoldRow, PaymentRow, RefundRow};
use crate::changes::Changes;
use crate::domain::Payment;
use crate::holds::{CAPTURES_MAX, Hold};
use crate::refunds::Refund;

/// The database did not do it.
#[derive(Debug, thiserror::Error)]
#[error("the database failed")]
pub(crate) struct Error(#[from] sqlx::Error);

impl From<Error> for ApiError {
    fn from(Error(error): Error) -> ApiError {
        store::answer(&error)
    }
}

/// The columns of a payment.
macro_rules! payments {
    ($rest:literal) => {
        concat!(
            "select id, seq, user_id, wallet_id, merchant, amount, currency, created_at, hold_id from payments where ",
            $rest
        )
    };
}

/// The columns of a hold.
macro_rules! holds {
    ($rest:literal) => {
        concat!(
            "select id, user_id, wallet_id, merchant, amount, currency, created_at, expires_at, captured, released, state, last_seq \
             from holds where ",
            $rest
        )
    };
}

use holds;

/// The columns of a refund.
macro_rules! refunds {
    ($rest:literal) => {
        concat!(
            "select id, payment_seq, amount, by_actor, note, is_unclaimed, created_at from refunds where ",
            $rest
        )
    };
}

/// The refunds of one payment that are shown.
const REFUNDS_MAX: i64 = 200;

/// Which of a user's holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HoldFilter {
    pub(crate) user_id: i64,
    /// The codes of the states, from and to.
    pub(crate) states: (i16, i16),
    pub(crate) wallet_id: Option<i64>,
}

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

    /// Adds what a stretch of the log means and moves the position from `from` to `to`, at once; `false`, and nothing, when it is not at
    /// `from`.
    pub(crate) async fn append(
        &self,
        from: i64,
        to: &Position,
        changes: Changes,
    ) -> Result<bool, Error> {
        if !changes.are_plain() {
            return self.append_any(from, to, changes).await;
        }
        Ok(match &self.database {
            Database::Postgres(pool) => postgres::append(pool, from, to, &changes.payments).await?,
            Database::Sqlite(pools) => sqlite::append(pools, from, to, &changes.payments).await?,
        })
    }

    /// Forgets everything, so that the log is followed from its beginning.
    pub(crate) async fn forget(&self) -> Result<(), Error> {
        in_transaction!(&self.database, tx => {
            for table in ["delete from payments", "delete from holds", "delete from refunds"] {
                sqlx::query(table).execute(&mut *tx).await?;
            }
            sqlx::query("update feed_position set seq = 0, ledger = null, mark = null where id = 0")
                .execute(&mut *tx)
                .await
                .map(|_| ())
                .map_err(Error::from)
        })
    }

    /// The payment with this id.
    pub(crate) async fn find(&self, id: i64) -> Result<Option<Payment>, Error> {
        let row: Option<PaymentRow> = on_read!(&self.database, pool => {
            sqlx::query_as(payments!("id = $1")).bind(id).fetch_optional(pool).await
        })?;
        Ok(row.map(Payment::try_from).transpose()?)
    }

    /// Every payment after `after`, up to `last`, in the order of ids.
    pub(crate) async fn between(&self, after: i64, last: i64) -> Result<Vec<Payment>, Error> {
        let rows: Vec<PaymentRow> = on_read!(&self.database, pool => {
            sqlx::query_as(payments!("id > $1 and id <= $2 order by id"))
                .bind(after)
                .bind(last)
                .fetch_all(pool)
                .await
        })?;
        all(rows)
    }

    /// One page of a user's payments, the newest first.
    pub(crate) async fn of_user(&self, user_id: i64, page: Page) -> Result<Vec<Payment>, Error> {
        let rows: Vec<PaymentRow> = on_read!(&self.database, pool => {
            sqlx::query_as(payments!("user_id = $1 and id < $2 order by id desc limit $3"))
                .bind(user_id)
                .bind(page.before)
                .bind(page.limit)
                .fetch_all(pool)
                .await
        })?;
        all(rows)
    }

    /// The captures of a hold, the oldest first.
    pub(crate) async fn captures_of(&self, hold_id: i64) -> Result<Vec<Payment>, Error> {
        let rows: Vec<PaymentRow> = on_read!(&self.database, pool => {
            // A few more than there may be, for captures that came at the same moment.
            sqlx::query_as(payments!("hold_id = $1 order by id limit $2"))
                .bind(hold_id)
                .bind(i64::try_from(CAPTURES_MAX * 4).unwrap_or(i64::MAX))
                .fetch_all(pool)
                .await
        })?;
        all(rows)
    }

    /// The hold with this id.
    pub(crate) async fn hold(&self, id: i64) -> Result<Option<Hold>, Error> {
        let row: Option<HoldRow> = on_read!(&self.database, pool => {
            sqlx::query_as(holds!("id = $1")).bind(id).fetch_optional(pool).await
        })?;
        Ok(row.map(Hold::try_from).transpose()?)
    }

    /// Every hold after `after`, up to `last`, in the order of ids.
    pub(crate) async fn holds_between(&self, after: i64, last: i64) -> Result<Vec<Hold>, Error> {
        let rows: Vec<HoldRow> = on_read!(&self.database, pool => {
            sqlx::query_as(holds!("id > $1 and id <= $2 order by id"))
                .bind(after)
                .bind(last)
                .fetch_all(pool)
                .await
        })?;
        all(rows)
    }

    /// The holds with these ids.
    pub(crate) async fn holds_in(&self, ids: &[i64]) -> Result<Vec<Hold>, Error> {
        let rows: Vec<HoldRow> = on_read!(&self.database, pool => {
            let mut query = sqlx::QueryBuilder::new(holds!("id in ("));
            let mut list = query.separated(", ");
            for id in ids {
                list.push_bind(*id);
            }
            query.push(")");
            query.build_query_as().fetch_all(pool).await
        })?;
        all(rows)
    }

    /// One page of a user's holds, the newest first.
    pub(crate) async fn holds_of(
        &self,
        filter: HoldFilter,
        page: Page,
    ) -> Result<Vec<Hold>, Error> {
        let (from, to) = filter.states;
        let rows: Vec<HoldRow> = on_read!(&self.database, pool => {
            sqlx::query_as(holds!(
                "user_id = $1 and id < $2 and state >= $3 and state <= $4 and ($5 = 0 or wallet_id = $5) \
                 order by id desc limit $6"
            ))
            .bind(filter.user_id)
            .bind(page.before)
            .bind(from)
            .bind(to)
            .bind(filter.wallet_id.unwrap_or_default())
            .bind(page.limit)
            .fetch_all(pool)
            .await
        })?;
        all(rows)
    }

    /// The refunds of the payment whose entry has this number, the oldest first.
    pub(crate) async fn refunds_of(&self, payment_seq: i64) -> Result<Vec<Refund>, Error> {
        let rows: Vec<RefundRow> = on_read!(&self.database, pool => {
            sqlx::query_as(refunds!("payment_seq = $1 order by id limit $2"))
                .bind(payment_seq)
                .bind(REFUNDS_MAX)
                .fetch_all(pool)
                .await
        })?;
        Ok(rows.into_iter().map(Refund::from).collect())
    }

    /// Every refund after `after`, up to `last`, in the order of ids.
    pub(crate) async fn refunds_between(
        &self,
        after: i64,
        last: i64,
    ) -> Result<Vec<Refund>, Error> {
        let rows: Vec<RefundRow> = on_read!(&self.database, pool => {
            sqlx::query_as(refunds!("id > $1 and id <= $2 order by id"))
                .bind(after)
                .bind(last)
                .fetch_all(pool)
                .await
        })?;
        Ok(rows.into_iter().map(Refund::from).collect())
    }

    /// The amounts that were refunded of these payments, by the number of their entry: those of which something was.
    pub(crate) async fn refunded(&self, payments: &[Payment]) -> Result<Vec<(i64, i64)>, Error> {
        if payments.is_empty() {
            return Ok(Vec::new());
        }
        let seqs = payments.iter().map(|payment| payment.seq);
        let refunded = on_read!(&self.database, pool => {
            let mut query = sqlx::QueryBuilder::new(
                "select payment_seq, cast(sum(amount) as bigint) from refunds where payment_seq in (",
            );
            let mut list = query.separated(", ");
            for seq in seqs.clone() {
                list.push_bind(seq);
            }
            query.push(") group by payment_seq");
            query.build_query_as().fetch_all(pool).await
        })?;
        Ok(refunded)
    }
}

fn all<R, T: TryFrom<R, Error = sqlx::Error>>(rows: Vec<R>) -> Result<Vec<T>, Error> {
    Ok(rows
        .into_iter()
        .map(T::try_from)
        .collect::<Result<_, _>>()?)
}
