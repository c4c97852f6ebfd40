//! The one task that writes the ledger for this process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clock::{Clock, Entropy};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use wallet_api::{LOG_PAGE_MAX, ORDERS_MAX, Operation, Order, Outcome};

use super::{Call, LedgerError, LedgerMetrics, Tail};
use crate::domain::chain::Blind;
use crate::domain::{self, Books, Draft, LogRow, User, money_in, money_out};
use crate::store::{Committed, LedgerStore, StoreError, entries};

/// Accounts that are remembered, with their users: 105 MB. With 20,000 more the tables behind [`Books`] would double.
const REMEMBERED_MAX: usize = 900_000;
/// The wait before a failed database is asked again.
const RETRY_EVERY: Duration = Duration::from_millis(50);

pub(super) struct Writer {
    store: Arc<dyn LedgerStore>,
    clock: Clock,
    entropy: Entropy,
    metrics: LedgerMetrics,
    tail: Arc<Tail>,
    patience: Duration,
    /// `None` until the head was read, and after a failure that leaves it uncertain.
    books: Option<Books>,
}

impl Writer {
    pub(super) fn new(
        store: Arc<dyn LedgerStore>,
        clock: Clock,
        entropy: Entropy,
        metrics: LedgerMetrics,
        tail: Arc<Tail>,
        patience: Duration,
    ) -> Writer {
        Writer {
            store,
            clock,
            entropy,
            metrics,
            tail,
            patience,
            books: None,
        }
    }

    /// Works until `stop`, and then on until nothing waits.
    pub(super) async fn run(mut self, mut waiting: mpsc::Receiver<Call>, stop: CancellationToken) {
        let mut calls = Vec::new();
        loop {
            tokio::select! {
                biased;
                taken = waiting.recv_many(&mut calls, 1) => if taken == 0 { return },
                () = stop.cancelled() => return,
            }
            let mut orders = calls.iter().map(|call| call.orders.len()).sum::<usize>();
            while orders < ORDERS_MAX
                && let Ok(call) = waiting.try_recv()
            {
                orders = orders.saturating_add(call.orders.len());
                calls.push(call);
            }
            self.metrics
                .waiting
                .set(i64::try_from(waiting.len()).unwrap_or(i64::MAX));
            self.serve(std::mem::take(&mut calls)).await;
        }
    }

    async fn serve(&mut self, calls: Vec<Call>) {
        let mut orders = Vec::new();
        let mut answers = Vec::with_capacity(calls.len());
        for call in calls {
            answers.push((call.orders.len(), call.answer));
            orders.extend(call.orders);
        }
        let result = self.carry_out(&orders).await;
        let mut outcomes = result.map(Vec::into_iter);
        for (count, answer) in answers {
            // A caller that is gone has given up waiting; its orders are done all the same.
            let _ = answer.send(match &mut outcomes {
                Ok(outcomes) => Ok(outcomes.by_ref().take(count).collect()),
                Err(error) => Err(*error),
            });
        }
    }

    /// Tries until it succeeds or the patience is over. Every attempt may repeat the one before: keys see to that.
    async fn carry_out(&mut self, orders: &[Order]) -> Result<Vec<Outcome>, LedgerError> {
        let deadline = Instant::now() + self.patience;
        let mut outcomes: Vec<Option<Outcome>> = vec![None; orders.len()];
        loop {
            match self.attempt(orders, &mut outcomes).await {
                Ok(()) => return Ok(outcomes.into_iter().flatten().collect()),
                // The books are gone with the failed attempt: what the database holds is uncertain, or far ahead.
                Err(StoreError::Behind) => {}
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the ledger's database failed"
                    );
                    if Instant::now() >= deadline {
                        return Err(LedgerError::Unavailable);
                    }
                    tokio::time::sleep(RETRY_EVERY).await;
                }
            }
        }
    }

    /// Decides and commits until every order has its outcome.
    async fn attempt(
        &mut self,
        orders: &[Order],
        outcomes: &mut [Option<Outcome>],
    ) -> Result<(), StoreError> {
        let mut books = match self.books.take() {
            Some(books) => books,
            None => {
                // After a failed commit nobody knows whether it was one: the keys tell.
                let mut books = Books::at(self.store.head().await?);
                let keys = open_keys(orders, outcomes, 0..orders.len());
                self.resolve_known(&mut books, &keys, orders, outcomes)
                    .await?;
                books
            }
        };
        self.look_up(&mut books, orders).await?;
        while outcomes.iter().any(Option::is_none) {
            self.round(&mut books, orders, outcomes).await?;
        }
        self.books = Some(books);
        Ok(())
    }

    /// One round: decide what is open, commit what is accepted, confirm what is refused.
    async fn round(
        &self,
        books: &mut Books,
        orders: &[Order],
        outcomes: &mut [Option<Outcome>],
    ) -> Result<(), StoreError> {
        let decided = decide(
            books,
            orders,
            outcomes,
            self.clock.now().micros(),
            self.entropy.bytes16(),
        );
        if let Some(batch) = decided.batch {
            let started = Instant::now();
            match self.store.commit(&batch).await? {
                Committed::Done => {
                    self.metrics
                        .committed(&batch, started.elapsed().as_secs_f64());
                    self.tail
                        .extend(batch.rows.iter().map(|row| row.entry.clone()));
                    for (index, row) in decided.accepted {
                        outcomes[index] = Some(Outcome::Accepted {
                            entry: batch.rows[row].entry.clone(),
                            replayed: false,
                        });
                    }
                    for (index, row) in decided.repeated {
                        outcomes[index] = Some(replay(&orders[index], &batch.rows[row]));
                    }
                    books.merge(batch);
                }
                Committed::HeadMoved => {
                    self.metrics.head_moved.inc();
                    return self.catch_up(books).await;
                }
                Committed::KeyTaken => {
                    self.metrics.key_taken.inc();
                    let keys = open_keys(orders, outcomes, 0..orders.len());
                    let before = books.head.seq;
                    let known = self.resolve_known(books, &keys, orders, outcomes).await?;
                    if known == 0 && books.head.seq == before {
                        return Err(StoreError::Corrupt(
                            "a value that must be unique is there already",
                        ));
                    }
                    return Ok(());
                }
            }
        }
        if decided.unconfirmed.is_empty() {
            return Ok(());
        }
        let indexes = decided.unconfirmed.iter().map(|(index, _)| *index);
        let keys = open_keys(orders, outcomes, indexes);
        let before = books.head.seq;
        self.resolve_known(books, &keys, orders, outcomes).await?;
        if books.head.seq == before {
            // The head is where the refusals were decided, and none of the keys is known.
            for (index, outcome) in decided.unconfirmed {
                outcomes[index].get_or_insert(outcome);
            }
        }
        Ok(())
    }

    /// Gives the orders whose keys are in the log their first answer; then follows the log to its end. How many keys were known.
    async fn resolve_known(
        &self,
        books: &mut Books,
        keys: &[Uuid],
        orders: &[Order],
        outcomes: &mut [Option<Outcome>],
    ) -> Result<usize, StoreError> {
        let (head, known) = self.store.find(keys).await?;
        let known: HashMap<Uuid, LogRow> = known.into_iter().map(|row| (row.key, row)).collect();
        for (order, outcome) in orders.iter().zip(outcomes.iter_mut()) {
            if outcome.is_none()
                && let Some(row) = known.get(&order.key)
            {
                *outcome = Some(replay(order, row));
            }
        }
        if head != books.head.seq {
            self.catch_up(books).await?;
        }
        Ok(known.len())
    }

    /// Reads what other writers appended.
    async fn catch_up(&self, books: &mut Books) -> Result<(), StoreError> {
        let head = self.store.head().await?;
        if head.seq.saturating_sub(books.head.seq) > LOG_PAGE_MAX {
            // To look up what is needed again is cheaper than to read all that.
            return Err(StoreError::Behind);
        }
        while books.head.seq < head.seq {
            let rows = self.store.log(books.head.seq, LOG_PAGE_MAX).await?;
            if rows.is_empty() {
                return Err(StoreError::Corrupt("the log ends before its head"));
            }
            let rows = entries(rows);
            for entry in rows.iter().filter(|entry| entry.seq <= head.seq) {
                books.follow(entry);
            }
            self.tail.extend(rows.into_iter());
        }
        books.head = head;
        Ok(())
    }

    /// Looks up what the orders touch and the books do not know.
    async fn look_up(&self, books: &mut Books, orders: &[Order]) -> Result<(), StoreError> {
        books.forget_beyond(REMEMBERED_MAX);
        let (mut accounts, mut users) = (Vec::new(), Vec::new());
        for order in orders {
            let (wallet, user) = domain::needs(&order.operation);
            accounts.extend(wallet);
            users.extend(user);
            if let Operation::OpenWallet { currency, .. } = order.operation {
                accounts.extend([money_in(currency), money_out(currency)]);
            }
        }
        users.retain(|id| !books.knows_user(*id));
        if !users.is_empty() {
            sort(&mut users);
            let (found, closed) = self.store.accounts_of(&users).await?;
            for id in users {
                let user = User {
                    closed: closed.contains(&id),
                    wallets: found
                        .iter()
                        .filter(|account| account.user_id == Some(id))
                        .map(|account| (account.currency, account.id))
                        .collect(),
                };
                books.learn_user(id, user);
            }
            found
                .into_iter()
                .for_each(|account| books.learn_account(account));
        }
        accounts.retain(|id| !books.knows_account(*id));
        self.learn(books, accounts).await?;
        let system = books.missing_system_accounts(
            orders
                .iter()
                .filter_map(|order| domain::needs(&order.operation).0),
        );
        self.learn(books, system).await
    }

    async fn learn(&self, books: &mut Books, mut ids: Vec<i64>) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        sort(&mut ids);
        for account in self.store.accounts(&ids).await? {
            books.learn_account(account);
        }
        Ok(())
    }
}

/// What one pass over the open orders came to.
struct Decided {
    batch: Option<domain::Batch>,
    /// Index of the order, index of the row in the batch.
    accepted: Vec<(usize, usize)>,
    /// The same for orders whose key came earlier in the batch.
    repeated: Vec<(usize, usize)>,
    /// What would be answered, if the key is not known and the head is still where it was.
    unconfirmed: Vec<(usize, Outcome)>,
}

fn decide(
    books: &Books,
    orders: &[Order],
    outcomes: &[Option<Outcome>],
    now: i64,
    blind: Blind,
) -> Decided {
    let mut draft = Draft::new(books, now);
    let mut accepted = Vec::new();
    let mut repeated = Vec::new();
    let mut unconfirmed = Vec::new();
    let mut rows_by_key: HashMap<Uuid, usize> = HashMap::with_capacity(orders.len());
    for (index, order) in orders.iter().enumerate() {
        if outcomes[index].is_some() {
            continue;
        }
        if let Some(row) = rows_by_key.get(&order.key) {
            repeated.push((index, *row));
            continue;
        }
        match draft.decide(order) {
            Ok(_) => {
                let row = accepted.len();
                rows_by_key.insert(order.key, row);
                accepted.push((index, row));
            }
            Err(reason) => unconfirmed.push((index, Outcome::Refused { reason })),
        }
    }
    Decided {
        batch: draft.finish(blind),
        accepted,
        repeated,
        unconfirmed,
    }
}

fn replay(order: &Order, row: &LogRow) -> Outcome {
    if domain::matches(&order.operation, &row.entry) {
        Outcome::Accepted {
            entry: row.entry.clone(),
            replayed: true,
        }
    } else {
        Outcome::KeyReused
    }
}

fn open_keys(
    orders: &[Order],
    outcomes: &[Option<Outcome>],
    indexes: impl Iterator<Item = usize>,
) -> Vec<Uuid> {
    indexes
        .filter(|index| outcomes[*index].is_none())
        .map(|index| orders[index].key)
        .collect()
}

fn sort(ids: &mut Vec<i64>) {
    ids.sort_unstable();
    ids.dedup();
}
