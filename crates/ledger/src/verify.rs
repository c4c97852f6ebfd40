//! The audit of the ledger: every invariant, recomputed from the rows.
//!
//! It may run while the ledger is written: accounts and head are read in one statement, and the log up to that head does not
//! change any more. Nothing here uses what a writer remembers.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

mod batches;
mod counters;
mod draws;
mod replay;
mod rules;
mod walk;

pub use rules::{ALL, Rule};
pub(crate) use rules::{Findings, NEGATIVE, SUM};
pub(crate) use walk::Walk;

use ledger_api::LOG_PAGE_MAX;

use crate::domain::Policy;
use crate::store::{LedgerStore, StoreError};

/// One invariant, and whether it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The invariant, as a sentence.
    pub name: &'static str,
    /// The first thing that breaks it.
    pub failure: Option<String>,
}

/// The result of an audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The number of entries in the log.
    pub entries: i64,
    /// The number of accounts.
    pub accounts: usize,
    /// The number of notes that were erased: the chain has their hashes.
    pub erased_notes: i64,
    /// Each invariant.
    pub checks: Vec<Check>,
}

impl Report {
    /// True if every invariant holds.
    pub fn is_whole(&self) -> bool {
        self.checks.iter().all(|check| check.failure.is_none())
    }
}

/// Called with how many entries were audited, and how many there are.
pub type Progress<'a> = &'a (dyn Fn(i64, i64) + Sync);

/// Audits the whole ledger. An error means that it could not be read, which is not a verdict.
pub async fn verify(
    store: &dyn LedgerStore,
    policy: impl Into<Policy>,
    progress: Progress<'_>,
) -> Result<Report, StoreError> {
    let (head, accounts) = store.all_accounts().await?;
    let mut findings = Findings::default();
    let mut walk = Walk::from_the_start(&policy.into());
    while !walk.is_at(head.seq) {
        progress(walk.seq(), head.seq);
        if !walk
            .step(store, LOG_PAGE_MAX, head.seq, &mut findings)
            .await?
        {
            break;
        }
        // All accounts are compared at the end.
        walk.take_touched();
    }
    progress(head.seq, head.seq);
    walk.finish(store, &head, &accounts, &mut findings).await?;
    Ok(Report {
        entries: head.seq,
        accounts: accounts.len(),
        erased_notes: store.erased_notes().await?,
        checks: findings.checks(),
    })
}
