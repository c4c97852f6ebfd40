//! The follower against a log and a model in memory, both of which misbehave on command.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, and says where"
)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use feed_follower::{Behind, Follower, FollowerMetrics, Freshness, Log, Position, ReadModel};
use http_server::Metrics;
use ledger_api::{Actor, Entry, Event, LogPage, Uuid};
use testing::wait_until;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A log that grows, goes away, and can be held up.
#[derive(Clone, Default)]
struct Ledger(Arc<LedgerState>);

#[derive(Default)]
struct LedgerState {
    head: Mutex<i64>,
    /// Entries a page; 0 for as many as are asked for.
    page_max: AtomicUsize,
    calls: AtomicUsize,
    is_away: AtomicBool,
    is_held: AtomicBool,
    released: Notify,
    /// The log leaves this entry out.
    gap: Mutex<Option<i64>>,
    /// The ledger's identity.
    id: Mutex<u128>,
    /// It was restored from before this entry, and written further.
    diverged_at: Mutex<Option<i64>>,
}

impl Ledger {
    fn with(entries: i64) -> Ledger {
        let ledger = Ledger::default();
        ledger.grow(entries);
        ledger
    }

    fn grow(&self, entries: i64) {
        *self.0.head.lock().unwrap() += entries;
    }

    fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    fn go_away(&self, away: bool) {
        self.0.is_away.store(away, Ordering::SeqCst);
    }

    fn hold(&self) {
        self.0.is_held.store(true, Ordering::SeqCst);
    }

    fn mark(&self, seq: i64) -> Option<String> {
        let diverged_at = *self.0.diverged_at.lock().unwrap();
        let is_another = diverged_at.is_some_and(|first| seq >= first);
        (seq > 0).then(|| format!("{seq} {is_another}"))
    }

    fn release(&self) {
        self.0.is_held.store(false, Ordering::SeqCst);
        self.0.released.notify_waiters();
    }
}

#[async_trait::async_trait]
impl Log for Ledger {
    async fn page(&self, after: i64, limit: i64) -> anyhow::Result<LogPage> {
        // The head is read first: a page that was held up is as old as its beginning.
        let head = *self.0.head.lock().unwrap();
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        let released = self.0.released.notified();
        if self.0.is_held.load(Ordering::SeqCst) {
            released.await;
        }
        anyhow::ensure!(!self.0.is_away.load(Ordering::SeqCst), "nobody answers");
        let page_max = match self.0.page_max.load(Ordering::SeqCst) {
            0 => limit,
            page_max => i64::try_from(page_max).unwrap(),
        };
        let gap = *self.0.gap.lock().unwrap();
        let entries = (after + 1..=head)
            .filter(|seq| Some(*seq) != gap)
            .take(usize::try_from(page_max).unwrap());
        let entries = entries.map(|seq| Entry {
            seq,
            at: 0,
            event: Event::UserClosed {
                user_id: seq,
                by: Actor::User(seq),
            },
        });
        let entries: Vec<Entry> = entries.collect();
        Ok(LogPage {
            head,
            ledger: Some(Uuid::from_u128(*self.0.id.lock().unwrap())),
            mark_before: (after <= head).then(|| self.mark(after)).flatten(),
            mark: entries.last().and_then(|last| self.mark(last.seq)),
            entries,
        })
    }
}

/// A model that remembers what was applied.
#[derive(Clone, Default)]
struct Model(Arc<ModelState>);

#[derive(Default)]
struct ModelState {
    applied: Mutex<Vec<i64>>,
    stored: Mutex<Position>,
    /// Another process applies these before the next `apply` of this one.
    by_another: Mutex<Vec<i64>>,
}

impl Model {
    fn applied(&self) -> Vec<i64> {
        self.0.applied.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl ReadModel for Model {
    async fn position(&self) -> anyhow::Result<Position> {
        let seq = self.applied().last().copied().unwrap_or(0);
        let stored = self.0.stored.lock().unwrap().clone();
        Ok(if stored.seq == seq {
            stored
        } else {
            Position {
                seq,
                ..Position::default()
            }
        })
    }

    async fn apply(&self, from: i64, entries: &[Entry], to: &Position) -> anyhow::Result<bool> {
        let mut applied = self.0.applied.lock().unwrap();
        applied.append(&mut self.0.by_another.lock().unwrap());
        if applied.last().copied().unwrap_or(0) != from {
            return Ok(false);
        }
        applied.extend(entries.iter().map(|entry| entry.seq));
        *self.0.stored.lock().unwrap() = to.clone();
        Ok(true)
    }
}

/// A follower at work. Stops when dropped.
struct Following {
    follower: Follower,
    ledger: Ledger,
    model: Model,
    stop: CancellationToken,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Following {
    /// Readers are refused, and the probes say why.
    async fn is_stopped(&self, why: &str) {
        assert_eq!(self.follower.catch_up().await, Err(Behind));
        let stopped = self.follower.freshness().await.unwrap_err();
        assert!(stopped.to_string().contains(why), "{stopped}");
        assert_eq!(self.follower.check(), Err(stopped.to_string()));
    }
}

fn follow(ledger: Ledger, model: Model) -> Following {
    let metrics = FollowerMetrics::register(&Metrics::new().unwrap()).unwrap();
    let (follower, work) = Follower::new(model.clone(), ledger.clone(), metrics);
    let stop = CancellationToken::new();
    tokio::spawn(work.run(stop.clone()));
    Following {
        follower,
        ledger,
        model,
        stop,
    }
}

fn up_to(last: i64) -> Vec<i64> {
    (1..=last).collect()
}

#[tokio::test]
async fn a_reader_sees_all_that_was_there_before_it_asked() {
    let following = follow(Ledger::with(5), Model::default());
    for head in 6..100 {
        following.ledger.grow(1);
        following.follower.catch_up().await.unwrap();
        assert_eq!(following.model.applied(), up_to(head));
    }
}

#[tokio::test]
async fn a_long_log_comes_page_by_page() {
    let ledger = Ledger::with(1_000);
    ledger.0.page_max.store(7, Ordering::SeqCst);
    let following = follow(ledger, Model::default());
    following.follower.catch_up().await.unwrap();
    assert_eq!(following.model.applied(), up_to(1_000));
}

#[tokio::test]
async fn a_model_that_nobody_reads_is_kept_up_to_date() {
    let following = follow(Ledger::with(3), Model::default());
    wait_until("the log is applied", || async {
        following.model.applied() == up_to(3)
    })
    .await;
}

#[tokio::test]
async fn readers_that_arrive_together_share_one_catch_up() {
    let following = follow(Ledger::with(1), Model::default());
    following.ledger.hold();
    let first = tokio::spawn({
        let follower = following.follower.clone();
        async move { follower.catch_up().await }
    });
    while following.ledger.calls() == 0 {
        tokio::task::yield_now().await;
    }
    // The page that is on its way is older than this entry: these readers need one more, and share it.
    following.ledger.grow(1);
    let readers: Vec<_> = (0..500)
        .map(|_| {
            let follower = following.follower.clone();
            tokio::spawn(async move { follower.catch_up().await })
        })
        .collect();
    tokio::task::yield_now().await;
    following.ledger.release();
    first.await.unwrap().unwrap();
    for reader in readers {
        reader.await.unwrap().unwrap();
    }
    assert_eq!(following.model.applied(), up_to(2));
    // The one that was held up, theirs, and at most one for the time that has passed.
    assert!(
        following.ledger.calls() <= 3,
        "{}",
        following.ledger.calls()
    );
}

#[tokio::test]
async fn what_another_process_applied_is_not_applied_again() {
    let following = follow(Ledger::with(10), Model::default());
    following.ledger.0.page_max.store(3, Ordering::SeqCst);
    *following.model.0.by_another.lock().unwrap() = up_to(4);
    following.follower.catch_up().await.unwrap();
    assert_eq!(following.model.applied(), up_to(10));
}

#[tokio::test]
async fn without_the_log_readers_are_told_soon_and_later_are_served_again() {
    let following = follow(Ledger::with(2), Model::default());
    following.follower.catch_up().await.unwrap();
    following.ledger.go_away(true);
    following.ledger.grow(1);
    assert_eq!(following.follower.catch_up().await, Err(Behind));
    assert_eq!(following.follower.freshness().await, Ok(Freshness::Behind));
    assert_eq!(following.model.applied(), up_to(2));
    following.ledger.go_away(false);
    following.follower.catch_up().await.unwrap();
    assert_eq!(following.model.applied(), up_to(3));
}

#[tokio::test]
async fn a_log_that_does_not_answer_costs_a_reader_little_once_that_is_known() {
    let following = follow(Ledger::with(2), Model::default());
    following.ledger.hold();
    assert_eq!(following.follower.catch_up().await, Err(Behind));
    // The call fails in the end, and from then on nobody waits for long.
    following.ledger.go_away(true);
    following.ledger.release();
    wait_until("the failure is known", || async {
        following.ledger.calls() > 1
    })
    .await;
    following.ledger.hold();
    let started = Instant::now();
    assert_eq!(following.follower.catch_up().await, Err(Behind));
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_log_with_a_gap_is_not_followed_past_it() {
    let ledger = Ledger::with(5);
    *ledger.0.gap.lock().unwrap() = Some(3);
    ledger.0.page_max.store(2, Ordering::SeqCst);
    let following = follow(ledger, Model::default());
    assert_eq!(following.follower.catch_up().await, Err(Behind));
    assert_eq!(following.model.applied(), up_to(2));
}

#[tokio::test]
async fn a_log_that_lost_entries_is_not_followed() {
    let following = follow(Ledger::with(5), Model::default());
    following.follower.catch_up().await.unwrap();
    *following.ledger.0.head.lock().unwrap() = 4;
    assert_eq!(following.follower.catch_up().await, Err(Behind));
    assert_eq!(following.model.applied(), up_to(5));
    following
        .is_stopped("older: its log ends at 4, and entry 5 is known here")
        .await;
}

#[tokio::test]
async fn another_ledger_is_not_followed_and_the_right_one_again() {
    let following = follow(Ledger::with(5), Model::default());
    following.follower.catch_up().await.unwrap();
    assert_eq!(following.follower.check(), Ok(()));
    *following.ledger.0.id.lock().unwrap() = 7;
    following.ledger.grow(3);
    following.is_stopped("another ledger").await;
    // One that is wrong, and then does not answer, has not become the right one.
    following.ledger.go_away(true);
    following.is_stopped("another ledger").await;
    following.ledger.go_away(false);
    *following.ledger.0.id.lock().unwrap() = 0;
    following.follower.catch_up().await.unwrap();
    assert_eq!(following.follower.check(), Ok(()));
    assert_eq!(following.model.applied(), up_to(8));
}

#[tokio::test]
async fn a_ledger_that_was_restored_and_written_further_is_not_followed() {
    for head in [5, 6, 500] {
        let following = follow(Ledger::with(5), Model::default());
        following.follower.catch_up().await.unwrap();
        *following.ledger.0.diverged_at.lock().unwrap() = Some(3);
        following.ledger.grow(head - 5);
        following.is_stopped("restored from before entry 5").await;
        assert_eq!(following.model.applied(), up_to(5));
    }
}

#[tokio::test]
async fn a_model_that_is_older_than_the_ledger_catches_up() {
    let ledger = Ledger::with(5);
    let following = follow(ledger.clone(), Model::default());
    following.follower.catch_up().await.unwrap();
    let older = Model::default();
    *older.0.applied.lock().unwrap() = up_to(3);
    *older.0.stored.lock().unwrap() = Position {
        seq: 3,
        ledger: Some(Uuid::from_u128(0)),
        mark: ledger.mark(3),
    };
    let following = follow(ledger, older);
    following.follower.catch_up().await.unwrap();
    assert_eq!(following.model.applied(), up_to(5));
}

#[tokio::test]
async fn a_model_of_an_earlier_release_belongs_to_the_ledger_from_the_next_entry_on() {
    let earlier = Model::default();
    *earlier.0.applied.lock().unwrap() = up_to(3);
    let following = follow(Ledger::with(3), earlier);
    following.follower.catch_up().await.unwrap();
    following.ledger.grow(1);
    following.follower.catch_up().await.unwrap();
    *following.ledger.0.id.lock().unwrap() = 7;
    following.is_stopped("another ledger").await;
}

#[tokio::test]
async fn a_follower_that_was_stopped_answers_nobody() {
    let following = follow(Ledger::with(1), Model::default());
    following.stop.cancel();
    tokio::task::yield_now().await;
    assert_eq!(following.follower.catch_up().await, Err(Behind));
}
