//! What only SQLite does this way: lists as JSON, and a batch as a few statements in one transaction.

use ledger_api::Event;
use serde_json::{Value, json};
use store::SqlitePools;
use store::sqlx::{self, SqlitePool};
use uuid::Uuid;

use super::StoreError;
use super::codec::{self, AccountColumns, LogColumns, StandingColumns, currency_code};
use super::sql::standing;
use crate::domain::{Batch, LogRow, chain};

const OPEN: &str = "
    insert into accounts (id, user_id, balance, currency, status)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 from json_each($1)";
const TOUCH: &str = "
    update accounts set balance = v.value ->> 1, status = v.value ->> 2 from json_each($1) v where accounts.id = v.value ->> 0";
const MOVE: &str = "
    insert into transfers (seq, debit_account, credit_account, amount, debit_balance, credit_balance, payment_id, at, key, kind, description)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, $2,
           unhex(value ->> 7), value ->> 8, value ->> 9
    from json_each($1)";
const HAPPEN: &str = "
    insert into account_events (seq, kind, wallet_id, user_id, currency, status, at, key)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, $2, unhex(value ->> 6)
    from json_each($1)";

/// `false` when the head is elsewhere.
pub(super) async fn commit(
    pools: &SqlitePools,
    batch: &Batch,
    writer: &str,
) -> Result<bool, StoreError> {
    let mut tx = pools.begin().await?;
    let head = &batch.head;
    let moved = sqlx::query(
        "update ledger_head set seq = $2, wallets = $3, payments = $4, at = $5, hash = $6, writer = $7 where id = 0 and seq = $1",
    )
    .bind(batch.before)
    .bind(head.seq)
    .bind(head.wallets)
    .bind(head.payments)
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
    if !opened.is_empty() {
        let row = |a: &&crate::domain::Account| {
            json!([
                a.id,
                a.user_id,
                a.balance,
                currency_code(a.currency),
                chain::status_code(a.status)
            ])
        };
        execute(&mut tx, OPEN, opened.iter().map(row).collect(), head.at).await?;
    }
    let row = |a: &&crate::domain::Account| json!([a.id, a.balance, chain::status_code(a.status)]);
    execute(&mut tx, TOUCH, touched.iter().map(row).collect(), head.at).await?;
    let transfers: Vec<Value> = batch.rows.iter().filter_map(transfer).collect();
    execute(&mut tx, MOVE, transfers, head.at).await?;
    let events: Vec<Value> = batch.rows.iter().filter_map(event).collect();
    execute(&mut tx, HAPPEN, events, head.at).await?;
    for user_id in &batch.closed_users {
        sqlx::query("insert into closed_users (user_id) values ($1) on conflict do nothing")
            .bind(user_id)
            .execute(&mut *tx)
            .await?;
    }
    sqlx::query("insert into batches (last_seq, first_seq, hash, blind) values ($1, $2, $3, $4)")
        .bind(head.seq)
        .bind(batch.before.saturating_add(1))
        .bind(&head.hash[..])
        .bind(&batch.blind[..])
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(true)
}

async fn execute(
    tx: &mut store::Session<sqlx::Sqlite>,
    statement: &'static str,
    rows: Vec<Value>,
    at: i64,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(statement).bind(Value::from(rows).to_string());
    let query = if statement.contains("$2") {
        query.bind(at)
    } else {
        query
    };
    query.execute(&mut **tx).await?;
    Ok(())
}

fn transfer(row: &LogRow) -> Option<Value> {
    let Event::Transfer(transfer) = &row.entry.event else {
        return None;
    };
    Some(json!([
        row.entry.seq,
        transfer.debit.account,
        transfer.credit.account,
        transfer.amount.units(),
        transfer.debit.balance,
        transfer.credit.balance,
        transfer.payment_id,
        row.key.simple().to_string(),
        chain::kind_code(transfer.kind),
        transfer.description,
    ]))
}

fn event(row: &LogRow) -> Option<Value> {
    let columns = codec::event_columns(&row.entry.event)?;
    Some(json!([
        row.entry.seq,
        columns.kind,
        columns.wallet_id,
        columns.user_id,
        columns.currency,
        columns.status,
        row.key.simple().to_string(),
    ]))
}

pub(super) async fn accounts(pool: &SqlitePool, ids: &[i64]) -> sqlx::Result<Vec<AccountColumns>> {
    sqlx::query_as(
        "select id, user_id, balance, currency, status from accounts where id in (select value from json_each($1))",
    )
    .bind(json!(ids).to_string())
    .fetch_all(pool)
    .await
}

pub(super) async fn accounts_at_head(
    pool: &SqlitePool,
    ids: &[i64],
) -> sqlx::Result<Vec<StandingColumns>> {
    sqlx::query_as(standing!("a.id in (select value from json_each($1))"))
        .bind(json!(ids).to_string())
        .fetch_all(pool)
        .await
}

pub(super) async fn accounts_of(
    pool: &SqlitePool,
    users: &[i64],
) -> sqlx::Result<(Vec<AccountColumns>, Vec<i64>)> {
    // Closed users first: who is closed in between has no account yet that the second look-up would miss.
    let users = json!(users).to_string();
    let closed = sqlx::query_scalar(
        "select user_id from closed_users where user_id in (select value from json_each($1))",
    )
    .bind(&users)
    .fetch_all(pool)
    .await?;
    let accounts = sqlx::query_as(
        "select id, user_id, balance, currency, status from accounts where user_id in (select value from json_each($1))",
    )
    .bind(&users)
    .fetch_all(pool)
    .await?;
    Ok((accounts, closed))
}

pub(super) async fn find(pool: &SqlitePool, keys: &[Uuid]) -> sqlx::Result<Vec<LogColumns>> {
    let keys: Vec<String> = keys.iter().map(|key| key.simple().to_string()).collect();
    sqlx::query_as(
        "select seq, kind, debit_account, credit_account, amount, debit_balance, credit_balance, payment_id, at, key, description
         from transfers where key in (select unhex(value) from json_each($1))
         union all
         select seq, kind, wallet_id, user_id, currency, status, null, null, at, key, null
         from account_events where key in (select unhex(value) from json_each($1))",
    )
    .bind(json!(keys).to_string())
    .fetch_all(pool)
    .await
}
