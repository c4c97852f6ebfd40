//! The body of a request, lent to its handler: it has to arrive in time, and what the handler leaves of it comes back.
//!
//! Who is refused before the body was read (no token, too large) may still be sending. A server that closed then would take the
//! answer away from the client, or break the client's next request on the same connection. So a little of the rest is read before
//! the answer; where there is more, the answer says `Connection: close`, and the rest is read and forgotten, within bounds,
//! while the client reads.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http::{HeaderValue, Request, StatusCode, header};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::Sleep;

/// The bytes of an unread body that are read before the answer, and the time for that: so much that a small request costs no connection.
const READ_BEFORE_ANSWER_BYTES_MAX: u64 = 64 * 1024;
const READ_BEFORE_ANSWER_LIMIT: Duration = Duration::from_millis(250);
/// The same after the answer.
const READ_AFTER_ANSWER_BYTES_MAX: u64 = 8 * 1024 * 1024;
const READ_AFTER_ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// The client stopped sending in the middle of a body.
#[derive(Debug)]
pub(crate) struct TooSlow(Duration);

impl TooSlow {
    /// For the client.
    pub(crate) fn in_words(&self) -> String {
        let seconds = self.0.as_secs_f64();
        format!("The body did not arrive within {seconds} seconds; nothing was done")
    }
}

impl std::fmt::Display for TooSlow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.in_words())
    }
}

impl std::error::Error for TooSlow {}

type Error = Box<dyn std::error::Error + Send + Sync>;

/// A body that goes back where it came from when it is dropped unread.
struct Lent {
    body: Option<Incoming>,
    back: Option<oneshot::Sender<Incoming>>,
    limit: Duration,
    /// Set when the body has to be waited for.
    end: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(context) {
            if frame.is_none() {
                self.body = None;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Error::from)));
        }
        let limit = self.limit;
        let end = self
            .end
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(end.as_mut().poll(context));
        Poll::Ready(Some(Err(TooSlow(limit).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take())
            && !body.is_end_stream()
        {
            // Nobody waits for it where the answer was given up.
            let _ = back.send(body);
        }
    }
}

/// The state in which a lent body comes back.
pub(crate) struct Rest {
    body: oneshot::Receiver<Incoming>,
    /// True if the client sends the body only when it is told to go on.
    waits: bool,
}

/// Lends the request's body out, for `limit`.
pub(crate) fn lend(request: Request<Incoming>, limit: Duration) -> (Request<Body>, Option<Rest>) {
    if request.body().is_end_stream() {
        return (request.map(|_| Body::empty()), None);
    }
    let (back, body) = oneshot::channel();
    let waits = request.headers().contains_key(header::EXPECT);
    let request = request.map(|incoming| {
        Body::new(Lent {
            body: Some(incoming),
            back: Some(back),
            limit,
            end: None,
        })
    });
    (request, Some(Rest { body, waits }))
}

impl Rest {
    /// Sees to it that the client can read the answer although its body was not read to the end.
    pub(crate) async fn settle(mut self, response: &mut Response) {
        // Whoever holds the body still reads it, and needs no help.
        let Ok(mut rest) = self.body.try_recv() else {
            return;
        };
        let is_worth_waiting = !self.waits && response.status() != StatusCode::REQUEST_TIMEOUT;
        if is_worth_waiting {
            let read = forget(&mut rest, READ_BEFORE_ANSWER_BYTES_MAX);
            if let Ok(true) = tokio::time::timeout(READ_BEFORE_ANSWER_LIMIT, read).await {
                return;
            }
        }
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
        // Read on before the head of the answer is written, it would be told to send the body.
        if !self.waits {
            tokio::spawn(async move {
                let read = forget(&mut rest, READ_AFTER_ANSWER_BYTES_MAX);
                tokio::time::timeout(READ_AFTER_ANSWER_LIMIT, read).await
            });
        }
    }
}

/// Reads up to so many bytes. Whether that was all.
async fn forget(body: &mut Incoming, bytes_max: u64) -> bool {
    let mut read: u64 = 0;
    while read <= bytes_max {
        let frame = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
        match frame {
            None => return true,
            Some(Err(_)) => return false,
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                read = read.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
            }
        }
    }
    false
}
