//! Checks that payments, holds and refunds are what the ledger's log says.

use std::collections::{BTreeMap, HashMap};

use feed_follower::{Comparable, Log, Position, Verdict};
use ledger_api::Entry;
use store::{Database, DatabaseConfig};

use crate::STEPS;
use crate::changes::{Changes, captured};
use crate::holds::Hold;
use crate::store::{ROWS_MAX, Store};

/// Returns whether what is in this database follows from the log. Changes nothing, and may run beside the service.
pub async fn verify(
    config: &DatabaseConfig,
    log: &dyn Log,
    progress: &(dyn Fn(i64, i64) + Sync),
) -> anyhow::Result<Verdict> {
    let database = Database::open(config).await?;
    if database.check(STEPS).await.is_err() {
        return Ok(Verdict::NotHere);
    }
    let mut compared = Compared {
        store: Store::new(database),
        payment: 0,
        seq: 0,
        holds: BTreeMap::new(),
    };
    feed_follower::compare(&mut compared, log, progress).await
}

struct Compared {
    store: Store,
    /// The newest payment that was compared.
    payment: i64,
    /// The newest entry of the log that was compared.
    seq: i64,
    /// The holds that the log left open so far. One that is finished never changes again.
    holds: BTreeMap<i64, Hold>,
}

#[async_trait::async_trait]
impl Comparable for Compared {
    async fn begin(&mut self) -> anyhow::Result<Position> {
        Ok(self.store.position().await?)
    }

    async fn compare(&mut self, entries: &[Entry]) -> anyhow::Result<Option<String>> {
        let (before, Some(last)) = (self.seq, entries.last()) else {
            return Ok(None);
        };
        self.seq = last.seq;
        let changes = Changes::of(entries);
        let begun: Vec<i64> = changes.holds.iter().map(|hold| hold.id).collect();
        let mut payments = changes.payments;
        self.holds
            .extend(changes.holds.into_iter().map(|hold| (hold.id, hold)));
        for draw in &changes.draws {
            if let Some(hold) = self.holds.get_mut(&draw.hold) {
                payments.extend(captured(hold, draw));
                hold.draw(draw);
            }
        }
        payments.sort_unstable_by_key(|payment| payment.id);
        if let Some(newest) = payments.last().map(|payment| payment.id) {
            let there = self.store.between(self.payment, newest).await?;
            self.payment = newest;
            let found = difference("payment", &payments, &there, |payment| payment.id);
            if found.is_some() {
                return Ok(found);
            }
        }
        let there = self.store.refunds_between(before, self.seq).await?;
        let found = difference("refund", &changes.refunds, &there, |refund| refund.id);
        if found.is_some() {
            return Ok(found);
        }
        let there = self.store.holds_between(before, self.seq).await?;
        let ids: Vec<i64> = there.iter().map(|hold| hold.id).collect();
        if ids != begun {
            return Ok(Some(format!(
                "the holds of the entries {before} to {} are not those of the log",
                self.seq
            )));
        }
        self.finished().await
    }

    async fn finish(&mut self) -> anyhow::Result<Option<String>> {
        let ids: Vec<i64> = self.holds.keys().copied().collect();
        self.holds_are(&ids).await
    }
}

impl Compared {
    /// Compares the holds that are finished, and forgets them.
    async fn finished(&mut self) -> anyhow::Result<Option<String>> {
        let finished = self.holds.values().filter(|hold| !hold.state.is_open());
        let ids: Vec<i64> = finished.map(|hold| hold.id).collect();
        let found = self.holds_are(&ids).await?;
        self.holds.retain(|_, hold| hold.state.is_open());
        Ok(found)
    }

    /// Compares these holds. The service may have taken in more of the log since the walk began: such a hold is left alone.
    async fn holds_are(&self, ids: &[i64]) -> anyhow::Result<Option<String>> {
        for ids in ids.chunks(ROWS_MAX) {
            let there = self.store.holds_in(ids).await?;
            let there: HashMap<i64, Hold> = there.into_iter().map(|hold| (hold.id, hold)).collect();
            for id in ids {
                let is_right = match (self.holds.get(id), there.get(id)) {
                    (Some(expected), Some(there)) => expected == there || there.last_seq > self.seq,
                    _ => false,
                };
                if !is_right {
                    return Ok(Some(format!(
                        "hold {id} is missing, or not what the log says"
                    )));
                }
            }
        }
        Ok(None)
    }
}

/// The first thing that is not the same in both.
fn difference<T: PartialEq>(
    name: &str,
    expected: &[T],
    there: &[T],
    id: fn(&T) -> i64,
) -> Option<String> {
    let wrong = (0..expected.len().max(there.len()))
        .map(|index| (expected.get(index), there.get(index)))
        .find(|(expected, there)| expected != there);
    wrong.map(|(expected, there)| {
        let (expected, there) = (expected.map_or(i64::MAX, id), there.map_or(i64::MAX, id));
        if there < expected {
            format!("{name} {there} is not in the log")
        } else {
            format!("{name} {expected} is missing, or not what the log says")
        }
    })
}
