//! Preparing to decide: the writer learns where the log ends, which keys are in it, and the accounts that orders name.

use std::collections::HashMap;
use std::sync::Arc;

use ledger_api::{LOG_PAGE_MAX, Operation, Order, Party, Role};
use money::Currency;
use uuid::Uuid;

use super::decisions::recorded;
use super::requests::RequestBatch;
use super::task::Writer;
use crate::domain::limits::Limits;
use crate::domain::{Books, LogRow, Named, User, system_account};
use crate::store::StoreError;

impl Writer {
    /// Has everything in the books that these orders need, and gives orders that are in the log already their outcomes. After an error
    /// the books are gone.
    pub(super) async fn prepare(&mut self, requests: &mut RequestBatch) -> Result<(), StoreError> {
        let mut books = match self.books.take() {
            Some(books) => books,
            None => {
                // After a commit whose fate is unknown the keys tell whether it was one.
                requests.look_keys_up = true;
                let head = self.store.head().await?;
                let limits = self.store.limits(head.seq).await?;
                let limits = limits.and_then(|(_, limits)| Limits::new(limits));
                Books::at(head, limits.map(Arc::new))
            }
        };
        if std::mem::take(&mut requests.look_keys_up) {
            self.find_recorded(&mut books, requests).await?;
        }
        self.look_up(&mut books, &requests.orders).await?;
        self.books = Some(books);
        Ok(())
    }

    /// Gives the orders whose keys are in the log their first outcome; then follows the log to its end.
    async fn find_recorded(
        &self,
        books: &mut Books,
        requests: &mut RequestBatch,
    ) -> Result<(), StoreError> {
        let (head, known) = self.store.find(&requests.open_keys()).await?;
        let known: HashMap<Uuid, LogRow> = known.into_iter().map(|row| (row.key, row)).collect();
        let is_explained = !known.is_empty() || head != books.head.seq;
        if std::mem::take(&mut requests.key_taken) && !is_explained {
            return Err(StoreError::Corrupt(
                "a value that must be unique is there already",
            ));
        }
        for (order, outcome) in requests.orders.iter().zip(requests.outcomes.iter_mut()) {
            if outcome.is_none() {
                *outcome = recorded(order, &known);
            }
        }
        if head != books.head.seq {
            self.catch_up(books).await?;
        }
        Ok(())
    }

    /// Reads what other writers appended.
    pub(super) async fn catch_up(&self, books: &mut Books) -> Result<(), StoreError> {
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
                books.follow(entry, &self.policy);
            }
            self.tail.extend(rows.into_iter());
        }
        books.head = head;
        Ok(())
    }

    /// Looks up what the orders name and the books do not know.
    pub(super) async fn look_up(
        &self,
        books: &mut Books,
        orders: &[Order],
    ) -> Result<(), StoreError> {
        let mut named = Named::default();
        for order in orders {
            named.add(&order.operation);
        }
        let Named {
            wallets,
            mut users,
            mut drawn,
        } = named;
        users.retain(|id| !books.knows_user(*id));
        if !users.is_empty() {
            self.learn_users(books, users).await?;
        }
        drawn.retain(|seq| books.remainder(*seq).is_none());
        if !drawn.is_empty() {
            sort(&mut drawn);
            for remainder in self.store.remainders(&drawn).await? {
                books.learn_remainder(remainder);
            }
        }
        self.learn_accounts(books, wallets).await?;
        let system = system_accounts(books, orders);
        self.learn_accounts(books, system).await
    }

    async fn learn_users(&self, books: &mut Books, mut users: Vec<i64>) -> Result<(), StoreError> {
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
        Ok(())
    }

    async fn learn_accounts(&self, books: &mut Books, mut ids: Vec<i64>) -> Result<(), StoreError> {
        ids.retain(|id| !books.knows_account(*id));
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

/// The system's accounts that these orders name. Their currency is that of the wallet beside them, or of the posting that is drawn on.
fn system_accounts(books: &Books, orders: &[Order]) -> Vec<i64> {
    let mut accounts = Vec::new();
    let mut add = |currency: Option<Currency>, role: Role| {
        let id = currency.map(|currency| system_account(currency, role));
        // The same few come again and again.
        accounts.extend(id.filter(|id| !books.knows_account(*id) && accounts.last() != Some(id)));
    };
    for order in orders {
        let Operation::Post(postings) = &order.operation else {
            continue;
        };
        for posting in postings {
            let of_wallet = |party: Party| match party {
                Party::Wallet(id) => books.account(id).map(|account| account.currency),
                Party::WalletOf(_) | Party::System(_) => None,
            };
            let of_drawn = || {
                let drawn = posting.draws_on.and_then(|seq| books.remainder(seq));
                drawn.map(|drawn| drawn.currency)
            };
            let currency = || {
                of_wallet(posting.debit)
                    .or_else(|| of_wallet(posting.credit))
                    .or_else(of_drawn)
            };
            for party in [posting.debit, posting.credit] {
                if let Party::System(role) = party {
                    add(currency(), role);
                }
            }
        }
    }
    accounts
}

fn sort(ids: &mut Vec<i64>) {
    ids.sort_unstable();
    ids.dedup();
}
