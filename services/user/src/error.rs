//! Why a request of the user service fails, and what the client is told of it.

use std::time::Duration;

use api_error::ApiError;
use http::StatusCode;
use store::sqlx;

use crate::domain::PasswordRefused;
use crate::wire;

/// Why a request fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("User not found")]
    NotFound,
    #[error("Email already registered")]
    EmailTaken,
    #[error("Invalid credentials")]
    InvalidCredentials,
    /// An administrator has suspended the user.
    #[error("Account suspended")]
    Suspended,
    #[error("Unauthorized")]
    AdminsOnly,
    /// There would be no administrator any more who can log in.
    #[error("Last administrator")]
    LastAdministrator,
    /// The old password of a change.
    #[error("Wrong password")]
    WrongPassword,
    /// The new password of a change.
    #[error("new_password {0}")]
    PasswordRefused(PasswordRefused),
    #[error("Session not found")]
    SessionNotFound,
    #[error("Unauthorized to see the sessions of this user")]
    MayNotSeeSessions,
    #[error("Unauthorized to update this user")]
    MayNotUpdate,
    #[error("Unauthorized to delete this user")]
    MayNotDelete,
    #[error("Idempotency key reused")]
    KeyReused,
    /// The key's registration was carried out, and the user deleted since.
    #[error("User was deleted")]
    DeletedSince,
    #[error("Too many log-ins at once")]
    Overloaded,
    /// The wait before the next try.
    #[error("Too many tries")]
    TooManyTries(Duration),
    /// The database's counter of ids is behind what the ledger knows.
    #[error("id {id} would be given, and the ledger knows ids up to {above}")]
    IdKnown { id: i64, above: i64 },
    #[error("the ledger cannot be reached: {0}")]
    LedgerAway(String),
    #[error("{0}")]
    Foreign(crate::belonging::Foreign),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("a user could not be written as JSON")]
    Json(#[from] serde_json::Error),
    /// A failure that should not happen; the text is for the log.
    #[error("{0}")]
    Internal(&'static str),
}

impl From<Error> for ApiError {
    fn from(error: Error) -> ApiError {
        match error {
            Error::NotFound => ApiError::not_found("User not found", "user_not_found"),
            Error::EmailTaken => ApiError::bad_request("Email already registered", "email_taken"),
            Error::InvalidCredentials => {
                ApiError::unauthenticated("Invalid credentials", "invalid_credentials")
            }
            Error::Suspended => ApiError::forbidden("Account suspended", "user_suspended")
                .message("An administrator has suspended this account"),
            Error::AdminsOnly => ApiError::forbidden("Unauthorized", "admins_only")
                .message("Only an administrator may do this"),
            Error::LastAdministrator => ApiError::forbidden("Unauthorized", "last_administrator")
                .message("There would be no administrator any more who can log in"),
            Error::WrongPassword => ApiError::forbidden("Wrong password", "wrong_password")
                .message("old_password is not the password of now"),
            Error::PasswordRefused(why) => wire::refused("new_password", why),
            Error::SessionNotFound => ApiError::not_found("Session not found", "session_not_found"),
            Error::MayNotSeeSessions => ApiError::forbidden("Unauthorized", "not_owner"),
            Error::MayNotUpdate => {
                ApiError::forbidden("Unauthorized to update this user", "not_owner")
            }
            Error::MayNotDelete => {
                ApiError::forbidden("Unauthorized to delete this user", "not_owner")
            }
            Error::KeyReused => ApiError::idempotency_key_reused(),
            Error::DeletedSince => {
                ApiError::new(StatusCode::GONE, "User was deleted", "user_deleted")
                    .message("This Idempotency-Key registered a user who was deleted since")
            }
            Error::Overloaded => ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Service unavailable",
                "overloaded",
            )
            .message("Too many passwords wait to be checked")
            .retry_after(1),
            Error::TooManyTries(wait) => too_many_tries(wait),
            error @ (Error::IdKnown { .. } | Error::LedgerAway(_) | Error::Foreign(_)) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a user cannot be added"
                );
                ApiError::unavailable("The ledger knows users that the users' database does not")
            }
            Error::Database(error) => store::answer(&error),
            error => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a request about a user failed"
                );
                ApiError::internal()
            }
        }
    }
}

fn too_many_tries(wait: Duration) -> ApiError {
    // Rounded up: whoever comes at that second is let in.
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    ApiError::of_status(StatusCode::TOO_MANY_REQUESTS)
        .message(format!(
            "Too many tries; the next one is possible in {seconds} seconds"
        ))
        .retry_after(seconds)
}
