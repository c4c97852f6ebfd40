//! Movements as they happen, for whoever has a stream open: one reader of the new rows, and a short queue for each stream.
//!
//! Rows are read from the table and not taken from the log's entries, because any process of the service may have added them; a
//! process learns that the model moved when its own follower looks at it.
//!
//! What must hold: a stream gets every row of its user that is committed after it subscribed, in the order of their numbers, or it is ended.
//! For this the reader first learns up to which number rows are committed, and only then whose streams there are: a stream that
//! came later finds these rows in the table. A stream that does not keep up, or whose rows could not be read, is ended; its client comes
//! back and says which number it had last. Nobody waits for a stream.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api_error::ApiError;
use http::StatusCode;
use http_server::Metrics;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::domain::Movement;
use crate::store::{Error, Store};

/// Streams that one user has open at once in this process. One more ends the oldest: a browser that left without a word still has its own.
pub(crate) const STREAMS_OF_USER_MAX: usize = 6;
/// Movements that wait for one stream.
pub(crate) const QUEUE_MAX: usize = 256;
/// Rows that are read at once.
const READ_MAX: i64 = 1_000;
/// After more new rows than this, streams are ended instead: the model is being built anew, and these rows are no news.
const GAP_MAX: i64 = 100_000;
/// The rest between two reads: a busy log moves a hundred times a second, and nobody reads as fast.
const READ_EVERY: Duration = Duration::from_millis(50);
/// The time after which a client that found no room may try again, in seconds.
const FULL_RETRY_S: u32 = 10;

/// Why a stream was ended from this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The user has opened too many others since.
    Replaced,
    /// Its client did not keep up.
    Slow,
    /// New rows could not be read, or the model is another one.
    Lost,
    /// The token is not good any more.
    Token,
    /// The server stops.
    Stopping,
}

impl End {
    const ALL: [End; 5] = [
        End::Replaced,
        End::Slow,
        End::Lost,
        End::Token,
        End::Stopping,
    ];

    /// The word for clients and metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            End::Replaced => "replaced",
            End::Slow => "slow",
            End::Lost => "lost",
            End::Token => "token",
            End::Stopping => "stopping",
        }
    }
}

/// Every open stream of this process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Events(Arc<Shared>);

struct Shared {
    store: Store,
    streams_max: usize,
    streams: Mutex<Streams>,
    metrics: EventMetrics,
}

#[derive(Default)]
struct Streams {
    /// Up to this number everything was handed out. Unknown while there is no stream.
    position: Option<i64>,
    of_user: HashMap<i64, Vec<Seat>>,
    count: usize,
    next_seat: u64,
}

/// The side of a stream that is written to.
struct Seat {
    id: u64,
    queue: mpsc::Sender<Arc<Movement>>,
    end: oneshot::Sender<End>,
}

struct EventMetrics {
    open: IntGauge,
    sent: IntCounter,
    ended: IntCounterVec,
    turned_away: IntCounter,
}

impl EventMetrics {
    fn register(metrics: &Metrics) -> anyhow::Result<EventMetrics> {
        let ended = Opts::new(
            "event_streams_ended_total",
            "Streams of events that were ended from this side, by why. A client that was slow or lost some comes back and is told the rest.",
        );
        let own = EventMetrics {
            open: IntGauge::new("event_streams_open", "Streams of events that are open.")?,
            sent: IntCounter::new(
                "events_sent_total",
                "Movements that were handed to a stream of events.",
            )?,
            ended: IntCounterVec::new(ended, &["reason"])?,
            turned_away: IntCounter::new(
                "event_streams_turned_away_total",
                "Streams of events that were not opened because there were EVENT_STREAMS_MAX.",
            )?,
        };
        for reason in End::ALL {
            own.ended.with_label_values(&[reason.word()]);
        }
        metrics.register(own.open.clone())?;
        metrics.register(own.sent.clone())?;
        metrics.register(own.ended.clone())?;
        metrics.register(own.turned_away.clone())?;
        Ok(own)
    }
}

impl Events {
    pub(crate) fn new(
        store: Store,
        streams_max: usize,
        metrics: &Metrics,
    ) -> anyhow::Result<Events> {
        Ok(Events(Arc::new(Shared {
            store,
            streams_max,
            streams: Mutex::default(),
            metrics: EventMetrics::register(metrics)?,
        })))
    }

    /// A stream of this user's movements from now on. What was committed before this returns is in the table.
    pub(crate) async fn subscribe(&self, user_id: i64) -> Result<Subscription, ApiError> {
        // Before the seat is taken: what comes after this number is handed out to it.
        let position = self.0.store.last_number().await?;
        let (queue, movements) = mpsc::channel(QUEUE_MAX);
        let (end, ended) = oneshot::channel();
        let mut streams = self.streams();
        let own = streams.of_user.get_mut(&user_id);
        if let Some(own) = own.filter(|own| own.len() >= STREAMS_OF_USER_MAX) {
            let oldest = own.remove(0);
            self.end(&mut streams, oldest, End::Replaced);
        } else if streams.count >= self.0.streams_max {
            self.0.metrics.turned_away.inc();
            return Err(full());
        }
        streams.position.get_or_insert(position);
        let id = streams.next_seat;
        streams.next_seat = id.wrapping_add(1);
        let seat = Seat { id, queue, end };
        streams.of_user.entry(user_id).or_default().push(seat);
        self.count(&mut streams, 1);
        Ok(Subscription {
            movements,
            ended,
            seat: Taken {
                events: self.clone(),
                user_id,
                id,
            },
        })
    }

    /// Hands out what is new whenever the model moved, until `stop` is cancelled.
    pub(crate) async fn run(self, mut moved: watch::Receiver<i64>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = moved.changed() => if changed.is_err() { return },
            }
            if let Err(error) = self.hand_out().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "new rows of history could not be read; the streams of events are ended"
                );
                self.end_all(End::Lost);
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(READ_EVERY) => {}
            }
        }
    }

    async fn hand_out(&self) -> Result<(), Error> {
        if self.streams().count == 0 {
            self.streams().forget_position();
            return Ok(());
        }
        let to = self.0.store.last_number().await?;
        let (from, users) = {
            let mut streams = self.streams();
            let Some(from) = streams.position else {
                return Ok(());
            };
            if to < from || to.saturating_sub(from) > GAP_MAX {
                drop(streams);
                self.end_all(End::Lost);
                return Ok(());
            }
            streams.position = Some(to);
            let users: Vec<i64> = streams.of_user.keys().copied().collect();
            (from, users)
        };
        let mut after = from;
        while after < to {
            let rows = self.0.store.of_users(&users, after, to, READ_MAX).await?;
            let is_last = i64::try_from(rows.len()).is_ok_and(|count| count < READ_MAX);
            after = rows.last().map_or(to, |row| row.id);
            for row in rows {
                self.hand(Arc::new(row));
            }
            if is_last {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Puts a movement into the queue of each of its user's streams.
    fn hand(&self, movement: Arc<Movement>) {
        let mut streams = self.streams();
        let Some(own) = streams.of_user.get_mut(&movement.user_id) else {
            return;
        };
        let (keep, slow): (Vec<_>, Vec<_>) = own
            .drain(..)
            .partition(|seat| seat.queue.try_send(movement.clone()).is_ok());
        self.0.metrics.sent.inc_by(keep.len() as u64);
        *own = keep;
        for seat in slow {
            self.end(&mut streams, seat, End::Slow);
        }
    }

    fn end_all(&self, reason: End) {
        let mut streams = self.streams();
        let seats: Vec<Seat> = streams.of_user.drain().flat_map(|(_, own)| own).collect();
        for seat in seats {
            self.end(&mut streams, seat, reason);
        }
        streams.forget_position();
    }

    /// Ends a stream whose seat was taken out of the table.
    fn end(&self, streams: &mut Streams, seat: Seat, reason: End) {
        self.count(streams, -1);
        // A stream that is gone has no reason to be told.
        let _ = seat.end.send(reason);
    }

    fn count(&self, streams: &mut Streams, change: isize) {
        streams.count = streams.count.saturating_add_signed(change);
        self.0
            .metrics
            .open
            .set(i64::try_from(streams.count).unwrap_or(i64::MAX));
    }

    /// Counts why a stream was ended.
    pub(crate) fn note_end(&self, reason: End) {
        let ended = &self.0.metrics.ended;
        ended.with_label_values(&[reason.word()]).inc();
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        let streams = self.0.streams.lock();
        streams.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Streams {
    fn forget_position(&mut self) {
        if self.count == 0 {
            self.position = None;
        }
    }
}

fn full() -> ApiError {
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "Service unavailable",
        "overloaded",
    )
    .message("There are too many open streams of events")
    .retry_after(FULL_RETRY_S)
}

/// The reading side of a stream. Dropping it gives the seat back.
pub(crate) struct Subscription {
    /// Movements of the user, in order.
    pub(crate) movements: mpsc::Receiver<Arc<Movement>>,
    /// Why it was ended.
    pub(crate) ended: oneshot::Receiver<End>,
    #[expect(dead_code, reason = "its end is what it is for")]
    seat: Taken,
}

struct Taken {
    events: Events,
    user_id: i64,
    id: u64,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut streams = self.events.streams();
        let Some(own) = streams.of_user.get_mut(&self.user_id) else {
            return;
        };
        let before = own.len();
        own.retain(|seat| seat.id != self.id);
        let left = before.saturating_sub(own.len());
        if own.is_empty() {
            streams.of_user.remove(&self.user_id);
        }
        if left > 0 {
            self.events.count(&mut streams, -1);
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, and says where"
)]
mod tests {
    use feed_follower::Position;
    use ledger_api::{Actor, Entry, Event, Leg, Posting};
    use money::{Amount, Currency};
    use store::Database;
    use testing::every_database;

    use super::*;
    use crate::STEPS;
    use crate::domain::Batch;

    /// A wallet of user 1, and then top-ups.
    fn log(top_ups: i64) -> Vec<Entry> {
        let opened = Event::WalletOpened {
            wallet_id: 1,
            user_id: 1,
            currency: Currency::IDR,
        };
        let leg = |account: i64| Leg {
            account,
            user_id: (account > 0).then_some(account),
            balance: 7,
        };
        let top_up = || {
            Event::Posted(Posting {
                kind: wallet_api::TOPUP.code,
                debit: leg(-1),
                credit: leg(1),
                amount: Amount::new(3).unwrap(),
                currency: Currency::IDR,
                number: None,
                by: Actor::User(1),
                draws_on: None,
                group: None,
                expires_at: None,
                note: None,
            })
        };
        let events = std::iter::once(opened).chain((0..top_ups).map(|_| top_up()));
        let entries = events.zip(1..).map(|(event, seq)| Entry {
            seq,
            at: seq,
            event,
        });
        entries.collect()
    }

    async fn append(store: &Store, entries: &[Entry]) {
        let to = Position {
            seq: entries.last().unwrap().seq,
            ..Position::default()
        };
        let batch = Batch::after(0, entries, &wallet_api::KINDS).unwrap();
        let from = entries.first().unwrap().seq - 1;
        assert!(store.append(from, &to, &batch).await.unwrap());
    }

    #[tokio::test]
    async fn a_stream_that_nobody_reads_is_ended_and_holds_nobody_up() {
        for database in every_database().await {
            let config = database.config("transaction");
            let database = Database::open(&config).await.unwrap();
            database.migrate(&config, STEPS).await.unwrap();
            let store = Store::new(database, &wallet_api::KINDS);
            let events = Events::new(store.clone(), 10, &Metrics::new().unwrap()).unwrap();
            let queue = i64::try_from(QUEUE_MAX).unwrap();
            let entries = log(2 * queue + 1);
            let (half, rest) = entries.split_at(QUEUE_MAX + 1);
            let (mut read, mut unread) = (
                events.subscribe(1).await.unwrap(),
                events.subscribe(1).await.unwrap(),
            );
            append(&store, half).await;
            events.hand_out().await.unwrap();
            for id in 1..=queue {
                assert_eq!(read.movements.recv().await.unwrap().id, id);
            }
            assert!(unread.ended.try_recv().is_err(), "its queue is just full");
            append(&store, &rest[..1]).await;
            events.hand_out().await.unwrap();
            assert_eq!(unread.ended.try_recv(), Ok(End::Slow));
            assert_eq!(read.movements.recv().await.unwrap().id, queue + 1);
            assert_eq!(events.0.metrics.open.get(), 1);

            // The model is another one, with fewer rows.
            events.streams().position = Some(10 * queue);
            events.hand_out().await.unwrap();
            assert_eq!(read.ended.try_recv(), Ok(End::Lost));
            drop((read, unread));
            assert_eq!(events.0.metrics.open.get(), 0);
            assert!(events.streams().of_user.is_empty());
            assert_eq!(events.streams().position, None);
        }
    }
}
