//! The ledger in a SQL database: what PostgreSQL and SQLite do alike.

use std::time::Instant;

use ledger_api::Limit;
use money::Currency;
use store::{Database, in_transaction, on_read, sqlx};
use uuid::Uuid;

use super::rows::{self, HeadRow, LogRecord, Owners, RemainderRow, StoredBatch};
use super::{
    BatchRow, Committed, Drawn, Holding, LedgerStore, Staged, StoreError, postgres, sqlite, sums,
};
use crate::domain::merkle::Hash;
use crate::domain::{Account, Batch, Head, LogRow, Remainder, chain};

/// A page of the log.
const LOG: &str = include_str!("sql/log.sql");

/// The head with accounts: one statement sees one state, in both databases. The condition chooses the accounts.
macro_rules! head_and_accounts {
    ($condition:literal) => {
        concat!(
            "select h.seq, h.wallets, h.numbers, h.at, h.hash, a.id, a.user_id, a.balance, a.currency, a.status, a.tier, a.usage
             from ledger_head h left join accounts a on ",
            $condition
        )
    };
}
pub(super) use head_and_accounts;

/// Postings with where their money first came from, and how much of them was drawn. The condition chooses the postings.
macro_rules! remainders {
    ($condition:literal) => {
        concat!(
            "select p.seq, p.kind, coalesce(o.debit_account, p.debit_account) as origin, p.credit_account, p.amount,
                    coalesce(r.used, 0) as used, coalesce(r.last_draw, 0) as last_draw, p.expires_at
             from postings p left join remainders r on r.seq = p.seq left join postings o on o.seq = p.draws_on where ",
            $condition
        )
    };
}
pub(super) use remainders;

/// Accounts with what is held beside them: one statement sees one state. The condition chooses the accounts.
macro_rules! holdings {
    ($condition:literal) => {
        concat!(
            "select a.id, a.user_id, a.balance, a.currency, a.status, a.tier, a.usage,
                    (select cast(coalesce(sum(r.amount - r.used), 0) as bigint) from remainders r
                     where r.held_of = a.id and r.used < r.amount) as held
             from accounts a where ",
            $condition
        )
    };
}
pub(super) use holdings;

/// Postings that have expired and are not drawn in full: by an index that has no others.
const EXPIRED: &str =
    remainders!("r.expires_at <= $1 and r.used < r.amount order by r.expires_at limit $2");

/// So many accounts are summed up at once: a millisecond or two.
const SUMMED_AT_ONCE: i64 = 2_000;
/// A part of the accounts, in the order of their ids. The upper and the lower half of each balance are summed apart: neither sum can
/// leave 64 bits.
const SUMS: &str = "
    select currency, cast(sum(balance >> 32) as bigint), cast(sum(balance & 4294967295) as bigint),
           cast(sum(case when id > 0 and balance < 0 then 1 else 0 end) as bigint), count(*), max(id)
    from (select * from accounts where id > $1 order by id limit $2) part group by currency";

/// The index has these entries alone.
const LIMITS: &str =
    "select seq, text from account_events where kind = 105 and seq <= $1 order by seq desc limit 1";
/// Each is the end of an index.
const HIGHEST_USERS: &str = "
    select coalesce((select max(highest) from (
               select (select max(user_id) from accounts where user_id is not null) as highest
               union all select (select max(user_id) from closed_users)) known), 0), k.highest
    from known_users k where k.id = 0";
const NOTE_USERS: &str = "
    update known_users set highest = case when highest < $2 then $2 else highest end
    where id = 0 and exists (select 1 from ledger_head where id = 0 and ledger = $1)";
/// `union` leaves out who comes twice. Each half is limited by itself.
const USERS: &str = "
    select user_id from (
        select user_id from (select distinct user_id from accounts where user_id > $1 order by user_id limit $2) owners
        union
        select user_id from (select user_id from closed_users where user_id > $1 order by user_id limit $2) closed
    ) known order by user_id limit $2";
const CLOSED_USERS: &str =
    "select user_id from closed_users where user_id > $1 order by user_id limit $2";

/// The ledger's storage in either database.
#[derive(Clone)]
pub struct SqlStore {
    database: Database,
    owners: Owners,
    /// The name that it signs its commits with: this process's address, or nothing.
    writer: String,
}

impl SqlStore {
    /// The ledger in this database.
    pub fn new(database: Database) -> SqlStore {
        SqlStore {
            database,
            owners: Owners::new(rows::OWNERS_MAX),
            writer: String::new(),
        }
    }

    /// The same, and what it commits says that the process at this address wrote it.
    #[must_use]
    pub fn written_by(self, url: impl Into<String>) -> SqlStore {
        SqlStore {
            writer: url.into(),
            ..self
        }
    }

    async fn decode(&self, records: Vec<LogRecord>) -> Result<Vec<LogRow>, StoreError> {
        self.learn_owners(records.iter().flat_map(LogRecord::wallets))
            .await?;
        records
            .into_iter()
            .map(|record| record.log_row(&self.owners))
            .collect()
    }

    async fn read_remainders(&self, rows: Vec<RemainderRow>) -> Result<Vec<Remainder>, StoreError> {
        self.learn_owners(rows.iter().map(|row| row.origin)).await?;
        rows.into_iter()
            .map(|row| row.remainder(&self.owners))
            .collect()
    }

    /// Has the owners of these wallets in the cache.
    async fn learn_owners(&self, wallets: impl Iterator<Item = i64>) -> Result<(), StoreError> {
        let is_unknown = |id: &i64| *id > 0 && !self.owners.contains_key(id);
        let mut unknown: Vec<i64> = wallets.filter(is_unknown).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        unknown.sort_unstable();
        unknown.dedup();
        for account in self.accounts(&unknown).await? {
            self.owners
                .insert(account.id, (account.user_id, account.currency));
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl LedgerStore for SqlStore {
    async fn head(&self) -> Result<Head, StoreError> {
        let head: HeadRow = on_read!(&self.database, pool => {
            sqlx::query_as("select seq, wallets, numbers, at, hash from ledger_head where id = 0")
                .fetch_one(pool)
                .await
        })?;
        head.try_into()
    }

    async fn identity(&self) -> Result<(Uuid, i64), StoreError> {
        let identity = on_read!(&self.database, pool => {
            sqlx::query_as("select ledger, seq from ledger_head where id = 0")
                .fetch_one(pool)
                .await
        })?;
        Ok(identity)
    }

    async fn highest_users(&self) -> Result<(i64, i64), StoreError> {
        let highest = on_read!(&self.database, pool => {
            sqlx::query_as(HIGHEST_USERS).fetch_one(pool).await
        })?;
        Ok(highest)
    }

    async fn note_users(&self, ledger: Uuid, highest: i64) -> Result<bool, StoreError> {
        let done: sqlx::Result<u64> = in_transaction!(&self.database, tx => {
            sqlx::query(NOTE_USERS)
                .bind(ledger)
                .bind(highest)
                .execute(&mut *tx)
                .await
                .map(|done| done.rows_affected())
        });
        Ok(done? > 0)
    }

    async fn users(&self, after: i64, limit: i64) -> Result<Vec<i64>, StoreError> {
        let users = on_read!(&self.database, pool => {
            sqlx::query_scalar(USERS)
                .bind(after)
                .bind(limit)
                .fetch_all(pool)
                .await
        })?;
        Ok(users)
    }

    async fn closed_users(&self, after: i64, limit: i64) -> Result<Vec<i64>, StoreError> {
        let users = on_read!(&self.database, pool => {
            sqlx::query_scalar(CLOSED_USERS)
                .bind(after)
                .bind(limit)
                .fetch_all(pool)
                .await
        })?;
        Ok(users)
    }

    async fn last_writer(&self) -> Result<Option<String>, StoreError> {
        let writer: String = on_read!(&self.database, pool => {
            sqlx::query_scalar("select writer from ledger_head where id = 0")
                .fetch_one(pool)
                .await
        })?;
        Ok(Some(writer).filter(|url| !url.is_empty()))
    }

    async fn accounts(&self, ids: &[i64]) -> Result<Vec<Account>, StoreError> {
        let rows = on_read!(
            &self.database,
            postgres pool => postgres::accounts(pool, ids).await,
            sqlite pool => sqlite::accounts(pool, ids).await
        )?;
        rows.into_iter().map(Account::try_from).collect()
    }

    async fn accounts_of(&self, users: &[i64]) -> Result<(Vec<Account>, Vec<i64>), StoreError> {
        let (rows, closed) = on_read!(
            &self.database,
            postgres pool => postgres::accounts_of(pool, users).await,
            sqlite pool => sqlite::accounts_of(pool, users).await
        )?;
        let accounts: Result<_, _> = rows.into_iter().map(Account::try_from).collect();
        Ok((accounts?, closed))
    }

    async fn limits(&self, seq: i64) -> Result<Option<(i64, Vec<Limit>)>, StoreError> {
        let newest: Option<(i64, Option<String>)> = on_read!(&self.database, pool => {
            sqlx::query_as(LIMITS).bind(seq).fetch_optional(pool).await
        })?;
        newest
            .map(|(seq, text)| Ok((seq, rows::limits(text)?)))
            .transpose()
    }

    async fn commit(&self, batch: &Batch) -> Result<Committed, StoreError> {
        let result = match &self.database {
            Database::Postgres(pool) => postgres::commit(pool, batch, &self.writer).await,
            Database::Sqlite(pools) => sqlite::commit(pools, batch, &self.writer).await,
        };
        match result {
            Ok(true) => Ok(Committed::Done),
            Ok(false) => Ok(Committed::HeadMoved),
            Err(StoreError::Database(error)) if store::is_unique_violation(&error) => {
                Ok(Committed::KeyTaken)
            }
            Err(error) => Err(error),
        }
    }

    fn overlaps(&self) -> bool {
        matches!(self.database, Database::Postgres(_))
    }

    async fn stage(&self, batch: &Batch) -> Result<Option<Box<dyn Staged>>, StoreError> {
        Ok(match &self.database {
            Database::Postgres(pool) => {
                Some(Box::new(postgres::stage(pool, batch, &self.writer).await?))
            }
            Database::Sqlite(_) => None,
        })
    }

    async fn find(&self, keys: &[Uuid]) -> Result<(i64, Vec<LogRow>), StoreError> {
        let rows = on_read!(
            &self.database,
            postgres pool => postgres::find(pool, keys).await,
            sqlite pool => sqlite::find(pool, keys).await
        )?;
        // The head is read second: if it is where the caller knows it, nothing was committed that the look-up missed.
        let head = self.head().await?;
        Ok((head.seq, self.decode(rows).await?))
    }

    async fn remainders(&self, seqs: &[i64]) -> Result<Vec<Remainder>, StoreError> {
        let rows: Vec<RemainderRow> = on_read!(
            &self.database,
            postgres pool => postgres::remainders_of(pool, seqs).await,
            sqlite pool => sqlite::remainders_of(pool, seqs).await
        )?;
        self.read_remainders(rows).await
    }

    async fn drawn(&self, after: i64, limit: i64) -> Result<Vec<Drawn>, StoreError> {
        let rows = on_read!(&self.database, pool => {
            sqlx::query_as(
                "select r.seq, r.used, r.last_draw, r.held_of, p.debit_account, p.credit_account
                 from remainders r join postings p on p.seq = r.seq where r.seq > $1 order by r.seq limit $2",
            )
            .bind(after)
            .bind(limit)
            .fetch_all(pool)
            .await
        })?;
        Ok(rows)
    }

    async fn expired(&self, at: i64, limit: i64) -> Result<Vec<Remainder>, StoreError> {
        let rows: Vec<RemainderRow> = on_read!(&self.database, pool => {
            sqlx::query_as(EXPIRED).bind(at).bind(limit).fetch_all(pool).await
        })?;
        self.read_remainders(rows).await
    }

    async fn holdings(&self, ids: &[i64]) -> Result<Vec<Holding>, StoreError> {
        let rows = on_read!(
            &self.database,
            postgres pool => postgres::holdings(pool, ids).await,
            sqlite pool => sqlite::holdings(pool, ids).await
        )?;
        rows.into_iter().map(Holding::try_from).collect()
    }

    async fn holdings_of(&self, users: &[i64]) -> Result<Vec<Holding>, StoreError> {
        let rows = on_read!(
            &self.database,
            postgres pool => postgres::holdings_of(pool, users).await,
            sqlite pool => sqlite::holdings_of(pool, users).await
        )?;
        rows.into_iter().map(Holding::try_from).collect()
    }

    async fn erased_notes(&self) -> Result<i64, StoreError> {
        let count = on_read!(&self.database, pool => {
            sqlx::query_scalar("select count(*) from erased_notes")
                .fetch_one(pool)
                .await
        })?;
        Ok(count)
    }

    async fn erase_note(&self, seq: i64) -> Result<bool, StoreError> {
        let row = self.log(seq.saturating_sub(1), 1).await?.pop();
        let batch = self.batches(seq.saturating_sub(1), 1).await?.pop();
        let (Some(row), Some(batch)) = (row, batch) else {
            return Ok(false);
        };
        let note = row
            .entry
            .event
            .as_posting()
            .and_then(|posting| posting.note.as_ref());
        let Some(note) = note.filter(|_| row.entry.seq == seq) else {
            return Ok(false);
        };
        let hash: Hash = chain::note_hash(&chain::salt(&batch.blind, seq), note);
        let erased: sqlx::Result<()> = in_transaction!(&self.database, tx => {
            let kept = sqlx::query("insert into erased_notes (seq, hash) values ($1, $2)")
                .bind(seq)
                .bind(&hash[..])
                .execute(&mut *tx)
                .await;
            match kept {
                Ok(_) => sqlx::query("update postings set note = null where seq = $1")
                    .bind(seq)
                    .execute(&mut *tx)
                    .await
                    .map(drop),
                Err(error) => Err(error),
            }
        });
        erased?;
        Ok(true)
    }

    async fn log(&self, after: i64, limit: i64) -> Result<Vec<LogRow>, StoreError> {
        let rows: Vec<LogRecord> = on_read!(&self.database, pool => {
            sqlx::query_as(LOG).bind(after).bind(limit).fetch_all(pool).await
        })?;
        self.decode(rows).await
    }

    async fn batches(&self, after: i64, limit: i64) -> Result<Vec<BatchRow>, StoreError> {
        let rows: Vec<StoredBatch> = on_read!(&self.database, pool => {
            sqlx::query_as(
                "select first_seq, last_seq, hash, blind from batches where last_seq > $1 order by last_seq limit $2",
            )
            .bind(after)
            .bind(limit)
            .fetch_all(pool)
            .await
        })?;
        rows.into_iter().map(BatchRow::try_from).collect()
    }

    async fn accounts_at_head(&self, ids: &[i64]) -> Result<(Head, Vec<Account>), StoreError> {
        rows::head_and_accounts(on_read!(
            &self.database,
            postgres pool => postgres::accounts_at_head(pool, ids).await,
            sqlite pool => sqlite::accounts_at_head(pool, ids).await
        )?)
    }

    async fn sums(&self) -> Result<(Vec<(Currency, i128)>, i64), StoreError> {
        macro_rules! sum_up {
            ($snapshot:ident) => {{
                let mut sums = sums::Sums::default();
                while let Some(after) = sums.after(SUMMED_AT_ONCE) {
                    let started = Instant::now();
                    let part: Vec<sums::SumColumns> = sqlx::query_as(SUMS)
                        .bind(after)
                        .bind(SUMMED_AT_ONCE)
                        .fetch_all(&mut *$snapshot)
                        .await?;
                    sums.add(part)?;
                    tokio::time::sleep(started.elapsed()).await;
                }
                $snapshot.rollback().await?;
                Ok(sums.finish())
            }};
        }
        match &self.database {
            Database::Postgres(pool) => {
                let modes = "isolation level repeatable read, read only";
                let mut snapshot = pool.begin_with(modes, "").await?;
                sum_up!(snapshot)
            }
            Database::Sqlite(pools) => {
                let mut snapshot = pools.read.begin().await?;
                sum_up!(snapshot)
            }
        }
    }

    async fn all_accounts(&self) -> Result<(Head, Vec<Account>), StoreError> {
        rows::head_and_accounts(on_read!(&self.database, pool => {
            sqlx::query_as(head_and_accounts!("true")).fetch_all(pool).await
        })?)
    }
}

#[cfg(test)]
mod tests;
