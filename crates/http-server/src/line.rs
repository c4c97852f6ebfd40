//! The stream of a connection, with a word for clients that get no further than a request's head.
//!
//! hyper refuses a head that it cannot read (400, 414, 431) with an empty body, and drops a connection whose head does not arrive in
//! time without a word; neither can be changed there. This stream knows whether a head has begun and no request came of it, puts the
//! JSON error of the API where hyper writes its empty one, and leaves a 408 behind when the connection is dropped.
//!
//! It also gives heads a time of their own: hyper has one for heads and for rest between requests together, and who may rest for a minute
//! should not have a minute for each byte of a head.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use api_error::ApiError;
use bytes::{Buf as _, Bytes};
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

const ADDRESS_TOO_LONG: &str = "The address is too long";
/// The answers that hyper gives by itself.
const REFUSALS: [(&[u8], StatusCode, &str); 3] = [
    (
        b"HTTP/1.1 400 Bad Request\r\n",
        StatusCode::BAD_REQUEST,
        "The request's first line or headers are not those of HTTP/1.1",
    ),
    (
        b"HTTP/1.1 414 URI Too Long\r\n",
        StatusCode::URI_TOO_LONG,
        ADDRESS_TOO_LONG,
    ),
    (
        b"HTTP/1.1 431 Request Header Fields Too Large\r\n",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "There are too many headers, or they are too long",
    ),
];

/// Nothing came yet.
const NEW: u8 = 0;
/// A head has begun.
const HEAD: u8 = 1;
/// A request came of it, or a refusal.
const BUSY: u8 = 2;
/// Between two requests.
const IDLE: u8 = 3;

/// The progress of a connection's request. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Progress(Arc<AtomicU8>);

impl Progress {
    /// The head was whole, and its request is worked on.
    pub(crate) fn has_request(&self) {
        self.0.store(BUSY, Ordering::SeqCst);
    }

    /// The answer is there; what comes next is another head.
    pub(crate) fn is_answered(&self) {
        self.0.store(IDLE, Ordering::SeqCst);
    }

    fn has_bytes(&self) {
        // While a request is worked on, they are its body's.
        for before in [NEW, IDLE] {
            let _ = self
                .0
                .compare_exchange(before, HEAD, Ordering::SeqCst, Ordering::SeqCst);
        }
    }

    fn is_in_head(&self) -> bool {
        self.0.load(Ordering::SeqCst) == HEAD
    }

    /// Returns whether a head is waited for that has a limit of time: a connection is opened to say something.
    fn waits_for_head(&self) -> bool {
        matches!(self.0.load(Ordering::SeqCst), NEW | HEAD)
    }
}

/// A stream and what is to be written before anything else.
pub(crate) struct Line {
    stream: TcpStream,
    progress: Progress,
    /// The time for a head, and when it is over. Nobody waits for a head that comes in one piece.
    head_limit: Duration,
    head_end: Option<Pin<Box<Sleep>>>,
    /// True if the first line of the head is there.
    has_first_line: bool,
    /// True if pages of every origin may read what is said here.
    for_every_origin: bool,
    refusal: Bytes,
}

impl Line {
    pub(crate) fn new(
        stream: TcpStream,
        progress: Progress,
        head_limit: Duration,
        for_every_origin: bool,
    ) -> Line {
        Line {
            stream,
            progress,
            head_limit,
            head_end: None,
            has_first_line: false,
            for_every_origin,
            refusal: Bytes::new(),
        }
    }

    /// Takes an empty refusal of hyper's and keeps the one with a body instead.
    fn takes(&mut self, bytes: &[u8]) -> bool {
        if !self.progress.is_in_head() {
            return false;
        }
        let Some((mut status, mut message)) = empty_refusal(bytes) else {
            return false;
        };
        if status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE && !self.has_first_line {
            (status, message) = (StatusCode::URI_TOO_LONG, ADDRESS_TOO_LONG);
        }
        self.refusal = whole(status, message, self.for_every_origin);
        self.progress.has_request();
        true
    }

    /// Ends the wait for a head that does not come.
    fn poll_head_end(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if !self.progress.waits_for_head() {
            return Poll::Pending;
        }
        let limit = self.head_limit;
        let end = self
            .head_end
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(end.as_mut().poll(context));
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    fn note_bytes(&mut self, bytes: &[u8]) {
        self.progress.has_bytes();
        if !self.has_first_line && self.progress.is_in_head() {
            self.has_first_line = bytes.contains(&b'\n');
        }
    }

    fn poll_refusal(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.refusal.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.refusal))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.refusal.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

/// A whole answer, as it goes over the wire.
fn whole(status: StatusCode, message: &'static str, for_every_origin: bool) -> Bytes {
    let body = ApiError::of_status(status).message(message).body;
    let body = serde_json::to_string(&body).unwrap_or_default();
    let cors = if for_every_origin {
        "access-control-allow-origin: *\r\n"
    } else {
        ""
    };
    format!(
        "HTTP/1.1 {} {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\
         cache-control: no-store\r\nx-content-type-options: nosniff\r\n{cors}\r\n{body}",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default(),
        body.len()
    )
    .into()
}

/// Tells a client that its address has too many connections, and closes this one. Nothing is waited for: who comes in crowds must cost nothing.
pub(crate) fn refuse_connection(stream: TcpStream, for_every_origin: bool) {
    use std::io::{Read as _, Write as _};
    // tokio does not know yet whether it can be written to; the system does.
    let Ok(mut stream) = stream.into_std() else {
        return;
    };
    let answer = whole(
        StatusCode::TOO_MANY_REQUESTS,
        "This address has too many connections already",
        for_every_origin,
    );
    // A client that has left does not read it. To close with bytes unread would take the answer away.
    let _ = stream.read(&mut [0; 4096]);
    let _ = stream.write_all(&answer);
    let _ = stream.shutdown(std::net::Shutdown::Write);
}

/// The refusal that hyper means with these bytes, if they are such an answer.
fn empty_refusal(bytes: &[u8]) -> Option<(StatusCode, &'static str)> {
    let (_, status, message) = REFUSALS
        .iter()
        .find(|(start, ..)| bytes.starts_with(start))?;
    let is_empty = |line: &[u8]| line.eq_ignore_ascii_case(b"content-length: 0\r");
    bytes
        .split(|byte| *byte == b'\n')
        .any(is_empty)
        .then_some((*status, *message))
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.progress.is_in_head() {
            let answer = whole(
                StatusCode::REQUEST_TIMEOUT,
                "The request's headers did not arrive in time",
                self.for_every_origin,
            );
            // Into the system's buffer, which has room: nothing else was written. Who has left does not read it.
            let _ = self.stream.try_write(&answer);
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.progress.waits_for_head() {
            (self.head_end, self.has_first_line) = (None, false);
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        match read {
            Poll::Ready(Ok(())) => {
                let bytes = buffer.filled().get(before..).unwrap_or_default();
                if !bytes.is_empty() {
                    self.note_bytes(bytes);
                }
                read
            }
            Poll::Ready(Err(_)) => read,
            Poll::Pending => self.poll_head_end(context).map(Err),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.takes(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(first) = parts.first()
            && self.takes(first)
        {
            return Poll::Ready(Ok(first.len()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
