//! Adding rows on SQLite: they travel as one JSON text, because a statement for each costs ten times as much.

use store::sqlx::{self, SqlitePool};

use crate::domain::Payment;

const MOVE: &str = "update feed_position set seq = $2 where id = 0 and seq = $1";

const ADD: &str = "
    insert into payments (id, user_id, wallet_id, merchant, amount, currency, created_at)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6 from json_each($1)";

pub(super) async fn append(
    pool: &SqlitePool,
    from: i64,
    to: i64,
    payments: &[Payment],
) -> sqlx::Result<bool> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let moved = sqlx::query(MOVE).bind(from).bind(to);
    if moved.execute(&mut *tx).await?.rows_affected() == 0 {
        return Ok(false);
    }
    if !payments.is_empty() {
        let rows = sqlx::query(ADD).bind(rows(payments)?);
        rows.execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// One array a payment, in the order of the columns.
fn rows(payments: &[Payment]) -> sqlx::Result<String> {
    let rows: Vec<_> = payments
        .iter()
        .map(|payment| {
            (
                payment.id,
                payment.user_id,
                payment.wallet_id,
                &payment.merchant,
                payment.amount,
                payment.currency,
                payment.created_at.micros(),
            )
        })
        .collect();
    serde_json::to_string(&rows).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}
