//! Entries of history that services record by hand.

use clock::Timestamp;
use store::sqlx::query::Query;
use store::sqlx::{Encode, Type};
use store::{in_transaction, sqlx};

use super::{Error, Row, Store, columns, movement, on_totals_conflict};
use crate::domain::{Movement, Sum, SumOf, Wallet, comes_in};
use crate::wire::NewRecord;

/// A service's idempotency key.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) service: String,
    pub(crate) key: String,
}

/// What became of a record.
#[derive(Clone, Debug)]
pub(crate) enum Recorded {
    /// It is in.
    Now(Movement),
    /// It has been in since an earlier request with the same key.
    Before(Movement),
    /// The key came with another record before.
    KeyReused,
}

/// Draws the next id. Its row is also the lock that makes recording one at a time: a key is looked up after it.
const NEXT_ID: &str = "update recorded_ids set last = last + 1 where id = 0 returning last";

const FIND_KEY: &str =
    "select history_id, request_sha256 from recorded_keys where service = $1 and key = $2";

const ADD_KEY: &str =
    "insert into recorded_keys (service, key, request_sha256, history_id) values ($1, $2, $3, $4)";

const FIND: &str = concat!("select ", columns!(), " from history where number = $1");

const ADD: &str = concat!(
    "insert into history (number, id, user_id, wallet_id, kind, amount, currency, description, created_at) \
     values ($1, $1, $2, $3, $4, $5, $6, $7, $8) returning ",
    columns!()
);

pub(super) const COUNT: &str = concat!(
    "insert into totals as t (user_id, currency, kind, is_in, entries, amount) values ($1, $2, $3, $4, $5, $6) ",
    on_totals_conflict!()
);

/// Binds what [`COUNT`] adds.
pub(super) fn count<'q, D>(
    query: Query<'q, D, D::Arguments>,
    of: &'q SumOf,
    sum: Sum,
) -> Query<'q, D, D::Arguments>
where
    D: sqlx::Database,
    bool: Encode<'q, D> + Type<D>,
    i16: Encode<'q, D> + Type<D>,
    i64: Encode<'q, D> + Type<D>,
    &'q str: Encode<'q, D> + Type<D>,
{
    query
        .bind(of.user_id)
        .bind(of.currency.code())
        .bind(of.kind.0)
        .bind(of.is_in)
        .bind(sum.entries)
        .bind(sum.amount)
}

impl Store {
    /// Adds a record to the history of `wallet` and to its user's sums, once for each key.
    pub(crate) async fn record(
        &self,
        new: &NewRecord,
        wallet: &Wallet,
        key: Option<&Key>,
        at: Timestamp,
    ) -> Result<Recorded, Error> {
        let sha256 = new.sha256();
        let of = SumOf {
            user_id: wallet.user_id,
            currency: wallet.currency,
            kind: new.kind.code,
            is_in: comes_in(new.kind),
        };
        let sum = Sum {
            entries: 1,
            amount: new.amount.units(),
        };
        in_transaction!(&self.database, tx => {
            let id: i64 = sqlx::query_scalar(NEXT_ID).fetch_one(&mut *tx).await?;
            if let Some(Key { service, key }) = key {
                let known: Option<(i64, Vec<u8>)> =
                    sqlx::query_as(FIND_KEY).bind(service).bind(key).fetch_optional(&mut *tx).await?;
                if let Some((known_id, known_sha256)) = known {
                    if known_sha256 != sha256 {
                        return Ok(Recorded::KeyReused);
                    }
                    let row: Row = sqlx::query_as(FIND).bind(known_id).fetch_one(&mut *tx).await?;
                    return Ok(Recorded::Before(movement(row, self.kinds)?));
                }
                sqlx::query(ADD_KEY)
                    .bind(service)
                    .bind(key)
                    .bind(&sha256)
                    .bind(id)
                    .execute(&mut *tx)
                    .await?;
            }
            let row: Row = sqlx::query_as(ADD)
                .bind(id)
                .bind(wallet.user_id)
                .bind(wallet.wallet_id)
                .bind(new.kind.code.0)
                .bind(new.amount.units())
                .bind(wallet.currency.code())
                .bind(&new.description)
                .bind(at.micros())
                .fetch_one(&mut *tx)
                .await?;
            count(sqlx::query(COUNT), &of, sum).execute(&mut *tx).await?;
            Ok(Recorded::Now(movement(row, self.kinds)?))
        })
    }
}
