//! The ledger in a SQL database: what PostgreSQL and SQLite do alike.

use std::time::Instant;

use money::Currency;
use store::{Database, in_transaction, on_read, sqlx};
use uuid::Uuid;

use super::codec::{self, HeadColumns, LogColumns, Owners};
use super::{BatchRow, Committed, LedgerStore, Staged, StoreError, postgres, sqlite};
use crate::domain::{Account, Batch, Head, LogRow};

/// Both halves of the log as one, in order. Each is limited by itself: PostgreSQL would read all that comes after `$1`, for every page.
const LOG: &str = "
    select seq, kind, debit_account, credit_account, amount, debit_balance, credit_balance, payment_id, at, key, description
    from (select * from transfers where seq > $1 order by seq limit $2) moved
    union all
    select seq, kind, wallet_id, user_id, currency, status, null, null, at, key, null
    from (select * from account_events where seq > $1 order by seq limit $2) happened
    order by seq limit $2";

/// One statement sees one state, in both databases. What comes after `on` chooses the accounts.
macro_rules! standing {
    ($on:literal) => {
        concat!(
            "select h.seq, h.wallets, h.payments, h.at, h.hash, a.id, a.user_id, a.balance, a.currency, a.status
             from ledger_head h left join accounts a on ",
            $on
        )
    };
}
pub(super) use standing;

/// So many accounts are summed up at once: a millisecond or two.
const SUMMED_AT_ONCE: i64 = 2_000;
/// A part of the accounts, in the order of their ids. The upper and the lower half of each balance are summed apart: neither sum can
/// leave 64 bits.
const SUMS: &str = "
    select currency, cast(sum(balance >> 32) as bigint), cast(sum(balance & 4294967295) as bigint),
           cast(sum(case when id > 0 and balance < 0 then 1 else 0 end) as bigint), count(*), max(id)
    from (select * from accounts where id > $1 order by id limit $2) part group by currency";

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

/// The ledger's storage in either database.
#[derive(Clone)]
pub struct SqlStore {
    database: Database,
    owners: Owners,
    /// What it signs its commits with: where this process listens, or nothing.
    writer: String,
}

impl SqlStore {
    /// The ledger in this database.
    pub fn new(database: Database) -> SqlStore {
        SqlStore {
            database,
            owners: Owners::new(codec::OWNERS_MAX),
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

    async fn decode(&self, rows: Vec<LogColumns>) -> Result<Vec<LogRow>, StoreError> {
        let unknown = codec::unknown_owners(&rows, &self.owners);
        if !unknown.is_empty() {
            for account in self.accounts(&unknown).await? {
                self.owners
                    .insert(account.id, (account.user_id, account.currency));
            }
        }
        rows.into_iter()
            .map(|row| codec::log_row(row, &self.owners))
            .collect()
    }
}

#[async_trait::async_trait]
impl LedgerStore for SqlStore {
    async fn head(&self) -> Result<Head, StoreError> {
        let columns: HeadColumns = on_read!(&self.database, pool => {
            sqlx::query_as("select seq, wallets, payments, at, hash from ledger_head where id = 0")
                .fetch_one(pool)
                .await
        })?;
        codec::head(columns)
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
        rows.into_iter().map(codec::account).collect()
    }

    async fn accounts_of(&self, users: &[i64]) -> Result<(Vec<Account>, Vec<i64>), StoreError> {
        let (rows, closed) = on_read!(
            &self.database,
            postgres pool => postgres::accounts_of(pool, users).await,
            sqlite pool => sqlite::accounts_of(pool, users).await
        )?;
        let accounts: Result<_, _> = rows.into_iter().map(codec::account).collect();
        Ok((accounts?, closed))
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

    async fn log(&self, after: i64, limit: i64) -> Result<Vec<LogRow>, StoreError> {
        let rows: Vec<LogColumns> = on_read!(&self.database, pool => {
            sqlx::query_as(LOG).bind(after).bind(limit).fetch_all(pool).await
        })?;
        self.decode(rows).await
    }

    async fn batches(&self, after: i64, limit: i64) -> Result<Vec<BatchRow>, StoreError> {
        let rows: Vec<codec::BatchColumns> = on_read!(&self.database, pool => {
            sqlx::query_as(
                "select first_seq, last_seq, hash, blind from batches where last_seq > $1 order by last_seq limit $2",
            )
            .bind(after)
            .bind(limit)
            .fetch_all(pool)
            .await
        })?;
        rows.into_iter().map(codec::batch).collect()
    }

    async fn accounts_at_head(&self, ids: &[i64]) -> Result<(Head, Vec<Account>), StoreError> {
        codec::standing(on_read!(
            &self.database,
            postgres pool => postgres::accounts_at_head(pool, ids).await,
            sqlite pool => sqlite::accounts_at_head(pool, ids).await
        )?)
    }

    async fn sums(&self) -> Result<(Vec<(Currency, i128)>, i64), StoreError> {
        macro_rules! sum_up {
            ($snapshot:ident) => {{
                let mut sums = codec::Sums::default();
                while let Some(after) = sums.after(SUMMED_AT_ONCE) {
                    let started = Instant::now();
                    let part: Vec<codec::SumColumns> = sqlx::query_as(SUMS)
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
        codec::standing(on_read!(&self.database, pool => {
            sqlx::query_as(standing!("true")).fetch_all(pool).await
        })?)
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, and says where"
)]
mod tests {
    use store::sqlx::{AssertSqlSafe, Executor as _};
    use testing::{TestDatabase, every_database, execute};

    use super::*;
    use crate::store::STEPS;

    async fn migrated(home: &TestDatabase) -> Database {
        let config = home.config("wallet");
        let database = Database::open(&config).await.unwrap();
        database.migrate(&config, STEPS).await.unwrap();
        database
    }

    #[tokio::test]
    async fn a_page_of_the_log_does_not_read_the_rest_of_it() {
        for home in every_database().await {
            let database = migrated(&home).await;
            // SQLite has no other way to put this in order than by its key.
            let Database::Postgres(pool) = &database else {
                continue;
            };
            let mut connection = pool.lend().await.unwrap();
            connection
                .execute(
                    "insert into transfers select n, 1, 2, 1, 1, 1, null, 1, gen_random_uuid(), 1, null
                     from generate_series(1, 20000) n",
                )
                .await
                .unwrap();
            let prepare = format!("prepare page(int8, int8) as {LOG}");
            connection.execute(AssertSqlSafe(prepare)).await.unwrap();
            let plan: Vec<String> = sqlx::query_scalar(
                "explain (analyze, costs off, timing off) execute page(100, 50)",
            )
            .persistent(false)
            .fetch_all(&mut *connection)
            .await
            .unwrap();
            let rows = plan.iter().filter_map(|line| {
                let (_, after) = line.split_once("actual rows=")?;
                after.split(' ').next()?.parse::<u64>().ok()
            });
            assert_eq!(rows.max(), Some(50), "{plan:#?}");
        }
    }

    #[tokio::test]
    async fn sums_are_of_one_moment_although_they_are_read_in_parts() {
        for home in every_database().await {
            let database = migrated(&home).await;
            let count = 2 * SUMMED_AT_ONCE + 7;
            // Rupiah and dollars (360 and 840): what wallets hold came in from outside.
            let open = format!(
                "insert into accounts (id, user_id, balance, currency, status)
                 with recursive n(id) as (select 1 union all select id + 1 from n where id < {count})
                 select id, id, 1000, 360 + 480 * (id % 2), 0 from n
                 union all select -1 - c, null, -1000 * (select count(*) from n where id % 2 = c), 360 + 480 * c, 0 from (select 0 as c union all select 1) codes"
            );
            // From the first part to the last, and none of it is anywhere in between.
            let shift = format!(
                "update accounts set balance = balance + case id when 1 then -1 else 1 end where id in (1, {count})"
            );
            let store = SqlStore::new(database.clone());
            execute(&database, &open).await.unwrap();
            let shifting = async {
                for _ in 0..200 {
                    execute(&database, &shift).await.unwrap();
                }
            };
            let summing = async {
                for _ in 0..10 {
                    let (sums, negative) = store.sums().await.unwrap();
                    let sums: Vec<i128> = sums.into_iter().map(|(_, sum)| sum).collect();
                    assert_eq!((sums, negative), (vec![0, 0], 0));
                }
            };
            tokio::join!(shifting, summing);
            execute(
                &database,
                "update accounts set balance = balance + 1 where id = 3000",
            )
            .await
            .unwrap();
            assert_eq!(store.sums().await.unwrap().0[0].1, 1);
        }
    }
}
