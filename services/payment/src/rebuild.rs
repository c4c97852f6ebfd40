//! For operators: a read model that belongs to another ledger is emptied, and then follows the one that is there.

use std::io::Write;

use feed_follower::Position;
use store::{Database, DatabaseConfig};

use crate::STEPS;
use crate::store::Store;

async fn open(config: &DatabaseConfig) -> anyhow::Result<Option<Store>> {
    let database = Database::open(config).await?;
    let is_there = database.check(STEPS).await.is_ok();
    Ok(is_there.then(|| Store::new(database)))
}

/// The ledger, and how much of it, that is in this database; `None` where there is none, or it is of an earlier release.
pub async fn position(config: &DatabaseConfig) -> anyhow::Result<Option<Position>> {
    Ok(match open(config).await? {
        Some(store) => Some(store.position().await?),
        None => None,
    })
}

/// Says what it means to build the payments anew, and empties the database only with `yes`. Everything in it follows from the
/// ledger's log.
pub async fn rebuild(
    config: &DatabaseConfig,
    yes: bool,
    out: &mut (impl Write + Send),
) -> anyhow::Result<()> {
    let database = Database::open_migrated(config, STEPS).await?;
    let store = Store::new(database);
    writeln!(
        out,
        "  payments: all of them are forgotten, and built anew from the ledger by the service"
    )?;
    if yes {
        store.forget().await?;
        writeln!(out, "    Done.")?;
    }
    Ok(())
}
