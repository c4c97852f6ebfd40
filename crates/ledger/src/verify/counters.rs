//! Limits, followed entry by entry: what each wallet has used, and whether a movement went beyond.

use std::collections::HashMap;
use std::sync::Arc;

use ledger_api::{Direction, Entry, Event, Leg, Posting, Tier};

use super::rules::{Findings, LIMITS};
use crate::domain::limits::{At, Limits, Side, Usage};
use crate::domain::{Account, Head, Policy};
use crate::store::{LedgerStore, StoreError};

/// Wallets that a walk keeps in mind; past that it forgets them.
const WALLETS_MAX: usize = 100_000;

/// A wallet, as far as limits go.
#[derive(Clone, Default)]
struct Counted {
    tier: Tier,
    usage: Usage,
}

/// The limits in force, and what the entries so far count for.
pub(super) struct CounterAudit {
    policy: Policy,
    /// `None` until they were read, where the walk did not begin at the first entry.
    limits: Option<Arc<Limits>>,
    /// True if the walk began at the first entry: then a wallet that is not known has used nothing.
    is_whole: bool,
    wallets: HashMap<i64, Counted>,
}

impl CounterAudit {
    pub(super) fn from(head: &Head, policy: &Policy) -> CounterAudit {
        let is_whole = head.seq == 0;
        CounterAudit {
            policy: policy.clone(),
            limits: is_whole.then(|| policy.limits.clone()),
            is_whole,
            wallets: HashMap::new(),
        }
    }

    /// Bounds what is kept in mind.
    pub(super) fn forget(&mut self) {
        if self.wallets.len() > WALLETS_MAX {
            self.wallets.clear();
            self.is_whole = false;
        }
    }

    /// Has the limits that were in force after this entry, if the walk begins behind it.
    pub(super) async fn begin(
        &mut self,
        store: &dyn LedgerStore,
        after: i64,
    ) -> Result<(), StoreError> {
        if self.limits.is_none() {
            let set = store.limits(after).await?;
            let set = set.and_then(|(_, limits)| Limits::new(limits));
            self.limits = Some(set.map_or_else(|| self.policy.limits.clone(), Arc::new));
        }
        Ok(())
    }

    pub(super) fn entry(&mut self, entry: &Entry, findings: &mut Findings) {
        match &entry.event {
            Event::Posted(posting) => {
                self.side(entry, posting, Direction::Out, findings);
                self.side(entry, posting, Direction::In, findings);
            }
            Event::TierChanged {
                wallet_id, tier, ..
            } => {
                if let Some(wallet) = self.known(*wallet_id) {
                    let wallet = Counted {
                        tier: *tier,
                        ..wallet
                    };
                    self.wallets.insert(*wallet_id, wallet);
                }
            }
            Event::LimitsChanged { limits, .. } => {
                self.limits = Limits::new(limits.clone()).map(Arc::new);
                if self.limits.is_none() {
                    findings.fail(LIMITS, || {
                        format!("entry {} sets limits that cannot be", entry.seq)
                    });
                }
            }
            Event::WalletOpened { .. } | Event::StatusChanged { .. } | Event::UserClosed { .. } => {
            }
        }
    }

    fn known(&self, wallet_id: i64) -> Option<Counted> {
        let nothing = self.is_whole.then(Counted::default);
        self.wallets.get(&wallet_id).cloned().or(nothing)
    }

    /// Counts a posting for the wallet on one side of it.
    fn side(
        &mut self,
        entry: &Entry,
        posting: &Posting,
        direction: Direction,
        findings: &mut Findings,
    ) {
        let amount = posting.amount.units();
        let (leg, before): (&Leg, _) = match direction {
            Direction::Out => (&posting.debit, posting.debit.balance.checked_add(amount)),
            Direction::In => (&posting.credit, posting.credit.balance.checked_sub(amount)),
        };
        let (Some(kind), Some(limits)) = (self.policy.kinds.get(posting.kind), &self.limits) else {
            return;
        };
        let wallet = leg.user_id.and_then(|_| self.known(leg.account));
        let (Some(wallet), Some(balance)) = (wallet, before) else {
            return;
        };
        let side = Side {
            direction,
            tier: wallet.tier,
            balance,
            usage: &wallet.usage,
        };
        let at = At {
            seq: entry.seq,
            at: entry.at,
        };
        match limits.admit(kind, side, posting.currency, amount, at) {
            Ok(None) => {}
            Ok(Some(usage)) => {
                self.wallets
                    .insert(leg.account, Counted { usage, ..wallet });
            }
            Err(exceeded) => findings.fail(LIMITS, || {
                let limit = exceeded.limit;
                format!(
                    "entry {} takes wallet {} beyond the limit {limit:?}",
                    entry.seq, leg.account
                )
            }),
        }
    }

    /// Checks that these accounts have what the log leaves them. What was not met is taken as it is.
    pub(super) fn compare(&mut self, accounts: &[Account], findings: &mut Findings) {
        for account in accounts.iter().filter(|account| account.user_id.is_some()) {
            let Some(known) = self.known(account.id) else {
                let counted = Counted {
                    tier: account.tier,
                    usage: account.usage.clone(),
                };
                self.wallets.insert(account.id, counted);
                continue;
            };
            if (known.tier, &known.usage) != (account.tier, &account.usage) {
                findings.fail(LIMITS, || {
                    format!(
                        "wallet {} is {} and has used {:?}; by the log it is {} and has used {:?}",
                        account.id,
                        account.tier.as_str(),
                        account.usage.counters(),
                        known.tier.as_str(),
                        known.usage.counters()
                    )
                });
            }
        }
    }
}
