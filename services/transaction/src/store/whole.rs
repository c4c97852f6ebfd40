//! Reads of everything, for an audit.

use std::collections::BTreeMap;

use money::Currency;
use store::{on_read, sqlx};

use super::{Error, Row, Store, columns, currency, movement};
use crate::domain::{FIRST_RECORDED_ID, Movement, Totals};

/// The position, whether the row is of `totals` (0) or a sum of recorded entries (1), user, currency, and the sums.
type SumsRow = (
    i64,
    Option<i32>,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
);

/// One statement sees one state. Recorded entries have no kind 4.
const SUMS: &str = "
    select p.seq, s.recorded, s.user_id, s.currency, s.entries, s.topup, s.payment, s.sent, s.received, s.withdrawal
    from feed_position p left join (
        select 0 as recorded, user_id, currency, entries, topup, payment, sent, received, withdrawal from totals
        union all
        select 1, user_id, currency, count(*), cast(sum(case when kind = 1 then amount else 0 end) as bigint),
            cast(sum(case when kind = 2 then amount else 0 end) as bigint), cast(sum(case when kind = 3 then amount else 0 end) as bigint),
            cast(sum(case when kind = 4 then amount else 0 end) as bigint), cast(sum(case when kind = 5 then amount else 0 end) as bigint)
        from history where id >= $1 group by user_id, currency
    ) s on true";

type Sums = BTreeMap<(i64, Currency), Totals>;

impl Store {
    /// The position, all sums as they are kept, and the sums of recorded entries: all at one moment.
    pub(crate) async fn all_totals(&self) -> Result<(i64, Sums, Sums), Error> {
        let rows: Vec<SumsRow> = on_read!(&self.database, pool => {
            sqlx::query_as(SUMS).bind(FIRST_RECORDED_ID).fetch_all(pool).await
        })?;
        let (mut position, mut kept, mut recorded) = (0, Sums::new(), Sums::new());
        for row in rows {
            position = row.0;
            let (Some(is_recorded), Some(user_id), Some(code)) = (row.1, row.2, row.3) else {
                continue;
            };
            let totals = Totals {
                entries: row.4.unwrap_or_default(),
                topup: row.5.unwrap_or_default(),
                payment: row.6.unwrap_or_default(),
                sent: row.7.unwrap_or_default(),
                received: row.8.unwrap_or_default(),
                withdrawal: row.9.unwrap_or_default(),
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

    /// Every row with an id from `first` to `last`, in the order of ids.
    pub(crate) async fn between(&self, first: i64, last: i64) -> Result<Vec<Movement>, Error> {
        let sql = concat!(
            "select ",
            columns!(),
            " from history where id between $1 and $2 order by id"
        );
        let rows: Vec<Row> = on_read!(&self.database, pool => {
            sqlx::query_as(sql).bind(first).bind(last).fetch_all(pool).await
        })?;
        Ok(rows.into_iter().map(movement).collect::<Result<_, _>>()?)
    }
}
