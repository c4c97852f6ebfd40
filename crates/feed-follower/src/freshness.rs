//! The header that tells a reader that an answer may lack the newest entries.

use std::convert::Infallible;

use axum::response::{IntoResponseParts, ResponseParts};
use http::{HeaderName, HeaderValue};

/// `true` on an answer that was given without the ledger: what it shows is right, and may not be the newest.
pub const BEHIND_HEADER: HeaderName = HeaderName::from_static("x-data-behind");

/// Says whether a model has everything that was committed before a reader asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It has.
    Current,
    /// The ledger cannot be reached: the model is as it was.
    Behind,
}

impl Freshness {
    /// An answer that says how fresh it is, also where it is an error: what is not found may only not have arrived.
    pub fn answer<T, E>(self, result: Result<T, E>) -> Result<(Freshness, T), (Freshness, E)> {
        match result {
            Ok(body) => Ok((self, body)),
            Err(error) => Err((self, error)),
        }
    }
}

impl IntoResponseParts for Freshness {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        if self == Freshness::Behind {
            parts
                .headers_mut()
                .insert(BEHIND_HEADER, HeaderValue::from_static("true"));
        }
        Ok(parts)
    }
}
