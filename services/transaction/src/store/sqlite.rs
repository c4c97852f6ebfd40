//! Adding rows on SQLite: many rows a statement, because a statement for each costs several times as much.

use feed_follower::Position;
use store::SqlitePools;
use store::sqlx::{self, Connection as _, QueryBuilder, Sqlite, Transaction};

use super::on_totals_conflict;
use crate::domain::{Batch, Movement};

/// Rows that one statement adds: enough that the way to the database's thread costs little, and few enough that every page has
/// such statements, whose text is prepared once.
const ROWS_MAX: usize = 100;

const MOVE: &str = "update feed_position set seq = $2, last_number = last_number + $3, ledger = $4, mark = $5 \
    where id = 0 and seq = $1 returning last_number - $3";

pub(super) async fn append(
    pools: &SqlitePools,
    from: i64,
    to: &Position,
    batch: &Batch,
) -> sqlx::Result<bool> {
    // A crash undoes rows and position together, and then the log is followed from there again.
    pools
        .without_waiting(async |connection| {
            let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
            let count = i64::try_from(batch.movements.len()).unwrap_or(i64::MAX);
            let moved = sqlx::query_scalar(MOVE)
                .bind(from)
                .bind(to.seq)
                .bind(count)
                .bind(to.ledger)
                .bind(&to.mark);
            let Some(last_number) = moved.fetch_optional(&mut *tx).await? else {
                return Ok(false);
            };
            let mut number: i64 = last_number;
            add_wallets(&mut tx, batch).await?;
            for rows in batch.movements.chunks(ROWS_MAX) {
                number = add_movements(&mut tx, rows, number).await?;
            }
            add_sums(&mut tx, batch).await?;
            tx.commit().await?;
            Ok(true)
        })
        .await
}

async fn add_wallets(tx: &mut Transaction<'_, Sqlite>, batch: &Batch) -> sqlx::Result<()> {
    for wallets in batch.opened.chunks(ROWS_MAX) {
        let mut insert = QueryBuilder::new("insert into wallets (wallet_id, user_id, currency) ");
        insert.push_values(wallets, |mut row, wallet| {
            row.push_bind(wallet.wallet_id)
                .push_bind(wallet.user_id)
                .push_bind(wallet.currency.code());
        });
        execute(tx, insert, wallets.len()).await?;
    }
    Ok(())
}

/// They count on from the last number; gives theirs.
async fn add_movements(
    tx: &mut Transaction<'_, Sqlite>,
    movements: &[Movement],
    last_number: i64,
) -> sqlx::Result<i64> {
    let mut number = last_number;
    let mut insert = QueryBuilder::new(
        "insert into history (number, id, user_id, wallet_id, kind, amount, currency, description, \
         counterparty_wallet_id, balance_after, payment_id, created_at) ",
    );
    insert.push_values(movements, |mut row, movement| {
        number = number.saturating_add(1);
        row.push_bind(number)
            .push_bind(movement.side)
            .push_bind(movement.user_id)
            .push_bind(movement.wallet_id)
            .push_bind(movement.kind.code.0)
            .push_bind(movement.amount)
            .push_bind(movement.currency.code())
            .push_bind(&movement.description)
            .push_bind(movement.counterparty_wallet_id)
            .push_bind(movement.balance_after)
            .push_bind(movement.payment_id)
            .push_bind(movement.created_at.micros());
    });
    execute(tx, insert, movements.len()).await?;
    Ok(number)
}

async fn add_sums(tx: &mut Transaction<'_, Sqlite>, batch: &Batch) -> sqlx::Result<()> {
    let sums: Vec<_> = batch.sums.iter().collect();
    for sums in sums.chunks(ROWS_MAX) {
        let mut upsert = QueryBuilder::new(
            "insert into totals as t (user_id, currency, kind, is_in, entries, amount) ",
        );
        upsert.push_values(sums, |mut row, (of, sum)| {
            row.push_bind(of.user_id)
                .push_bind(of.currency.code())
                .push_bind(of.kind.0)
                .push_bind(of.is_in)
                .push_bind(sum.entries)
                .push_bind(sum.amount);
        });
        upsert.push(concat!(" ", on_totals_conflict!()));
        execute(tx, upsert, sums.len()).await?;
    }
    Ok(())
}

/// Only the text for a full statement is worth keeping.
async fn execute(
    tx: &mut Transaction<'_, Sqlite>,
    mut statement: QueryBuilder<Sqlite>,
    rows: usize,
) -> sqlx::Result<()> {
    let statement = statement.build().persistent(rows == ROWS_MAX);
    statement.execute(&mut **tx).await?;
    Ok(())
}
