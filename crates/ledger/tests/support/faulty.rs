//! A store that fails when a test wants it to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ledger::domain::{Account, Batch, Head, LogRow, Remainder};
use ledger::store::{
    BatchRow, Committed, Drawn, Holding, LedgerStore, SqlStore, Staged, StoreError,
};
use ledger_api::{Limit, Uuid};
use money::Currency;
use store::sqlx;
use tokio::sync::Semaphore;

use super::TestBank;

/// More commits than any test makes.
pub const ALL: usize = 1_000_000;

/// How the nth commit fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Nothing was written.
    Before,
    /// It was committed, but nobody heard of it.
    After,
    /// It waits until the gate is opened.
    Held,
}

/// A store whose commits fail, or wait.
pub struct Faulty {
    inner: SqlStore,
    fault: Fault,
    /// Every so many commits one fails; 1 for all.
    every: usize,
    commits: AtomicUsize,
    /// How many commits have come to the gate.
    pub held: AtomicUsize,
    /// How many batches were staged.
    pub staged: AtomicUsize,
    gate: Arc<Semaphore>,
}

impl Faulty {
    pub fn over(bank: &TestBank, fault: Fault, every: usize) -> Faulty {
        Faulty {
            inner: SqlStore::new(bank.database.clone()),
            fault,
            every,
            commits: AtomicUsize::default(),
            held: AtomicUsize::default(),
            staged: AtomicUsize::default(),
            gate: Arc::new(Semaphore::new(0)),
        }
    }

    /// Lets this many commits through that wait, or will.
    pub fn let_through(&self, commits: usize) {
        self.gate.add_permits(commits);
    }

    /// The next commit, or half of one: whether it fails.
    fn next(&self) -> Option<Fault> {
        let number = self.commits.fetch_add(1, Ordering::SeqCst);
        number.is_multiple_of(self.every).then_some(self.fault)
    }
}

async fn fail<F>(fault: Option<Fault>, gate: &Semaphore, commit: F) -> Result<Committed, StoreError>
where
    F: Future<Output = Result<Committed, StoreError>>,
{
    match fault {
        Some(Fault::Before) => return Err(broken()),
        Some(Fault::Held) => gate.acquire().await.unwrap().forget(),
        _ => {}
    }
    let result = commit.await;
    if fault == Some(Fault::After) {
        return Err(broken());
    }
    result
}

fn broken() -> StoreError {
    StoreError::Database(sqlx::Error::Io(std::io::Error::other(
        "the connection broke",
    )))
}

#[async_trait::async_trait]
impl LedgerStore for Faulty {
    async fn commit(&self, batch: &Batch) -> Result<Committed, StoreError> {
        let fault = self.next();
        self.held.fetch_add(1, Ordering::SeqCst);
        fail(fault, &self.gate, self.inner.commit(batch)).await
    }

    fn overlaps(&self) -> bool {
        self.inner.overlaps()
    }

    async fn stage(&self, batch: &Batch) -> Result<Option<Box<dyn Staged>>, StoreError> {
        let fault = self.next();
        let Some(inner) = self.inner.stage(batch).await? else {
            return Ok(None);
        };
        self.staged.fetch_add(1, Ordering::SeqCst);
        let gate = self.gate.clone();
        Ok(Some(Box::new(FaultyStaged { inner, fault, gate })))
    }

    async fn head(&self) -> Result<Head, StoreError> {
        self.inner.head().await
    }

    async fn identity(&self) -> Result<(Uuid, i64), StoreError> {
        self.inner.identity().await
    }

    async fn highest_users(&self) -> Result<(i64, i64), StoreError> {
        self.inner.highest_users().await
    }

    async fn note_users(&self, ledger: Uuid, highest: i64) -> Result<bool, StoreError> {
        self.inner.note_users(ledger, highest).await
    }

    async fn users(&self, after: i64, limit: i64) -> Result<Vec<i64>, StoreError> {
        self.inner.users(after, limit).await
    }

    async fn closed_users(&self, after: i64, limit: i64) -> Result<Vec<i64>, StoreError> {
        self.inner.closed_users(after, limit).await
    }

    async fn accounts(&self, ids: &[i64]) -> Result<Vec<Account>, StoreError> {
        self.inner.accounts(ids).await
    }

    async fn accounts_of(&self, users: &[i64]) -> Result<(Vec<Account>, Vec<i64>), StoreError> {
        self.inner.accounts_of(users).await
    }

    async fn last_writer(&self) -> Result<Option<String>, StoreError> {
        self.inner.last_writer().await
    }

    async fn limits(&self, seq: i64) -> Result<Option<(i64, Vec<Limit>)>, StoreError> {
        self.inner.limits(seq).await
    }

    async fn find(&self, keys: &[Uuid]) -> Result<(i64, Vec<LogRow>), StoreError> {
        self.inner.find(keys).await
    }

    async fn remainders(&self, seqs: &[i64]) -> Result<Vec<Remainder>, StoreError> {
        self.inner.remainders(seqs).await
    }

    async fn expired(&self, at: i64, limit: i64) -> Result<Vec<Remainder>, StoreError> {
        self.inner.expired(at, limit).await
    }

    async fn holdings(&self, ids: &[i64]) -> Result<Vec<Holding>, StoreError> {
        self.inner.holdings(ids).await
    }

    async fn holdings_of(&self, users: &[i64]) -> Result<Vec<Holding>, StoreError> {
        self.inner.holdings_of(users).await
    }

    async fn drawn(&self, after: i64, limit: i64) -> Result<Vec<Drawn>, StoreError> {
        self.inner.drawn(after, limit).await
    }

    async fn erased_notes(&self) -> Result<i64, StoreError> {
        self.inner.erased_notes().await
    }

    async fn erase_note(&self, seq: i64) -> Result<bool, StoreError> {
        self.inner.erase_note(seq).await
    }

    async fn log(&self, after: i64, limit: i64) -> Result<Vec<LogRow>, StoreError> {
        self.inner.log(after, limit).await
    }

    async fn batches(&self, after: i64, limit: i64) -> Result<Vec<BatchRow>, StoreError> {
        self.inner.batches(after, limit).await
    }

    async fn accounts_at_head(&self, ids: &[i64]) -> Result<(Head, Vec<Account>), StoreError> {
        self.inner.accounts_at_head(ids).await
    }

    async fn sums(&self) -> Result<(Vec<(Currency, i128)>, i64), StoreError> {
        self.inner.sums().await
    }

    async fn all_accounts(&self) -> Result<(Head, Vec<Account>), StoreError> {
        self.inner.all_accounts().await
    }
}

/// The second half of a commit, which fails alike.
struct FaultyStaged {
    inner: Box<dyn Staged>,
    fault: Option<Fault>,
    gate: Arc<Semaphore>,
}

#[async_trait::async_trait]
impl Staged for FaultyStaged {
    async fn settle(self: Box<Self>, batch: &Batch) -> Result<Committed, StoreError> {
        fail(self.fault, &self.gate, self.inner.settle(batch)).await
    }
}

/// One process more on the bank's database, whose commits fail.
pub fn faulty(bank: &TestBank, fault: Fault, every: usize) -> TestBank {
    over(bank, Arc::new(Faulty::over(bank, fault, every)))
}

/// One process more on the bank's database, over this store.
pub fn over(bank: &TestBank, store: Arc<Faulty>) -> TestBank {
    TestBank::over(bank.backend, &bank.config, store, bank.database.clone())
}
