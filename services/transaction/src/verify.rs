//! Whether history is what the ledger's log says.

use std::collections::BTreeMap;

use feed_follower::{Comparable, Log, Verdict};
use money::Currency;
use store::{Database, DatabaseConfig};
use wallet_api::Entry;

use crate::STEPS;
use crate::domain::{Batch, Movement, Totals};
use crate::store::Store;

/// Whether what is in this database follows from the log. Changes nothing, and may run beside the service.
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
        there: BTreeMap::new(),
        expected: BTreeMap::new(),
    };
    feed_follower::compare(&mut compared, log, progress).await
}

/// The sums of each user and currency.
type Sums = BTreeMap<(i64, Currency), Totals>;

struct Compared {
    store: Store,
    /// The sums as they are there.
    there: Sums,
    /// The sums of what services recorded, and then of every entry of the log.
    expected: Sums,
}

#[async_trait::async_trait]
impl Comparable for Compared {
    async fn begin(&mut self) -> anyhow::Result<i64> {
        let (position, there, recorded) = self.store.all_totals().await?;
        self.there = there;
        self.expected = recorded;
        Ok(position)
    }

    async fn compare(&mut self, entries: &[Entry]) -> anyhow::Result<Option<String>> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return Ok(None);
        };
        let batch = Batch::of(entries);
        let (from, to) = (
            first.seq.saturating_mul(2),
            last.seq.saturating_mul(2).saturating_add(1),
        );
        let rows = self.store.between(from, to).await?;
        for (key, totals) in batch.totals {
            self.expected.entry(key).or_default().add_all(&totals);
        }
        let expected = batch.movements;
        let wrong = (0..expected.len().max(rows.len()))
            .map(|index| (expected.get(index), rows.get(index)))
            .find(|(expected, there)| expected != there);
        Ok(wrong.map(|(expected, there)| {
            let id = |row: Option<&Movement>| row.map_or(i64::MAX, |row| row.id);
            let (expected, there) = (id(expected), id(there));
            if there < expected {
                format!("transaction {there} is not in the log")
            } else {
                format!("transaction {expected} is missing, or not what the log says")
            }
        }))
    }

    async fn finish(&mut self) -> anyhow::Result<Option<String>> {
        let expected = std::mem::take(&mut self.expected);
        for ((user_id, currency), totals) in &expected {
            if self.there.get(&(*user_id, *currency)) != Some(totals) {
                return Ok(Some(format!(
                    "the sums of user {user_id} in {currency} are not those of their transactions"
                )));
            }
        }
        let extra = self.there.keys().find(|key| !expected.contains_key(key));
        Ok(extra.map(|(user_id, currency)| {
            format!("there are sums of user {user_id} in {currency} without a transaction")
        }))
    }
}
