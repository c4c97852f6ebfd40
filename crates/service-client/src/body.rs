//! Reads an answer's body within a limit. The limit holds for the bytes that arrive: a chunked answer does not say its length.

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use reqwest::Response;

/// Returns whether an answer with these headers goes on for as long as both sides like (server-sent events): it is passed on as it comes.
pub fn is_stream(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

/// The reason why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than the limit. The rest was not read.
    #[error("the answer is larger than {bytes_max} bytes")]
    TooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// The connection broke, or the time was up.
    #[error("the answer broke off")]
    Broken(#[source] reqwest::Error),
}

/// The body of `response`, of at most `bytes_max` bytes. A body that comes in one piece, as nearly all do, is not copied.
pub async fn read_body(mut response: Response, bytes_max: usize) -> Result<Bytes, BodyError> {
    let too_large = BodyError::TooLarge { bytes_max };
    let announced = response.content_length().unwrap_or(0);
    if usize::try_from(announced).map_or(true, |length| length > bytes_max) {
        return Err(too_large);
    }
    let first = response.chunk().await.map_err(BodyError::Broken)?;
    let first = first.unwrap_or_default();
    if first.len() > bytes_max {
        return Err(too_large);
    }
    let Some(second) = response.chunk().await.map_err(BodyError::Broken)? else {
        return Ok(first);
    };
    let mut whole = first.to_vec();
    let mut next = Some(second);
    while let Some(piece) = next {
        if piece.len() > bytes_max.saturating_sub(whole.len()) {
            return Err(too_large);
        }
        whole.extend_from_slice(&piece);
        next = response.chunk().await.map_err(BodyError::Broken)?;
    }
    Ok(whole.into())
}
