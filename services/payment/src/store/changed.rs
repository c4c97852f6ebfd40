//! Adding a stretch of the log with holds, captures or refunds: the holds that it draws on are read, and written as they are after it.
//!
//! The position moves first, and its row is the lock: nobody else changes a hold between.

use feed_follower::Position;
use store::sqlx::{self, QueryBuilder};
use store::{Database, in_transaction};

use super::rows::HoldRow;
use super::{Error, Store, all, holds};
use crate::changes::Changes;
use crate::holds::Hold;

/// Rows that one statement adds: with the columns of a hold far below the parameters that either database takes.
pub(crate) const ROWS_MAX: usize = 100;

const MOVE: &str =
    "update feed_position set seq = $2, ledger = $3, mark = $4 where id = 0 and seq = $1";
/// A crash undoes rows and position together, and then the log is followed from there again.
const WITHOUT_WAITING: &str = "set local synchronous_commit = off";

const HOLDS: &str = "insert into holds (id, user_id, wallet_id, merchant, amount, currency, created_at, expires_at, captured, released, \
                     state, last_seq) ";
const HOLDS_CHANGED: &str = " on conflict (id) do update set captured = excluded.captured, released = excluded.released, \
                             state = excluded.state, last_seq = excluded.last_seq";
const PAYMENTS: &str = "insert into payments (id, user_id, wallet_id, merchant, amount, currency, created_at, seq, hold_id) ";
const REFUNDS: &str =
    "insert into refunds (id, payment_seq, amount, by_actor, note, is_unclaimed, created_at) ";

impl Store {
    /// As [`Store::append`], for anything that the log may have.
    pub(super) async fn append_any(
        &self,
        from: i64,
        to: &Position,
        changes: Changes,
    ) -> Result<bool, Error> {
        let is_postgres = matches!(self.database, Database::Postgres(_));
        in_transaction!(&self.database, tx => {
            if is_postgres {
                sqlx::query(WITHOUT_WAITING).execute(&mut *tx).await?;
            }
            let moved = sqlx::query(MOVE)
                .bind(from)
                .bind(to.seq)
                .bind(to.ledger)
                .bind(&to.mark)
                .execute(&mut *tx)
                .await?;
            if moved.rows_affected() == 0 {
                return Ok(false);
            }
            let mut earlier: Vec<Hold> = Vec::new();
            for ids in changes.earlier_holds().chunks(ROWS_MAX) {
                let mut query = QueryBuilder::new(holds!("id in ("));
                let mut list = query.separated(", ");
                for id in ids {
                    list.push_bind(*id);
                }
                query.push(")");
                let rows: Vec<HoldRow> = query.build_query_as().fetch_all(&mut *tx).await?;
                earlier.extend(all::<_, Hold>(rows)?);
            }
            let folded = changes.fold(earlier);
            for holds in folded.holds.chunks(ROWS_MAX) {
                let mut insert = QueryBuilder::new(HOLDS);
                insert.push_values(holds, |mut row, hold| {
                    row.push_bind(hold.id)
                        .push_bind(hold.user_id)
                        .push_bind(hold.wallet_id)
                        .push_bind(&hold.merchant)
                        .push_bind(hold.amount)
                        .push_bind(hold.currency.code())
                        .push_bind(hold.created_at.micros())
                        .push_bind(hold.expires_at.micros())
                        .push_bind(hold.captured)
                        .push_bind(hold.released)
                        .push_bind(hold.state.code())
                        .push_bind(hold.last_seq);
                });
                insert.push(HOLDS_CHANGED);
                insert.build().execute(&mut *tx).await?;
            }
            for payments in folded.payments.chunks(ROWS_MAX) {
                let mut insert = QueryBuilder::new(PAYMENTS);
                insert.push_values(payments, |mut row, payment| {
                    row.push_bind(payment.id)
                        .push_bind(payment.user_id)
                        .push_bind(payment.wallet_id)
                        .push_bind(&payment.merchant)
                        .push_bind(payment.amount)
                        .push_bind(payment.currency.code())
                        .push_bind(payment.created_at.micros())
                        .push_bind(payment.seq)
                        .push_bind(payment.hold_id);
                });
                insert.build().execute(&mut *tx).await?;
            }
            for refunds in folded.refunds.chunks(ROWS_MAX) {
                let mut insert = QueryBuilder::new(REFUNDS);
                insert.push_values(refunds, |mut row, refund| {
                    row.push_bind(refund.id)
                        .push_bind(refund.payment_seq)
                        .push_bind(refund.amount)
                        .push_bind(refund.by)
                        .push_bind(&refund.note)
                        .push_bind(refund.is_unclaimed)
                        .push_bind(refund.created_at.micros());
                });
                insert.build().execute(&mut *tx).await?;
            }
            Ok::<bool, Error>(true)
        })
    }
}
