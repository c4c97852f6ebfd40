//! The stream of a user's movements, as server-sent events (HTML Standard, section 9.2).
//!
//! An event's id is the transaction's, so that a client that comes back with `Last-Event-ID` is told what it missed. The first event says
//! whether that is all of it.
//!
//! What must hold: a stream tells nothing once its token is refused anywhere, and it ends when the server is told to stop. A stream that
//! ends from this side says why, so that a client knows whether to come back at once.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use api_error::ApiError;
use auth::Caller;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::App;
use crate::domain::Movement;
use crate::events::{End, Subscription};
use crate::store::{Cursor, Place};
use crate::wire::TransactionView;

/// Movements that are told again to a client that comes back. Who missed more reads the list.
const MISSED_MAX: i64 = 100;
/// A comment goes out this often, so that proxies keep the connection and a client that left is noticed.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);
/// The token is looked at this often, and before each event.
const TOKEN_EVERY: Duration = Duration::from_secs(1);
/// The time after which a client should come back, unless it knows better.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Tells nginx, and proxies that know its header, to pass each event on at once.
const NO_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Tells each movement of the caller's wallets as it is committed
///
/// The answer is a stream of server-sent events that stays open. `ready` comes first: `{"complete": true}` says that every movement since
/// `Last-Event-ID` follows, `false` that the lists have to be read. Each `movement` has a transaction as its data, and the transaction's id as
/// its own. `end` says why the stream ends: `replaced` (the caller has opened too many), `slow`, `lost`, `token` or `stopping`. Lines that begin
/// with a colon are to be ignored. It ends with the token. Which movements come twice is told by their ids.
#[utoipa::path(
    get,
    path = "/events",
    operation_id = "streamEvents",
    params(("Last-Event-ID" = Option<i64>, Header, minimum = 0, description = "The id of the last event that arrived.")),
    responses(
        (status = 200, description = "The stream.", body = String, content_type = "text/event-stream"),
    )
)]
pub(super) async fn events(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if app.stopping.is_cancelled() {
        return Err(ApiError::unavailable("The server is stopping"));
    }
    let last = headers.get("last-event-id").map(last_event_id);
    let user_id = caller.user_id.0;
    let subscription = app.events.subscribe(user_id).await?;
    // What the log has by now is in the table, so that it counts as told before or is told again.
    app.follower.freshness().await?;
    let newest = app.newest_movements(user_id).await?;
    let start = Start::of(last, &newest, app.store.last_number().await?);
    let told = Told {
        app: app.clone(),
        token: only_token(&headers),
        pending: start.events()?,
        last: start.last,
        subscription: Some(subscription),
        look: look_at_token(),
    };
    let events = Sse::new(stream::unfold(told, Told::next))
        .keep_alive(KeepAlive::new().interval(HEARTBEAT_EVERY));
    let headers = [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (NO_BUFFERING, HeaderValue::from_static("no")),
    ];
    Ok((headers, events).into_response())
}

/// The number in the header; `None` for what is none of ours.
fn last_event_id(value: &HeaderValue) -> Option<i64> {
    let id = value.to_str().ok()?.parse().ok()?;
    (id >= 0).then_some(id)
}

fn only_token(headers: &HeaderMap) -> HeaderMap {
    let token = headers.get(AUTHORIZATION).cloned();
    token
        .map(|token| (AUTHORIZATION, token))
        .into_iter()
        .collect()
}

fn look_at_token() -> Interval {
    let mut look = interval(TOKEN_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    look
}

impl App {
    /// The newest movements of the ledger, the newest first: one more than are told again.
    async fn newest_movements(&self, user_id: i64) -> Result<Vec<Movement>, ApiError> {
        let place = Place {
            user_id,
            wallet_id: None,
            after: Cursor::NEWEST,
            limit: MISSED_MAX.saturating_add(1),
        };
        let found = self.newest.read(place).await?;
        let rows = found.rows.iter().filter(|row| !row.is_recorded());
        Ok(rows.cloned().collect())
    }
}

/// The beginning of a stream.
struct Start {
    /// Whether everything since the client's last event follows.
    is_complete: bool,
    /// The id that the first event has.
    id: i64,
    /// The movements to tell again, the oldest first.
    missed: Vec<Movement>,
    /// Up to here everything was told, or need not be.
    last: i64,
}

impl Start {
    /// `last` is the client's last event if it named one; `end` is the newest number of all.
    fn of(last: Option<Option<i64>>, newest: &[Movement], end: i64) -> Start {
        let own = newest.iter().map(|row| row.id).max().unwrap_or_default();
        let afresh = Start {
            is_complete: false,
            id: own,
            missed: Vec::new(),
            last: own,
        };
        // A number that is not reached yet is of another ledger, or of one that was put back.
        let Some(last) = last.flatten().filter(|last| *last <= end) else {
            return afresh;
        };
        let mut missed: Vec<Movement> =
            newest.iter().filter(|row| row.id > last).cloned().collect();
        if i64::try_from(missed.len()).map_or(true, |count| count > MISSED_MAX) {
            return afresh;
        }
        missed.sort_unstable_by_key(|row| row.id);
        Start {
            is_complete: true,
            id: last,
            last: own.max(last),
            missed,
        }
    }

    fn events(&self) -> Result<VecDeque<Event>, ApiError> {
        let ready = json!({"complete": self.is_complete}).to_string();
        let ready = Event::default()
            .event("ready")
            .id(self.id.to_string())
            .retry(RETRY_AFTER)
            .data(ready);
        let missed = self.missed.iter().map(movement_event);
        std::iter::once(Ok(ready)).chain(missed).collect()
    }
}

fn movement_event(movement: &Movement) -> Result<Event, ApiError> {
    let event = Event::default().event("movement");
    let event = event.id(movement.id.to_string());
    event
        .json_data(TransactionView::from(movement))
        .map_err(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                transaction = movement.id,
                "a movement cannot be written as JSON"
            );
            ApiError::internal()
        })
}

/// A stream, as far as it was told.
struct Told {
    app: App,
    token: HeaderMap,
    pending: VecDeque<Event>,
    last: i64,
    /// Taken when the stream has said its last word.
    subscription: Option<Subscription>,
    look: Interval,
}

enum News {
    Movement(Arc<Movement>),
    End(End),
    Look,
}

impl Told {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Told)> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some((Ok(event), self));
            }
            let news = self.wait().await?;
            let end = match news {
                News::End(end) => Some(end),
                News::Movement(_) | News::Look => self.token_end().await,
            };
            if let Some(end) = end {
                self.finish(end);
            } else if let News::Movement(movement) = news
                && movement.id > self.last
            {
                self.last = movement.id;
                match movement_event(&movement) {
                    Ok(event) => self.pending.push_back(event),
                    Err(_) => self.finish(End::Lost),
                }
            }
        }
    }

    /// The next thing that happens; `None` after the end.
    async fn wait(&mut self) -> Option<News> {
        let subscription = self.subscription.as_mut()?;
        Some(tokio::select! {
            biased;
            () = self.app.stopping.cancelled() => News::End(End::Stopping),
            end = &mut subscription.ended => News::End(end.unwrap_or(End::Lost)),
            movement = subscription.movements.recv() => {
                movement.map_or(News::End(End::Lost), News::Movement)
            }
            _ = self.look.tick() => News::Look,
        })
    }

    async fn token_end(&self) -> Option<End> {
        let caller = self.app.verifier.caller(&self.token).await;
        caller.is_err().then_some(End::Token)
    }

    /// Says why it ends, and gives the seat back.
    fn finish(&mut self, end: End) {
        self.app.events.note_end(end);
        self.subscription = None;
        let reason = json!({"reason": end.word()}).to_string();
        self.pending
            .push_back(Event::default().event("end").data(reason));
    }
}
