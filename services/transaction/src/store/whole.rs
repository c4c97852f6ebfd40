//! Reads of everything, for an audit.

use std::collections::BTreeMap;

use money::Currency;
use store::{in_transaction, on_read, sqlx};

use super::record::{COUNT, count};
use super::{Error, Row, Store, columns, currency, movement};
use crate::domain::{FIRST_RECORDED_ID, Movement, Totals, last_side};

/// One half of a sum.
type Half = Option<i64>;

/// The position, whether the row is of `totals` (0) or a sum of recorded entries (1), user, currency, how many entries, and the
/// upper and lower halves of the sums of top-ups, payments, sent and received transfers, and withdrawals.
type SumsRow = (
    i64,
    Option<i32>,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Half,
    Half,
    Half,
    Half,
    Half,
    Half,
    Half,
    Half,
    Half,
    Half,
);

/// The upper and the lower half of a sum that is kept.
macro_rules! kept {
    ($column:literal) => {
        concat!($column, " >> 32, ", $column, " & 4294967295")
    };
}

/// The upper and the lower half of what entries of a kind add up to. Each is summed apart: neither can leave 64 bits.
macro_rules! summed {
    ($kind:literal) => {
        concat!(
            "cast(sum(case when kind = ",
            $kind,
            " then amount >> 32 else 0 end) as bigint), cast(sum(case when kind = ",
            $kind,
            " then amount & 4294967295 else 0 end) as bigint)"
        )
    };
}

/// The log begins anew, and with it the numbers of its rows.
const FORGET: &str = "
    update feed_position set seq = 0, ledger = null, mark = null, numbered = 0, last_number = 0 where id = 0";

/// One statement sees one state. Recorded entries have no kind 4.
const SUMS: &str = concat!(
    "select p.seq, s.* from feed_position p left join (
        select 0 as recorded, user_id, currency, entries, ",
    kept!("topup"),
    ", ",
    kept!("payment"),
    ", ",
    kept!("sent"),
    ", ",
    kept!("received"),
    ", ",
    kept!("withdrawal"),
    " from totals union all select 1, user_id, currency, count(*), ",
    summed!(1),
    ", ",
    summed!(2),
    ", ",
    summed!(3),
    ", ",
    summed!(4),
    ", ",
    summed!(5),
    " from history where number >= $1 group by user_id, currency
    ) s on true"
);

/// A sum of its halves. One that reaches the end stays there, as those that are kept do.
fn whole(upper: Half, lower: Half) -> i64 {
    let half = |half: Half| i128::from(half.unwrap_or_default());
    let sum = (half(upper) << 32) + half(lower);
    i64::try_from(sum).unwrap_or(i64::MAX)
}

type Sums = BTreeMap<(i64, Currency), Totals>;

/// The position, the sums as they are kept, and those of recorded entries.
fn sums(rows: Vec<SumsRow>) -> Result<(i64, Sums, Sums), sqlx::Error> {
    let (mut position, mut kept, mut recorded) = (0, Sums::new(), Sums::new());
    for row in rows {
        position = row.0;
        let (Some(is_recorded), Some(user_id), Some(code)) = (row.1, row.2, row.3) else {
            continue;
        };
        let totals = Totals {
            entries: row.4.unwrap_or_default(),
            topup: whole(row.5, row.6),
            payment: whole(row.7, row.8),
            sent: whole(row.9, row.10),
            received: whole(row.11, row.12),
            withdrawal: whole(row.13, row.14),
        };
        let sums = if is_recorded == 1 {
            &mut recorded
        } else {
            &mut kept
        };
        sums.insert((user_id, currency(&code)?), totals);
    }
    Ok((position, kept, recorded))
}

impl Store {
    /// The position, all sums as they are kept, and the sums of recorded entries: all at one moment.
    pub(crate) async fn all_totals(&self) -> Result<(i64, Sums, Sums), Error> {
        let rows: Vec<SumsRow> = on_read!(&self.database, pool => {
            sqlx::query_as(SUMS).bind(FIRST_RECORDED_ID).fetch_all(pool).await
        })?;
        Ok(sums(rows)?)
    }

    /// How many entries services recorded.
    pub(crate) async fn recorded(&self) -> Result<i64, Error> {
        let sql = "select count(*) from history where id >= $1";
        Ok(on_read!(&self.database, pool => {
            sqlx::query_scalar(sql).bind(FIRST_RECORDED_ID).fetch_one(pool).await
        })?)
    }

    /// Forgets everything that follows from the log, so that it is followed from its beginning. What services recorded stays, and
    /// is what the sums begin with.
    pub(crate) async fn forget(&self) -> Result<(), Error> {
        in_transaction!(&self.database, tx => {
            // Nobody records meanwhile, and no other process applies.
            sqlx::query("update recorded_ids set last = last where id = 0").execute(&mut *tx).await?;
            sqlx::query(FORGET)
                .execute(&mut *tx)
                .await?;
            let rows: Vec<SumsRow> =
                sqlx::query_as(SUMS).bind(FIRST_RECORDED_ID).fetch_all(&mut *tx).await?;
            let (_, _, recorded) = sums(rows)?;
            sqlx::query("delete from history where id < $1")
                .bind(FIRST_RECORDED_ID)
                .execute(&mut *tx)
                .await?;
            sqlx::query("delete from wallets").execute(&mut *tx).await?;
            sqlx::query("delete from totals").execute(&mut *tx).await?;
            for ((user_id, currency), totals) in recorded {
                count(sqlx::query(COUNT), user_id, &currency, &totals).execute(&mut *tx).await?;
            }
            Ok::<_, Error>(())
        })
    }

    /// A row that says to be a side of an entry up to `position`, and has none of the ids up to `last_id`, which those have.
    pub(crate) async fn beyond(&self, last_id: i64, position: i64) -> Result<Option<i64>, Error> {
        let sql = "select coalesce(number, id) from history where (number > $1 or number is null) and id <= $2 limit 1";
        Ok(on_read!(&self.database, pool => {
            sqlx::query_scalar(sql).bind(last_id).bind(last_side(position)).fetch_optional(pool).await
        })?)
    }

    /// Every row with an id from `first` to `last`, in the order of ids.
    pub(crate) async fn between(&self, first: i64, last: i64) -> Result<Vec<Movement>, Error> {
        let sql = concat!(
            "select ",
            columns!(),
            " from history where number between $1 and $2 order by number"
        );
        let rows: Vec<Row> = on_read!(&self.database, pool => {
            sqlx::query_as(sql).bind(first).bind(last).fetch_all(pool).await
        })?;
        Ok(rows.into_iter().map(movement).collect::<Result<_, _>>()?)
    }
}
