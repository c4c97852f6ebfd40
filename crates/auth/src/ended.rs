//! The sessions of one user that are over, in one small record however many they were.
//!
//! A user's sessions have numbers that only grow. A record says: everything before this number is over, but for these few. Ending one
//! session, all others, or all is the same record with other figures; so a million log-outs of one user take the room of one.
//!
//! What must hold: records of one user that arrive in any order, or again, come to the same ([`Ended::join`]), and what was over once
//! stays over.

use serde::{Deserialize, Serialize};

use crate::UserId;

/// The sessions of one user that are over, as services tell each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedSessions {
    /// Whose sessions they are.
    pub user_id: UserId,
    /// Every session with a smaller number is over,
    pub before: i64,
    /// but for these.
    pub kept: Vec<i64>,
    /// From when on the record can be forgotten, in seconds since 1970: no token of these sessions is good any more by itself.
    pub expires_at: i64,
}

/// The same, as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    before: i64,
    kept: Box<[i64]>,
    pub(crate) expires_at: i64,
}

impl Ended {
    /// Everything is over, also what has yet to begin: the user was deleted.
    pub(crate) fn all(expires_at: i64) -> Ended {
        Ended {
            before: i64::MAX,
            kept: Box::default(),
            expires_at,
        }
    }

    /// Returns whether the session with this number goes on.
    pub(crate) fn allows(&self, number: i64) -> bool {
        number >= self.before || self.kept.contains(&number)
    }

    /// Learns of what is over by another record of the same user.
    pub(crate) fn join(&mut self, other: Ended) {
        let expires_at = self.expires_at.max(other.expires_at);
        let (later, earlier) = if other.before >= self.before {
            (other, &*self)
        } else {
            (self.clone(), &other)
        };
        let both = later.kept.iter().copied();
        *self = Ended {
            before: later.before,
            kept: both.filter(|number| earlier.allows(*number)).collect(),
            expires_at,
        };
    }
}

impl From<EndedSessions> for Ended {
    fn from(ended: EndedSessions) -> Ended {
        Ended {
            before: ended.before,
            kept: ended.kept.into(),
            expires_at: ended.expires_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(before: i64, kept: &[i64], expires_at: i64) -> Ended {
        Ended {
            before,
            kept: kept.into(),
            expires_at,
        }
    }

    #[test]
    fn what_is_over_is_told_by_its_number() {
        let record = ended(10, &[3, 7], 1);
        let going_on: Vec<i64> = (0..13).filter(|number| record.allows(*number)).collect();
        assert_eq!(going_on, [3, 7, 10, 11, 12]);
        assert!(!Ended::all(1).allows(i64::MAX - 1));
    }

    #[test]
    fn records_come_to_the_same_in_any_order_and_bring_nothing_back() {
        let records = [
            ended(10, &[3, 7], 5),
            ended(12, &[7, 11], 6),
            // A database that was restored does not know of the two above.
            ended(11, &[3, 4, 10], 4),
        ];
        let come_to = |order: [usize; 4]| {
            let mut known = records[order[0]].clone();
            for next in &order[1..] {
                known.join(records[*next].clone());
            }
            known
        };
        for order in [[0, 1, 2, 0], [2, 1, 0, 1], [1, 2, 0, 2], [2, 0, 1, 1]] {
            let known = come_to(order);
            for number in 0..15 {
                let is_allowed = records.iter().all(|record| record.allows(number));
                assert_eq!(known.allows(number), is_allowed, "{order:?} {number}");
            }
            assert_eq!((known.before, known.expires_at), (12, 6));
        }
    }
}
