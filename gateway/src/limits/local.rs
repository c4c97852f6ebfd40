//! The counting of one gateway: the generic cell rate algorithm, one number a key.
//!
//! The number is the moment at which everything that was let in is paid off, as in the script for Redis (`shared.rs`), so that the two
//! count alike. A library (governor) keeps a key for each caller without a bound, and cannot count under several policies all or none.
//!
//! What must hold: a refused request moves nothing; keys are bounded in number, and who is forgotten for want of room has more, not less.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, PoisonError};

use super::policy::Policy;
use super::{Key, Verdict};

/// Parts with a lock of their own.
const SHARDS: usize = 64;
/// The keys of one part. All together take some 10 MB at most.
const KEYS_OF_SHARD_MAX: usize = 2_048;

/// The counters of one gateway.
pub(crate) struct Local {
    shards: [Mutex<HashMap<Key, i64>>; SHARDS],
    hasher: RandomState,
}

impl Local {
    pub(crate) fn new() -> Local {
        Local {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
        }
    }

    /// Counts one request under this policy, if it is let in.
    pub(crate) fn count(&self, policy: &Policy, key: Key, now_us: i64) -> Verdict {
        self.with_shard(&key, |shard| {
            let paid_off = shard.get(&key).copied();
            let (verdict, new) = decide(policy, paid_off, now_us);
            if verdict.is_allowed() {
                if paid_off.is_none() && shard.len() >= KEYS_OF_SHARD_MAX {
                    make_room(shard, now_us);
                }
                shard.insert(key, new);
            }
            verdict
        })
    }

    /// Takes back a request that was counted, because another policy refused it.
    pub(crate) fn take_back(&self, policy: &Policy, key: Key) {
        self.with_shard(&key, |shard| {
            if let Some(paid_off) = shard.get_mut(&key) {
                *paid_off = paid_off.saturating_sub(policy.emission_us());
            }
        });
    }

    /// The number of keys that are counted.
    pub(crate) fn keys(&self) -> usize {
        let keys = self.shards.iter().map(|shard| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.len()
        });
        keys.sum()
    }

    fn with_shard<T>(&self, key: &Key, work: impl FnOnce(&mut HashMap<Key, i64>) -> T) -> T {
        let [first, ..] = &self.shards;
        let hash = self.hasher.hash_one(key) % (SHARDS as u64);
        let shard = usize::try_from(hash)
            .ok()
            .and_then(|hash| self.shards.get(hash));
        let mut shard = shard
            .unwrap_or(first)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        work(&mut shard)
    }
}

/// Decides one request, with the moment at which everything before it is paid off; gives the new one.
fn decide(policy: &Policy, paid_off: Option<i64>, now_us: i64) -> (Verdict, i64) {
    let (emission, tolerance) = (policy.emission_us(), policy.tolerance_us());
    // A clock that was put back must not keep anybody out for longer than a whole burst.
    let latest = now_us.saturating_add(tolerance);
    let base = paid_off.unwrap_or(now_us).clamp(now_us, latest);
    let new = base.saturating_add(emission);
    let wait = new.saturating_sub(tolerance).saturating_sub(now_us);
    let after = if wait > 0 { base } else { new };
    let left = tolerance.saturating_sub(after.saturating_sub(now_us));
    let verdict = Verdict {
        remaining: u32::try_from(left / emission).unwrap_or(0),
        wait_us: wait.max(0),
        full_in_us: after.saturating_sub(now_us),
    };
    (verdict, after)
}

/// Forgets who has nothing to pay off, and where that is not enough, half of the others.
fn make_room(shard: &mut HashMap<Key, i64>, now_us: i64) {
    shard.retain(|_, paid_off| *paid_off > now_us);
    if shard.len() >= KEYS_OF_SHARD_MAX {
        let mut moments: Vec<i64> = shard.values().copied().collect();
        let (_, middle, _) = moments.select_nth_unstable(KEYS_OF_SHARD_MAX / 2);
        let middle = *middle;
        shard.retain(|_, paid_off| *paid_off > middle);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use super::super::policy::{Name, Policies};
    use super::*;

    const NOW: i64 = 1_790_000_000_000_000;

    fn policy(text: &str) -> Policy {
        let policies: Policies = text.parse().unwrap();
        *policies.of(Name::User).unwrap()
    }

    fn user(id: i64) -> Key {
        Key::user(Name::User, id)
    }

    #[test]
    fn a_burst_is_let_in_and_then_the_rate() {
        let (local, policy) = (Local::new(), policy("user=1/s burst 5"));
        for remaining in [4, 3, 2, 1, 0] {
            let verdict = local.count(&policy, user(1), NOW);
            assert!(verdict.is_allowed());
            assert_eq!(verdict.remaining, remaining);
        }
        for _ in 0..3 {
            let refused = local.count(&policy, user(1), NOW);
            assert_eq!((refused.wait_us, refused.remaining), (1_000_000, 0));
        }
        assert!(local.count(&policy, user(2), NOW).is_allowed());
        assert!(!local.count(&policy, user(1), NOW + 999_999).is_allowed());
        assert!(local.count(&policy, user(1), NOW + 1_000_000).is_allowed());
        assert!(!local.count(&policy, user(1), NOW + 1_000_000).is_allowed());
        // All of it is back in time, and no more than that.
        let later = local.count(&policy, user(1), NOW + 3_600_000_000);
        assert_eq!(later.remaining, 4);
    }

    #[test]
    fn what_is_taken_back_was_never_there() {
        let (local, policy) = (Local::new(), policy("user=1/s burst 2"));
        for _ in 0..10 {
            assert!(local.count(&policy, user(1), NOW).is_allowed());
            local.take_back(&policy, user(1));
        }
    }

    #[test]
    fn a_clock_that_was_put_back_keeps_nobody_out_for_long() {
        let (local, policy) = (Local::new(), policy("user=1/s burst 5"));
        local.count(&policy, user(1), NOW + 86_400_000_000);
        let verdict = local.count(&policy, user(1), NOW);
        assert!(verdict.wait_us <= 1_000_000, "{verdict:?}");
    }

    #[test]
    fn keys_are_bounded_in_number() {
        let (local, policy) = (Local::new(), policy("user=1/h burst 5"));
        for id in 0..400_000 {
            assert!(local.count(&policy, user(id), NOW + id).is_allowed());
        }
        assert!(local.keys() <= SHARDS * KEYS_OF_SHARD_MAX);
        // Those that came last are still known.
        assert_eq!(
            local.count(&policy, user(399_999), NOW + 400_000).remaining,
            3
        );
    }
}
