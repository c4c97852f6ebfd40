//! Reads of everything, for an audit.

use ledger_api::{KindCode, Kinds};
use store::{in_transaction, on_read, sqlx};

use super::record::{COUNT, count};
use super::{Error, Row, Store, columns, currency, kind, movement};
use crate::domain::{FIRST_RECORDED_ID, Movement, Sum, SumOf, Sums, comes_in, last_side};

/// The position, whether the row is of `totals` (0) or a sum of recorded entries (1), user, currency, kind, direction (unknown of
/// recorded entries, where it follows from the kind), how many entries, and the upper and the lower half of the amount.
type SumsRow = (
    i64,
    Option<i32>,
    Option<i64>,
    Option<String>,
    Option<i16>,
    Option<bool>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
);

/// The log begins anew, and with it the numbers of its rows.
const FORGET: &str = "
    update feed_position set seq = 0, ledger = null, mark = null, last_number = 0 where id = 0";

/// One statement sees one state. The halves of amounts are summed apart: neither can leave 64 bits.
const SUMS: &str = "
    select p.seq, s.* from feed_position p left join (
        select 0 as recorded, user_id, currency, kind, is_in, entries, amount >> 32 as upper, amount & 4294967295 as lower
        from totals
        union all select 1, user_id, currency, kind, null, count(*), cast(sum(amount >> 32) as bigint),
            cast(sum(amount & 4294967295) as bigint)
        from history where number >= $1 group by user_id, currency, kind
    ) s on true";

/// An amount of its halves. One that reaches the end stays there, as those that are kept do.
fn whole(upper: i64, lower: i64) -> i64 {
    let amount = (i128::from(upper) << 32) + i128::from(lower);
    i64::try_from(amount).unwrap_or(i64::MAX)
}

/// All that there is at one moment.
#[derive(Default)]
pub(crate) struct Whole {
    /// The last entry that is in it.
    pub(crate) position: i64,
    /// The sums as they are kept.
    pub(crate) kept: Sums,
    /// The sums of recorded entries.
    pub(crate) recorded: Sums,
}

impl Whole {
    fn of(rows: Vec<SumsRow>, kinds: &Kinds) -> Result<Whole, sqlx::Error> {
        let mut all = Whole::default();
        for row in rows {
            all.position = row.0;
            let (Some(is_recorded), Some(user_id), Some(currency_code)) = (row.1, row.2, row.3)
            else {
                continue;
            };
            let (Some(code), Some(entries), Some(upper), Some(lower)) =
                (row.4, row.6, row.7, row.8)
            else {
                continue;
            };
            let of = SumOf {
                user_id,
                currency: currency(&currency_code)?,
                kind: KindCode(code),
                is_in: match row.5 {
                    Some(is_in) => is_in,
                    None => comes_in(kind(code, kinds)?),
                },
            };
            let sums = if is_recorded == 1 {
                &mut all.recorded
            } else {
                &mut all.kept
            };
            let amount = whole(upper, lower);
            sums.insert(of, Sum { entries, amount });
        }
        Ok(all)
    }
}

impl Store {
    /// The position, all sums as they are kept, and the sums of recorded entries: all at one moment.
    pub(crate) async fn whole(&self) -> Result<Whole, Error> {
        let rows: Vec<SumsRow> = on_read!(&self.database, pool => {
            sqlx::query_as(SUMS).bind(FIRST_RECORDED_ID).fetch_all(pool).await
        })?;
        Ok(Whole::of(rows, self.kinds)?)
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
            let Whole { recorded, .. } = Whole::of(rows, self.kinds)?;
            sqlx::query("delete from history where id < $1")
                .bind(FIRST_RECORDED_ID)
                .execute(&mut *tx)
                .await?;
            sqlx::query("delete from wallets").execute(&mut *tx).await?;
            sqlx::query("delete from totals").execute(&mut *tx).await?;
            for (of, sum) in &recorded {
                count(sqlx::query(COUNT), of, *sum).execute(&mut *tx).await?;
            }
            Ok::<_, Error>(())
        })
    }

    /// A row that says to be a side of an entry up to `position`, and has none of the ids up to `last_id`, which those have.
    pub(crate) async fn beyond(&self, last_id: i64, position: i64) -> Result<Option<i64>, Error> {
        let sql = "select number from history where number > $1 and id <= $2 limit 1";
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
        let rows = rows.into_iter().map(|row| movement(row, self.kinds));
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, and says where"
)]
mod tests {
    use store::{Database, Step};
    use testing::{every_database, execute};
    use wallet_api::{KINDS, TOPUP, TRANSFER, WITHDRAWAL};

    use super::*;
    use crate::STEPS;
    use crate::domain::Batch;

    const RECORDED: i64 = FIRST_RECORDED_ID;

    /// Two rows of the log and four that were recorded, as the release before wrote them: of the kinds 1, 3 and 5, and so much that
    /// the sum reaches its end.
    const BEFORE: [&str; 5] = [
        "insert into history (number, id, user_id, wallet_id, kind, amount, currency, description, created_at) values
            (1, 10, 1, 1, 3, 20, 'IDR', 'Transfer to user 2', 3), (2, 11, 2, 2, 4, 20, 'IDR', 'Transfer from user 1', 3)",
        "insert into history (number, id, user_id, wallet_id, kind, amount, currency, description, created_at) values
            (4503599627370496, 4503599627370496, 1, 1, 5, 5, 'IDR', 'Old counter', 4),
            (4503599627370497, 4503599627370497, 1, 1, 3, 9, 'USD', 'Old counter', 4),
            (4503599627370498, 4503599627370498, 2, 2, 1, 9223372036854775807, 'IDR', 'Old counter', 4),
            (4503599627370499, 4503599627370499, 2, 2, 1, 1, 'IDR', 'Old counter', 4)",
        "insert into wallets values (1, 1, 'IDR'), (2, 2, 'IDR')",
        "insert into totals (user_id, currency, entries, topup, payment, sent, received, withdrawal) values
            (1, 'IDR', 2, 0, 0, 20, 0, 5), (1, 'USD', 1, 0, 0, 9, 0, 0), (2, 'IDR', 3, 9223372036854775807, 0, 0, 20, 0)",
        "update feed_position set seq = 6, numbered = 6, last_number = 2, mark = 'a mark' where id = 0",
    ];

    #[tokio::test]
    async fn of_a_history_of_the_release_before_only_what_services_recorded_stays() {
        for database in every_database().await {
            let config = database.config("transaction");
            let database = Database::open(&config).await.unwrap();
            let mut before: Vec<Step> = STEPS.to_vec();
            before.retain(|step| step.version < 5);
            database.migrate(&config, &before).await.unwrap();
            for statement in BEFORE {
                execute(&database, statement).await.unwrap();
            }
            database.migrate(&config, STEPS).await.unwrap();

            let store = Store::new(database, &KINDS);
            let position = store.position().await.unwrap();
            assert_eq!(position, feed_follower::Position::default());
            let rows = store.between(1, i64::MAX).await.unwrap();
            let rows = rows
                .iter()
                .map(|row| (row.id - RECORDED, row.kind.code, row.is_in()));
            let expected = [
                (0, WITHDRAWAL.code, false),
                (1, TRANSFER.code, false),
                (2, TOPUP.code, true),
                (3, TOPUP.code, true),
            ];
            assert!(rows.eq(expected));
            let whole = store.whole().await.unwrap();
            assert_eq!(whole.kept, whole.recorded);
            let sums = whole.kept.iter();
            let sums = sums.map(|(of, sum)| (of.user_id, of.kind, sum.entries, sum.amount));
            let expected = [
                (1, WITHDRAWAL.code, 1, 5),
                (1, TRANSFER.code, 1, 9),
                (2, TOPUP.code, 2, i64::MAX),
            ];
            assert!(sums.eq(expected));
            assert_eq!(store.wallet(1).await.unwrap(), None);
            // The log is followed from its beginning.
            let to = feed_follower::Position { seq: 1, ..position };
            assert!(store.append(0, &to, &Batch::default()).await.unwrap());
        }
    }
}
