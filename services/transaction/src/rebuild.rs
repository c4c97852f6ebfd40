//! For operators: a read model that belongs to another ledger is emptied, and then follows the one that is there.

use std::io::Write;

use feed_follower::Position;
use ledger_api::Kinds;
use store::{Database, DatabaseConfig};

use crate::STEPS;
use crate::store::Store;

async fn open(config: &DatabaseConfig, kinds: &'static Kinds) -> anyhow::Result<Option<Store>> {
    let database = Database::open(config).await?;
    let is_there = database.check(STEPS).await.is_ok();
    Ok(is_there.then(|| Store::new(database, kinds)))
}

/// How much of which ledger is in this database; `None` where there is none, or it is of an earlier release.
pub async fn position(
    config: &DatabaseConfig,
    kinds: &'static Kinds,
) -> anyhow::Result<Option<Position>> {
    Ok(match open(config, kinds).await? {
        Some(store) => Some(store.position().await?),
        None => None,
    })
}

/// Says what it means to build history anew, and empties the database only with `yes`. What services recorded is in no
/// other place, and stays.
pub async fn rebuild(
    config: &DatabaseConfig,
    kinds: &'static Kinds,
    yes: bool,
    out: &mut (impl Write + Send),
) -> anyhow::Result<()> {
    let database = Database::open_migrated(config, STEPS).await?;
    let store = Store::new(database, kinds);
    let recorded = store.recorded().await?;
    writeln!(
        out,
        "  history: it is forgotten, and built anew from the ledger by the service; {recorded} entries that services recorded stay"
    )?;
    if yes {
        store.forget().await?;
        writeln!(out, "    Done.")?;
    }
    Ok(())
}
