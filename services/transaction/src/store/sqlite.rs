//! Adding rows on SQLite: they travel as JSON texts, because a statement for each costs several times as much.

use serde::Serialize;
use store::sqlx::{self, SqlitePool};

use super::on_totals_conflict;
use crate::domain::Batch;

const MOVE: &str = "update feed_position set seq = $2 where id = 0 and seq = $1";

const OPEN: &str = "insert into wallets (wallet_id, user_id, currency)
    select value ->> 0, value ->> 1, value ->> 2 from json_each($1)";

const ADD: &str = "
    insert into history (id, user_id, wallet_id, kind, amount, currency, description, counterparty_wallet_id,
        balance_after, payment_id, created_at)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
        value ->> 8, value ->> 9, value ->> 10
    from json_each($1)";

// Without `where true` SQLite takes `on` for the condition of a join.
const COUNT: &str = concat!(
    "insert into totals as t (user_id, currency, entries, topup, payment, sent, received, withdrawal)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7
    from json_each($1) where true ",
    on_totals_conflict!()
);

pub(super) async fn append(
    pool: &SqlitePool,
    from: i64,
    to: i64,
    batch: &Batch,
) -> sqlx::Result<bool> {
    // The texts are made before the write lock is taken.
    let steps = [
        (OPEN, opened(batch)?),
        (ADD, movements(batch)?),
        (COUNT, totals(batch)?),
    ];
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let moved = sqlx::query(MOVE).bind(from).bind(to);
    if moved.execute(&mut *tx).await?.rows_affected() == 0 {
        return Ok(false);
    }
    for (sql, rows) in steps {
        sqlx::query(sql).bind(rows).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(true)
}

fn opened(batch: &Batch) -> sqlx::Result<String> {
    json(
        batch
            .opened
            .iter()
            .map(|wallet| (wallet.wallet_id, wallet.user_id, wallet.currency)),
    )
}

fn movements(batch: &Batch) -> sqlx::Result<String> {
    json(batch.movements.iter().map(|row| {
        (
            row.id,
            row.user_id,
            row.wallet_id,
            row.kind.code(),
            row.amount,
            row.currency,
            &row.description,
            row.counterparty_wallet_id,
            row.balance_after,
            row.payment_id,
            row.created_at.micros(),
        )
    }))
}

fn totals(batch: &Batch) -> sqlx::Result<String> {
    json(batch.totals.iter().map(|((user_id, currency), sums)| {
        (
            user_id,
            currency,
            sums.entries,
            sums.topup,
            sums.payment,
            sums.sent,
            sums.received,
            sums.withdrawal,
        )
    }))
}

/// One array a row, in the order of the columns.
fn json(rows: impl Iterator<Item: Serialize>) -> sqlx::Result<String> {
    let rows: Vec<_> = rows.collect();
    serde_json::to_string(&rows).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}
