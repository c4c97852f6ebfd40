//! Deciding what waits together, in memory.

use std::collections::HashMap;
use std::ops::Range;

use ledger_api::{Order, Outcome};
use uuid::Uuid;

use super::requests::RequestBatch;
use crate::domain::chain::Blind;
use crate::domain::{self, Batch, Books, Draft, LogRow, Policy};

/// The result of one pass over the open orders.
pub(super) struct Decisions {
    pub(super) batch: Option<Batch>,
    /// The index of each accepted order, and its rows in the batch.
    accepted: Vec<(usize, Range<usize>)>,
    /// The same for orders whose key came earlier in the batch.
    repeated: Vec<(usize, Range<usize>)>,
    /// The outcomes of the others, if their keys are not in the log and the head is still where it was.
    pub(super) unconfirmed: Vec<(usize, Outcome)>,
}

impl Decisions {
    /// Gives the orders in this batch, which is committed, their outcomes.
    pub(super) fn note_committed(&self, batch: &Batch, requests: &mut RequestBatch) {
        let RequestBatch {
            orders, outcomes, ..
        } = requests;
        for (index, rows) in &self.accepted {
            let rows = batch.rows[rows.clone()].iter();
            outcomes[*index] = Some(Outcome::Accepted {
                entries: rows.map(|row| row.entry.clone()).collect(),
                replayed: false,
            });
        }
        for (index, rows) in &self.repeated {
            let rows: Vec<&LogRow> = batch.rows[rows.clone()].iter().collect();
            outcomes[*index] = Some(replay(&orders[*index], &rows));
        }
    }
}

/// Decides the orders that have no outcome yet, one after the other.
pub(super) fn decide(
    books: &Books,
    policy: &Policy,
    requests: &RequestBatch,
    now: i64,
    blind: Blind,
) -> Decisions {
    let mut draft = Draft::new(books, policy.clone(), now);
    let mut accepted = Vec::new();
    let mut repeated = Vec::new();
    let mut unconfirmed = Vec::new();
    let mut rows_by_key: HashMap<Uuid, Range<usize>> =
        HashMap::with_capacity(requests.orders.len());
    for (index, order) in requests.open().take(requests.orders_max) {
        if let Some(rows) = rows_by_key.get(&order.key) {
            repeated.push((index, rows.clone()));
            continue;
        }
        match draft.decide(order) {
            Ok(rows) => {
                rows_by_key.insert(order.key, rows.clone());
                accepted.push((index, rows));
            }
            Err(reason) => unconfirmed.push((index, Outcome::Refused { reason })),
        }
    }
    Decisions {
        batch: draft.finish(blind),
        accepted,
        repeated,
        unconfirmed,
    }
}

/// The outcome of an order of which the log has rows; `None` where it has none.
pub(super) fn recorded(order: &Order, known: &HashMap<Uuid, LogRow>) -> Option<Outcome> {
    known.get(&order.key)?;
    let rows: Vec<&LogRow> = order.keys().filter_map(|key| known.get(&key)).collect();
    Some(replay(order, &rows))
}

/// The outcome of an order whose keys have these rows.
fn replay(order: &Order, rows: &[&LogRow]) -> Outcome {
    if domain::matches(order, rows) {
        Outcome::Accepted {
            entries: rows.iter().map(|row| row.entry.clone()).collect(),
            replayed: true,
        }
    } else {
        Outcome::KeyReused
    }
}
