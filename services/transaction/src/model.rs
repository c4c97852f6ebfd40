//! Follows the ledger's log: who has which wallet, what happened to it, and what that sums up to.

use feed_follower::ReadModel;
use wallet_api::Entry;

use crate::domain::Batch;
use crate::store::Store;

/// The read model of history.
pub(crate) struct History {
    store: Store,
}

impl History {
    pub(crate) fn new(store: Store) -> History {
        History { store }
    }
}

#[async_trait::async_trait]
impl ReadModel for History {
    async fn position(&self) -> anyhow::Result<i64> {
        Ok(self.store.position().await?)
    }

    async fn apply(&self, position: i64, entries: &[Entry]) -> anyhow::Result<bool> {
        let Some(last) = entries.last() else {
            return Ok(true);
        };
        let batch = Batch::of(entries);
        Ok(self.store.append(position, last.seq, &batch).await?)
    }
}
