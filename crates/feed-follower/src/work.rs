//! The task that follows: wait for a reader or a moment, catch up, tell the readers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wallet_api::LOG_PAGE_MAX;

use crate::{Behind, FollowerMetrics, Log, READERS_MAX, ReadModel, Reader};

/// How often a model that nobody reads asks for news.
const IDLE_EVERY: Duration = Duration::from_millis(250);
/// The same while there are some: a busy ledger is followed in many small steps, of about so many entries. What the database does for
/// these at once, two or three milliseconds, is what a payment may have to wait behind.
const STEP_ENTRIES: f64 = 64.0;
/// The longest rest between such steps,
const BUSY_EVERY_MOST: Duration = Duration::from_millis(50);
/// and the shortest: under full load steps get larger, and cost less for each entry.
const BUSY_EVERY_LEAST: Duration = Duration::from_millis(10);

/// The work of a follower.
pub struct Work<M, L> {
    model: M,
    log: L,
    metrics: FollowerMetrics,
    waiting: mpsc::Receiver<Reader>,
    following: Arc<AtomicBool>,
}

impl<M: ReadModel, L: Log> Work<M, L> {
    pub(crate) fn new(
        model: M,
        log: L,
        metrics: FollowerMetrics,
        waiting: mpsc::Receiver<Reader>,
        following: Arc<AtomicBool>,
    ) -> Work<M, L> {
        Work {
            model,
            log,
            metrics,
            waiting,
            following,
        }
    }

    /// Follows until `stop` is cancelled, or nobody can read any more.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut rest = IDLE_EVERY;
        let mut last = Instant::now();
        loop {
            let mut readers = Vec::new();
            tokio::select! {
                () = stop.cancelled() => return,
                count = self.waiting.recv_many(&mut readers, READERS_MAX) => if count == 0 { return },
                () = tokio::time::sleep(rest) => {}
            }
            let passed = last.elapsed();
            last = Instant::now();
            let result = tokio::select! {
                () = stop.cancelled() => return,
                result = self.catch_up() => result,
            };
            let following = result.is_ok();
            rest = rest_after(result.as_ref().map_or(0, |applied| *applied), passed);
            let followed = self.following.swap(following, Ordering::Relaxed);
            if let Err(error) = result
                && followed
            {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the ledger is not followed for now"
                );
            }
            for reader in readers {
                // A reader that is gone has given up waiting.
                let _ = reader.send(if following { Ok(()) } else { Err(Behind) });
            }
        }
    }

    /// Applies everything up to the head as it is after this call began; gives how many entries that were.
    async fn catch_up(&self) -> anyhow::Result<usize> {
        let started = Instant::now();
        let mut position = self.model.position().await?;
        let mut target = None;
        let mut applied = 0_usize;
        loop {
            let page = self.log.page(position, LOG_PAGE_MAX).await?;
            // The position was read first. A log that ends before it has lost entries: an old backup, or another ledger.
            anyhow::ensure!(
                page.head >= position,
                "the log ends at {}, and entry {position} was applied",
                page.head
            );
            // Later pages may see a newer head; to chase it would never end under load.
            let target = *target.get_or_insert(page.head);
            if let (Some(first), Some(last)) = (page.entries.first(), page.entries.last()) {
                anyhow::ensure!(
                    first.seq == position.saturating_add(1),
                    "the log has a gap after {position}"
                );
                position = if self.model.apply(position, &page.entries).await? {
                    self.metrics.applied.inc_by(page.entries.len() as u64);
                    applied = applied.saturating_add(page.entries.len());
                    last.seq
                } else {
                    self.model.position().await?
                };
            }
            self.metrics
                .lag
                .set(page.head.saturating_sub(position).max(0));
            if position >= target {
                self.metrics
                    .duration
                    .observe(started.elapsed().as_secs_f64());
                return Ok(applied);
            }
            anyhow::ensure!(
                !page.entries.is_empty(),
                "the log ends at {position}, before its head"
            );
        }
    }
}

/// The rest after a step of so many entries, which came in the time that had passed since the step before.
fn rest_after(applied: usize, passed: Duration) -> Duration {
    if applied == 0 {
        return IDLE_EVERY;
    }
    let rest = passed.mul_f64(STEP_ENTRIES / applied as f64);
    rest.clamp(BUSY_EVERY_LEAST, BUSY_EVERY_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_ledger_is_followed_in_steps_of_a_few_entries() {
        let ms = Duration::from_millis;
        assert_eq!(rest_after(0, ms(250)), ms(250), "nobody writes");
        assert_eq!(rest_after(25, ms(250)), ms(50), "100 a second");
        assert_eq!(rest_after(128, ms(50)), ms(25), "2,560 a second");
        assert_eq!(rest_after(320, ms(50)), ms(10), "6,400 a second");
        assert_eq!(rest_after(2000, ms(50)), ms(10), "all that it can");
        assert_eq!(
            rest_after(1, Duration::ZERO),
            ms(10),
            "a reader asks at once"
        );
    }
}
