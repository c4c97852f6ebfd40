//! Follows the ledger's log: of everything that happens it keeps the payments.

use feed_follower::ReadModel;
use wallet_api::Entry;

use crate::domain::Payment;
use crate::store::Store;

/// The read model of payments.
pub(crate) struct Payments {
    store: Store,
}

impl Payments {
    pub(crate) fn new(store: Store) -> Payments {
        Payments { store }
    }
}

#[async_trait::async_trait]
impl ReadModel for Payments {
    async fn position(&self) -> anyhow::Result<i64> {
        Ok(self.store.position().await?)
    }

    async fn apply(&self, position: i64, entries: &[Entry]) -> anyhow::Result<bool> {
        let Some(last) = entries.last() else {
            return Ok(true);
        };
        let payments: Vec<Payment> = entries.iter().filter_map(Payment::of).collect();
        Ok(self.store.append(position, last.seq, &payments).await?)
    }
}
