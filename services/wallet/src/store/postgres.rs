//! What only PostgreSQL does this way: arrays as parameters, and the whole batch as one statement.

use store::sqlx::postgres::PgPool;
use store::sqlx::{self, Row as _};
use uuid::Uuid;
use wallet_api::Event;

use super::StoreError;
use super::codec::{self, AccountColumns, LogColumns, StandingColumns, currency_code};
use super::sql::standing;
use crate::domain::{Batch, chain};

/// Appends a batch: one statement, one round trip, one commit. The head moves only from where the batch was decided; if it is
/// elsewhere, every part that selects from it writes nothing. The parts see the state before the statement, so a new account
/// is inserted as it will stand and is not among those that are updated.
const COMMIT: &str = "
    with head as (
        update ledger_head set seq = $2, wallets = $3, payments = $4, at = $5, hash = $6
        where id = 0 and seq = $1 returning 1),
    opened as (
        insert into accounts (id, user_id, balance, currency, status)
        select v.* from head, unnest($7::int8[], $8::int8[], $9::int8[], $10::int2[], $11::int2[]) v),
    touched as (
        update accounts a set balance = v.balance, status = v.status
        from head, unnest($12::int8[], $13::int8[], $14::int2[]) v (id, balance, status)
        where a.id = v.id),
    moved as (
        insert into transfers (seq, debit_account, credit_account, amount, debit_balance, credit_balance, payment_id, at, key, kind, description)
        select v.seq, v.debit, v.credit, v.amount, v.debit_balance, v.credit_balance, v.payment_id, $5, v.key, v.kind, v.description
        from head, unnest($15::int8[], $16::int8[], $17::int8[], $18::int8[], $19::int8[], $20::int8[], $21::int8[], $22::uuid[],
                          $23::int2[], $24::text[])
            v (seq, debit, credit, amount, debit_balance, credit_balance, payment_id, key, kind, description)),
    happened as (
        insert into account_events (seq, kind, wallet_id, user_id, currency, status, at, key)
        select v.seq, v.kind, v.wallet_id, v.user_id, v.currency, v.status, $5, v.key
        from head, unnest($25::int8[], $26::int2[], $27::int8[], $28::int8[], $29::int2[], $30::int2[], $31::uuid[])
            v (seq, kind, wallet_id, user_id, currency, status, key)),
    closed as (
        insert into closed_users (user_id) select v.* from head, unnest($32::int8[]) v on conflict do nothing),
    batch as (
        insert into batches (last_seq, first_seq, hash, blind) select $2, $1 + 1, $6, $33 from head)
    select count(*) from head";

/// `false` when the head is elsewhere.
pub(super) async fn commit(pool: &PgPool, batch: &Batch) -> Result<bool, StoreError> {
    let (opened, touched): (Vec<_>, Vec<_>) = batch
        .accounts
        .values()
        .partition(|account| batch.opened.contains(&account.id));
    let mut moved = Moved::default();
    let mut happened = Happened::default();
    for row in &batch.rows {
        match &row.entry.event {
            Event::Transfer(transfer) => {
                moved.seq.push(row.entry.seq);
                moved.debit.push(transfer.debit.account);
                moved.credit.push(transfer.credit.account);
                moved.amount.push(transfer.amount.units());
                moved.debit_balance.push(transfer.debit.balance);
                moved.credit_balance.push(transfer.credit.balance);
                moved.payment_id.push(transfer.payment_id);
                moved.key.push(row.key);
                moved.kind.push(chain::kind_code(transfer.kind));
                moved.description.push(transfer.description.as_deref());
            }
            event => happened.push(row.entry.seq, row.key, event),
        }
    }
    let head = &batch.head;
    let moved_head: i64 = sqlx::query(COMMIT)
        .bind(batch.before)
        .bind(head.seq)
        .bind(head.wallets)
        .bind(head.payments)
        .bind(head.at)
        .bind(&head.hash[..])
        .bind(opened.iter().map(|a| a.id).collect::<Vec<_>>())
        .bind(opened.iter().map(|a| a.user_id).collect::<Vec<_>>())
        .bind(opened.iter().map(|a| a.balance).collect::<Vec<_>>())
        .bind(
            opened
                .iter()
                .map(|a| currency_code(a.currency))
                .collect::<Vec<_>>(),
        )
        .bind(
            opened
                .iter()
                .map(|a| chain::status_code(a.status))
                .collect::<Vec<_>>(),
        )
        .bind(touched.iter().map(|a| a.id).collect::<Vec<_>>())
        .bind(touched.iter().map(|a| a.balance).collect::<Vec<_>>())
        .bind(
            touched
                .iter()
                .map(|a| chain::status_code(a.status))
                .collect::<Vec<_>>(),
        )
        .bind(moved.seq)
        .bind(moved.debit)
        .bind(moved.credit)
        .bind(moved.amount)
        .bind(moved.debit_balance)
        .bind(moved.credit_balance)
        .bind(moved.payment_id)
        .bind(moved.key)
        .bind(moved.kind)
        .bind(moved.description)
        .bind(happened.seq)
        .bind(happened.kind)
        .bind(happened.wallet_id)
        .bind(happened.user_id)
        .bind(happened.currency)
        .bind(happened.status)
        .bind(happened.key)
        .bind(&batch.closed_users)
        .bind(&batch.blind[..])
        .fetch_one(pool)
        .await?
        .try_get(0)?;
    Ok(moved_head == 1)
}

/// The columns of new transfers.
#[derive(Default)]
struct Moved<'a> {
    seq: Vec<i64>,
    debit: Vec<i64>,
    credit: Vec<i64>,
    amount: Vec<i64>,
    debit_balance: Vec<i64>,
    credit_balance: Vec<i64>,
    payment_id: Vec<Option<i64>>,
    key: Vec<Uuid>,
    kind: Vec<i16>,
    description: Vec<Option<&'a str>>,
}

/// The columns of new account events.
#[derive(Default)]
struct Happened {
    seq: Vec<i64>,
    kind: Vec<i16>,
    wallet_id: Vec<Option<i64>>,
    user_id: Vec<Option<i64>>,
    currency: Vec<Option<i16>>,
    status: Vec<Option<i16>>,
    key: Vec<Uuid>,
}

impl Happened {
    fn push(&mut self, seq: i64, key: Uuid, event: &Event) {
        let Some(columns) = codec::event_columns(event) else {
            return;
        };
        self.seq.push(seq);
        self.kind.push(columns.kind);
        self.wallet_id.push(columns.wallet_id);
        self.user_id.push(columns.user_id);
        self.currency.push(columns.currency);
        self.status.push(columns.status);
        self.key.push(key);
    }
}

pub(super) async fn accounts(pool: &PgPool, ids: &[i64]) -> sqlx::Result<Vec<AccountColumns>> {
    sqlx::query_as("select id, user_id, balance, currency, status from accounts where id = any($1)")
        .bind(ids)
        .fetch_all(pool)
        .await
}

pub(super) async fn accounts_at_head(
    pool: &PgPool,
    ids: &[i64],
) -> sqlx::Result<Vec<StandingColumns>> {
    sqlx::query_as(standing!("a.id = any($1)"))
        .bind(ids)
        .fetch_all(pool)
        .await
}

pub(super) async fn accounts_of(
    pool: &PgPool,
    users: &[i64],
) -> sqlx::Result<(Vec<AccountColumns>, Vec<i64>)> {
    // Closed users first: who is closed in between has no account yet that the second look-up would miss.
    let closed = sqlx::query_scalar("select user_id from closed_users where user_id = any($1)")
        .bind(users)
        .fetch_all(pool)
        .await?;
    let accounts = sqlx::query_as(
        "select id, user_id, balance, currency, status from accounts where user_id = any($1)",
    )
    .bind(users)
    .fetch_all(pool)
    .await?;
    Ok((accounts, closed))
}

pub(super) async fn find(pool: &PgPool, keys: &[Uuid]) -> sqlx::Result<Vec<LogColumns>> {
    sqlx::query_as(
        "select seq, kind, debit_account, credit_account, amount, debit_balance, credit_balance, payment_id, at, key, description
         from transfers where key = any($1)
         union all
         select seq, kind, wallet_id, user_id, currency, status, null, null, at, key, null
         from account_events where key = any($1)",
    )
    .bind(keys)
    .fetch_all(pool)
    .await
}
