//! Calls that are served together.

use ledger_api::{Order, Outcome, Refusal};
use tokio::sync::oneshot;

use super::LedgerError;

/// A call: its orders, and where the outcomes go.
pub(super) struct Call {
    pub(super) orders: Vec<Order>,
    pub(super) answer: oneshot::Sender<Result<Vec<Outcome>, LedgerError>>,
    /// Whether it was passed on, and the other process may still carry it out.
    pub(super) unclear: bool,
}

impl Call {
    /// Tells what it came to.
    pub(super) fn finish(self, result: Result<Vec<Outcome>, LedgerError>) {
        let result = match result {
            // What is refused here may still be accepted there.
            Ok(outcomes) if self.unclear && outcomes.iter().any(Outcome::is_refused) => {
                Err(LedgerError::Unavailable)
            }
            result => result,
        };
        // A caller that is gone has given up waiting; its orders are done all the same.
        let _ = self.answer.send(result);
    }
}

/// Calls as the writer works on them: all their orders in one row, and what has become of each.
pub(super) struct Served {
    /// Without their orders, but with how many each had.
    calls: Vec<(Call, usize)>,
    pub(super) orders: Vec<Order>,
    pub(super) outcomes: Vec<Option<Outcome>>,
    /// Whether some of their keys may be in the log.
    pub(super) look_keys_up: bool,
    /// How many orders are decided and committed at once at most.
    pub(super) together_max: usize,
}

impl Served {
    pub(super) fn of(calls: Vec<Call>) -> Served {
        let mut orders = Vec::new();
        let calls = calls
            .into_iter()
            .map(|mut call| {
                let count = call.orders.len();
                orders.append(&mut call.orders);
                (call, count)
            })
            .collect();
        let outcomes = vec![None; orders.len()];
        Served {
            calls,
            orders,
            outcomes,
            look_keys_up: false,
            together_max: usize::MAX,
        }
    }

    /// The database refused a part of them for what one of them says: it is looked for in half of that part, and refused when it is
    /// alone.
    pub(super) fn narrow_down(&mut self) {
        let mut open = self.outcomes.iter_mut().filter(|outcome| outcome.is_none());
        if self.together_max > 1 {
            let count = open.count();
            self.together_max = (self.together_max.min(count) / 2).max(1);
        } else if let Some(outcome) = open.next() {
            *outcome = Some(Outcome::Refused {
                reason: Refusal::NotStorable,
            });
        }
    }

    /// Whether every order has its outcome.
    pub(super) fn is_done(&self) -> bool {
        self.outcomes.iter().all(Option::is_some)
    }

    /// Tells every call its outcomes, or that they are unknown.
    pub(super) fn finish(self, result: Result<(), LedgerError>) {
        let mut outcomes = self.outcomes.into_iter();
        for (call, count) in self.calls {
            let own: Option<Vec<Outcome>> = outcomes.by_ref().take(count).collect();
            call.finish(result.and_then(|()| own.ok_or(LedgerError::Unavailable)));
        }
    }
}
