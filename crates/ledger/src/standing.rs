//! The ledger, as it presents itself to its followers: its id, and its log at a position.
//!
//! The entry at the position travels with the page after it: the tail in memory mostly has it, so to tell its mark costs one hash.

use ledger_api::{LOG_PAGE_MAX, LogPage, Mark, Standing, Uuid};

use crate::Ledger;
use crate::domain::{LogRow, chain};
use crate::store::{LedgerStore, StoreError};

/// Up to `limit` entries after `after`, from memory where `ledger` has them there.
pub async fn page(
    store: &dyn LedgerStore,
    ledger: Option<&Ledger>,
    after: i64,
    limit: i64,
) -> Result<LogPage, StoreError> {
    let limit = limit.clamp(1, LOG_PAGE_MAX);
    let after = after.max(0);
    // The head is asked for after the follower asked: a page up to it has everything that was committed before.
    let (identity, head) = store.identity().await?;
    // The entry at `after` comes along, for its mark.
    let (from, limit) = if after > 0 {
        (after.saturating_sub(1), limit.saturating_add(1))
    } else {
        (0, limit)
    };
    let most = usize::try_from(limit).unwrap_or_default();
    let rows = match ledger.and_then(|ledger| ledger.recent(from, head, most)) {
        Some(rows) => rows,
        None => store.log(from, limit).await?,
    };
    let mark_before = (rows.first())
        .filter(|first| first.entry.seq == after)
        .map(chain::mark);
    // What is read from the database may be newer than the head that was read before it.
    let last = rows.last();
    Ok(LogPage {
        head: last.map_or(head, |row| head.max(row.entry.seq)),
        ledger: Some(identity),
        mark: last.map(chain::mark),
        entries: rows
            .into_iter()
            .skip(usize::from(mark_before.is_some()))
            .map(|row| row.entry)
            .collect(),
        mark_before,
    })
}

/// The ledger's id, and its log as seen from the entry with this number. A ledger with an order of `demo_key` began with demo data.
pub async fn standing(
    store: &dyn LedgerStore,
    seq: i64,
    demo_key: Uuid,
) -> Result<Standing, StoreError> {
    let (ledger, head) = store.identity().await?;
    let (highest_user, highest_told) = store.highest_users().await?;
    Ok(Standing {
        ledger,
        head,
        mark: mark_at(store, head).await?,
        mark_there: mark_at(store, seq).await?,
        highest_user,
        highest_told,
        // It is read last: a ledger that gets its demo data at this moment must not look like one with users and without.
        is_demo: !store.find(&[demo_key]).await?.1.is_empty(),
    })
}

async fn mark_at(store: &dyn LedgerStore, seq: i64) -> Result<Option<Mark>, StoreError> {
    if seq < 1 {
        return Ok(None);
    }
    let rows = store.log(seq.saturating_sub(1), 1).await?;
    let is_it = |row: &&LogRow| row.entry.seq == seq;
    Ok(rows.first().filter(is_it).map(chain::mark))
}
