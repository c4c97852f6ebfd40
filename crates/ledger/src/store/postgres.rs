//! What only PostgreSQL does this way: arrays as parameters, the whole batch as one statement, or as two halves, of which the first
//! overlaps with the batch before.

use ledger_api::Event;
use store::sqlx::postgres::PgArguments;
use store::sqlx::{self, Postgres, Row as _};
use store::{Lent, PostgresPool, Session};
use uuid::Uuid;

use super::codec::{self, AccountColumns, LogColumns, StandingColumns, currency_code};
use super::sql::standing;
use super::{Committed, Staged, StoreError};
use crate::domain::{Account, Batch, chain};

/// What a batch appends, given `head` with the moment that it was committed.
macro_rules! rows {
    () => {
        "moved as (
            insert into transfers (seq, debit_account, credit_account, amount, debit_balance, credit_balance, payment_id, at, key, kind, description)
            select v.seq, v.debit, v.credit, v.amount, v.debit_balance, v.credit_balance, v.payment_id, head.at, v.key, v.kind, v.description
            from head, unnest($1::int8[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::int8[], $8::uuid[],
                              $9::int2[], $10::text[])
                v (seq, debit, credit, amount, debit_balance, credit_balance, payment_id, key, kind, description)),
        happened as (
            insert into account_events (seq, kind, wallet_id, user_id, currency, status, at, key)
            select v.seq, v.kind, v.wallet_id, v.user_id, v.currency, v.status, head.at, v.key
            from head, unnest($11::int8[], $12::int2[], $13::int8[], $14::int8[], $15::int2[], $16::int2[], $17::uuid[])
                v (seq, kind, wallet_id, user_id, currency, status, key)),
        batch as (
            insert into batches (last_seq, first_seq, hash, blind) select $18, $19 + 1, $20, $21 from head)"
    };
}

/// What a batch changes. The parts see the state before the statement, so a new account is inserted as it will stand and is not among
/// those that are updated.
macro_rules! changes {
    ($opened_id:literal, $user:literal, $opened_balance:literal, $currency:literal, $opened_status:literal,
     $id:literal, $balance:literal, $status:literal, $closed:literal) => {
        concat!(
            "opened as (
                insert into accounts (id, user_id, balance, currency, status)
                select v.* from head, unnest(",
            $opened_id,
            "::int8[], ",
            $user,
            "::int8[], ",
            $opened_balance,
            "::int8[], ",
            $currency,
            "::int2[], ",
            $opened_status,
            "::int2[]) v),
            touched as (
                update accounts a set balance = v.balance, status = v.status
                from head, unnest(",
            $id,
            "::int8[], ",
            $balance,
            "::int8[], ",
            $status,
            "::int2[]) v (id, balance, status)
                where a.id = v.id),
            closed as (
                insert into closed_users (user_id) select v.* from head, unnest(",
            $closed,
            "::int8[]) v on conflict do nothing)"
        )
    };
}

/// A batch alone: one statement, one round trip, one commit. The head moves only from where the batch was decided; if it is
/// elsewhere, every part that selects from it writes nothing.
const COMMIT: &str = concat!(
    "with head as (
        update ledger_head set seq = $18, hash = $20, at = $22, wallets = $23, payments = $24, writer = $25
        where id = 0 and seq = $19 returning at), ",
    rows!(),
    ", ",
    changes!("$26", "$27", "$28", "$29", "$30", "$31", "$32", "$33", "$34"),
    " select count(*) from head"
);

/// The first half of a batch that is written while the one before it is on its way: nobody sees it before the second.
const STAGE: &str = concat!(
    "with head as (select $22::int8 as at), ",
    rows!(),
    " select count(*) from head"
);

/// The second half, once the batch before is durable: the head, as in [`COMMIT`], and the accounts.
const SETTLE: &str = concat!(
    "with head as (
        update ledger_head set seq = $1, hash = $3, at = $4, wallets = $5, payments = $6, writer = $7
        where id = 0 and seq = $2 returning at), ",
    changes!("$8", "$9", "$10", "$11", "$12", "$13", "$14", "$15", "$16"),
    " select count(*) from head"
);

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
    let query = bind_rows(sqlx::query(COMMIT), batch)
        .bind(head.wallets)
        .bind(head.payments)
        .bind(writer);
    let mut session = pool.lend().await?;
    let moved: i64 = bind_changes(query, batch)
        .fetch_one(&mut *session)
        .await?
        .try_get(0)?;
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
    bind_rows(sqlx::query(STAGE), batch)
        .execute(&mut *session)
        .await?;
    Ok(StagedBatch {
        session,
        writer: writer.to_owned(),
    })
}

#[async_trait::async_trait]
impl Staged for StagedBatch {
    async fn settle(mut self: Box<Self>, batch: &Batch) -> Result<Committed, StoreError> {
        let head = &batch.head;
        let query = sqlx::query(SETTLE)
            .bind(head.seq)
            .bind(batch.before)
            .bind(&head.hash[..])
            .bind(head.at)
            .bind(head.wallets)
            .bind(head.payments)
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

/// Binds what [`rows!`] names, and the moment.
fn bind_rows<'q>(query: Query<'q>, batch: &'q Batch) -> Query<'q> {
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
    query
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
        .bind(batch.head.seq)
        .bind(batch.before)
        .bind(&batch.head.hash[..])
        .bind(&batch.blind[..])
        .bind(batch.head.at)
}

/// Binds what [`changes!`] names.
fn bind_changes<'q>(query: Query<'q>, batch: &'q Batch) -> Query<'q> {
    let (opened, touched): (Vec<_>, Vec<_>) = batch
        .accounts
        .values()
        .partition(|account| batch.opened.contains(&account.id));
    fn of<T>(accounts: &[&Account], field: impl Fn(&Account) -> T) -> Vec<T> {
        accounts.iter().map(|account| field(account)).collect()
    }
    query
        .bind(of(&opened, |a| a.id))
        .bind(of(&opened, |a| a.user_id))
        .bind(of(&opened, |a| a.balance))
        .bind(of(&opened, |a| currency_code(a.currency)))
        .bind(of(&opened, |a| chain::status_code(a.status)))
        .bind(of(&touched, |a| a.id))
        .bind(of(&touched, |a| a.balance))
        .bind(of(&touched, |a| chain::status_code(a.status)))
        .bind(&batch.closed_users)
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

pub(super) async fn accounts(
    connection: &mut Lent<Postgres>,
    ids: &[i64],
) -> sqlx::Result<Vec<AccountColumns>> {
    sqlx::query_as("select id, user_id, balance, currency, status from accounts where id = any($1)")
        .bind(ids)
        .fetch_all(connection)
        .await
}

pub(super) async fn accounts_at_head(
    connection: &mut Lent<Postgres>,
    ids: &[i64],
) -> sqlx::Result<Vec<StandingColumns>> {
    sqlx::query_as(standing!("a.id = any($1)"))
        .bind(ids)
        .fetch_all(connection)
        .await
}

pub(super) async fn accounts_of(
    connection: &mut Lent<Postgres>,
    users: &[i64],
) -> sqlx::Result<(Vec<AccountColumns>, Vec<i64>)> {
    // Closed users first: who is closed in between has no account yet that the second look-up would miss.
    let closed = sqlx::query_scalar("select user_id from closed_users where user_id = any($1)")
        .bind(users)
        .fetch_all(&mut *connection)
        .await?;
    let accounts = sqlx::query_as(
        "select id, user_id, balance, currency, status from accounts where user_id = any($1)",
    )
    .bind(users)
    .fetch_all(connection)
    .await?;
    Ok((accounts, closed))
}

pub(super) async fn find(
    connection: &mut Lent<Postgres>,
    keys: &[Uuid],
) -> sqlx::Result<Vec<LogColumns>> {
    sqlx::query_as(
        "select seq, kind, debit_account, credit_account, amount, debit_balance, credit_balance, payment_id, at, key, description
         from transfers where key = any($1)
         union all
         select seq, kind, wallet_id, user_id, currency, status, null, null, at, key, null
         from account_events where key = any($1)",
    )
    .bind(keys)
    .fetch_all(connection)
    .await
}
