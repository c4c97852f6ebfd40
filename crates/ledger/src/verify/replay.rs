//! The state that the log leads to, entry by entry.

use std::collections::{BTreeSet, HashMap};

use ledger_api::{Event, Holder, Kind, Kinds, Leg, Posting, WalletStatus};

use super::rules::{BALANCES, Findings, GAPLESS, KINDS, NEGATIVE, NUMBERS, REPLAY, SUM, TIME};
use crate::domain::{Account, Head, LogRow, system_account};

/// Accounts that a walk from the middle keeps in mind; past that it forgets them.
const KNOWN_MAX: usize = 100_000;

/// The state that the entries so far lead to.
pub(super) struct Replay {
    kinds: &'static Kinds,
    /// True if it began at the first entry. Otherwise an account that was not met yet is taken as the log has it.
    is_whole: bool,
    balances: HashMap<i64, i64>,
    statuses: HashMap<i64, WalletStatus>,
    wallets_of: HashMap<i64, Vec<i64>>,
    /// Accounts that were touched since they were last compared.
    pub(super) touched: BTreeSet<i64>,
    pub(super) seq: i64,
    at: i64,
    wallets: i64,
    numbers: i64,
}

impl Replay {
    /// From where the log stood at `head`; from its start, with every account, where that is the head of an empty log.
    pub(super) fn from(head: &Head, kinds: &'static Kinds) -> Replay {
        Replay {
            kinds,
            is_whole: head.seq == 0,
            balances: HashMap::new(),
            statuses: HashMap::new(),
            wallets_of: HashMap::new(),
            touched: BTreeSet::new(),
            seq: head.seq,
            at: head.at,
            wallets: head.wallets,
            numbers: head.numbers,
        }
    }

    /// Bounds what is kept in mind. What was forgotten is then taken as the log has it.
    pub(super) fn forget(&mut self) {
        if self.balances.len() > KNOWN_MAX {
            self.balances.clear();
            self.statuses.clear();
            self.wallets_of.clear();
            self.is_whole = false;
        }
    }

    pub(super) fn entry(&mut self, row: &LogRow, findings: &mut Findings) {
        let entry = &row.entry;
        let expected = self.seq.saturating_add(1);
        if entry.seq != expected {
            findings.fail(GAPLESS, || {
                format!("entry {expected} is missing; {} follows", entry.seq)
            });
        }
        if entry.at < self.at {
            findings.fail(TIME, || {
                format!("entry {} is older than the one before", entry.seq)
            });
        }
        self.seq = entry.seq;
        self.at = entry.at;
        match &entry.event {
            Event::Posted(posting) => self.posting(entry.seq, posting, findings),
            Event::WalletOpened {
                wallet_id, user_id, ..
            } => {
                self.wallets = self.wallets.saturating_add(1);
                if *wallet_id != self.wallets {
                    findings.fail(NUMBERS, || {
                        format!("entry {} opens wallet {wallet_id}", entry.seq)
                    });
                }
                self.balances.entry(*wallet_id).or_insert(0);
                self.statuses.insert(*wallet_id, WalletStatus::Active);
                self.touched.insert(*wallet_id);
                self.wallets_of
                    .entry(*user_id)
                    .or_default()
                    .push(*wallet_id);
            }
            Event::StatusChanged {
                wallet_id, status, ..
            } => {
                self.statuses.insert(*wallet_id, *status);
            }
            Event::TierChanged { wallet_id, .. } => {
                self.touched.insert(*wallet_id);
            }
            Event::LimitsChanged { .. } => {}
            Event::UserClosed { user_id, .. } => {
                for wallet_id in self.wallets_of.get(user_id).into_iter().flatten() {
                    self.statuses.insert(*wallet_id, WalletStatus::Closed);
                }
                if !self.is_whole {
                    // Whose the others are was not met.
                    self.statuses.clear();
                }
            }
        }
    }

    fn posting(&mut self, seq: i64, posting: &Posting, findings: &mut Findings) {
        let amount = posting.amount.units();
        for (leg, change) in [
            (&posting.debit, amount.checked_neg()),
            (&posting.credit, Some(amount)),
        ] {
            // The first posting that needs a system's account opens it.
            let opened = (self.is_whole && leg.account < 0).then_some(0);
            let before = self.balances.get(&leg.account).copied().or(opened);
            let after = before
                .zip(change)
                .and_then(|(before, change)| before.checked_add(change));
            if (self.is_whole || before.is_some()) && after != Some(leg.balance) {
                findings.fail(REPLAY, || {
                    format!(
                        "entry {seq} leaves account {} at {}, not at {after:?}",
                        leg.account, leg.balance
                    )
                });
            }
            self.balances.insert(leg.account, leg.balance);
            self.touched.insert(leg.account);
        }
        let kind = self.kinds.get(posting.kind);
        if !kind.is_some_and(|kind| is_allowed(kind, posting)) {
            findings.fail(KINDS, || {
                let code = posting.kind.0;
                format!("entry {seq} is of kind {code}, which does not allow it")
            });
        }
        if kind.is_some_and(|kind| kind.numbered) != posting.number.is_some() {
            findings.fail(NUMBERS, || {
                format!("entry {seq} has the number {:?}", posting.number)
            });
        }
        if let Some(number) = posting.number {
            self.numbers = self.numbers.saturating_add(1);
            if number != self.numbers {
                findings.fail(NUMBERS, || format!("entry {seq} has the number {number}"));
            }
        }
    }

    /// Checks that the head says what the log says.
    pub(super) fn at_head(&self, head: &Head, findings: &mut Findings) {
        if self.seq != head.seq {
            findings.fail(GAPLESS, || {
                format!("it ends with {}, the head says {}", self.seq, head.seq)
            });
        }
        if (self.wallets, self.numbers) != (head.wallets, head.numbers) {
            findings.fail(NUMBERS, || {
                "the head counts otherwise than the log".to_owned()
            });
        }
    }

    /// Checks that these accounts stand where the log left them. Accounts that were not met are left alone.
    pub(super) fn compare(&self, accounts: &[Account], findings: &mut Findings) {
        for account in accounts {
            let expected = self.balances.get(&account.id).copied();
            if expected.is_none() && !self.is_whole {
                continue;
            }
            let status = self.statuses.get(&account.id);
            if expected != Some(account.balance)
                || status.is_some_and(|status| *status != account.status)
            {
                findings.fail(BALANCES, || {
                    format!(
                        "account {} holds {} and is {}; by the log it holds {expected:?}",
                        account.id,
                        account.balance,
                        account.status.as_str()
                    )
                });
            }
        }
    }

    /// The whole at its end: these are all accounts there are.
    pub(super) fn finish(&self, head: &Head, accounts: &[Account], findings: &mut Findings) {
        self.at_head(head, findings);
        self.compare(accounts, findings);
        let mut sums: HashMap<&str, i128> = HashMap::new();
        for account in accounts {
            let sum = sums.entry(account.currency.code()).or_default();
            *sum = sum.saturating_add(i128::from(account.balance));
            if account.id > 0 && account.balance < 0 {
                findings.fail(NEGATIVE, || {
                    format!("wallet {} holds {}", account.id, account.balance)
                });
            }
        }
        let there: BTreeSet<i64> = accounts.iter().map(|account| account.id).collect();
        if let Some(id) = self.balances.keys().find(|id| !there.contains(id)) {
            findings.fail(BALANCES, || format!("account {id} is missing"));
        }
        if let Some((currency, sum)) = sums.into_iter().find(|(_, sum)| *sum != 0) {
            findings.fail(SUM, || format!("{currency}: {sum}"));
        }
    }
}

/// True if the table of kinds allows such a posting.
fn is_allowed(kind: &Kind, posting: &Posting) -> bool {
    let is_holder = |holder: Holder, leg: &Leg| match holder {
        Holder::Wallet => leg.user_id.is_some(),
        Holder::System(role) => leg.account == system_account(posting.currency, role),
    };
    is_holder(kind.debit, &posting.debit)
        && is_holder(kind.credit, &posting.credit)
        && kind.draws.is_some() == posting.draws_on.is_some()
        && (kind.expires || posting.expires_at.is_none())
}
