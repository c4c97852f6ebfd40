//! The audit of the ledger: every invariant, recomputed from the rows.
//!
//! It may run while the ledger is written: accounts and head are read in one statement, and the log up to that head does not
//! change any more. Nothing here uses what a writer remembers.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::collections::{BTreeMap, HashMap};

use wallet_api::{Event, LOG_PAGE_MAX, Transfer, WalletStatus};

use crate::domain::{Account, Head, LogRow, chain, money_in, money_out};
use crate::store::{BatchRow, LedgerStore, StoreError};

/// One invariant, and whether it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What must hold, as a sentence.
    pub name: &'static str,
    /// The first thing that breaks it.
    pub failure: Option<String>,
}

/// What an audit saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many entries the log had.
    pub entries: i64,
    /// How many accounts there were.
    pub accounts: usize,
    /// Each invariant.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether every invariant holds.
    pub fn is_whole(&self) -> bool {
        self.checks.iter().all(|check| check.failure.is_none())
    }
}

const SUM: &str = "the balances of each currency add up to zero";
const NEGATIVE: &str = "no wallet is below zero";
const GAPLESS: &str = "the log is numbered without gaps, up to the head";
const REPLAY: &str = "every movement's balances follow from the movements before it";
const BALANCES: &str = "every account stands where the log leaves it";
const TIME: &str = "the log's time never goes back";
const NUMBERS: &str = "wallets and payments are numbered without gaps";
const CHAIN: &str = "the hash chain is whole";

/// Called with how many entries were audited, and how many there are.
pub type Progress<'a> = &'a (dyn Fn(i64, i64) + Sync);

/// Audits the whole ledger. An error means that it could not be read, which is not a verdict.
pub async fn verify(store: &dyn LedgerStore, progress: Progress<'_>) -> Result<Report, StoreError> {
    let (head, accounts) = store.all_accounts().await?;
    let mut audit = Audit::default();
    let mut batches = Batches::default();
    let mut after = 0;
    while after < head.seq {
        progress(after, head.seq);
        let rows = store.log(after, LOG_PAGE_MAX).await?;
        let Some(last) = rows.last().map(|row| row.entry.seq) else {
            audit.fail(GAPLESS, || {
                format!("it ends with {after}, the head says {}", head.seq)
            });
            break;
        };
        for row in rows.into_iter().filter(|row| row.entry.seq <= head.seq) {
            audit.entry(&row);
            batches.entry(store, row, &mut audit).await?;
        }
        after = last;
    }
    progress(head.seq, head.seq);
    audit.finish(&head, &accounts);
    batches.finish(&head, &mut audit);
    Ok(Report {
        entries: head.seq,
        accounts: accounts.len(),
        checks: [
            SUM, NEGATIVE, GAPLESS, REPLAY, BALANCES, TIME, NUMBERS, CHAIN,
        ]
        .into_iter()
        .map(|name| Check {
            name,
            failure: audit.failures.remove(name),
        })
        .collect(),
    })
}

/// The state that the log leads to.
#[derive(Default)]
struct Audit {
    failures: BTreeMap<&'static str, String>,
    balances: HashMap<i64, i64>,
    statuses: HashMap<i64, WalletStatus>,
    wallets_of: HashMap<i64, Vec<i64>>,
    seq: i64,
    at: i64,
    wallets: i64,
    payments: i64,
}

impl Audit {
    fn fail(&mut self, check: &'static str, why: impl FnOnce() -> String) {
        self.failures.entry(check).or_insert_with(why);
    }

    fn entry(&mut self, row: &LogRow) {
        let entry = &row.entry;
        if entry.seq != self.seq.saturating_add(1) {
            let expected = self.seq.saturating_add(1);
            self.fail(GAPLESS, || {
                format!("entry {expected} is missing; {} follows", entry.seq)
            });
        }
        if entry.at < self.at {
            self.fail(TIME, || {
                format!("entry {} is older than the one before", entry.seq)
            });
        }
        self.seq = entry.seq;
        self.at = entry.at;
        match &entry.event {
            Event::Transfer(transfer) => self.transfer(entry.seq, transfer),
            Event::WalletOpened {
                wallet_id,
                user_id,
                currency,
            } => {
                self.wallets = self.wallets.saturating_add(1);
                if *wallet_id != self.wallets {
                    self.fail(NUMBERS, || {
                        format!("entry {} opens wallet {wallet_id}", entry.seq)
                    });
                }
                for id in [*wallet_id, money_in(*currency), money_out(*currency)] {
                    self.balances.entry(id).or_insert(0);
                }
                self.statuses.insert(*wallet_id, WalletStatus::Active);
                self.wallets_of
                    .entry(*user_id)
                    .or_default()
                    .push(*wallet_id);
            }
            Event::StatusChanged { wallet_id, status } => {
                self.statuses.insert(*wallet_id, *status);
            }
            Event::UserClosed { user_id } => {
                for wallet_id in self.wallets_of.get(user_id).into_iter().flatten() {
                    self.statuses.insert(*wallet_id, WalletStatus::Closed);
                }
            }
        }
    }

    fn transfer(&mut self, seq: i64, transfer: &Transfer) {
        let amount = transfer.amount.units();
        for (side, change) in [
            (&transfer.debit, amount.checked_neg()),
            (&transfer.credit, Some(amount)),
        ] {
            let before = self.balances.get(&side.account).copied();
            let after = before
                .zip(change)
                .and_then(|(before, change)| before.checked_add(change));
            if after != Some(side.balance) {
                self.fail(REPLAY, || {
                    format!(
                        "entry {seq} leaves account {} at {}, not at {after:?}",
                        side.account, side.balance
                    )
                });
            }
            self.balances.insert(side.account, side.balance);
        }
        if let Some(payment_id) = transfer.payment_id {
            self.payments = self.payments.saturating_add(1);
            if payment_id != self.payments {
                self.fail(NUMBERS, || format!("entry {seq} is payment {payment_id}"));
            }
        }
    }

    fn finish(&mut self, head: &Head, accounts: &[Account]) {
        if self.seq != head.seq {
            let seq = self.seq;
            self.fail(GAPLESS, || {
                format!("it ends with {seq}, the head says {}", head.seq)
            });
        }
        if (self.wallets, self.payments) != (head.wallets, head.payments) {
            self.fail(NUMBERS, || {
                "the head counts otherwise than the log".to_owned()
            });
        }
        let mut sums: HashMap<&str, i128> = HashMap::new();
        for account in accounts {
            let sum = sums.entry(account.currency.code()).or_default();
            *sum = sum.saturating_add(i128::from(account.balance));
            if account.id > 0 && account.balance < 0 {
                self.fail(NEGATIVE, || {
                    format!("wallet {} holds {}", account.id, account.balance)
                });
            }
            let expected = self.balances.remove(&account.id);
            let status = self.statuses.get(&account.id);
            if expected != Some(account.balance)
                || status.is_some_and(|status| *status != account.status)
            {
                self.fail(BALANCES, || {
                    format!(
                        "account {} holds {} and is {}; by the log it holds {expected:?}",
                        account.id,
                        account.balance,
                        account.status.as_str()
                    )
                });
            }
        }
        if let Some(id) = self.balances.keys().next().copied() {
            self.fail(BALANCES, || {
                format!("account {id} is in the log, but not there")
            });
        }
        if let Some((currency, sum)) = sums.into_iter().find(|(_, sum)| *sum != 0) {
            self.fail(SUM, || format!("{currency}: {sum}"));
        }
    }
}

/// Recomputes the chain of hashes, batch by batch.
#[derive(Default)]
struct Batches {
    hash: [u8; 32],
    known: std::collections::VecDeque<BatchRow>,
    last_read: i64,
    rows: Vec<LogRow>,
    broken: bool,
}

impl Batches {
    async fn entry(
        &mut self,
        store: &dyn LedgerStore,
        row: LogRow,
        audit: &mut Audit,
    ) -> Result<(), StoreError> {
        if self.broken {
            return Ok(());
        }
        if self.known.is_empty() {
            self.known = store.batches(self.last_read, LOG_PAGE_MAX).await?.into();
            if let Some(batch) = self.known.back() {
                self.last_read = batch.last_seq;
            }
        }
        let seq = row.entry.seq;
        self.rows.push(row);
        let Some(batch) = self.known.front() else {
            return self.broke(audit, format!("entry {seq} is in no batch"));
        };
        if seq < batch.last_seq {
            return Ok(());
        }
        let hash = chain::hash(&self.hash, self.rows.iter());
        if batch.last_seq != seq || batch.hash != hash {
            let first = self.rows.first().map_or(seq, |row| row.entry.seq);
            return self.broke(
                audit,
                format!("something in the entries {first} to {seq} was changed, removed or added"),
            );
        }
        self.hash = hash;
        self.rows.clear();
        self.known.pop_front();
        Ok(())
    }

    fn broke(&mut self, audit: &mut Audit, why: String) -> Result<(), StoreError> {
        self.broken = true;
        audit.fail(CHAIN, || why);
        Ok(())
    }

    fn finish(&self, head: &Head, audit: &mut Audit) {
        if !self.broken && (self.hash != head.hash || !self.rows.is_empty()) {
            audit.fail(CHAIN, || "it does not end at the head".to_owned());
        }
    }
}
