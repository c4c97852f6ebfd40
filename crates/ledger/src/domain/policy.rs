//! The rules of this ledger that its operator chooses, beside those that always hold.

use std::sync::Arc;

use ledger_api::{Exceeded, Kind, Kinds, LimitName, Measure, Refusal, Window};
use money::Amount;

use super::limits::Limits;

/// The kinds of postings, and the limits, that orders are decided by.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The kinds that there are.
    pub kinds: &'static Kinds,
    /// The most that one posting moves. It keeps one user from using up the range of a system account, which all share, and from
    /// filling another's wallet up to its ceiling in order to find out what is in it.
    pub movement_max: Amount,
    /// The limits until an entry of the log sets others. What they are must never change: the audit replays by them what was counted.
    pub limits: Arc<Limits>,
}

impl From<&'static Kinds> for Policy {
    /// These kinds, without limits.
    fn from(kinds: &'static Kinds) -> Policy {
        Policy {
            kinds,
            movement_max: Amount::MAX,
            limits: Arc::default(),
        }
    }
}

impl Policy {
    /// Refuses what is too much for one posting, whoever is concerned.
    pub(super) fn check_movement(&self, kind: &Kind, amount: Amount) -> Result<(), Refusal> {
        if !kind.is_limited() || amount <= self.movement_max {
            return Ok(());
        }
        Err(Refusal::LimitExceeded(Exceeded {
            limit: LimitName::MOVEMENT,
            window: Window::Transaction,
            measure: Measure::Amount,
            max: self.movement_max.units(),
            used: 0,
            requested: amount.units(),
            resets_at: None,
        }))
    }
}
