//! The part that is different on PostgreSQL: arrays as parameters, the whole batch as one statement, or as two halves, of which the first
//! overlaps with the batch before.

use ledger_api::Event;
use store::sqlx::postgres::PgArguments;
use store::sqlx::{self, Postgres, Row as _};
use store::{Lent, PostgresPool, Session};
use uuid::Uuid;

use super::rows::{
    AccountRow, HeadAndAccountRow, HoldingRow, LogRecord, RemainderRow, currency_code,
    event_columns, stored_actor, tier_of, usage_of, usage_text,
};
use super::sql::{head_and_accounts, holdings, remainders};
use super::{Committed, Staged, StoreError};
use crate::domain::{Account, Batch, Remainder, chain};

/// Begins a batch that waits for the one before it. What is in its way is another process's, which may be waiting for this one's
/// next batch: that is no deadlock that the database could see, so nobody waits for long.
const WITHOUT_LONG_WAITS: &str = "set local lock_timeout = '250ms'";

/// A query, whose parameters are bound one after the other.
type Query<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

/// `false` when the head is elsewhere.
pub(super) async fn commit(
    pool: &PostgresPool,
    batch: &Batch,
    writer: &str,
) -> Result<bool, StoreError> {
    let head = &batch.head;
    let query = sqlx::query(include_str!("sql/commit.sql"))
        .bind(head.seq)
        .bind(batch.before)
        .bind(&head.hash[..])
        .bind(&batch.blind[..])
        .bind(head.at)
        .bind(head.wallets)
        .bind(head.numbers)
        .bind(writer);
    let query = bind_changes(bind_rows(query, batch), batch);
    let mut session = pool.lend().await?;
    let moved: i64 = query.fetch_one(&mut *session).await?.try_get(0)?;
    session.commit().await?;
    Ok(moved == 1)
}

/// A batch whose rows are written, in a transaction that is open.
pub(super) struct StagedBatch {
    session: Session<Postgres>,
    writer: String,
}

/// Writes the rows of a batch, for its other half to follow.
pub(super) async fn stage(
    pool: &PostgresPool,
    batch: &Batch,
    writer: &str,
) -> Result<StagedBatch, StoreError> {
    let mut session = pool.begin_with("", WITHOUT_LONG_WAITS).await?;
    let query = sqlx::query(include_str!("sql/stage.sql"))
        .bind(batch.head.seq)
        .bind(batch.before)
        .bind(&batch.head.hash[..])
        .bind(&batch.blind[..])
        .bind(batch.head.at);
    bind_rows(query, batch).execute(&mut *session).await?;
    Ok(StagedBatch {
        session,
        writer: writer.to_owned(),
    })
}

#[async_trait::async_trait]
impl Staged for StagedBatch {
    async fn settle(mut self: Box<Self>, batch: &Batch) -> Result<Committed, StoreError> {
        let head = &batch.head;
        let query = sqlx::query(include_str!("sql/settle.sql"))
            .bind(head.seq)
            .bind(batch.before)
            .bind(&head.hash[..])
            .bind(head.at)
            .bind(head.wallets)
            .bind(head.numbers)
            .bind(&self.writer);
        let query = bind_changes(query, batch);
        let row = query.fetch_one(&mut *self.session).await?;
        if row.try_get::<i64, _>(0)? == 0 {
            self.session.rollback().await?;
            return Ok(Committed::HeadMoved);
        }
        self.session.commit().await?;
        Ok(Committed::Done)
    }
}

/// Binds the new rows of `postings` and `account_events`, in the order of their columns in the statements.
fn bind_rows<'q>(query: Query<'q>, batch: &'q Batch) -> Query<'q> {
    let mut posted = Posted::default();
    let mut happened = Happened::default();
    for row in &batch.rows {
        match &row.entry.event {
            Event::Posted(posting) => {
                posted.seq.push(row.entry.seq);
                posted.debit.push(posting.debit.account);
                posted.credit.push(posting.credit.account);
                posted.amount.push(posting.amount.units());
                posted.debit_balance.push(posting.debit.balance);
                posted.credit_balance.push(posting.credit.balance);
                posted.key.push(row.key);
                posted.kind.push(posting.kind.0);
                posted.number.push(posting.number);
                posted.by_actor.push(stored_actor(posting));
                posted.draws_on.push(posting.draws_on);
                posted.group_seq.push(posting.group);
                posted.expires_at.push(posting.expires_at);
                posted.note.push(posting.note.as_deref());
            }
            event @ (Event::WalletOpened { .. }
            | Event::StatusChanged { .. }
            | Event::UserClosed { .. }
            | Event::TierChanged { .. }
            | Event::LimitsChanged { .. }) => happened.push(row.entry.seq, row.key, event),
        }
    }
    query
        .bind(posted.seq)
        .bind(posted.debit)
        .bind(posted.credit)
        .bind(posted.amount)
        .bind(posted.debit_balance)
        .bind(posted.credit_balance)
        .bind(posted.key)
        .bind(posted.kind)
        .bind(unless_all_null(posted.number))
        .bind(unless_all_null(posted.by_actor))
        .bind(unless_all_null(posted.draws_on))
        .bind(unless_all_null(posted.group_seq))
        .bind(unless_all_null(posted.expires_at))
        .bind(posted.note)
        .bind(happened.seq)
        .bind(happened.kind)
        .bind(happened.wallet_id)
        .bind(happened.user_id)
        .bind(happened.currency)
        .bind(happened.status)
        .bind(happened.by_actor)
        .bind(happened.key)
        .bind(happened.text)
}

/// Binds the accounts, users and remainders that a batch changes.
fn bind_changes<'q>(query: Query<'q>, batch: &'q Batch) -> Query<'q> {
    let (opened, touched): (Vec<_>, Vec<_>) = batch
        .accounts
        .values()
        .partition(|account| batch.opened.contains(&account.id));
    fn of<T>(accounts: &[&Account], field: impl Fn(&Account) -> T) -> Vec<T> {
        accounts.iter().map(|account| field(account)).collect()
    }
    fn of_remainders<T>(batch: &Batch, field: impl Fn(&Remainder) -> T) -> Vec<T> {
        batch.remainders.values().map(field).collect()
    }
    query
        .bind(of(&opened, |a| a.id))
        .bind(of(&opened, |a| a.user_id))
        .bind(of(&opened, |a| a.balance))
        .bind(of(&opened, |a| currency_code(a.currency)))
        .bind(of(&opened, |a| chain::status_code(a.status)))
        .bind(of(&opened, |a| a.tier.code()))
        .bind(of(&opened, |a| usage_text(&a.usage)))
        .bind(of(&touched, |a| a.id))
        .bind(of(&touched, |a| a.balance))
        .bind(of(&touched, |a| chain::status_code(a.status)))
        .bind(unless_all_null(of(&touched, |a| tier_of(batch, a))))
        .bind(unless_all_null(of(&touched, |a| usage_of(batch, a))))
        .bind(&batch.closed_users)
        .bind(of_remainders(batch, |r| r.seq))
        .bind(of_remainders(batch, |r| r.amount))
        .bind(of_remainders(batch, |r| r.used))
        .bind(of_remainders(batch, |r| r.last_draw))
        .bind(of_remainders(batch, |r| r.expires_at))
        .bind(of_remainders(batch, Remainder::held_of))
}

/// `unnest` fills a shorter array up with nulls: a column that is null in every row travels as an empty one.
fn unless_all_null<T>(column: Vec<Option<T>>) -> Vec<Option<T>> {
    if column.iter().all(Option::is_none) {
        Vec::new()
    } else {
        column
    }
}

/// The columns of new postings.
#[derive(Default)]
struct Posted<'a> {
    seq: Vec<i64>,
    debit: Vec<i64>,
    credit: Vec<i64>,
    amount: Vec<i64>,
    debit_balance: Vec<i64>,
    credit_balance: Vec<i64>,
    key: Vec<Uuid>,
    kind: Vec<i16>,
    number: Vec<Option<i64>>,
    by_actor: Vec<Option<i64>>,
    draws_on: Vec<Option<i64>>,
    group_seq: Vec<Option<i64>>,
    expires_at: Vec<Option<i64>>,
    note: Vec<Option<&'a str>>,
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
    by_actor: Vec<Option<i64>>,
    key: Vec<Uuid>,
    text: Vec<Option<String>>,
}

impl Happened {
    fn push(&mut self, seq: i64, key: Uuid, event: &Event) {
        let Some(columns) = event_columns(event) else {
            return;
        };
        self.seq.push(seq);
        self.kind.push(columns.kind);
        self.wallet_id.push(columns.wallet_id);
        self.user_id.push(columns.user_id);
        self.currency.push(columns.currency);
        self.status.push(columns.status);
        self.by_actor.push(columns.by_actor);
        self.key.push(key);
        self.text.push(columns.text);
    }
}

pub(super) async fn accounts(
    connection: &mut Lent<Postgres>,
    ids: &[i64],
) -> sqlx::Result<Vec<AccountRow>> {
    sqlx::query_as("select id, user_id, balance, currency, status, tier, usage from accounts where id = any($1)")
        .bind(ids)
        .fetch_all(connection)
        .await
}

pub(super) async fn accounts_at_head(
    connection: &mut Lent<Postgres>,
    ids: &[i64],
) -> sqlx::Result<Vec<HeadAndAccountRow>> {
    sqlx::query_as(head_and_accounts!("a.id = any($1)"))
        .bind(ids)
        .fetch_all(connection)
        .await
}

pub(super) async fn accounts_of(
    connection: &mut Lent<Postgres>,
    users: &[i64],
) -> sqlx::Result<(Vec<AccountRow>, Vec<i64>)> {
    // Closed users first: who is closed in between has no account yet that the second look-up would miss.
    let closed = sqlx::query_scalar("select user_id from closed_users where user_id = any($1)")
        .bind(users)
        .fetch_all(&mut *connection)
        .await?;
    let accounts = sqlx::query_as(
        "select id, user_id, balance, currency, status, tier, usage from accounts where user_id = any($1)",
    )
    .bind(users)
    .fetch_all(connection)
    .await?;
    Ok((accounts, closed))
}

pub(super) async fn remainders_of(
    connection: &mut Lent<Postgres>,
    seqs: &[i64],
) -> sqlx::Result<Vec<RemainderRow>> {
    sqlx::query_as(remainders!("p.seq = any($1)"))
        .bind(seqs)
        .fetch_all(connection)
        .await
}

pub(super) async fn holdings(
    connection: &mut Lent<Postgres>,
    ids: &[i64],
) -> sqlx::Result<Vec<HoldingRow>> {
    sqlx::query_as(holdings!("a.id = any($1)"))
        .bind(ids)
        .fetch_all(connection)
        .await
}

pub(super) async fn holdings_of(
    connection: &mut Lent<Postgres>,
    users: &[i64],
) -> sqlx::Result<Vec<HoldingRow>> {
    sqlx::query_as(holdings!("a.user_id = any($1)"))
        .bind(users)
        .fetch_all(connection)
        .await
}

pub(super) async fn find(
    connection: &mut Lent<Postgres>,
    keys: &[Uuid],
) -> sqlx::Result<Vec<LogRecord>> {
    sqlx::query_as(include_str!("sql/find_postgres.sql"))
        .bind(keys)
        .fetch_all(connection)
        .await
}
