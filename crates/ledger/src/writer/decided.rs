//! Deciding what waits together, in memory.

use std::collections::HashMap;

use ledger_api::{Order, Outcome};
use uuid::Uuid;

use crate::domain::chain::Blind;
use crate::domain::{self, Batch, Books, Draft, LogRow};

/// What one pass over the open orders came to.
pub(super) struct Decided {
    pub(super) batch: Option<Batch>,
    /// Index of the order, index of the row in the batch.
    pub(super) accepted: Vec<(usize, usize)>,
    /// The same for orders whose key came earlier in the batch.
    pub(super) repeated: Vec<(usize, usize)>,
    /// What would be answered, if the key is not known and the head is still where it was.
    pub(super) unconfirmed: Vec<(usize, Outcome)>,
}

impl Decided {
    /// Gives those whose orders are in this batch their outcomes.
    pub(super) fn note_committed(
        &self,
        batch: &Batch,
        orders: &[Order],
        outcomes: &mut [Option<Outcome>],
    ) {
        for (index, row) in &self.accepted {
            outcomes[*index] = Some(Outcome::Accepted {
                entry: batch.rows[*row].entry.clone(),
                replayed: false,
            });
        }
        for (index, row) in &self.repeated {
            outcomes[*index] = Some(replay(&orders[*index], &batch.rows[*row]));
        }
    }
}

/// Decides the orders that have no outcome yet, one after the other, so many at most.
pub(super) fn decide(
    books: &Books,
    orders: &[Order],
    outcomes: &[Option<Outcome>],
    most: usize,
    now: i64,
    blind: Blind,
) -> Decided {
    let mut draft = Draft::new(books, now);
    let mut accepted = Vec::new();
    let mut repeated = Vec::new();
    let mut unconfirmed = Vec::new();
    let mut rows_by_key: HashMap<Uuid, usize> = HashMap::with_capacity(orders.len());
    let open = orders
        .iter()
        .enumerate()
        .filter(|(index, _)| outcomes[*index].is_none());
    for (index, order) in open.take(most) {
        if let Some(row) = rows_by_key.get(&order.key) {
            repeated.push((index, *row));
            continue;
        }
        match draft.decide(order) {
            Ok(_) => {
                let row = accepted.len();
                rows_by_key.insert(order.key, row);
                accepted.push((index, row));
            }
            Err(reason) => unconfirmed.push((index, Outcome::Refused { reason })),
        }
    }
    Decided {
        batch: draft.finish(blind),
        accepted,
        repeated,
        unconfirmed,
    }
}

/// The outcome of an order whose key has this row.
pub(super) fn replay(order: &Order, row: &LogRow) -> Outcome {
    if domain::matches(&order.operation, &row.entry) {
        Outcome::Accepted {
            entry: row.entry.clone(),
            replayed: true,
        }
    } else {
        Outcome::KeyReused
    }
}

/// The keys of those orders that have no outcome yet.
pub(super) fn open_keys(
    orders: &[Order],
    outcomes: &[Option<Outcome>],
    indexes: impl Iterator<Item = usize>,
) -> Vec<Uuid> {
    indexes
        .filter(|index| outcomes[*index].is_none())
        .map(|index| orders[index].key)
        .collect()
}
