//! Where history is kept. The position in the log moves in the transaction that adds the rows.

mod pages;
mod postgres;
mod record;
mod sqlite;
mod versions;
mod whole;

pub(crate) use pages::{Pages, Place};
pub(crate) use record::{Key, Recorded};
pub(crate) use versions::{Version, Versions};

use api_error::ApiError;
use clock::Timestamp;
use feed_follower::Position;
use ledger_api::{Kind, KindCode, Kinds};
use money::Currency;
use store::sqlx;
use store::{Database, on_read};

use crate::domain::{Batch, Movement, Sum, SumOf, Sums, Wallet};

/// The database did not do it.
#[derive(Debug, thiserror::Error)]
#[error("the database failed")]
pub(crate) struct Error(#[from] sqlx::Error);

impl From<Error> for ApiError {
    fn from(Error(error): Error) -> ApiError {
        store::answer(&error)
    }
}

/// The columns of [`Row`].
macro_rules! columns {
    () => {
        "number, id, user_id, wallet_id, kind, amount, currency, description, \
         counterparty_wallet_id, balance_after, payment_id, created_at"
    };
}
use columns;

type Row = (
    i64,
    i64,
    i64,
    i64,
    i16,
    i64,
    String,
    String,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    i64,
);

/// A place in a list: what comes after it is older. Recorded entries have large numbers and any time, so both are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Cursor {
    created_at: i64,
    side: i64,
}

impl Cursor {
    /// Before everything.
    pub(crate) const NEWEST: Cursor = Cursor {
        created_at: i64::MAX,
        side: i64::MAX,
    };
}

/// The tables. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    database: Database,
    kinds: &'static Kinds,
}

impl Store {
    /// The history in this database, of postings of these kinds.
    pub(crate) fn new(database: Database, kinds: &'static Kinds) -> Store {
        Store { database, kinds }
    }

    /// The kinds of what is in it.
    pub(crate) fn kinds(&self) -> &'static Kinds {
        self.kinds
    }

    /// How much of the log is in the model.
    pub(crate) async fn position(&self) -> Result<Position, Error> {
        let sql = "select seq, ledger, mark from feed_position where id = 0";
        let (seq, ledger, mark) = on_read!(&self.database, pool => {
            sqlx::query_as(sql).fetch_one(pool).await
        })?;
        Ok(Position { seq, ledger, mark })
    }

    /// The number of the newest row that came from the log.
    pub(crate) async fn last_number(&self) -> Result<i64, Error> {
        let sql = "select last_number from feed_position where id = 0";
        Ok(on_read!(&self.database, pool => {
            sqlx::query_scalar(sql).fetch_one(pool).await
        })?)
    }

    /// Up to `limit` rows of these users with numbers after `after`, up to `to`, in order.
    pub(crate) async fn of_users(
        &self,
        users: &[i64],
        after: i64,
        to: i64,
        limit: i64,
    ) -> Result<Vec<Movement>, Error> {
        let rows: Vec<Row> = on_read!(
            &self.database,
            postgres pool => {
                let sql = concat!("select ", columns!(), " from history \
                    where number > $1 and number <= $2 and user_id = any($3) order by number limit $4");
                sqlx::query_as(sql).bind(after).bind(to).bind(users).bind(limit).fetch_all(pool).await
            },
            sqlite pool => {
                let sql = concat!("select ", columns!(), " from history \
                    where number > $1 and number <= $2 and user_id in (select value from json_each($3)) \
                    order by number limit $4");
                let users = format!("{users:?}");
                sqlx::query_as(sql).bind(after).bind(to).bind(users).bind(limit).fetch_all(pool).await
            }
        )?;
        let rows = rows.into_iter().map(|row| movement(row, self.kinds));
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Adds what the log said and moves the position from `from` to `to`, at once; `false`, and nothing, when it is not at
    /// `from`.
    pub(crate) async fn append(
        &self,
        from: i64,
        to: &Position,
        batch: &Batch,
    ) -> Result<bool, Error> {
        Ok(match &self.database {
            Database::Postgres(pool) => postgres::append(pool, from, to, batch).await?,
            Database::Sqlite(pools) => sqlite::append(pools, from, to, batch).await?,
        })
    }

    /// The row with this id.
    pub(crate) async fn find(&self, id: i64) -> Result<Option<Movement>, Error> {
        let sql = concat!("select ", columns!(), " from history where number = $1");
        let row: Option<Row> = on_read!(&self.database, pool => {
            sqlx::query_as(sql).bind(id).fetch_optional(pool).await
        })?;
        Ok(row.map(|row| movement(row, self.kinds)).transpose()?)
    }

    /// Where a row is in its user's lists.
    pub(crate) async fn cursor(&self, user_id: i64, id: i64) -> Result<Option<Cursor>, Error> {
        let sql = "select created_at, id from history where number = $1 and user_id = $2";
        let row: Option<(i64, i64)> = on_read!(&self.database, pool => {
            sqlx::query_as(sql).bind(id).bind(user_id).fetch_optional(pool).await
        })?;
        Ok(row.map(|(created_at, side)| Cursor { created_at, side }))
    }

    /// The wallet with this id.
    pub(crate) async fn wallet(&self, wallet_id: i64) -> Result<Option<Wallet>, Error> {
        let sql = "select user_id, currency from wallets where wallet_id = $1";
        let row: Option<(i64, String)> = on_read!(&self.database, pool => {
            sqlx::query_as(sql).bind(wallet_id).fetch_optional(pool).await
        })?;
        let wallet = row.map(|(user_id, code)| {
            Ok::<_, sqlx::Error>(Wallet {
                wallet_id,
                user_id,
                currency: currency(&code)?,
            })
        });
        Ok(wallet.transpose()?)
    }

    /// What a wallet held at a moment: 0 before its first movement.
    pub(crate) async fn balance_at(&self, wallet_id: i64, at: Timestamp) -> Result<i64, Error> {
        let sql = "select balance_after from history \
                   where wallet_id = $1 and created_at <= $2 and balance_after is not null \
                   order by created_at desc, id desc limit 1";
        let balance: Option<i64> = on_read!(&self.database, pool => {
            sqlx::query_scalar(sql).bind(wallet_id).bind(at.micros()).fetch_optional(pool).await
        })?;
        Ok(balance.unwrap_or_default())
    }

    /// When the newest movement of a wallet was, by the log's time.
    pub(crate) async fn newest_at(&self, wallet_id: i64) -> Result<Option<Timestamp>, Error> {
        let sql = "select created_at from history \
                   where wallet_id = $1 and balance_after is not null \
                   order by created_at desc, id desc limit 1";
        let at: Option<i64> = on_read!(&self.database, pool => {
            sqlx::query_scalar(sql).bind(wallet_id).fetch_optional(pool).await
        })?;
        Ok(at.map(Timestamp::from_micros))
    }

    /// The sums of a user's entries of one currency.
    pub(crate) async fn sums(&self, user_id: i64, currency: Currency) -> Result<Sums, Error> {
        let sql =
            "select kind, is_in, entries, amount from totals where user_id = $1 and currency = $2";
        let rows: Vec<(i16, bool, i64, i64)> = on_read!(&self.database, pool => {
            sqlx::query_as(sql).bind(user_id).bind(currency.code()).fetch_all(pool).await
        })?;
        let sums = rows.into_iter().map(|(kind, is_in, entries, amount)| {
            let of = SumOf {
                user_id,
                currency,
                kind: KindCode(kind),
                is_in,
            };
            (of, Sum { entries, amount })
        });
        Ok(sums.collect())
    }
}

fn movement(row: Row, kinds: &Kinds) -> Result<Movement, sqlx::Error> {
    let (number, side, user_id, wallet_id, code, amount, currency_code, description) =
        (row.0, row.1, row.2, row.3, row.4, row.5, row.6, row.7);
    let (other, balance, payment_id, at) = (row.8, row.9, row.10, row.11);
    Ok(Movement {
        id: number,
        side,
        user_id,
        wallet_id,
        kind: kind(code, kinds)?,
        amount,
        currency: currency(&currency_code)?,
        description,
        counterparty_wallet_id: other,
        balance_after: balance,
        payment_id,
        created_at: Timestamp::from_micros(at),
    })
}

fn kind(code: i16, kinds: &Kinds) -> Result<&'static Kind, sqlx::Error> {
    let kind = kinds.get(KindCode(code));
    kind.ok_or_else(|| sqlx::Error::Decode(format!("no kind {code}").into()))
}

fn currency(code: &str) -> Result<Currency, sqlx::Error> {
    code.parse()
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// Adds to sums that are there. An amount stays at 2^63 - 1 once it is reached.
macro_rules! on_totals_conflict {
    () => {
        "on conflict (user_id, currency, kind, is_in) do update set \
         entries = t.entries + excluded.entries, \
         amount = case when t.amount > 9223372036854775807 - excluded.amount then 9223372036854775807 \
             else t.amount + excluded.amount end"
    };
}
use on_totals_conflict;
