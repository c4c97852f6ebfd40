//! Three bugs that wallets are known to be born with, planted in the ledger's storage, to see that the checker finds them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ledger::domain::{Account, Batch, Head, LogRow, Remainder};
use ledger::store::{BatchRow, Committed, Drawn, Holding, LedgerStore, SqlStore, StoreError};
use ledger_api::{Event, Limit, Uuid};
use money::Currency;
use tokio::sync::mpsc;

/// The time that the commit lags behind the answer in [`Bug::AnswerBeforeCommit`].
const LAG: Duration = Duration::from_millis(20);

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Bug {
    /// The client is answered, and then it is committed.
    AnswerBeforeCommit,
    /// A known key is looked up when the order comes, not in the transaction that writes it; no unique index helps.
    KeyCheckedOutside,
    /// The movements of another process that moved the head are not read: the balances in memory stay as they are.
    BalanceWithoutHead,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 3] = [
        Bug::AnswerBeforeCommit,
        Bug::KeyCheckedOutside,
        Bug::BalanceWithoutHead,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Bug::AnswerBeforeCommit => "answer-before-commit",
            Bug::KeyCheckedOutside => "key-checked-outside",
            Bug::BalanceWithoutHead => "balance-without-head",
        }
    }

    /// The bug of this name.
    pub fn named(name: &str) -> Option<Bug> {
        Bug::ALL.into_iter().find(|bug| bug.name() == name)
    }

    /// The part of the schema that whoever made this mistake left out, too.
    pub fn schema(self) -> Option<&'static str> {
        (self == Bug::KeyCheckedOutside).then_some("drop index wallet.postings_key")
    }
}

/// The ledger's storage with the bug.
pub fn plant(bug: Bug, store: SqlStore) -> Arc<dyn LedgerStore> {
    let (late, mut queue) = mpsc::unbounded_channel::<Batch>();
    if bug == Bug::AnswerBeforeCommit {
        let store = store.clone();
        tokio::spawn(async move {
            while let Some(batch) = queue.recv().await {
                tokio::time::sleep(LAG).await;
                // Whoever answers first has nobody left to tell that it failed.
                let _ = store.commit(&batch).await;
            }
        });
    }
    Arc::new(Planted {
        bug,
        store,
        late,
        looked_up: Mutex::default(),
        remembered: Mutex::default(),
    })
}

struct Planted {
    bug: Bug,
    store: SqlStore,
    late: mpsc::UnboundedSender<Batch>,
    /// Keys that were looked up once.
    looked_up: Mutex<HashSet<Uuid>>,
    /// Balances as this process saw them last.
    remembered: Mutex<HashMap<i64, i64>>,
}

impl Planted {
    fn remember(&self, accounts: impl IntoIterator<Item = (i64, i64)>) {
        let mut remembered = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        remembered.extend(accounts);
    }
}

#[async_trait::async_trait]
impl LedgerStore for Planted {
    async fn identity(&self) -> Result<(Uuid, i64), StoreError> {
        self.store.identity().await
    }

    async fn highest_users(&self) -> Result<(i64, i64), StoreError> {
        self.store.highest_users().await
    }

    async fn note_users(&self, ledger: Uuid, highest: i64) -> Result<bool, StoreError> {
        self.store.note_users(ledger, highest).await
    }

    async fn users(&self, after: i64, limit: i64) -> Result<Vec<i64>, StoreError> {
        self.store.users(after, limit).await
    }

    async fn closed_users(&self, after: i64, limit: i64) -> Result<Vec<i64>, StoreError> {
        self.store.closed_users(after, limit).await
    }

    async fn commit(&self, batch: &Batch) -> Result<Committed, StoreError> {
        match self.bug {
            Bug::AnswerBeforeCommit => {
                let _ = self.late.send(batch.clone());
                return Ok(Committed::Done);
            }
            Bug::KeyCheckedOutside => {
                let new: Vec<Uuid> = {
                    let mut looked_up = self
                        .looked_up
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner);
                    let keys = batch.rows.iter().map(|row| row.key);
                    keys.filter(|key| looked_up.insert(*key)).collect()
                };
                if !new.is_empty() && !self.store.find(&new).await?.1.is_empty() {
                    return Ok(Committed::KeyTaken);
                }
            }
            Bug::BalanceWithoutHead => {}
        }
        let committed = self.store.commit(batch).await?;
        if committed == Committed::Done {
            self.remember(batch.accounts.values().map(|a| (a.id, a.balance)));
        }
        Ok(committed)
    }

    async fn log(&self, after: i64, limit: i64) -> Result<Vec<LogRow>, StoreError> {
        let mut rows = self.store.log(after, limit).await?;
        if self.bug == Bug::BalanceWithoutHead {
            let remembered = self
                .remembered
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            for row in &mut rows {
                if let Event::Posted(posting) = &mut row.entry.event {
                    for leg in [&mut posting.debit, &mut posting.credit] {
                        leg.balance = *remembered.get(&leg.account).unwrap_or(&leg.balance);
                    }
                }
            }
        }
        Ok(rows)
    }

    async fn accounts(&self, ids: &[i64]) -> Result<Vec<Account>, StoreError> {
        let accounts = self.store.accounts(ids).await?;
        self.remember(accounts.iter().map(|a| (a.id, a.balance)));
        Ok(accounts)
    }

    async fn accounts_of(&self, users: &[i64]) -> Result<(Vec<Account>, Vec<i64>), StoreError> {
        self.store.accounts_of(users).await
    }

    async fn head(&self) -> Result<Head, StoreError> {
        self.store.head().await
    }

    async fn last_writer(&self) -> Result<Option<String>, StoreError> {
        self.store.last_writer().await
    }

    async fn limits(&self, seq: i64) -> Result<Option<(i64, Vec<Limit>)>, StoreError> {
        self.store.limits(seq).await
    }

    async fn find(&self, keys: &[Uuid]) -> Result<(i64, Vec<LogRow>), StoreError> {
        self.store.find(keys).await
    }

    async fn remainders(&self, seqs: &[i64]) -> Result<Vec<Remainder>, StoreError> {
        self.store.remainders(seqs).await
    }

    async fn expired(&self, at: i64, limit: i64) -> Result<Vec<Remainder>, StoreError> {
        self.store.expired(at, limit).await
    }

    async fn holdings(&self, ids: &[i64]) -> Result<Vec<Holding>, StoreError> {
        self.store.holdings(ids).await
    }

    async fn holdings_of(&self, users: &[i64]) -> Result<Vec<Holding>, StoreError> {
        self.store.holdings_of(users).await
    }

    async fn drawn(&self, after: i64, limit: i64) -> Result<Vec<Drawn>, StoreError> {
        self.store.drawn(after, limit).await
    }

    async fn erased_notes(&self) -> Result<i64, StoreError> {
        self.store.erased_notes().await
    }

    async fn erase_note(&self, seq: i64) -> Result<bool, StoreError> {
        self.store.erase_note(seq).await
    }

    async fn batches(&self, after: i64, limit: i64) -> Result<Vec<BatchRow>, StoreError> {
        self.store.batches(after, limit).await
    }

    async fn accounts_at_head(&self, ids: &[i64]) -> Result<(Head, Vec<Account>), StoreError> {
        self.store.accounts_at_head(ids).await
    }

    async fn sums(&self) -> Result<(Vec<(Currency, i128)>, i64), StoreError> {
        self.store.sums().await
    }

    async fn all_accounts(&self) -> Result<(Head, Vec<Account>), StoreError> {
        self.store.all_accounts().await
    }
}
