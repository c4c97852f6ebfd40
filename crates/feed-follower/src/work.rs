//! The task that follows: wait for a reader or a moment, catch up, tell the readers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ledger_api::{LOG_PAGE_MAX, LogPage, Position, Seen};
use telemetry::Needed;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{Behind, FollowerMetrics, Log, READERS_MAX, ReadModel, Reader, State, Stopped};

/// The interval at which a model that nobody reads asks for news.
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
    state: Arc<watch::Sender<State>>,
    ledger: Needed,
    /// The model's position when it was last looked at.
    last: Position,
    generation: Arc<AtomicU64>,
}

impl<M: ReadModel, L: Log> Work<M, L> {
    pub(crate) fn new(
        model: M,
        log: L,
        metrics: FollowerMetrics,
        waiting: mpsc::Receiver<Reader>,
        state: Arc<watch::Sender<State>>,
    ) -> Work<M, L> {
        Work {
            model,
            log,
            metrics,
            waiting,
            state,
            ledger: Needed::new("the ledger's log"),
            last: Position::default(),
            generation: Arc::default(),
        }
    }

    /// As [`Follower::generation`](crate::Follower::generation).
    pub(crate) fn generation(&self) -> Arc<AtomicU64> {
        self.generation.clone()
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
            self.note(result.err());
            for reader in readers {
                // A reader that is gone has given up waiting.
                let _ = reader.send(if following { Ok(()) } else { Err(Behind) });
            }
        }
    }

    /// Takes note of how a catch-up went, and says so once. A ledger that was wrong and cannot be reached is still not the right one.
    fn note(&mut self, error: Option<anyhow::Error>) {
        let before = self.state.borrow().clone();
        let stopped = error.as_ref().and_then(|error| error.downcast_ref());
        let after = match (&error, stopped, &before) {
            (None, ..) => State::Following,
            (_, Some(stopped), _) => State::Stopped(*stopped),
            (_, None, State::Stopped(stopped)) => State::Stopped(*stopped),
            (_, None, _) => State::Away,
        };
        match (&before, &after) {
            (State::Stopped(before), State::Stopped(after)) if before == after => {}
            (_, State::Stopped(stopped)) => {
                tracing::error!(error = %stopped, "the ledger is not followed any more");
            }
            (State::Stopped(_), State::Following) => tracing::info!("the ledger is followed again"),
            _ => {}
        }
        match (&after, &error) {
            (State::Away, Some(error)) => self.ledger.is_away(error.as_ref()),
            (State::Following, _) => self.ledger.is_there(),
            _ => {}
        }
        let is_stopped = matches!(after, State::Stopped(_));
        if is_stopped {
            // Whatever is followed after this is another ledger, or another model.
            self.last.ledger = None;
            self.last.seq = i64::MAX;
        }
        self.metrics.mismatch.set(i64::from(is_stopped));
        self.state.send_replace(after);
    }

    /// Takes note of a model that is not where it was, or further.
    fn note_position(&mut self, position: &Position) {
        let last = &self.last;
        let is_another =
            matches!((last.ledger, position.ledger), (Some(last), Some(now)) if last != now);
        if is_another || position.seq < last.seq {
            self.generation.fetch_add(1, Ordering::SeqCst);
        }
        self.last = position.clone();
    }

    /// Applies everything up to the head as it is after this call began; gives how many entries that were.
    async fn catch_up(&mut self) -> anyhow::Result<usize> {
        let started = Instant::now();
        let mut position = self.model.position().await?;
        self.note_position(&position);
        let mut target = None;
        let mut applied = 0_usize;
        loop {
            let page = self.log.page(position.seq, LOG_PAGE_MAX).await?;
            // The position was read first, so the log cannot be behind it unless it has lost entries.
            position.belongs_to(&seen(&page)).map_err(Stopped)?;
            // Later pages may see a newer head; to chase it would never end under load.
            let target = *target.get_or_insert(page.head);
            if let (Some(first), Some(last)) = (page.entries.first(), page.entries.last()) {
                anyhow::ensure!(
                    first.seq == position.seq.saturating_add(1),
                    "the log has a gap after {}",
                    position.seq
                );
                let to = Position {
                    seq: last.seq,
                    ledger: page.ledger,
                    mark: page.mark.clone(),
                };
                let is_applied = self.model.apply(position.seq, &page.entries, &to).await?;
                position = if is_applied {
                    self.metrics.applied.inc_by(page.entries.len() as u64);
                    applied = applied.saturating_add(page.entries.len());
                    to
                } else {
                    self.model.position().await?
                };
            }
            self.metrics
                .lag
                .set(page.head.saturating_sub(position.seq).max(0));
            if position.seq >= target {
                self.metrics
                    .duration
                    .observe(started.elapsed().as_secs_f64());
                return Ok(applied);
            }
            anyhow::ensure!(
                !page.entries.is_empty(),
                "the log ends at {}, before its head",
                position.seq
            );
        }
    }
}

/// The ledger, as it is seen from the position that the page begins after.
fn seen(page: &LogPage) -> Seen<'_> {
    Seen {
        ledger: page.ledger,
        head: page.head,
        mark: page.mark_before.as_deref(),
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
