//! The limits that a ledger begins with, and how a limit is told over HTTP by every service that has orders carried out.

use api_error::ApiError;
use clock::Timestamp;
use ledger_api::{Direction, Exceeded, Limit, Window};

use crate::TOPUP;

/// The most that a wallet tops up in a day, unless the operator sets other limits. The range of a system account, which all share, is more
/// than 900,000 times as wide.
const TOPUP_DAY_MAX: i64 = 10_000_000_000_000;

/// The limits that are in force until an entry of the log sets others. They never change: the audit replays by them what was counted.
pub fn first_limits() -> Vec<Limit> {
    vec![Limit {
        kinds: vec![TOPUP.code],
        max_amount: Some(TOPUP_DAY_MAX),
        ..Limit::new("topup-day", Direction::In, Window::Day)
    }]
}

/// A limit with its numbers, so that nobody has to read them out of a sentence.
pub fn limit_exceeded(exceeded: Exceeded) -> ApiError {
    let Exceeded {
        limit,
        window,
        measure,
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
        .detail("measure", measure.as_str())
        .detail("max", max)
        .detail("used", used)
        .detail("requested", requested)
        .detail("resets_at", resets_at)
}
