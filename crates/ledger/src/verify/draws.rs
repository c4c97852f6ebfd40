//! Draws, followed entry by entry: a posting may use up what an earlier one moved, and no more than that.

use std::collections::HashMap;

use ledger_api::{Kinds, Posting};

use super::rules::{DRAWS, Findings};
use crate::domain::{Head, LogRow, Remainder, held_of};
use crate::store::{Drawn, LedgerStore, StoreError};

/// Drawn postings that a walk from the middle keeps in mind; past that it forgets them.
const DRAWN_MAX: usize = 100_000;
/// Rows that are read at once when the walk ends.
const PAGE: i64 = 2_000;

/// The amount that the entries so far drew of each posting.
pub(super) struct DrawAudit {
    kinds: &'static Kinds,
    /// True if the walk began at the first entry: then every draw was seen.
    is_whole: bool,
    used: HashMap<i64, i64>,
}

impl DrawAudit {
    pub(super) fn from(head: &Head, kinds: &'static Kinds) -> DrawAudit {
        DrawAudit {
            kinds,
            is_whole: head.seq == 0,
            used: HashMap::new(),
        }
    }

    /// Bounds what is kept in mind.
    pub(super) fn forget(&mut self) {
        if self.used.len() > DRAWN_MAX {
            self.used.clear();
            self.is_whole = false;
        }
    }

    /// Takes in the next page of entries.
    pub(super) async fn page(
        &mut self,
        store: &dyn LedgerStore,
        rows: &[LogRow],
        findings: &mut Findings,
    ) -> Result<(), StoreError> {
        let draws: Vec<(&LogRow, &Posting, i64)> = rows
            .iter()
            .filter_map(|row| {
                let posting = row.entry.event.as_posting()?;
                Some((row, posting, posting.draws_on?))
            })
            .collect();
        if draws.is_empty() {
            return Ok(());
        }
        let drawn: Vec<i64> = draws.iter().map(|(_, _, seq)| *seq).collect();
        let drawn = store.remainders(&drawn).await?;
        let drawn: HashMap<i64, Remainder> = drawn.into_iter().map(|r| (r.seq, r)).collect();
        for (row, posting, seq) in draws {
            let (entry, amount) = (row.entry.seq, posting.amount.units());
            let used = self.used.entry(seq).or_default();
            *used = used.saturating_add(amount);
            let used = *used;
            let Some(drawn) = drawn.get(&seq).filter(|_| seq < entry) else {
                findings.fail(DRAWS, || {
                    format!("entry {entry} draws on {seq}, which is no posting before it")
                });
                continue;
            };
            if used > drawn.amount {
                findings.fail(DRAWS, || {
                    format!(
                        "entry {seq} moved {}, and up to entry {entry} {used} were drawn of it",
                        drawn.amount
                    )
                });
            }
            if !self.is_allowed(row.entry.at, posting, drawn) {
                findings.fail(DRAWS, || {
                    format!("entry {entry} may not draw on entry {seq}")
                });
            }
        }
        Ok(())
    }

    /// True if the kinds, the accounts and the time allow this draw.
    fn is_allowed(&self, at: i64, posting: &Posting, drawn: &Remainder) -> bool {
        let kind = self.kinds.get(posting.kind);
        kind.and_then(|kind| kind.draws).is_some_and(|draws| {
            draws.on.contains(&drawn.kind)
                && drawn.credit == posting.debit.account
                && (!draws.returns || drawn.origin == posting.credit.account)
                && draws.when.allows(at, drawn.expires_at)
        })
    }

    /// The end of a walk over the whole log: the rows of remainders say the same. What was drawn since then is left alone.
    pub(super) async fn finish(
        &self,
        store: &dyn LedgerStore,
        head: &Head,
        findings: &mut Findings,
    ) -> Result<(), StoreError> {
        if !self.is_whole {
            return Ok(());
        }
        let (mut after, mut seen) = (0, 0_usize);
        loop {
            let rows = store.drawn(after, PAGE).await?;
            let Some(last) = rows.last() else {
                break;
            };
            after = last.seq;
            for row in rows {
                if row.held_of != held_of(row.debit_account, row.credit_account) {
                    findings.fail(DRAWS, || {
                        format!(
                            "entry {} is said to hold money of {:?}, which it does not",
                            row.seq, row.held_of
                        )
                    });
                }
                let Drawn {
                    seq,
                    used,
                    last_draw,
                    ..
                } = row;
                let expected = self.used.get(&seq).copied();
                seen = seen.saturating_add(usize::from(expected.is_some()));
                let is_newer = seq > head.seq || last_draw > head.seq;
                if !is_newer && used != expected.unwrap_or_default() {
                    findings.fail(DRAWS, || {
                        format!("of entry {seq} {used} are said to be drawn; by the log {expected:?} were")
                    });
                }
            }
        }
        if seen != self.used.len() {
            findings.fail(DRAWS, || {
                "a posting was drawn on, and nothing is kept of it".to_owned()
            });
        }
        Ok(())
    }
}
