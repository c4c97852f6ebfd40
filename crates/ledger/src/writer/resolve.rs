//! What the writer does with a batch that did not come through at once: it looks keys up, reads what others wrote, and decides
//! again, until every order has its outcome. Nothing else is on its way meanwhile.

use std::collections::HashMap;
use std::time::Instant;

use ledger_api::{LOG_PAGE_MAX, Operation, Order, Outcome};
use uuid::Uuid;

use super::LedgerError;
use super::decided::{decide, open_keys, replay};
use super::served::Served;
use super::task::{ALONE_AFTER, RETRY_EVERY, Writer};
use crate::domain::{self, Books, LogRow, User, money_in, money_out};
use crate::store::{Committed, StoreError};

impl Writer {
    /// Serves calls of which some orders may have their outcome. Tries until it succeeds or the patience is over; every attempt may
    /// repeat the one before: keys see to that.
    pub(super) async fn serve(&mut self, mut served: Served) {
        let deadline = Instant::now() + self.patience;
        loop {
            match self.attempt(&mut served).await {
                Ok(()) => {
                    self.is_away = false;
                    return served.finish(Ok(()));
                }
                // The books are gone with the failed attempt: what the database holds is uncertain, or far ahead.
                Err(StoreError::Behind) => {}
                Err(error) if error.is_of_an_order() => {
                    if served.together_max == 1 {
                        error.tell("an order cannot be kept, and is refused");
                    }
                    served.narrow_down();
                }
                Err(error) => {
                    error.tell("the ledger's database failed");
                    match error.fault() {
                        // It would not be written a moment later either.
                        Some(fault) if fault.is_of_writes() => {
                            return served.finish(Err(LedgerError::CannotWrite(fault)));
                        }
                        _ if self.is_away || Instant::now() >= deadline => {
                            self.is_away = true;
                            return served.finish(Err(LedgerError::Unavailable));
                        }
                        _ => tokio::time::sleep(RETRY_EVERY).await,
                    }
                }
            }
        }
    }

    /// Decides and commits until every order has its outcome.
    async fn attempt(&mut self, served: &mut Served) -> Result<(), StoreError> {
        let look_keys_up = std::mem::take(&mut served.look_keys_up);
        let Served {
            orders,
            outcomes,
            together_max,
            ..
        } = served;
        let (mut books, look_keys_up) = match self.books.take() {
            Some(books) => (books, look_keys_up),
            // After a failed commit nobody knows whether it was one: the keys tell.
            None => (Books::at(self.store.head().await?), true),
        };
        if look_keys_up {
            let keys = open_keys(orders, outcomes, 0..orders.len());
            self.resolve_known(&mut books, &keys, orders, outcomes)
                .await?;
        }
        self.look_up(&mut books, orders).await?;
        while outcomes.iter().any(Option::is_none) {
            self.round(&mut books, orders, outcomes, *together_max)
                .await?;
            *together_max = together_max.saturating_mul(2);
        }
        self.books = Some(books);
        Ok(())
    }

    /// One round: decide what is open, so many orders at most, commit what is accepted, confirm what is refused.
    async fn round(
        &mut self,
        books: &mut Books,
        orders: &[Order],
        outcomes: &mut [Option<Outcome>],
        together_max: usize,
    ) -> Result<(), StoreError> {
        let mut decided = decide(
            books,
            orders,
            outcomes,
            together_max,
            self.clock.now().micros(),
            self.entropy.bytes16(),
        );
        if let Some(batch) = decided.batch.take() {
            let started = Instant::now();
            match self.store.commit(&batch).await? {
                Committed::Done => {
                    self.metrics
                        .committed(&batch, started.elapsed().as_secs_f64());
                    self.tail.extend(batch.rows.iter().cloned());
                    decided.note_committed(&batch, orders, outcomes);
                    books.merge(&batch);
                }
                Committed::HeadMoved => {
                    self.metrics.head_moved.inc();
                    self.is_not_alone().await?;
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

    /// Another process writes: its batches and ours would only be in each other's way, and it may take our orders.
    async fn is_not_alone(&mut self) -> Result<(), StoreError> {
        self.alone_from = Instant::now() + ALONE_AFTER;
        if let Some(writer) = self.store.last_writer().await? {
            self.passing_on.head_was_moved_by(&writer);
        }
        Ok(())
    }

    /// The same, and reads what it wrote. Where that fails, the books are gone.
    pub(super) async fn meet_another(&mut self) {
        let Some(mut books) = self.books.take() else {
            return;
        };
        let read = async {
            self.is_not_alone().await?;
            self.catch_up(&mut books).await
        };
        if read.await.is_ok() {
            self.books = Some(books);
        }
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
            let entries = rows.iter().map(|row| &row.entry);
            for entry in entries.filter(|entry| entry.seq <= head.seq) {
                books.follow(entry);
            }
            self.tail.extend(rows.into_iter());
        }
        books.head = head;
        Ok(())
    }

    /// Looks up what the orders touch and the books do not know.
    pub(super) async fn look_up(
        &self,
        books: &mut Books,
        orders: &[Order],
    ) -> Result<(), StoreError> {
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

fn sort(ids: &mut Vec<i64>) {
    ids.sort_unstable();
    ids.dedup();
}
