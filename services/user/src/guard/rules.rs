//! How many tries are free, and how long one has to wait after those. No I/O, no clock.
//!
//! A try is counted before it is known whether it is wrong, and given back when it was right. Each is forgiven after a while; after the
//! free ones the wait doubles with each, up to a limit, so that nobody is locked out for good.

use std::time::Duration;

use clock::Timestamp;

/// Doublings that are reckoned: by then every wait is at its limit.
const DOUBLINGS_MAX: u32 = 24;

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Tries without a wait.
    pub(crate) free: u32,
    /// The wait after the last free one; it doubles with each further one.
    pub(crate) first_wait: Duration,
    /// The longest wait.
    pub(crate) longest_wait: Duration,
    /// The time after which one try is forgiven.
    pub(crate) forgiven_every: Duration,
}

/// The tries of one subject, as they are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tries {
    pub(crate) tried_at: Timestamp,
    /// When the last of them is forgiven.
    pub(crate) forgiven_at: Timestamp,
}

impl Rule {
    /// The time that is left of the wait; `None` where none is.
    pub(crate) fn wait(&self, tries: Option<Tries>, now: Timestamp) -> Option<Duration> {
        let tries = tries?;
        let wait = self.wait_after(tries);
        // A clock that was put back must not make a wait longer.
        let waited = micros_between(tries.tried_at, now);
        let left = wait.saturating_sub(Duration::from_micros(waited));
        (!left.is_zero()).then_some(left)
    }

    /// The tries that were not forgiven when the last one was made.
    pub(crate) fn counted(&self, tries: Tries) -> u64 {
        let every = micros(self.forgiven_every).max(1);
        micros_between(tries.tried_at, tries.forgiven_at).div_ceil(every)
    }

    /// The whole wait after the last try.
    fn wait_after(&self, tries: Tries) -> Duration {
        let Some(beyond) = self.counted(tries).checked_sub(u64::from(self.free)) else {
            return Duration::ZERO;
        };
        let doublings = u32::try_from(beyond).unwrap_or(DOUBLINGS_MAX);
        let factor = 1_u32 << doublings.min(DOUBLINGS_MAX);
        self.first_wait
            .saturating_mul(factor)
            .min(self.longest_wait)
    }

    /// With one more try, as of now.
    pub(crate) fn one_more(&self, tries: Option<Tries>, now: Timestamp) -> Tries {
        let forgiven_at = tries.map_or(now, |tries| tries.forgiven_at.max(now));
        Tries {
            tried_at: now,
            forgiven_at: forgiven_at.plus(self.forgiven_every),
        }
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

fn micros_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.micros().saturating_sub(from.micros())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule {
        free: 3,
        first_wait: Duration::from_secs(1),
        longest_wait: Duration::from_secs(60),
        forgiven_every: Duration::from_secs(60),
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    /// The waits, in seconds, of somebody who tries again as soon as they may.
    fn waits(count: usize) -> Vec<u64> {
        let (mut tries, mut now) = (None, at(1_000));
        (0..count)
            .map(|_| {
                assert_eq!(RULE.wait(tries, now), None);
                tries = Some(RULE.one_more(tries, now));
                let wait = RULE.wait(tries, now).unwrap_or_default();
                now = now.plus(wait);
                wait.as_secs()
            })
            .collect()
    }

    #[test]
    fn the_free_ones_cost_nothing_and_the_others_more_and_more() {
        // After a minute of waits the first one is forgiven, so that one wait comes twice.
        assert_eq!(waits(11), [0, 0, 1, 2, 4, 8, 16, 32, 32, 60, 60]);
    }

    #[test]
    fn each_is_forgiven_in_time() {
        let mut tries = None;
        for _ in 0..3 {
            tries = Some(RULE.one_more(tries, at(1_000)));
        }
        assert_eq!(RULE.wait(tries, at(1_000)), Some(Duration::from_secs(1)));
        assert_eq!(RULE.wait(tries, at(1_001)), None);
        // A minute later one of them is forgiven, so the next is the third again.
        let next = RULE.one_more(tries, at(1_060));
        assert_eq!(
            RULE.wait(Some(next), at(1_060)),
            Some(Duration::from_secs(1))
        );
        let next = RULE.one_more(tries, at(1_180));
        assert_eq!(RULE.wait(Some(next), at(1_180)), None);
    }

    #[test]
    fn a_clock_that_was_put_back_does_not_lock_out() {
        let mut tries = None;
        for _ in 0..9 {
            tries = Some(RULE.one_more(tries, at(10_000)));
        }
        assert_eq!(RULE.wait(tries, at(10)), Some(RULE.longest_wait));
    }
}
