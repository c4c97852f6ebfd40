//! Deciding orders, one after the other, on top of the books.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use ledger_api::{
    Actor, Entry, Event, Limit, NOTE_BYTES_MAX, Operation, Order, Refusal, Tier, WalletStatus,
};
use money::Currency;
use uuid::Uuid;

use super::books::{Account, Books, Head, Remainder, User};
use super::chain;
use super::limits::{Limits, Usage};
use super::merkle::Hash;
use super::policy::Policy;
use super::post::Changed;

/// An entry with the key that it was asked for under: one row of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRow {
    /// The order's key, or for its further postings one that follows from it.
    pub key: Uuid,
    /// The entry.
    pub entry: Entry,
    /// The hash of its note, where that was erased.
    pub erased_note: Option<Hash>,
}

/// Decisions on top of the books, not committed yet.
pub struct Draft<'a> {
    pub(super) books: &'a Books,
    pub(super) policy: Policy,
    pub(super) batch: Batch,
    /// Everything that an order with several postings has changed so far, so that it can be taken back.
    pub(super) changed: Option<Changed>,
}

/// Everything that one commit changes.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The end of the log when it was decided: it may only be committed there.
    pub before: i64,
    /// The head after the commit.
    pub head: Head,
    /// The rows that are appended.
    pub rows: Vec<LogRow>,
    /// Accounts as they will stand, in the order of their ids.
    pub accounts: BTreeMap<i64, Account>,
    /// The accounts among them that are new.
    pub opened: Vec<i64>,
    /// The remainders of postings that are drawn on, or that expire, after the commit.
    pub remainders: BTreeMap<i64, Remainder>,
    /// The accounts among them whose tier, or what they used of a limit, is another.
    pub described: BTreeSet<i64>,
    /// The limits that it sets, if it sets some.
    pub(super) limits: Option<Arc<Limits>>,
    /// Users who will be gone.
    pub closed_users: Vec<i64>,
    /// The random bytes that hide its balances and its leaves.
    pub blind: chain::Blind,
    pub(super) users: HashMap<i64, User>,
}

impl<'a> Draft<'a> {
    /// A draft of entries that are committed at `now` (microseconds since 1970). The log's time never goes back.
    pub fn new(books: &'a Books, policy: impl Into<Policy>, now: i64) -> Draft<'a> {
        let mut head = books.head.clone();
        head.at = head.at.max(now);
        let batch = Batch {
            before: books.head.seq,
            head,
            rows: Vec::new(),
            accounts: BTreeMap::new(),
            opened: Vec::new(),
            remainders: BTreeMap::new(),
            described: BTreeSet::new(),
            limits: None,
            closed_users: Vec::new(),
            blind: chain::Blind::default(),
            users: HashMap::new(),
        };
        Draft {
            books,
            policy: policy.into(),
            batch,
            changed: None,
        }
    }

    /// The batch to commit, with its hash in the head; `None` when every order was refused. `blind` is drawn at random.
    pub fn finish(self, blind: chain::Blind) -> Option<Batch> {
        let mut batch = self.batch;
        if batch.rows.is_empty() {
            return None;
        }
        batch.blind = blind;
        batch.head.hash = chain::Parts::of(&batch.head.hash, &blind, &batch.rows).hash();
        Some(batch)
    }

    /// The rows so far.
    pub fn rows(&self) -> &[LogRow] {
        &self.batch.rows
    }

    /// Decides one order against everything before it, and says which rows it became. A refusal changes nothing.
    pub fn decide(&mut self, order: &Order) -> Result<Range<usize>, Refusal> {
        let first = self.batch.rows.len();
        match &order.operation {
            Operation::Post(postings) => self.post_all(order.key, postings)?,
            Operation::OpenWallet { user_id, currency } => {
                let event = self.open(*user_id, *currency)?;
                self.append(order.key, event);
            }
            Operation::SetStatus {
                wallet_id,
                status,
                by,
            } => {
                let event = self.set_status(*wallet_id, *status, *by)?;
                self.append(order.key, event);
            }
            Operation::CloseUser { user_id, by } => {
                let event = self.close(*user_id, *by);
                self.append(order.key, event);
            }
            Operation::SetTier {
                wallet_id,
                tier,
                reason,
                by,
            } => {
                let event = self.set_tier(*wallet_id, *tier, reason, *by)?;
                self.append(order.key, event);
            }
            Operation::SetLimits { limits, by } => {
                let event = self.set_limits(limits, *by)?;
                self.append(order.key, event);
            }
        }
        Ok(first..self.batch.rows.len())
    }

    /// Appends an entry, and gives its number.
    pub(super) fn append(&mut self, key: Uuid, event: Event) -> i64 {
        let head = &mut self.batch.head;
        head.seq = head.seq.saturating_add(1);
        let entry = Entry {
            seq: head.seq,
            at: head.at,
            event,
        };
        self.batch.rows.push(LogRow {
            key,
            entry,
            erased_note: None,
        });
        self.batch.head.seq
    }

    pub(super) fn account(&self, id: i64) -> Option<Account> {
        let drafted = self.batch.accounts.get(&id).cloned();
        drafted.or_else(|| self.books.account(id))
    }

    /// Notes how an account will stand; one that is nowhere yet is opened.
    pub(super) fn set_account(&mut self, account: Account) {
        let id = account.id;
        let before = self.batch.accounts.insert(id, account);
        if before.is_none() && !self.books.knows_account(id) {
            self.batch.opened.push(id);
        }
        if let Some(changed) = &mut self.changed {
            changed.accounts.push((id, before));
        }
    }

    pub(super) fn set_remainder(&mut self, remainder: Remainder) {
        let seq = remainder.seq;
        let before = self.batch.remainders.insert(seq, remainder);
        if let Some(changed) = &mut self.changed {
            changed.remainders.push((seq, before));
        }
    }

    pub(super) fn wallet(&self, id: i64) -> Result<Account, Refusal> {
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

    /// A user's wallet of this currency.
    pub(super) fn wallet_of(&self, user_id: i64, currency: Currency) -> Option<Account> {
        let user = self.user(user_id);
        let mut wallets = user.wallets.iter();
        let (_, wallet_id) = wallets.find(|(of, _)| *of == currency)?;
        self.account(*wallet_id)
    }

    fn open(&mut self, user_id: i64, currency: Currency) -> Result<Event, Refusal> {
        let mut user = self.user(user_id);
        if user.closed {
            return Err(Refusal::UserClosed);
        }
        if user.wallets.iter().any(|(of, _)| *of == currency) {
            return Err(Refusal::WalletExists);
        }
        let wallet_id = self.batch.head.wallets.checked_add(1);
        let wallet_id = wallet_id.ok_or(Refusal::LedgerLimit)?;
        self.batch.head.wallets = wallet_id;
        self.set_account(new_account(wallet_id, Some(user_id), currency));
        user.wallets.push((currency, wallet_id));
        self.batch.users.insert(user_id, user);
        Ok(Event::WalletOpened {
            wallet_id,
            user_id,
            currency,
        })
    }

    fn set_status(
        &mut self,
        wallet_id: i64,
        status: WalletStatus,
        by: Actor,
    ) -> Result<Event, Refusal> {
        let mut wallet = self.wallet(wallet_id)?;
        if wallet.status == WalletStatus::Closed {
            return Err(Refusal::WalletNotActive);
        }
        wallet.status = status;
        self.set_account(wallet);
        Ok(Event::StatusChanged {
            wallet_id,
            status,
            by,
        })
    }

    fn set_tier(
        &mut self,
        wallet_id: i64,
        tier: Tier,
        reason: &str,
        by: Actor,
    ) -> Result<Event, Refusal> {
        let mut wallet = self.wallet(wallet_id)?;
        if wallet.status == WalletStatus::Closed {
            return Err(Refusal::WalletNotActive);
        }
        if reason.len() > NOTE_BYTES_MAX {
            return Err(Refusal::NotStorable);
        }
        wallet.tier = tier;
        self.batch.described.insert(wallet_id);
        self.set_account(wallet);
        Ok(Event::TierChanged {
            wallet_id,
            tier,
            reason: reason.to_owned(),
            by,
        })
    }

    fn set_limits(&mut self, limits: &[Limit], by: Actor) -> Result<Event, Refusal> {
        let mut kinds = limits.iter().flat_map(|limit| &limit.kinds);
        let is_known = kinds.all(|kind| self.policy.kinds.get(*kind).is_some());
        let new = Limits::new(limits.to_vec()).filter(|_| is_known);
        self.batch.limits = Some(Arc::new(new.ok_or(Refusal::LimitsNotValid)?));
        Ok(Event::LimitsChanged {
            limits: limits.to_vec(),
            by,
        })
    }

    /// The limits in force.
    pub(super) fn limits(&self) -> &Limits {
        let set = self.batch.limits.as_deref();
        set.unwrap_or_else(|| self.books.limits(&self.policy))
    }

    fn close(&mut self, user_id: i64, by: Actor) -> Event {
        let mut user = self.user(user_id);
        for (_, wallet_id) in &user.wallets {
            if let Some(mut wallet) = self.account(*wallet_id) {
                wallet.status = WalletStatus::Closed;
                self.set_account(wallet);
            }
        }
        if !user.closed {
            self.batch.closed_users.push(user_id);
        }
        user.closed = true;
        self.batch.users.insert(user_id, user);
        Event::UserClosed { user_id, by }
    }
}

pub(super) fn new_account(id: i64, user_id: Option<i64>, currency: Currency) -> Account {
    Account {
        id,
        user_id,
        currency,
        status: WalletStatus::Active,
        balance: 0,
        tier: Tier::default(),
        usage: Usage::default(),
    }
}
