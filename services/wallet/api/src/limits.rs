//! How a limit is told over HTTP, by every service that has orders carried out.

use api_error::ApiError;
use clock::Timestamp;
use ledger_api::Exceeded;

/// A limit with its numbers, so that nobody has to read them out of a sentence.
pub fn limit_exceeded(exceeded: Exceeded) -> ApiError {
    let Exceeded {
        limit,
        window,
        max,
        used,
        requested,
        resets_at,
    } = exceeded;
    let resets_at = resets_at.map(|at| Timestamp::from_micros(at).rfc3339());
    ApiError::bad_request("Invalid amount", "limit_exceeded")
        .field("amount")
        .message(format!(
            "The limit {} is {max}; {used} of it is used, and {requested} was asked for",
            limit.as_str()
        ))
        .detail("limit", limit.as_str())
        .detail("window", window.as_str())
        .detail("max", max)
        .detail("used", used)
        .detail("requested", requested)
        .detail("resets_at", resets_at)
}
