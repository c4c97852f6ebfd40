//! The stream of a connection, with a word for clients that get no further than a request's head.
//!
//! hyper refuses a head that it cannot read (400, 414, 431) with an empty body, and drops a connection whose head does not arrive in
//! time without a word; neither can be changed there. This stream knows whether a head has begun and no request came of it, puts the
//! JSON error of the API where hyper writes its empty one, and leaves a 408 behind when the connection is dropped.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use api_error::ApiError;
use bytes::{Buf as _, Bytes};
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

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
        "The address is too long",
    ),
    (
        b"HTTP/1.1 431 Request Header Fields Too Large\r\n",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "There are too many headers, or they are too long",
    ),
];

/// Between two requests.
const IDLE: u8 = 0;
/// A head has begun.
const HEAD: u8 = 1;
/// A request came of it, or a refusal.
const BUSY: u8 = 2;

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
        let _ = self
            .0
            .compare_exchange(IDLE, HEAD, Ordering::SeqCst, Ordering::SeqCst);
    }

    fn is_in_head(&self) -> bool {
        self.0.load(Ordering::SeqCst) == HEAD
    }
}

/// A stream and what is to be written before anything else.
pub(crate) struct Line {
    stream: TcpStream,
    progress: Progress,
    /// True if pages of every origin may read what is said here.
    for_every_origin: bool,
    refusal: Bytes,
}

impl Line {
    pub(crate) fn new(stream: TcpStream, progress: Progress, for_every_origin: bool) -> Line {
        Line {
            stream,
            progress,
            for_every_origin,
            refusal: Bytes::new(),
        }
    }

    /// Takes an empty refusal of hyper's and keeps the one with a body instead.
    fn takes(&mut self, bytes: &[u8]) -> bool {
        if !self.progress.is_in_head() {
            return false;
        }
        let Some((status, message)) = empty_refusal(bytes) else {
            return false;
        };
        self.refusal = self.whole(status, message);
        self.progress.has_request();
        true
    }

    /// A whole answer, as it goes over the wire.
    fn whole(&self, status: StatusCode, message: &'static str) -> Bytes {
        let body = ApiError::of_status(status).message(message).body;
        let body = serde_json::to_string(&body).unwrap_or_default();
        let cors = if self.for_every_origin {
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
            let answer = self.whole(
                StatusCode::REQUEST_TIMEOUT,
                "The request's headers did not arrive in time",
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
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.progress.has_bytes();
        }
        Poll::Ready(Ok(()))
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
