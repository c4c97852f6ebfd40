//! Compares a read model with the log that it was built from.

use wallet_api::{Entry, LOG_PAGE_MAX};

use crate::Log;

/// What became of a comparison.
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
    /// Fixes what is compared: everything up to the number that it gives. What comes later is left alone.
    async fn begin(&mut self) -> anyhow::Result<i64>;

    /// Compares with entries that follow those before. The first difference, as a sentence.
    async fn compare(&mut self, entries: &[Entry]) -> anyhow::Result<Option<String>>;

    /// Compares what all the entries add up to.
    async fn finish(&mut self) -> anyhow::Result<Option<String>>;
}

/// Whether the model is what the log says. May run while both are written.
pub async fn compare(
    model: &mut dyn Comparable,
    log: &dyn Log,
    progress: &(dyn Fn(i64, i64) + Sync),
) -> anyhow::Result<Verdict> {
    let end = model.begin().await?;
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
