//! Adding rows on PostgreSQL: one statement, one round trip.

use feed_follower::Position;
use store::PostgresPool;
use store::sqlx;

use super::on_totals_conflict;
use crate::domain::{Batch, Movement};

/// The rows go in only where the position moved, and their numbers go on from the last one. The commit does not wait for the disk: a
/// crash undoes rows and position together, and then the log is followed from there again.
const APPEND: &str = concat!(
    "with moved as (
        update feed_position set seq = $2, last_number = last_number + cardinality($6::int8[]), ledger = $24, mark = $25
        where id = 0 and seq = $1 returning last_number - cardinality($6::int8[]) as last_number
    ), opened as (
        insert into wallets (wallet_id, user_id, currency)
        select v.* from moved, unnest($3::int8[], $4::int8[], $5::text[]) v
    ), added as (
        insert into history (number, id, user_id, wallet_id, kind, amount, currency, description, counterparty_wallet_id,
            balance_after, payment_id, created_at)
        select moved.last_number + v.n, v.id, v.user_id, v.wallet_id, v.kind, v.amount, v.currency, v.description, v.other,
            v.balance, v.payment_id, v.created_at
        from moved, unnest($6::int8[], $7::int8[], $8::int8[], $9::int2[], $10::int8[], $11::text[], $12::text[], $13::int8[],
            $14::int8[], $15::int8[], $16::int8[], $23::int8[])
            v (id, user_id, wallet_id, kind, amount, currency, description, other, balance, payment_id, created_at, n)
    ), counted as (
        insert into totals as t (user_id, currency, kind, is_in, entries, amount)
        select v.* from moved, unnest($17::int8[], $18::text[], $19::int2[], $20::bool[], $21::int8[], $22::int8[]) v ",
    on_totals_conflict!(),
    "
    )
    select count(*), set_config('synchronous_commit', 'off', true) from moved"
);

pub(super) async fn append(
    pool: &PostgresPool,
    from: i64,
    to: &Position,
    batch: &Batch,
) -> sqlx::Result<bool> {
    let (opened, rows) = (&batch.opened, &batch.movements);
    let column = |field: fn(&Movement) -> i64| rows.iter().map(field).collect::<Vec<_>>();
    let texts = |field: fn(&Movement) -> &str| rows.iter().map(field).collect::<Vec<_>>();
    let options = |field: fn(&Movement) -> Option<i64>| rows.iter().map(field).collect::<Vec<_>>();
    let kinds: Vec<i16> = rows.iter().map(|row| row.kind.code.0).collect();
    let wallets: Vec<i64> = opened.iter().map(|wallet| wallet.wallet_id).collect();
    let owners: Vec<i64> = opened.iter().map(|wallet| wallet.user_id).collect();
    let wallet_currencies: Vec<&str> = opened.iter().map(|w| w.currency.code()).collect();
    let sums = &batch.sums;
    let sum_users: Vec<i64> = sums.keys().map(|of| of.user_id).collect();
    let sum_currencies: Vec<&str> = sums.keys().map(|of| of.currency.code()).collect();
    let sum_kinds: Vec<i16> = sums.keys().map(|of| of.kind.0).collect();
    let sum_directions: Vec<bool> = sums.keys().map(|of| of.is_in).collect();
    let sum_entries: Vec<i64> = sums.values().map(|sum| sum.entries).collect();
    let sum_amounts: Vec<i64> = sums.values().map(|sum| sum.amount).collect();
    let mut session = pool.lend().await?;
    let (moved, _): (i64, String) = sqlx::query_as(APPEND)
        .bind(from)
        .bind(to.seq)
        .bind(wallets)
        .bind(owners)
        .bind(wallet_currencies)
        .bind(column(|row| row.side))
        .bind(column(|row| row.user_id))
        .bind(column(|row| row.wallet_id))
        .bind(kinds)
        .bind(column(|row| row.amount))
        .bind(texts(|row| row.currency.code()))
        .bind(texts(|row| &row.description))
        .bind(options(|row| row.counterparty_wallet_id))
        .bind(options(|row| row.balance_after))
        .bind(options(|row| row.payment_id))
        .bind(column(|row| row.created_at.micros()))
        .bind(sum_users)
        .bind(sum_currencies)
        .bind(sum_kinds)
        .bind(sum_directions)
        .bind(sum_entries)
        .bind(sum_amounts)
        // Counted from 1. `with ordinality` would say the same, and takes the database a sixth longer for the whole statement.
        .bind(column(|row| row.id))
        .bind(to.ledger)
        .bind(&to.mark)
        .fetch_one(&mut *session)
        .await?;
    session.commit().await?;
    Ok(moved == 1)
}
