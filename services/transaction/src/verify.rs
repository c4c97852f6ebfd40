//! Whether history is what the ledger's log says.

use feed_follower::{Comparable, Log, Position, Verdict};
use ledger_api::{Entry, Kinds};
use store::{Database, DatabaseConfig};

use crate::STEPS;
use crate::domain::{Batch, Movement, Sums};
use crate::store::Store;

/// Whether what is in this database follows from the log. Changes nothing, and may run beside the service.
pub async fn verify(
    config: &DatabaseConfig,
    kinds: &'static Kinds,
    log: &dyn Log,
    progress: &(dyn Fn(i64, i64) + Sync),
) -> anyhow::Result<Verdict> {
    let database = Database::open(config).await?;
    if database.check(STEPS).await.is_err() {
        return Ok(Verdict::NotHere);
    }
    let mut compared = Compared {
        store: Store::new(database, kinds),
        position: 0,
        last_id: 0,
        there: Sums::new(),
        expected: Sums::new(),
    };
    feed_follower::compare(&mut compared, log, progress).await
}

struct Compared {
    store: Store,
    /// The last entry that is compared.
    position: i64,
    /// The last id of the rows that were compared.
    last_id: i64,
    /// The sums as they are there.
    there: Sums,
    /// The sums of what services recorded, and then of every entry of the log.
    expected: Sums,
}

#[async_trait::async_trait]
impl Comparable for Compared {
    async fn begin(&mut self) -> anyhow::Result<Position> {
        let before = self.store.position().await?;
        let all = self.store.whole().await?;
        self.position = all.position;
        self.there = all.kept;
        self.expected = all.recorded;
        Ok(Position {
            seq: all.position,
            ledger: before.ledger,
            // The mark is of the position that it was read with.
            mark: before.mark.filter(|_| before.seq == all.position),
        })
    }

    async fn compare(&mut self, entries: &[Entry]) -> anyhow::Result<Option<String>> {
        let batch = Batch::after(self.last_id, entries, self.store.kinds())?;
        let from = self.last_id.saturating_add(1);
        let to = batch.movements.last().map_or(self.last_id, |row| row.id);
        let rows = self.store.between(from, to).await?;
        self.last_id = to;
        for (of, sum) in batch.sums {
            self.expected.entry(of).or_default().add(sum);
        }
        let expected = batch.movements;
        // Ids are unique, so there are as many rows as ids, or some are missing.
        let mut both = expected.iter().zip(0..);
        let wrong = both.find(|(row, index)| rows.get(*index) != Some(*row));
        Ok(wrong.map(|(Movement { id, .. }, _)| {
            format!("transaction {id} is missing, or not what the log says")
        }))
    }

    async fn finish(&mut self) -> anyhow::Result<Option<String>> {
        let extra = self.store.beyond(self.last_id, self.position).await?;
        if let Some(id) = extra {
            return Ok(Some(format!("transaction {id} is not in the log")));
        }
        let expected = std::mem::take(&mut self.expected);
        for (of, sum) in &expected {
            if self.there.get(of) != Some(sum) {
                return Ok(Some(format!(
                    "the sums of user {} in {} are not those of their transactions",
                    of.user_id, of.currency
                )));
            }
        }
        let extra = self.there.keys().find(|of| !expected.contains_key(of));
        Ok(extra.map(|of| {
            format!(
                "there are sums of user {} in {} without a transaction",
                of.user_id, of.currency
            )
        }))
    }
}
