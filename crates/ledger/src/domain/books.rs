//! The state of the ledger that a writer caches between batches.

use std::collections::HashMap;
use std::num::NonZeroI64;
use std::sync::Arc;

use ledger_api::{Direction, Entry, Event, KindCode, Leg, Posting, Role, Tier, WalletStatus};
use money::Currency;

use super::decide::Batch;
use super::limits::{At, Limits, Side, Usage};
use super::policy::Policy;

/// A sixteenth of the limit is evicted at once, and as many users without exactly one wallet, and remainders, are cached at most.
const SHARE: usize = 16;

/// The end of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the newest entry; 0 for an empty log.
    pub seq: i64,
    /// The newest wallet's id.
    pub wallets: i64,
    /// The newest number of the kinds that are numbered: the newest payment's id.
    pub numbers: i64,
    /// When the newest entry was committed, in microseconds since 1970.
    pub at: i64,
    /// The hash over every entry up to here.
    pub hash: [u8; 32],
}

impl Default for Head {
    /// The head of an empty ledger.
    fn default() -> Head {
        Head {
            seq: 0,
            wallets: 0,
            numbers: 0,
            at: 0,
            hash: [0; 32],
        }
    }
}

/// An account as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// A wallet's id, or a negative number for one of the system's accounts.
    pub id: i64,
    /// The owner, for a wallet.
    pub user_id: Option<i64>,
    /// Its currency.
    pub currency: Currency,
    /// Its status.
    pub status: WalletStatus,
    /// Its balance; only the system's accounts may be below zero.
    pub balance: i64,
    /// How well its owner is known.
    pub tier: Tier,
    /// What it has used of its limits.
    pub usage: Usage,
}

impl Account {
    /// It, as limits see it: `before` it moved to its balance.
    pub(super) fn side(&self, direction: Direction, balance: i64) -> Side<'_> {
        Side {
            direction,
            tier: self.tier,
            balance,
            usage: &self.usage,
        }
    }
}

/// The remainder of a posting that is drawn on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remainder {
    /// The number of the posting's entry.
    pub seq: i64,
    /// The posting's kind.
    pub kind: KindCode,
    /// The account that its money first came from: the one that it debited, or, where it drew itself, the one that the posting before
    /// it debited.
    pub origin: i64,
    /// The account that it brought money to, which is where a draw takes it from.
    pub credit: i64,
    /// The currency of both.
    pub currency: Currency,
    /// The amount that it moved, in the currency's smallest unit.
    pub amount: i64,
    /// The part of it that was drawn.
    pub used: i64,
    /// The number of the entry that drew last; 0 before the first.
    pub last_draw: i64,
    /// From when on nothing may draw on it, in microseconds since 1970.
    pub expires_at: Option<i64>,
}

impl Remainder {
    /// The wallet that it holds money of; `None` where it is no money that is held.
    pub fn held_of(&self) -> Option<i64> {
        held_of(self.origin, self.credit)
    }
}

/// The wallet of which a posting from one account to another holds money.
pub(crate) fn held_of(debit: i64, credit: i64) -> Option<i64> {
    let is_held = credit < 0 && credit.checked_rem(10) == Role::Held.code().checked_neg();
    (debit > 0 && is_held).then_some(debit)
}

/// A user, as the ledger knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// True if the user is gone.
    pub closed: bool,
    /// The user's wallets, one a currency.
    pub wallets: Vec<(Currency, i64)>,
}

/// Accounts and users as they stand at the head. What is not here was not asked for yet, or was forgotten.
///
/// Each is kept as small as can be, for a bank may have many: 50 bytes for an account and its user, twice that where the tables
/// have just grown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// The end of the log, as far as this writer knows.
    pub head: Head,
    accounts: HashMap<i64, Kept>,
    /// Users who are not gone and have one wallet, which are nearly all, with its id.
    of_one_wallet: HashMap<i64, i64>,
    other_users: HashMap<i64, User>,
    remainders: HashMap<i64, Remainder>,
    /// Of the accounts that have used something of a limit, what they have used.
    usages: HashMap<i64, Usage>,
    /// The limits that an entry set; `None` for those of the policy.
    limits: Option<Arc<Limits>>,
}

/// An account in the cache, without its id.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    user_id: Option<NonZeroI64>,
    balance: i64,
    currency: Currency,
    status: WalletStatus,
    tier: Tier,
}

impl Books {
    /// Books that know nothing but the head, and the limits that an entry before it set.
    pub fn at(head: Head, limits: Option<Arc<Limits>>) -> Books {
        Books {
            head,
            limits,
            ..Books::default()
        }
    }

    /// The limits in force.
    pub(super) fn limits<'a>(&'a self, policy: &'a Policy) -> &'a Limits {
        self.limits.as_ref().unwrap_or(&policy.limits)
    }

    /// True if the account was looked up.
    pub fn knows_account(&self, id: i64) -> bool {
        self.accounts.contains_key(&id)
    }

    /// True if the user and all their wallets were looked up.
    pub fn knows_user(&self, id: i64) -> bool {
        self.of_one_wallet.contains_key(&id) || self.other_users.contains_key(&id)
    }

    /// An account as it stands, if it was looked up.
    pub fn account(&self, id: i64) -> Option<Account> {
        self.accounts.get(&id).map(|kept| Account {
            id,
            user_id: kept.user_id.map(NonZeroI64::get),
            currency: kept.currency,
            status: kept.status,
            balance: kept.balance,
            tier: kept.tier,
            usage: self.usages.get(&id).cloned().unwrap_or_default(),
        })
    }

    /// A user, if they were looked up.
    pub fn user(&self, id: i64) -> Option<User> {
        if let Some(wallet_id) = self.of_one_wallet.get(&id) {
            let wallet = self.accounts.get(wallet_id)?;
            return Some(User {
                closed: false,
                wallets: vec![(wallet.currency, *wallet_id)],
            });
        }
        self.other_users.get(&id).cloned()
    }

    /// Forgets accounts and their users, whichever come, when there are more than `most`, and then some more, so that it is not done
    /// for every batch.
    pub fn forget_beyond(&mut self, most: usize) {
        if self.accounts.len() > most {
            let surplus = self.accounts.len().saturating_sub(most);
            let forgotten = self.accounts.extract_if(|_, _| true);
            for (id, account) in forgotten.take(surplus.saturating_add(most / SHARE)) {
                self.usages.remove(&id);
                // Who knows a user knows all their wallets.
                if let Some(user_id) = account.user_id {
                    self.of_one_wallet.remove(&user_id.get());
                    self.other_users.remove(&user_id.get());
                }
            }
        }
        // Anybody can name users who do not exist.
        if self.other_users.len() > most / SHARE {
            self.other_users.clear();
        }
        if self.remainders.len() > most / SHARE {
            self.remainders.clear();
        }
    }

    /// Takes in what was looked up.
    pub fn learn_account(&mut self, account: Account) {
        let kept = Kept {
            user_id: account.user_id.and_then(NonZeroI64::new),
            balance: account.balance,
            currency: account.currency,
            status: account.status,
            tier: account.tier,
        };
        self.accounts.insert(account.id, kept);
        if !account.usage.is_empty() {
            self.usages.insert(account.id, account.usage);
        } else if !self.usages.is_empty() {
            self.usages.remove(&account.id);
        }
    }

    /// Takes in a user and the wallets that they have; the wallets themselves have to be learned, too.
    pub fn learn_user(&mut self, id: i64, user: User) {
        match (user.closed, user.wallets.as_slice()) {
            (false, [(_, wallet_id)]) => {
                self.other_users.remove(&id);
                self.of_one_wallet.insert(id, *wallet_id);
            }
            _ => {
                self.of_one_wallet.remove(&id);
                self.other_users.insert(id, user);
            }
        }
    }

    /// The remainder of a posting, if it was looked up and is there.
    pub fn remainder(&self, seq: i64) -> Option<&Remainder> {
        self.remainders.get(&seq)
    }

    /// Takes in what is left of a posting.
    pub fn learn_remainder(&mut self, remainder: Remainder) {
        self.remainders.insert(remainder.seq, remainder);
    }

    /// Follows an entry that another writer committed. Entries come in order, right after the head.
    pub fn follow(&mut self, entry: &Entry, policy: &Policy) {
        self.head.seq = entry.seq;
        match &entry.event {
            Event::Posted(posting) => {
                let at = At {
                    seq: entry.seq,
                    at: entry.at,
                };
                self.count(at, posting, policy);
                for leg in [&posting.debit, &posting.credit] {
                    if let Some(account) = self.accounts.get_mut(&leg.account) {
                        account.balance = leg.balance;
                    }
                }
                let drawn = posting
                    .draws_on
                    .and_then(|seq| self.remainders.get_mut(&seq));
                // A remainder may have been looked up after this entry was committed.
                if let Some(drawn) = drawn.filter(|drawn| drawn.last_draw < entry.seq) {
                    drawn.used = drawn.used.saturating_add(posting.amount.units());
                    drawn.last_draw = entry.seq;
                }
            }
            Event::WalletOpened {
                wallet_id,
                user_id,
                currency,
            } => {
                if let Some(mut user) = self.user(*user_id)
                    && !user.wallets.contains(&(*currency, *wallet_id))
                {
                    user.wallets.push((*currency, *wallet_id));
                    self.learn_user(*user_id, user);
                    // Who knows a user knows all their wallets.
                    self.learn_account(Account {
                        id: *wallet_id,
                        user_id: Some(*user_id),
                        currency: *currency,
                        status: WalletStatus::Active,
                        balance: 0,
                        tier: Tier::default(),
                        usage: Usage::default(),
                    });
                }
            }
            Event::StatusChanged {
                wallet_id, status, ..
            } => {
                if let Some(account) = self.accounts.get_mut(wallet_id) {
                    account.status = *status;
                }
            }
            Event::TierChanged {
                wallet_id, tier, ..
            } => {
                if let Some(account) = self.accounts.get_mut(wallet_id) {
                    account.tier = *tier;
                }
            }
            Event::LimitsChanged { limits, .. } => {
                self.limits = Limits::new(limits.clone()).map(Arc::new);
            }
            Event::UserClosed { user_id, .. } => {
                if let Some(mut user) = self.user(*user_id) {
                    user.closed = true;
                    self.learn_user(*user_id, user);
                }
                let user_id = NonZeroI64::new(*user_id);
                for account in self.accounts.values_mut() {
                    if account.user_id.is_some() && account.user_id == user_id {
                        account.status = WalletStatus::Closed;
                    }
                }
            }
        }
    }

    /// Counts a posting of another writer for the wallets that are known.
    fn count(&mut self, at: At, posting: &Posting, policy: &Policy) {
        let Some(kind) = policy.kinds.get(posting.kind) else {
            return;
        };
        for (direction, leg) in [
            (Direction::Out, &posting.debit),
            (Direction::In, &posting.credit),
        ] {
            let Some(account) = wallet_of(leg).and_then(|id| self.account(id)) else {
                continue;
            };
            // An account may have been looked up after this entry was committed.
            if account.usage.has_counted(at.seq) {
                continue;
            }
            let side = account.side(direction, account.balance);
            let amount = posting.amount.units();
            let limits = self.limits(policy);
            // It was accepted, so no limit is exceeded.
            let after = limits.admit(kind, side, posting.currency, amount, at);
            if let Ok(Some(usage)) = after {
                self.usages.insert(account.id, usage);
            }
        }
    }

    /// Takes over a batch, which may be on its way; what is given back takes it out again.
    pub fn merge(&mut self, batch: &Batch) -> Undo {
        let undo = Undo {
            head: std::mem::replace(&mut self.head, batch.head.clone()),
            accounts: batch
                .accounts
                .keys()
                .map(|id| (*id, self.account(*id)))
                .collect(),
            users: batch.users.keys().map(|id| (*id, self.user(*id))).collect(),
            remainders: batch
                .remainders
                .keys()
                .map(|seq| (*seq, self.remainders.get(seq).cloned()))
                .collect(),
            limits: self.limits.clone(),
        };
        if batch.limits.is_some() {
            self.limits.clone_from(&batch.limits);
        }
        for account in batch.accounts.values() {
            self.learn_account(account.clone());
        }
        for (id, user) in &batch.users {
            self.learn_user(*id, user.clone());
        }
        for remainder in batch.remainders.values() {
            self.learn_remainder(remainder.clone());
        }
        undo
    }

    /// Takes a batch out that was not committed: the newest that was merged, and nothing was learned or forgotten of what it
    /// touches.
    pub fn undo(&mut self, undo: Undo) {
        self.head = undo.head;
        self.limits = undo.limits;
        for (id, user) in undo.users {
            match user {
                Some(user) => self.learn_user(id, user),
                None => {
                    self.of_one_wallet.remove(&id);
                    self.other_users.remove(&id);
                }
            }
        }
        for (id, account) in undo.accounts {
            match account {
                Some(account) => self.learn_account(account),
                None => {
                    self.accounts.remove(&id);
                    self.usages.remove(&id);
                }
            }
        }
        for (seq, remainder) in undo.remainders {
            match remainder {
                Some(remainder) => self.learn_remainder(remainder),
                None => {
                    self.remainders.remove(&seq);
                }
            }
        }
    }

    /// True if more accounts are cached than `most`, so that some are to be forgotten.
    pub fn are_beyond(&self, most: usize) -> bool {
        self.accounts.len() > most
            || self.other_users.len() > most / SHARE
            || self.remainders.len() > most / SHARE
    }
}

/// The books before a batch was merged, as far as it touched them.
#[derive(Debug)]
pub struct Undo {
    head: Head,
    accounts: Vec<(i64, Option<Account>)>,
    users: Vec<(i64, Option<User>)>,
    remainders: Vec<(i64, Option<Remainder>)>,
    limits: Option<Arc<Limits>>,
}

/// The wallet on one side of a posting, if it is one.
fn wallet_of(leg: &Leg) -> Option<i64> {
    leg.user_id.map(|_| leg.account)
}
