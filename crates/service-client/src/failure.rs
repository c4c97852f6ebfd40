//! The ways in which a call fails, as far as they matter to the caller: could it have been carried out?

use reqwest_middleware::Error;
use reqwest_retry::RetryError;

/// The way in which a call without an answer failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection could be made: the call was not carried out.
    NotConnected,
    /// No answer in time: whether the call was carried out is unknown.
    TimedOut,
    /// The connection broke before the answer was whole: whether the call was carried out is unknown.
    Broken,
}

impl Failure {
    /// Classifies a failure, seen through the layers that wrapped it.
    pub fn of(error: &Error) -> Failure {
        reqwest_error(error).map_or(Failure::Broken, Failure::of_reqwest)
    }

    /// The same without layers. A connection that was not made in time was not made.
    pub fn of_reqwest(error: &reqwest::Error) -> Failure {
        if error.is_connect() {
            Failure::NotConnected
        } else if error.is_timeout() {
            Failure::TimedOut
        } else {
            Failure::Broken
        }
    }
}

/// reqwest-retry wraps every error in one of its own.
fn reqwest_error(error: &Error) -> Option<&reqwest::Error> {
    match error {
        Error::Reqwest(error) => Some(error),
        Error::Middleware(error) => match error.downcast_ref::<RetryError>()? {
            RetryError::WithRetries { err, .. } | RetryError::Error(err) => reqwest_error(err),
        },
    }
}
