//! Why a follower stopped, and what readers are told of it.

use api_error::ApiError;
use http::StatusCode;
use ledger_api::Mismatch;

use crate::Freshness;

/// A model does not belong to the ledger that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this database does not go with the ledger: {0} (docs/OPERATIONS.md, After a restore)")]
pub struct Stopped(pub(crate) Mismatch);

impl From<Mismatch> for Stopped {
    fn from(mismatch: Mismatch) -> Stopped {
        Stopped(mismatch)
    }
}

impl From<Stopped> for ApiError {
    /// The sentence is for operators, in `/readyz` and in the log.
    fn from(_: Stopped) -> ApiError {
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Service unavailable",
            "ledger_mismatch",
        )
        .message("The data here does not go with the ledger; its operator is told")
    }
}

impl From<Stopped> for (Freshness, ApiError) {
    fn from(stopped: Stopped) -> (Freshness, ApiError) {
        (Freshness::Behind, stopped.into())
    }
}
