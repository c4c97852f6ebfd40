//! What a writer remembers between batches.

use std::collections::HashMap;

use money::Currency;
use wallet_api::{Entry, Event, WalletStatus};

use super::decide::Batch;
use super::{money_in, money_out};

/// Where the log ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the newest entry; 0 for an empty log.
    pub seq: i64,
    /// The newest wallet's id.
    pub wallets: i64,
    /// The newest payment's id.
    pub payments: i64,
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
            payments: 0,
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
    /// Whose, for a wallet.
    pub user_id: Option<i64>,
    /// Of what.
    pub currency: Currency,
    /// Whether it takes part.
    pub status: WalletStatus,
    /// What it holds; only the system's accounts may be below zero.
    pub balance: i64,
}

/// What is known of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Whether the user is gone.
    pub closed: bool,
    /// The user's wallets, one a currency.
    pub wallets: Vec<(Currency, i64)>,
}

/// Accounts and users as they stand at the head. What is not here was not asked for yet, or was forgotten.
#[derive(Clone, Debug, Default)]
pub struct Books {
    /// Where the log ends, as far as this writer knows.
    pub head: Head,
    pub(super) accounts: HashMap<i64, Account>,
    pub(super) users: HashMap<i64, User>,
}

impl Books {
    /// Books that know nothing but the head.
    pub fn at(head: Head) -> Books {
        Books {
            head,
            ..Books::default()
        }
    }

    /// Whether the account was looked up.
    pub fn knows_account(&self, id: i64) -> bool {
        self.accounts.contains_key(&id)
    }

    /// Whether the user and all their wallets were looked up.
    pub fn knows_user(&self, id: i64) -> bool {
        self.users.contains_key(&id)
    }

    /// How much is remembered, in accounts and users.
    pub fn remembered(&self) -> usize {
        self.accounts.len().saturating_add(self.users.len())
    }

    /// Forgets all accounts and users, and stays at its head.
    pub fn forget(&mut self) {
        self.accounts.clear();
        self.users.clear();
    }

    /// Takes in what was looked up.
    pub fn learn_account(&mut self, account: Account) {
        self.accounts.insert(account.id, account);
    }

    /// Takes in a user and the wallets that they have.
    pub fn learn_user(&mut self, id: i64, user: User) {
        self.users.insert(id, user);
    }

    /// The system's accounts that movements of these wallets touch, and that are not known yet.
    pub fn missing_system_accounts(&self, wallets: impl Iterator<Item = i64>) -> Vec<i64> {
        wallets
            .filter_map(|id| self.accounts.get(&id))
            .flat_map(|account| [money_in(account.currency), money_out(account.currency)])
            .filter(|id| !self.accounts.contains_key(id))
            .collect()
    }

    /// Follows an entry that another writer committed. Entries come in order, right after the head.
    pub fn follow(&mut self, entry: &Entry) {
        self.head.seq = entry.seq;
        match &entry.event {
            Event::Transfer(transfer) => {
                for side in [&transfer.debit, &transfer.credit] {
                    if let Some(account) = self.accounts.get_mut(&side.account) {
                        account.balance = side.balance;
                    }
                }
            }
            Event::WalletOpened {
                wallet_id,
                user_id,
                currency,
            } => {
                if let Some(user) = self.users.get_mut(user_id)
                    && !user.wallets.contains(&(*currency, *wallet_id))
                {
                    user.wallets.push((*currency, *wallet_id));
                    // Who knows a user knows all their wallets.
                    self.learn_account(Account {
                        id: *wallet_id,
                        user_id: Some(*user_id),
                        currency: *currency,
                        status: WalletStatus::Active,
                        balance: 0,
                    });
                }
            }
            Event::StatusChanged { wallet_id, status } => {
                if let Some(account) = self.accounts.get_mut(wallet_id) {
                    account.status = *status;
                }
            }
            Event::UserClosed { user_id } => {
                if let Some(user) = self.users.get_mut(user_id) {
                    user.closed = true;
                }
                for account in self.accounts.values_mut() {
                    if account.user_id == Some(*user_id) {
                        account.status = WalletStatus::Closed;
                    }
                }
            }
        }
    }

    /// Takes over a batch that was committed.
    pub fn merge(&mut self, batch: Batch) {
        self.head = batch.head;
        self.accounts.extend(batch.accounts);
        self.users.extend(batch.users);
    }
}
