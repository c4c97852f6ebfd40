//! Calls that are served together.

use ledger_api::{Order, Outcome, Refusal};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::LedgerError;

/// A call that waits: its orders, and where the outcomes go.
pub(super) struct PendingCall {
    pub(super) orders: Vec<Order>,
    pub(super) answer: oneshot::Sender<Result<Vec<Outcome>, LedgerError>>,
    /// True if it was forwarded, and the other process may still carry it out.
    pub(super) outcome_unknown: bool,
}

impl PendingCall {
    /// Answers the caller.
    pub(super) fn finish(self, result: Result<Vec<Outcome>, LedgerError>) {
        let result = match result {
            // What is refused here may still be accepted there.
            Ok(outcomes) if self.outcome_unknown && outcomes.iter().any(Outcome::is_refused) => {
                Err(LedgerError::Unavailable)
            }
            result => result,
        };
        // A caller that is gone has given up waiting; its orders are done all the same.
        let _ = self.answer.send(result);
    }
}

/// Calls as the writer works on them: all their orders in one row, and the outcome of each.
pub(super) struct RequestBatch {
    /// Without their orders, but with how many each had.
    calls: Vec<(PendingCall, usize)>,
    pub(super) orders: Vec<Order>,
    pub(super) outcomes: Vec<Option<Outcome>>,
    /// True if some of their keys may be in the log.
    pub(super) look_keys_up: bool,
    /// True if the database said that a key is in the log. If none is, something else is wrong.
    pub(super) key_taken: bool,
    /// The number of orders that are decided and committed at once at most.
    pub(super) orders_max: usize,
}

impl RequestBatch {
    pub(super) fn of(calls: Vec<PendingCall>) -> RequestBatch {
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
        RequestBatch {
            calls,
            orders,
            outcomes,
            look_keys_up: false,
            key_taken: false,
            orders_max: usize::MAX,
        }
    }

    /// The orders that have no outcome yet, with their indexes.
    pub(super) fn open(&self) -> impl Iterator<Item = (usize, &Order)> {
        let orders = self.orders.iter().enumerate();
        orders.filter(|(index, _)| self.outcomes[*index].is_none())
    }

    /// The keys to look up for the orders that have no outcome yet.
    pub(super) fn open_keys(&self) -> Vec<Uuid> {
        self.open().flat_map(|(_, order)| order.keys()).collect()
    }

    /// Narrows the search for an order that the database refused: half of that part is tried at once, and an order that is alone is
    /// refused.
    pub(super) fn narrow_down(&mut self) {
        if self.orders_max > 1 {
            let count = self.open().count();
            self.orders_max = (self.orders_max.min(count) / 2).max(1);
        } else if let Some(outcome) = self.outcomes.iter_mut().find(|outcome| outcome.is_none()) {
            *outcome = Some(Outcome::Refused {
                reason: Refusal::NotStorable,
            });
        }
    }

    /// True if every order has its outcome.
    pub(super) fn is_done(&self) -> bool {
        self.outcomes.iter().all(Option::is_some)
    }

    /// Answers every call with its outcomes, or says that they are unknown.
    pub(super) fn finish(self, result: Result<(), LedgerError>) {
        let mut outcomes = self.outcomes.into_iter();
        for (call, count) in self.calls {
            let own: Option<Vec<Outcome>> = outcomes.by_ref().take(count).collect();
            call.finish(result.and_then(|()| own.ok_or(LedgerError::Unavailable)));
        }
    }
}
