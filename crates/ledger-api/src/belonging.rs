//! Which ledger somebody belongs to, and whether the ledger that is there is still that one.
//!
//! Databases are backed up and restored one by one. Whoever keeps what follows from the log keeps with it a [`Position`]: the
//! ledger's id, the number of the last entry, and that entry's mark, which no other entry ever has. What must hold: a position
//! belongs to a ledger only where both ids are the same, the log has not ended before, and the entry there has that mark. A
//! ledger that was restored from before the position, and written further since, has another entry there.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The hash of one entry, in hexadecimal: of its number, its time, its order's key and what it says.
pub type Mark = String;

/// How far a log was followed, and what it looked like there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The number of the last entry; 0 before the first.
    pub seq: i64,
    /// Which ledger; `None` where an earlier release followed.
    pub ledger: Option<Uuid>,
    /// The mark of the entry; `None` at 0, and where an earlier release followed.
    pub mark: Option<Mark>,
}

/// A ledger, as it is seen from one position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// Which ledger; `None` from an earlier release.
    pub ledger: Option<Uuid>,
    /// Where its log ends.
    pub head: i64,
    /// The mark of its entry at the position; `None` where there is none, or from an earlier release.
    pub mark: Option<&'a str>,
}

/// Why a ledger is not the one that a position is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// It has another id.
    #[error("it belongs to another ledger than the wallet service's database holds")]
    OtherLedger,
    /// Its log ends before the position.
    #[error(
        "the wallet service's database is older: its log ends at {head}, and entry {seq} is known here"
    )]
    Older {
        /// Where the log ends.
        head: i64,
        /// The position.
        seq: i64,
    },
    /// The entry at the position is another one.
    #[error(
        "the wallet service's database was restored from before entry {seq} and written further: that entry is another one here"
    )]
    Diverged {
        /// The position.
        seq: i64,
    },
}

impl Position {
    /// True if this is a position in that ledger. What an earlier release did not say is taken as right.
    pub fn belongs_to(&self, seen: &Seen<'_>) -> Result<(), Mismatch> {
        if let (Some(mine), Some(theirs)) = (self.ledger, seen.ledger)
            && mine != theirs
        {
            return Err(Mismatch::OtherLedger);
        }
        let seq = self.seq;
        if seen.head < seq {
            let head = seen.head;
            return Err(Mismatch::Older { head, seq });
        }
        match (self.mark.as_deref(), seen.mark) {
            (Some(mine), Some(theirs)) if mine != theirs => Err(Mismatch::Diverged { seq }),
            _ => Ok(()),
        }
    }
}

/// Which moment of the ledger is asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StandingQuery {
    /// The entry whose mark is wanted; 0 for none.
    pub seq: i64,
}

/// What a ledger says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its id.
    pub ledger: Uuid,
    /// Where its log ends.
    pub head: i64,
    /// The mark of its last entry.
    pub mark: Option<Mark>,
    /// The mark of the entry that was asked for.
    pub mark_there: Option<Mark>,
    /// The highest id of a user who has a wallet or was closed.
    pub highest_user: i64,
    /// The highest id that a user service has said it gave to somebody; 0 before the first said so.
    pub highest_told: i64,
    /// True if it began with demo data.
    pub is_demo: bool,
}

impl Standing {
    /// The highest id that the ledger knows to be somebody's.
    pub fn highest_known(&self) -> i64 {
        self.highest_user.max(self.highest_told)
    }

    /// The ledger, as it is seen from the position that it was asked about.
    pub fn seen(&self) -> Seen<'_> {
        Seen {
            ledger: Some(self.ledger),
            head: self.head,
            mark: self.mark_there.as_deref(),
        }
    }
}

/// A user service says how far its ids have come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UsersTold {
    /// The ledger that it belongs to; any other does not listen.
    pub ledger: Uuid,
    /// The highest id that it has given to somebody.
    pub highest: i64,
}

/// Which users that the ledger knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UsersQuery {
    /// Only those with a larger id.
    pub after: i64,
}

/// Users that the ledger knows, in the order of their ids.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UserIds {
    /// At most [`USERS_PAGE_MAX`].
    pub users: Vec<i64>,
}

/// The number of ids of users one answer has at most.
pub const USERS_PAGE_MAX: i64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_belongs_to_the_ledger_that_it_was_taken_from() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let position = Position {
            seq: 5,
            ledger: Some(one),
            mark: Some("ab".to_owned()),
        };
        let seen = |ledger, head, mark| position.belongs_to(&Seen { ledger, head, mark });
        assert_eq!(seen(Some(one), 5, Some("ab")), Ok(()));
        assert_eq!(seen(Some(one), 9, Some("ab")), Ok(()));
        assert_eq!(seen(Some(other), 9, Some("ab")), Err(Mismatch::OtherLedger));
        let older = Err(Mismatch::Older { head: 4, seq: 5 });
        assert_eq!(seen(Some(one), 4, None), older);
        assert_eq!(
            seen(None, 4, None),
            older,
            "also of a release that says no id"
        );
        let diverged = Err(Mismatch::Diverged { seq: 5 });
        assert_eq!(seen(Some(one), 9, Some("cd")), diverged);
        assert_eq!(seen(None, 9, None), Ok(()), "an earlier release");
        let early = Position {
            seq: 5,
            ..Position::default()
        };
        let seen = Seen {
            ledger: Some(one),
            head: 5,
            mark: Some("ab"),
        };
        assert_eq!(
            early.belongs_to(&seen),
            Ok(()),
            "followed by an earlier release"
        );
    }
}
