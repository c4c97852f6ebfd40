//! Adding payments on SQLite where nothing else was added: many rows a statement, because a statement for each costs several times as much.

use feed_follower::Position;
use store::SqlitePools;
use store::sqlx::{self, Connection as _, QueryBuilder};

use crate::domain::Payment;

/// Rows that one statement adds: enough that the way to the database's thread costs little, and few enough that every page has
/// such statements, whose text is prepared once.
const ROWS_MAX: usize = 100;

const MOVE: &str =
    "update feed_position set seq = $2, ledger = $3, mark = $4 where id = 0 and seq = $1";

pub(super) async fn append(
    pools: &SqlitePools,
    from: i64,
    to: &Position,
    payments: &[Payment],
) -> sqlx::Result<bool> {
    // A crash undoes rows and position together, and then the log is followed from there again.
    pools.without_waiting(async |connection| {
        let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
        let moved = sqlx::query(MOVE)
                .bind(from)
                .bind(to.seq)
                .bind(to.ledger)
                .bind(&to.mark);
        if moved.execute(&mut *tx).await?.rows_affected() == 0 {
            return Ok(false);
        }
        for payments in payments.chunks(ROWS_MAX) {
            let mut insert = QueryBuilder::new(
                "insert into payments (id, user_id, wallet_id, merchant, amount, currency, created_at, seq) ",
            );
            insert.push_values(payments, |mut row, payment| {
                row.push_bind(payment.id)
                    .push_bind(payment.user_id)
                    .push_bind(payment.wallet_id)
                    .push_bind(&payment.merchant)
                    .push_bind(payment.amount)
                    .push_bind(payment.currency.code())
                    .push_bind(payment.created_at.micros())
                    .push_bind(payment.seq);
            });
            let insert = insert.build().persistent(payments.len() == ROWS_MAX);
            insert.execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(true)
    }).await
}
