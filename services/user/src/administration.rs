//! What administrators do with accounts: suspend a user, read what was done. And the look-up of a recipient.

use auth::{Caller, Role};
use http_server::Page;
use user_api::WalletAct;

use crate::audit::{Act, Actor, Kind};
use crate::domain::{Email, RecipientView, UserStatus, UserView, Viewer};
use crate::error::Error;
use crate::sessions::Client;
use crate::store::{AuditFilter, Written};
use crate::users::Users;

/// How a recipient is looked up: exactly.
pub(crate) enum LookUp {
    Email(Email),
    Phone(String),
}

impl Users {
    /// Suspends a user, which ends every session of theirs, or lets them in again. For administrators. Wallets stay as they are: money that
    /// is on its way to somebody arrives.
    pub(crate) async fn set_status(
        &self,
        caller: &Caller,
        id: i64,
        (status, reason): (UserStatus, String),
        client: &Client,
    ) -> Result<UserView, Error> {
        if !caller.is_admin() {
            return Err(Error::AdminsOnly);
        }
        let kind = match status {
            UserStatus::Active => Kind::ActivateUser,
            UserStatus::Suspended => Kind::SuspendUser,
        };
        let act = Act::on_user(kind, caller.into(), id, client, self.clock.now()).because(reason);
        let end = self.sessions.end_now(caller.expires_at);
        let set = self.store.set_status(id, status, end, &act).await?;
        let (user, ended) = set.ok_or(Error::NotFound)?;
        if let Some(ended) = ended {
            self.sessions.take_in(ended);
        }
        self.audit.tell(&act);
        Ok(user.seen_by(Viewer::from(caller)))
    }

    /// The one active user with this address or number. Of a number that several have it is not known whose it is.
    pub(crate) async fn look_up(&self, by: LookUp) -> Result<RecipientView, Error> {
        let found = match by {
            LookUp::Email(email) => self.find_by_email(&email).await?.map(|(user, _)| user),
            LookUp::Phone(phone) => match self.store.find_by_phone(&phone).await?.as_slice() {
                [one] => Some(one.clone()),
                _ => None,
            },
        };
        found
            .filter(|user| user.status == UserStatus::Active)
            .map(|user| user.into_recipient())
            .ok_or(Error::NotFound)
    }

    /// Writes down what an administrator did to a wallet, once.
    pub(crate) async fn note_wallet_act(&self, told: WalletAct) -> Result<(), Error> {
        let act = Act {
            kind: if told.is_frozen {
                Kind::FreezeWallet
            } else {
                Kind::ActivateWallet
            },
            actor: Actor::User(told.actor_id, Role::Admin),
            object_kind: "wallet",
            object_id: Some(told.wallet_id.to_string()),
            is_refused: false,
            reason: told.reason,
            client: Client::new(None, told.address),
            at: self.clock.now(),
        };
        if self.store.write_told_act(&act, told.key).await? {
            self.audit.tell(&act);
        }
        Ok(())
    }

    /// What was done, the newest first, and where the next page begins. For administrators.
    pub(crate) async fn audit_log(
        &self,
        caller: &Caller,
        filter: &AuditFilter,
        page: Page,
    ) -> Result<(Vec<Written>, Option<i64>), Error> {
        if !caller.is_admin() {
            return Err(Error::AdminsOnly);
        }
        let rows = self.store.audit_log(filter, page).await?;
        let next = page.next(rows.iter().map(|row| row.id));
        Ok((rows, next))
    }
}
