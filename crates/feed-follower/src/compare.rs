//! Compares a read model with the log that it was built from.

use ledger_api::{Entry, LOG_PAGE_MAX, Position, Seen};

use crate::Log;

/// The result of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The model is what the log says.
    Agrees,
    /// The first thing that it is not.
    Differs(String),
    /// The model is in another database.
    NotHere,
}

/// A model that can be compared with the log, page by page.
#[async_trait::async_trait]
pub trait Comparable: Send {
    /// Fixes what is compared: everything up to the position that it gives. What comes later is left alone.
    async fn begin(&mut self) -> anyhow::Result<Position>;

    /// Compares with entries that follow those before. The first difference, as a sentence.
    async fn compare(&mut self, entries: &[Entry]) -> anyhow::Result<Option<String>>;

    /// Compares what all the entries add up to.
    async fn finish(&mut self) -> anyhow::Result<Option<String>>;
}

/// Returns whether the model is what the log says. May run while both are written.
pub async fn compare(
    model: &mut dyn Comparable,
    log: &dyn Log,
    progress: &(dyn Fn(i64, i64) + Sync),
) -> anyhow::Result<Verdict> {
    let position = model.begin().await?;
    let end = position.seq;
    let there = log.page(end, 1).await?;
    let seen = Seen {
        ledger: there.ledger,
        head: there.head,
        mark: there.mark_before.as_deref(),
    };
    if let Err(mismatch) = position.belongs_to(&seen) {
        return Ok(Verdict::Differs(mismatch.to_string()));
    }
    let mut after = 0;
    while after < end {
        progress(after, end);
        let mut entries = log.page(after, LOG_PAGE_MAX).await?.entries;
        entries.retain(|entry| entry.seq <= end);
        let Some(last) = entries.last() else {
            let why = format!("it has applied entry {end}, and the log ends with {after}");
            return Ok(Verdict::Differs(why));
        };
        after = last.seq;
        if let Some(difference) = model.compare(&entries).await? {
            return Ok(Verdict::Differs(difference));
        }
    }
    progress(end, end);
    let difference = model.finish().await?;
    Ok(difference.map_or(Verdict::Agrees, Verdict::Differs))
}
