//! The header fields `RateLimit` and `RateLimit-Policy`, as draft-ietf-httpapi-ratelimit-headers has them: lists of quoted names with
//! parameters (RFC 9651).

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::Verdict;
use super::policy::Policy;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// One policy, and what became of the request under it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) policy: Policy,
    pub(super) verdict: Verdict,
}

/// Microseconds as whole seconds, rounded up: whoever waits as long is not too early.
pub(super) fn seconds(micros: i64) -> i64 {
    micros.saturating_add(999_999).max(0) / 1_000_000
}

/// Writes both fields.
pub(super) fn put_into(counted: &[Counted], headers: &mut HeaderMap) {
    if counted.is_empty() {
        return;
    }
    let (mut limit, mut policies) = (String::new(), String::new());
    for Counted { policy, verdict } in counted {
        if !limit.is_empty() {
            limit.push_str(", ");
            policies.push_str(", ");
        }
        let name = policy.name.word();
        // A refused request is told when the next one may come; another when everything is there again.
        let until = if verdict.is_allowed() {
            verdict.full_in_us
        } else {
            verdict.wait_us
        };
        let (until, window) = (seconds(until), seconds(policy.tolerance_us()).max(1));
        let _ = write!(limit, "\"{name}\";r={};t={until}", verdict.remaining);
        let _ = write!(policies, "\"{name}\";q={};w={window}", policy.burst);
    }
    for (name, value) in [(LIMIT, limit), (POLICY, policies)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}
