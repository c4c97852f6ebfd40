//! Checks that the payments are what the ledger's log says.

use feed_follower::{Comparable, Log, Position, Verdict};
use ledger_api::Entry;
use store::{Database, DatabaseConfig};

use crate::STEPS;
use crate::domain::Payment;
use crate::store::Store;

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
        last: 0,
    };
    feed_follower::compare(&mut compared, log, progress).await
}

struct Compared {
    store: Store,
    /// The newest payment that was compared.
    last: i64,
}

#[async_trait::async_trait]
impl Comparable for Compared {
    async fn begin(&mut self) -> anyhow::Result<Position> {
        Ok(self.store.position().await?)
    }

    async fn compare(&mut self, entries: &[Entry]) -> anyhow::Result<Option<String>> {
        let expected: Vec<Payment> = entries.iter().filter_map(Payment::of).collect();
        let Some(last) = expected.last() else {
            return Ok(None);
        };
        let there = self.store.between(self.last, last.id).await?;
        self.last = last.id;
        let wrong = (0..expected.len().max(there.len()))
            .map(|index| (expected.get(index), there.get(index)))
            .find(|(expected, there)| expected != there);
        Ok(wrong.map(|(expected, there)| {
            let id = |payment: Option<&Payment>| payment.map_or(i64::MAX, |payment| payment.id);
            let (expected, there) = (id(expected), id(there));
            if there < expected {
                format!("payment {there} is not in the log")
            } else {
                format!("payment {expected} is missing, or not what the log says")
            }
        }))
    }

    async fn finish(&mut self) -> anyhow::Result<Option<String>> {
        Ok(None)
    }
}
