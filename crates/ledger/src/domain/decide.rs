//! Deciding orders.

use std::collections::{BTreeMap, HashMap};

use ledger_api::{
    Entry, Event, Operation, Order, Refusal, Side, Transfer, TransferKind, WalletStatus,
};
use money::{Amount, Currency};
use uuid::Uuid;

use super::books::{Account, Books, Head, User};
use super::{chain, money_in, money_out, wallet_balance};

/// An entry with the key that it was asked for under: what becomes a row of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRow {
    /// The order's key.
    pub key: Uuid,
    /// The entry.
    pub entry: Entry,
}

/// Decisions on top of the books, not committed yet.
pub struct Draft<'a> {
    books: &'a Books,
    batch: Batch,
}

/// Everything that one commit changes.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Where the log ended when it was decided: it may only be committed there.
    pub before: i64,
    /// Where the log will end.
    pub head: Head,
    /// What is appended.
    pub rows: Vec<LogRow>,
    /// Accounts as they will stand, in the order of their ids.
    pub accounts: BTreeMap<i64, Account>,
    /// The accounts among them that are new.
    pub opened: Vec<i64>,
    /// Users who will be gone.
    pub closed_users: Vec<i64>,
    /// What hides its balances in its hash.
    pub blind: chain::Blind,
    pub(super) users: HashMap<i64, User>,
}

impl<'a> Draft<'a> {
    /// A draft of entries that are committed at `now` (microseconds since 1970). The log's time never goes back.
    pub fn new(books: &'a Books, now: i64) -> Draft<'a> {
        let mut head = books.head.clone();
        head.at = head.at.max(now);
        let batch = Batch {
            before: books.head.seq,
            head,
            rows: Vec::new(),
            accounts: BTreeMap::new(),
            opened: Vec::new(),
            closed_users: Vec::new(),
            blind: chain::Blind::default(),
            users: HashMap::new(),
        };
        Draft { books, batch }
    }

    /// What is to be committed, with its hash in the head; `None` when every order was refused. `blind` is drawn at random.
    pub fn finish(self, blind: chain::Blind) -> Option<Batch> {
        let mut batch = self.batch;
        if batch.rows.is_empty() {
            return None;
        }
        batch.blind = blind;
        batch.head.hash = chain::Parts::of(&batch.head.hash, &blind, &batch.rows).hash();
        Some(batch)
    }

    /// Decides one order against everything before it. A refusal changes nothing.
    pub fn decide(&mut self, order: &Order) -> Result<&Entry, Refusal> {
        let event = match &order.operation {
            Operation::TopUp {
                wallet_id,
                user_id,
                amount,
            } => {
                let wallet = self.own_active(*wallet_id, *user_id)?;
                let from = money_in(wallet.currency);
                self.post(TransferKind::Topup, from, *wallet_id, *amount, None)?
            }
            Operation::Pay {
                wallet_id,
                user_id,
                merchant,
                amount,
            } => {
                let wallet = self.own_active(*wallet_id, *user_id)?;
                let to = money_out(wallet.currency);
                self.post(
                    TransferKind::Payment,
                    *wallet_id,
                    to,
                    *amount,
                    Some(merchant),
                )?
            }
            Operation::Deduct {
                wallet_id,
                amount,
                description,
            } => {
                let wallet = active(self.wallet(*wallet_id)?)?;
                let to = money_out(wallet.currency);
                let kind = TransferKind::Withdrawal;
                self.post(kind, *wallet_id, to, *amount, description.as_ref())?
            }
            Operation::Transfer {
                from_wallet_id,
                user_id,
                to_user_id,
                amount,
            } => {
                let currency = self.own_active(*from_wallet_id, *user_id)?.currency;
                let to = self.destination(*to_user_id, currency)?;
                if to == *from_wallet_id {
                    return Err(Refusal::SameWallet);
                }
                self.post(TransferKind::Transfer, *from_wallet_id, to, *amount, None)?
            }
            Operation::OpenWallet { user_id, currency } => self.open(*user_id, *currency)?,
            Operation::SetStatus { wallet_id, status } => self.set_status(*wallet_id, *status)?,
            Operation::CloseUser { user_id } => self.close(*user_id),
        };
        Ok(self.append(order.key, event))
    }

    fn append(&mut self, key: Uuid, event: Event) -> &Entry {
        self.batch.head.seq = self.batch.head.seq.saturating_add(1);
        let entry = Entry {
            seq: self.batch.head.seq,
            at: self.batch.head.at,
            event,
        };
        self.batch.rows.push(LogRow { key, entry });
        let last = self.batch.rows.len().saturating_sub(1);
        &self.batch.rows[last].entry
    }

    fn account(&self, id: i64) -> Option<Account> {
        let drafted = self.batch.accounts.get(&id).cloned();
        drafted.or_else(|| self.books.account(id))
    }

    fn wallet(&self, id: i64) -> Result<Account, Refusal> {
        self.account(id)
            .filter(|account| account.user_id.is_some())
            .ok_or(Refusal::WalletNotFound)
    }

    fn user(&self, id: i64) -> User {
        self.batch
            .users
            .get(&id)
            .cloned()
            .or_else(|| self.books.user(id))
            .unwrap_or_default()
    }

    fn own_active(&self, wallet_id: i64, user_id: i64) -> Result<Account, Refusal> {
        let wallet = self.wallet(wallet_id)?;
        if wallet.user_id != Some(user_id) {
            return Err(Refusal::NotOwner);
        }
        active(wallet)
    }

    /// The receiver's wallet of this currency.
    fn destination(&self, user_id: i64, currency: Currency) -> Result<i64, Refusal> {
        let user = self.user(user_id);
        let (_, wallet_id) = user
            .wallets
            .iter()
            .find(|(of, _)| *of == currency)
            .ok_or(Refusal::DestinationNotFound)?;
        let wallet = self
            .account(*wallet_id)
            .ok_or(Refusal::DestinationNotFound)?;
        active(wallet).map_err(|_| Refusal::DestinationNotActive)?;
        Ok(*wallet_id)
    }

    /// Moves `amount` from one account to another, or changes nothing.
    fn post(
        &mut self,
        kind: TransferKind,
        from: i64,
        to: i64,
        amount: Amount,
        description: Option<&String>,
    ) -> Result<Event, Refusal> {
        let mut debit = self.account(from).ok_or(Refusal::WalletNotFound)?;
        let mut credit = self.account(to).ok_or(Refusal::WalletNotFound)?;
        debit.balance = debit
            .balance
            .checked_sub(amount.units())
            .ok_or(Refusal::LedgerLimit)?;
        credit.balance = credit
            .balance
            .checked_add(amount.units())
            .ok_or(Refusal::LedgerLimit)?;
        if debit.user_id.is_some() && !wallet_balance(debit.balance) {
            return Err(Refusal::InsufficientBalance);
        }
        if credit.user_id.is_some() && !wallet_balance(credit.balance) {
            return Err(Refusal::BalanceLimit);
        }
        let payment_id = match kind {
            TransferKind::Payment => {
                let next = self
                    .batch
                    .head
                    .payments
                    .checked_add(1)
                    .ok_or(Refusal::LedgerLimit)?;
                self.batch.head.payments = next;
                Some(next)
            }
            _ => None,
        };
        let transfer = Transfer {
            kind,
            debit: side(&debit),
            credit: side(&credit),
            amount,
            currency: debit.currency,
            payment_id,
            description: description.cloned(),
        };
        self.batch.accounts.insert(from, debit);
        self.batch.accounts.insert(to, credit);
        Ok(Event::Transfer(transfer))
    }

    fn open(&mut self, user_id: i64, currency: Currency) -> Result<Event, Refusal> {
        let mut user = self.user(user_id);
        if user.closed {
            return Err(Refusal::UserClosed);
        }
        if user.wallets.iter().any(|(of, _)| *of == currency) {
            return Err(Refusal::WalletExists);
        }
        let wallet_id = self
            .batch
            .head
            .wallets
            .checked_add(1)
            .ok_or(Refusal::LedgerLimit)?;
        self.batch.head.wallets = wallet_id;
        for (id, user_id) in [
            (money_in(currency), None),
            (money_out(currency), None),
            (wallet_id, Some(user_id)),
        ] {
            if self.account(id).is_none() {
                self.batch.opened.push(id);
                self.batch
                    .accounts
                    .insert(id, new_account(id, user_id, currency));
            }
        }
        user.wallets.push((currency, wallet_id));
        self.batch.users.insert(user_id, user);
        Ok(Event::WalletOpened {
            wallet_id,
            user_id,
            currency,
        })
    }

    fn set_status(&mut self, wallet_id: i64, status: WalletStatus) -> Result<Event, Refusal> {
        let mut wallet = self.wallet(wallet_id)?;
        if wallet.status == WalletStatus::Closed {
            return Err(Refusal::WalletNotActive);
        }
        wallet.status = status;
        self.batch.accounts.insert(wallet_id, wallet);
        Ok(Event::StatusChanged { wallet_id, status })
    }

    fn close(&mut self, user_id: i64) -> Event {
        let mut user = self.user(user_id);
        for (_, wallet_id) in &user.wallets {
            if let Some(mut wallet) = self.account(*wallet_id) {
                wallet.status = WalletStatus::Closed;
                self.batch.accounts.insert(*wallet_id, wallet);
            }
        }
        if !user.closed {
            self.batch.closed_users.push(user_id);
        }
        user.closed = true;
        self.batch.users.insert(user_id, user);
        Event::UserClosed { user_id }
    }
}

fn active(account: Account) -> Result<Account, Refusal> {
    match account.status {
        WalletStatus::Active => Ok(account),
        WalletStatus::Frozen | WalletStatus::Closed => Err(Refusal::WalletNotActive),
    }
}

fn side(account: &Account) -> Side {
    Side {
        account: account.id,
        user_id: account.user_id,
        balance: account.balance,
    }
}

fn new_account(id: i64, user_id: Option<i64>, currency: Currency) -> Account {
    Account {
        id,
        user_id,
        currency,
        status: WalletStatus::Active,
        balance: 0,
    }
}
