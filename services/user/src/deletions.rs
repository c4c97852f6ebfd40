//! Deletes again whom the ledger knows as deleted.
//!
//! A users' database that was restored from before a deletion has that person still, with a password that works and wallets that are
//! closed for ever. The ledger keeps who was closed, and only a deletion closes anybody. What must hold: whoever was deleted once stays
//! deleted, and nobody is let in before that is so.

use std::sync::Arc;
use std::time::Duration;

use auth::{RevokedSubject, UserId};
use clock::Clock;
use ledger_api::LedgerClient;

use crate::audit::{Act, Actor, Audit, Kind};
use crate::error::Error;
use crate::sessions::{Client, Sessions};
use crate::store::Store;

/// How long one page may take.
const PAGE_TIMEOUT: Duration = Duration::from_secs(2);

/// Compares the users with whom the ledger has closed.
pub(crate) struct Deletions {
    pub(crate) store: Store,
    pub(crate) ledger: LedgerClient,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) audit: Audit,
    pub(crate) clock: Clock,
}

impl Deletions {
    /// Goes through everybody whom the ledger has closed.
    pub(crate) async fn repeat(&self) -> Result<(), Error> {
        let (mut after, mut deleted, mut first) = (0, 0_usize, None);
        loop {
            let page = self.page(after).await?;
            let Some(last) = page.last().copied() else {
                break;
            };
            after = last;
            for id in self.store.living(&page).await? {
                if self.delete(id).await? {
                    deleted = deleted.saturating_add(1);
                    first.get_or_insert(id);
                }
            }
        }
        if let Some(user_id) = first {
            tracing::warn!(
                user_id,
                users = deleted,
                "users were deleted again: the database is from before their deletion"
            );
        }
        Ok(())
    }

    async fn page(&self, after: i64) -> Result<Vec<i64>, Error> {
        match tokio::time::timeout(PAGE_TIMEOUT, self.ledger.closed_users(after)).await {
            Ok(Ok(page)) => Ok(page.users),
            Ok(Err(error)) => Err(Error::LedgerAway(error.to_string())),
            Err(_) => Err(Error::LedgerAway("no answer in time".to_owned())),
        }
    }

    async fn delete(&self, id: i64) -> Result<bool, Error> {
        let expires_at = self.sessions.refuse_until(0);
        let now = self.clock.now();
        let act = Act::on_user(
            Kind::DeleteUser,
            Actor::Service,
            id,
            &Client::default(),
            now,
        )
        .because("the ledger knows of the deletion");
        let by = UserId(id);
        let is_deleted = self.store.delete(id, by, expires_at, &act).await?;
        if is_deleted {
            let subject = RevokedSubject::User(UserId(id));
            self.sessions.lock_out(subject, expires_at);
            self.audit.tell(&act);
        }
        Ok(is_deleted)
    }
}
