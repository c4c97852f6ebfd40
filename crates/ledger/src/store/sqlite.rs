//! The part that is different on SQLite: lists as JSON, and a batch as a few statements in one transaction.

use serde_json::{Value, json};
use store::SqlitePools;
use store::sqlx::{self, SqlitePool};
use uuid::Uuid;

use super::StoreError;
use super::rows::{
    AccountRow, HeadAndAccountRow, HoldingRow, LogRecord, RemainderRow, currency_code,
    event_columns, stored_actor, tier_of, usage_of, usage_text,
};
use super::sql::{head_and_accounts, holdings, remainders};
use crate::domain::{Account, Batch, LogRow, Remainder, chain};

const MOVE_HEAD: &str = "
    update ledger_head set seq = $2, wallets = $3, numbers = $4, at = $5, hash = $6, writer = $7
    where id = 0 and seq = $1";
const OPEN: &str = "
    insert into accounts (id, user_id, balance, currency, status, tier, usage)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6 from json_each($1)";
const TOUCH: &str = "
    update accounts set balance = v.value ->> 1, status = v.value ->> 2, tier = coalesce(v.value ->> 3, tier), usage = coalesce(v.value ->> 4, usage)
    from json_each($1) v where accounts.id = v.value ->> 0";
const POST: &str = "
    insert into postings (seq, debit_account, credit_account, amount, debit_balance, credit_balance, at, key, kind,
                          number, by_actor, draws_on, group_seq, expires_at, note)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, unhex(value ->> 7), value ->> 8,
           value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14
    from json_each($1)";
const HAPPEN: &str = "
    insert into account_events (seq, kind, wallet_id, user_id, currency, status, by_actor, at, key, text)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, unhex(value ->> 8), value ->> 9
    from json_each($1)";
const DRAW: &str = "
    insert into remainders (seq, amount, used, last_draw, expires_at, held_of)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 from json_each($1) where true
    on conflict (seq) do update set used = excluded.used, last_draw = excluded.last_draw";
const CLOSE: &str = "
    insert into closed_users (user_id) select value from json_each($1) where true on conflict do nothing";
const BATCH: &str =
    "insert into batches (last_seq, first_seq, hash, blind) values ($1, $2, $3, $4)";

/// `false` when the head is elsewhere.
pub(super) async fn commit(
    pools: &SqlitePools,
    batch: &Batch,
    writer: &str,
) -> Result<bool, StoreError> {
    let mut tx = pools.begin().await?;
    let head = &batch.head;
    let moved = sqlx::query(MOVE_HEAD)
        .bind(batch.before)
        .bind(head.seq)
        .bind(head.wallets)
        .bind(head.numbers)
        .bind(head.at)
        .bind(&head.hash[..])
        .bind(writer)
        .execute(&mut *tx)
        .await?;
    if moved.rows_affected() == 0 {
        return Ok(false);
    }
    let (opened, touched): (Vec<_>, Vec<_>) = batch
        .accounts
        .values()
        .partition(|account| batch.opened.contains(&account.id));
    execute(&mut tx, OPEN, opened.into_iter().map(opened_account)).await?;
    let touched = touched
        .into_iter()
        .map(|account| touched_account(batch, account));
    execute(&mut tx, TOUCH, touched).await?;
    execute(&mut tx, POST, batch.rows.iter().filter_map(posting)).await?;
    execute(&mut tx, HAPPEN, batch.rows.iter().filter_map(event)).await?;
    execute(&mut tx, DRAW, batch.remainders.values().map(remainder)).await?;
    let closed_users = batch.closed_users.iter().map(|id| json!(id));
    execute(&mut tx, CLOSE, closed_users).await?;
    sqlx::query(BATCH)
        .bind(head.seq)
        .bind(batch.before.saturating_add(1))
        .bind(&head.hash[..])
        .bind(&batch.blind[..])
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(true)
}

/// Executes a statement whose parameter is a list of rows; none for an empty list.
async fn execute(
    tx: &mut store::Session<sqlx::Sqlite>,
    statement: &'static str,
    rows: impl Iterator<Item = Value>,
) -> Result<(), StoreError> {
    let rows: Vec<Value> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(statement)
        .bind(Value::from(rows).to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn opened_account(account: &Account) -> Value {
    json!([
        account.id,
        account.user_id,
        account.balance,
        currency_code(account.currency),
        chain::status_code(account.status),
        account.tier.code(),
        usage_text(&account.usage),
    ])
}

fn touched_account(batch: &Batch, account: &Account) -> Value {
    json!([
        account.id,
        account.balance,
        chain::status_code(account.status),
        tier_of(batch, account),
        usage_of(batch, account),
    ])
}

fn posting(row: &LogRow) -> Option<Value> {
    let posting = row.entry.event.as_posting()?;
    Some(json!([
        row.entry.seq,
        posting.debit.account,
        posting.credit.account,
        posting.amount.units(),
        posting.debit.balance,
        posting.credit.balance,
        row.entry.at,
        row.key.simple().to_string(),
        posting.kind.0,
        posting.number,
        stored_actor(posting),
        posting.draws_on,
        posting.group,
        posting.expires_at,
        posting.note,
    ]))
}

fn event(row: &LogRow) -> Option<Value> {
    let columns = event_columns(&row.entry.event)?;
    Some(json!([
        row.entry.seq,
        columns.kind,
        columns.wallet_id,
        columns.user_id,
        columns.currency,
        columns.status,
        columns.by_actor,
        row.entry.at,
        row.key.simple().to_string(),
        columns.text,
    ]))
}

fn remainder(remainder: &Remainder) -> Value {
    json!([
        remainder.seq,
        remainder.amount,
        remainder.used,
        remainder.last_draw,
        remainder.expires_at,
        remainder.held_of(),
    ])
}

pub(super) async fn accounts(pool: &SqlitePool, ids: &[i64]) -> sqlx::Result<Vec<AccountRow>> {
    sqlx::query_as(
        "select id, user_id, balance, currency, status, tier, usage from accounts where id in (select value from json_each($1))",
    )
    .bind(json!(ids).to_string())
    .fetch_all(pool)
    .await
}

pub(super) async fn accounts_at_head(
    pool: &SqlitePool,
    ids: &[i64],
) -> sqlx::Result<Vec<HeadAndAccountRow>> {
    sqlx::query_as(head_and_accounts!(
        "a.id in (select value from json_each($1))"
    ))
    .bind(json!(ids).to_string())
    .fetch_all(pool)
    .await
}

pub(super) async fn accounts_of(
    pool: &SqlitePool,
    users: &[i64],
) -> sqlx::Result<(Vec<AccountRow>, Vec<i64>)> {
    // Closed users first: who is closed in between has no account yet that the second look-up would miss.
    let users = json!(users).to_string();
    let closed = sqlx::query_scalar(
        "select user_id from closed_users where user_id in (select value from json_each($1))",
    )
    .bind(&users)
    .fetch_all(pool)
    .await?;
    let accounts = sqlx::query_as(
        "select id, user_id, balance, currency, status, tier, usage from accounts where user_id in (select value from json_each($1))",
    )
    .bind(&users)
    .fetch_all(pool)
    .await?;
    Ok((accounts, closed))
}

pub(super) async fn remainders_of(
    pool: &SqlitePool,
    seqs: &[i64],
) -> sqlx::Result<Vec<RemainderRow>> {
    sqlx::query_as(remainders!("p.seq in (select value from json_each($1))"))
        .bind(json!(seqs).to_string())
        .fetch_all(pool)
        .await
}

pub(super) async fn holdings(pool: &SqlitePool, ids: &[i64]) -> sqlx::Result<Vec<HoldingRow>> {
    sqlx::query_as(holdings!("a.id in (select value from json_each($1))"))
        .bind(json!(ids).to_string())
        .fetch_all(pool)
        .await
}

pub(super) async fn holdings_of(pool: &SqlitePool, users: &[i64]) -> sqlx::Result<Vec<HoldingRow>> {
    sqlx::query_as(holdings!("a.user_id in (select value from json_each($1))"))
        .bind(json!(users).to_string())
        .fetch_all(pool)
        .await
}

pub(super) async fn find(pool: &SqlitePool, keys: &[Uuid]) -> sqlx::Result<Vec<LogRecord>> {
    let keys: Vec<String> = keys.iter().map(|key| key.simple().to_string()).collect();
    sqlx::query_as(include_str!("sql/find_sqlite.sql"))
        .bind(json!(keys).to_string())
        .fetch_all(pool)
        .await
}
