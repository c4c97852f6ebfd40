//! The chain of hashes, recomputed batch by batch.

use std::collections::VecDeque;

use ledger_api::LOG_PAGE_MAX;

use super::rules::{CHAIN, Findings};
use crate::domain::chain::Parts;
use crate::domain::merkle::Hash;
use crate::domain::{Head, LogRow};
use crate::store::{BatchRow, LedgerStore, StoreError};

/// The hash so far, and what is not in it yet.
pub(super) struct Batches {
    hash: Hash,
    known: VecDeque<BatchRow>,
    last_read: i64,
    rows: Vec<LogRow>,
    broken: bool,
}

impl Batches {
    /// From the batch that ended at `head`.
    pub(super) fn from(head: &Head) -> Batches {
        Batches {
            hash: head.hash,
            known: VecDeque::new(),
            last_read: head.seq,
            rows: Vec::new(),
            broken: false,
        }
    }

    /// Takes in the next entry.
    pub(super) async fn entry(
        &mut self,
        store: &dyn LedgerStore,
        row: LogRow,
        findings: &mut Findings,
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
            self.broke(findings, format!("entry {seq} is in no batch"));
            return Ok(());
        };
        if seq < batch.last_seq {
            return Ok(());
        }
        let hash = Parts::of(&self.hash, &batch.blind, &self.rows).hash();
        if batch.last_seq != seq || batch.hash != hash {
            let first = self.rows.first().map_or(seq, |row| row.entry.seq);
            self.broke(
                findings,
                format!("something in the entries {first} to {seq} was changed, removed or added"),
            );
            return Ok(());
        }
        self.hash = hash;
        self.rows.clear();
        self.known.pop_front();
        Ok(())
    }

    fn broke(&mut self, findings: &mut Findings, why: String) {
        self.broken = true;
        self.rows.clear();
        findings.fail(CHAIN, || why);
    }

    /// Checks that the chain ends at the head.
    pub(super) fn at_head(&self, head: &Head, findings: &mut Findings) {
        if !self.broken && (self.hash != head.hash || !self.rows.is_empty()) {
            findings.fail(CHAIN, || "it does not end at the head".to_owned());
        }
    }
}
