//! For operators: whether the users go with a ledger, and how to go on where the right database is lost.
//!
//! Nothing is changed by [`verify`], and by [`adopt`] only what it said before. What must hold: users of another ledger are never
//! put beside this one's wallets, whose numbers would come to stand for other people; and an id that the ledger knows is given to
//! nobody afterwards.

use std::io::Write;

use ledger_api::{LedgerClient, Mismatch, Position, Standing};
use store::{Database, DatabaseConfig};

use crate::STEPS;
use crate::belonging::{Foreign, Own, judge};
use crate::store::Store;

/// Ids that are written out; of more only the number is said.
const SHOWN_MAX: usize = 50;

/// The ledger, as somebody who repairs sees it.
#[async_trait::async_trait]
pub trait LedgerView: Send + Sync {
    /// As [`LedgerClient::standing`].
    async fn standing(&self, seq: i64) -> anyhow::Result<Standing>;

    /// As [`LedgerClient::users`].
    async fn users(&self, after: i64) -> anyhow::Result<Vec<i64>>;

    /// As [`LedgerClient::closed_users`].
    async fn closed_users(&self, after: i64) -> anyhow::Result<Vec<i64>>;
}

#[async_trait::async_trait]
impl LedgerView for LedgerClient {
    async fn standing(&self, seq: i64) -> anyhow::Result<Standing> {
        Ok(LedgerClient::standing(self, seq).await?)
    }

    async fn users(&self, after: i64) -> anyhow::Result<Vec<i64>> {
        Ok(LedgerClient::users(self, after).await?.users)
    }

    async fn closed_users(&self, after: i64) -> anyhow::Result<Vec<i64>> {
        Ok(LedgerClient::closed_users(self, after).await?.users)
    }
}

/// What a users' database says of itself; `None` where there is none, or it is of an earlier release.
pub async fn own(config: &DatabaseConfig) -> anyhow::Result<Option<Own>> {
    let store = open(config).await?;
    Ok(match store {
        Some(store) => Some(store.own().await?),
        None => None,
    })
}

async fn open(config: &DatabaseConfig) -> anyhow::Result<Option<Store>> {
    let database = Database::open(config).await?;
    let is_there = database.check(STEPS).await.is_ok();
    Ok(is_there.then(|| Store::new(database)))
}

/// What is wrong between the users and the ledger, as a sentence; the outer `None` where there are no users to look at.
pub async fn verify(
    config: &DatabaseConfig,
    ledger: &dyn LedgerView,
) -> anyhow::Result<Option<Option<String>>> {
    let Some(store) = open(config).await? else {
        return Ok(None);
    };
    let position = store.own().await?.position;
    let there = ledger.standing(position.seq).await?;
    let own = Own {
        position,
        ..store.own().await?
    };
    if let Err(foreign) = judge(&own, &there, true) {
        return Ok(Some(Some(foreign.to_string())));
    }
    if let Some(id) = first_undeleted(&store, ledger).await? {
        return Ok(Some(Some(format!(
            "user {id} was deleted, as the ledger knows, and is in the users' database as before; the user service deletes them \
             again when it starts"
        ))));
    }
    let (lost, _) = lost(&store, ledger, own.lost_up_to).await?;
    Ok(Some(lost.first().map(|id| {
        format!("user {id} has a wallet, and is not in the users' database")
    })))
}

/// Somebody whose wallets are closed because they were deleted, and who is here all the same.
async fn first_undeleted(store: &Store, ledger: &dyn LedgerView) -> anyhow::Result<Option<i64>> {
    let mut after = 0;
    loop {
        let page = ledger.closed_users(after).await?;
        let Some(last) = page.last().copied() else {
            return Ok(None);
        };
        after = last;
        if let Some(id) = store.living(&page).await?.first() {
            return Ok(Some(*id));
        }
    }
}

/// The first users above `after` that the ledger knows and who are not here, and how many there are.
async fn lost(
    store: &Store,
    ledger: &dyn LedgerView,
    after: i64,
) -> anyhow::Result<(Vec<i64>, usize)> {
    let (mut shown, mut count, mut after) = (Vec::new(), 0_usize, after);
    loop {
        let page = ledger.users(after).await?;
        let Some(last) = page.last().copied() else {
            return Ok((shown, count));
        };
        after = last;
        let missing = store.unknown(&page).await?;
        count = count.saturating_add(missing.len());
        let room = SHOWN_MAX.saturating_sub(shown.len());
        shown.extend(missing.into_iter().take(room));
    }
}

/// Makes the users go with the ledger that is there, and gives up those that are missing; says what that means, and does it only
/// with `yes`. `true` when they go together afterwards.
pub async fn adopt(
    config: &DatabaseConfig,
    ledger: &dyn LedgerView,
    yes: bool,
    out: &mut (impl Write + Send),
) -> anyhow::Result<bool> {
    let store = Store::new(Database::open_migrated(config, STEPS).await?);
    let own = store.own().await?;
    let there = ledger.standing(own.position.seq).await?;
    let Err(foreign) = judge(&own, &there, false) else {
        writeln!(
            out,
            "  users: they go with the ledger; there is nothing to do"
        )?;
        return Ok(true);
    };
    let known = there.highest_known();
    let is_other = foreign == Foreign::Ledger(Mismatch::OtherLedger);
    anyhow::ensure!(
        !(is_other && own.highest > 0 && known > 0),
        "these users belong to another ledger, where their ids stand for other people: restore the users' database that belongs \
         to this one, or begin with an empty one"
    );
    let (lost, count) = lost(&store, ledger, 0).await?;
    writeln!(out, "  users: {foreign}")?;
    if count > 0 {
        let ids: Vec<String> = lost.iter().map(ToString::to_string).collect();
        let more = if count > lost.len() { ", …" } else { "" };
        writeln!(
            out,
            "    {count} users are known to the ledger and have no account: {}{more}.\n    \
             Their wallets stay as they are, and nobody can reach them.",
            ids.join(", ")
        )?;
    }
    writeln!(
        out,
        "    The users' database will belong to this ledger, and new users get ids above {}.",
        known.max(own.highest)
    )?;
    if !yes {
        return Ok(false);
    }
    let position = Position {
        seq: there.head,
        ledger: Some(there.ledger),
        mark: there.mark,
    };
    let lost_up_to = known.max(own.lost_up_to);
    store.raise_ids_above(lost_up_to).await?;
    store.bind(&position, lost_up_to).await?;
    store.tell_deletions_again().await?;
    writeln!(out, "    Done.")?;
    Ok(true)
}
