//! The newest part of the log, in memory: what followers ask for all the time.
//!
//! Invariants: the entries here are committed, and follow each other without a gap. Whether they reach the end of the log
//! is for the caller to know, who has just asked the database where that is.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::domain::LogRow;

/// The number of entries are kept: a follower that is further behind reads the database.
const KEPT_MAX: usize = 16_384;

/// The newest entries that this process committed or followed.
#[derive(Default)]
pub(super) struct Tail {
    entries: Mutex<VecDeque<LogRow>>,
}

impl Tail {
    /// Takes in committed entries, in order. Where they do not follow what is kept, that is forgotten.
    pub(super) fn extend(&self, rows: impl Iterator<Item = LogRow>) {
        let mut kept = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            if let Some(last) = kept.back().map(|last| last.entry.seq) {
                if row.entry.seq <= last {
                    continue;
                }
                if row.entry.seq != last.saturating_add(1) {
                    kept.clear();
                }
            }
            if kept.len() == KEPT_MAX {
                kept.pop_front();
            }
            kept.push_back(row);
        }
    }

    /// Up to `limit` entries after `after`; `None` where not all of them up to `head` are kept.
    pub(super) fn page(&self, after: i64, head: i64, limit: usize) -> Option<Vec<LogRow>> {
        if after >= head {
            return Some(Vec::new());
        }
        let kept = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, last) = (kept.front()?.entry.seq, kept.back()?.entry.seq);
        if last < head {
            return None;
        }
        let skipped = usize::try_from(after.checked_add(1)?.checked_sub(first)?).ok()?;
        let wanted = usize::try_from(head.checked_sub(after)?).ok()?;
        Some(
            kept.range(skipped..)
                .take(wanted.min(limit))
                .cloned()
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use ledger_api::{Actor, Entry, Event, Uuid};

    use super::*;

    fn entries(numbers: std::ops::RangeInclusive<i64>) -> impl Iterator<Item = LogRow> {
        numbers.map(|seq| LogRow {
            key: Uuid::nil(),
            entry: Entry {
                seq,
                at: seq,
                event: Event::UserClosed {
                    user_id: seq,
                    by: Actor::User(seq),
                },
            },
            erased_note: None,
        })
    }

    fn page(tail: &Tail, after: i64, head: i64, limit: usize) -> Option<Vec<i64>> {
        let page = tail.page(after, head, limit)?;
        Some(page.iter().map(|row| row.entry.seq).collect())
    }

    #[test]
    fn a_page_is_what_the_log_has_or_nothing() {
        let tail = Tail::default();
        assert_eq!(page(&tail, 0, 3, 10), None, "nothing is known yet");
        assert_eq!(page(&tail, 3, 3, 10), Some(vec![]));
        tail.extend(entries(5..=9));
        assert_eq!(page(&tail, 4, 9, 10), Some(vec![5, 6, 7, 8, 9]));
        assert_eq!(page(&tail, 6, 9, 2), Some(vec![7, 8]));
        assert_eq!(page(&tail, 6, 8, 10), Some(vec![7, 8]));
        assert_eq!(page(&tail, 3, 9, 10), None, "entry 4 is not kept");
        assert_eq!(page(&tail, 6, 10, 10), None, "entry 10 is not here yet");
    }

    #[test]
    fn entries_come_once_and_a_gap_forgets_what_was_before() {
        let tail = Tail::default();
        tail.extend(entries(1..=4));
        tail.extend(entries(3..=6));
        assert_eq!(page(&tail, 0, 6, 10), Some(vec![1, 2, 3, 4, 5, 6]));
        tail.extend(entries(9..=10));
        assert_eq!(page(&tail, 5, 10, 10), None);
        assert_eq!(page(&tail, 8, 10, 10), Some(vec![9, 10]));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let tail = Tail::default();
        tail.extend(entries(1..=20_000));
        assert_eq!(page(&tail, 0, 20_000, 10), None);
        let oldest = 20_000 - i64::try_from(KEPT_MAX).unwrap_or(0);
        assert_eq!(page(&tail, oldest, 20_000, 1), Some(vec![oldest + 1]));
    }
}
