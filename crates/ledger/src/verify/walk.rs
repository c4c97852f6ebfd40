//! A walk along the log, page by page, with everything that can be checked on the way.

use std::collections::HashSet;

use super::batches::Batches;
use super::counters::CounterAudit;
use super::draws::DrawAudit;
use super::replay::Replay;
use super::rules::{BALANCES, Findings, GAPLESS};
use crate::domain::{Account, Head, Policy};
use crate::store::{LedgerStore, StoreError};

/// The position and the memory of a walk.
pub(crate) struct Walk {
    replay: Replay,
    counters: CounterAudit,
    draws: DrawAudit,
    batches: Batches,
}

impl Walk {
    /// From the first entry on.
    pub(crate) fn from_the_start(policy: &Policy) -> Walk {
        Walk::from(&Head::default(), policy)
    }

    /// From a head that is taken as it is. An account that is met for the first time is taken as the log has it.
    pub(crate) fn from(head: &Head, policy: &Policy) -> Walk {
        let kinds = policy.kinds;
        Walk {
            counters: CounterAudit::from(head, policy),
            replay: Replay::from(head, kinds),
            draws: DrawAudit::from(head, kinds),
            batches: Batches::from(head),
        }
    }

    /// The number of the last entry that was walked over.
    pub(crate) fn seq(&self) -> i64 {
        self.replay.seq
    }

    pub(crate) fn is_at(&self, seq: i64) -> bool {
        self.replay.seq >= seq
    }

    /// Walks over a page of so many entries, at most up to `end`; `false` where there are none although the head says so.
    pub(crate) async fn step(
        &mut self,
        store: &dyn LedgerStore,
        page: i64,
        end: i64,
        findings: &mut Findings,
    ) -> Result<bool, StoreError> {
        let after = self.replay.seq;
        let mut rows = store.log(after, page).await?;
        rows.retain(|row| row.entry.seq <= end);
        if rows.is_empty() {
            findings.fail(GAPLESS, || {
                format!("it ends with {after}, the head says {end}")
            });
            return Ok(false);
        }
        self.draws.page(store, &rows, findings).await?;
        self.counters.begin(store, after).await?;
        for row in rows {
            self.counters.entry(&row.entry, findings);
            self.replay.entry(&row, findings);
            self.batches.entry(store, row, findings).await?;
        }
        Ok(true)
    }

    /// The accounts that were touched since this was last asked.
    pub(crate) fn take_touched(&mut self) -> Vec<i64> {
        std::mem::take(&mut self.replay.touched)
            .into_iter()
            .collect()
    }

    /// Compares these accounts, as they stood at `head`, with where the log left them there. All of `asked` must be among them.
    pub(crate) fn compare(
        &mut self,
        head: &Head,
        asked: &[i64],
        accounts: &[Account],
        findings: &mut Findings,
    ) {
        self.at_head(head, findings);
        self.replay.compare(accounts, findings);
        self.counters.compare(accounts, findings);
        let there: HashSet<i64> = accounts.iter().map(|account| account.id).collect();
        if let Some(id) = asked.iter().find(|id| !there.contains(id)) {
            findings.fail(BALANCES, || format!("account {id} is missing"));
        }
    }

    /// Checks that the head says what the log says.
    pub(crate) fn at_head(&self, head: &Head, findings: &mut Findings) {
        self.replay.at_head(head, findings);
        self.batches.at_head(head, findings);
    }

    /// Bounds what is kept in mind.
    pub(crate) fn forget(&mut self) {
        self.replay.forget();
        self.counters.forget();
        self.draws.forget();
    }

    /// The end of a walk over the whole log: these are all the accounts there are.
    pub(super) async fn finish(
        &mut self,
        store: &dyn LedgerStore,
        head: &Head,
        accounts: &[Account],
        findings: &mut Findings,
    ) -> Result<(), StoreError> {
        self.replay.finish(head, accounts, findings);
        self.counters.compare(accounts, findings);
        self.batches.at_head(head, findings);
        self.draws.finish(store, head, findings).await
    }
}
