//! Who proves to be a user, and for how long: log-ins, password changes, and the ends of sessions.
//!
//! What must hold: a log-in that was under way with the old password begins no session after the change, and a change ends every other
//! session in the transaction that makes it.

use auth::Caller;

use crate::domain::{Credentials, Email, Owner, Password, User, UserView, Viewer};
use crate::error::Error;
use crate::passwords::Verdict;
use crate::sessions::Client;
use crate::store::{OpenSession, Secret, Which};
use crate::users::Users;

/// A change of the caller's own password.
pub(crate) struct PasswordChange {
    pub(crate) old: Password,
    /// As it was sent: whether it may be chosen depends on whose it is to be.
    pub(crate) new: String,
}

impl Users {
    /// Begins a session. An unknown address takes as long as a wrong password.
    pub(crate) async fn log_in(
        &self,
        credentials: Credentials,
        client: &Client,
    ) -> Result<(String, UserView), Error> {
        let known = match &credentials.email {
            Some(email) => self.find_by_email(email).await?,
            None => None,
        };
        let hash = known
            .as_ref()
            .map(|(_, secret)| secret.password_hash.clone());
        let password = credentials.password;
        let verdict = self.passwords.verify(password.clone(), hash).await?;
        let (user, secret) = match (verdict, known) {
            (Verdict::Right | Verdict::RightButOutdated, Some(known)) => known,
            _ => return Err(Error::InvalidCredentials),
        };
        if verdict == Verdict::RightButOutdated {
            let new = self.passwords.hash(password).await?;
            let old = &secret.password_hash;
            self.store.replace_password_hash(user.id, old, &new).await?;
        }
        let session = self.sessions.begin();
        let row = session.row(client);
        let end = self.sessions.end_now(0);
        let begun = self
            .store
            .begin_session(user.id, secret.changed_at, &row, end)
            .await?;
        // Deleted, or with another password, since they were looked up.
        let (number, ended) = begun.ok_or(Error::InvalidCredentials)?;
        if let Some(ended) = ended {
            self.sessions.take_in(ended);
        }
        let token = self.sessions.token(&session, number, user.id, user.role)?;
        Ok((token, user.in_full()))
    }

    /// The user with this address, and what proves that it is them.
    pub(crate) async fn find_by_email(
        &self,
        email: &Email,
    ) -> Result<Option<(User, Secret)>, Error> {
        if let Some(found) = self.store.find_by_email(&email.key()).await? {
            return Ok(Some(found));
        }
        match email.former_key() {
            Some(key) => self.store.find_by_email(&key).await,
            None => Ok(None),
        }
    }

    /// Changes the caller's own password, and ends all their other sessions.
    pub(crate) async fn change_password(
        &self,
        caller: &Caller,
        id: i64,
        change: PasswordChange,
    ) -> Result<(), Error> {
        let (user, secret) = self
            .store
            .find_with_secret(id)
            .await?
            .ok_or(Error::NotFound)?;
        if caller.user_id.0 != id {
            return Err(Error::MayNotUpdate);
        }
        let owner = Owner {
            name: &user.name,
            email: &user.email,
            phone: &user.phone,
        };
        let new = Password::choose(&change.new, owner, self.password_rules)
            .map_err(Error::PasswordRefused)?;
        let old_hash = Some(secret.password_hash.clone());
        if self.passwords.verify(change.old, old_hash).await? == Verdict::Wrong {
            return Err(Error::WrongPassword);
        }
        let new_hash = self.passwords.hash(new).await?;
        let end = self.sessions.end_now(caller.expires_at);
        let ended = self
            .store
            .change_password(id, &secret, &new_hash, &caller.session, end)
            .await?;
        // Changed since it was looked at: what was right then is not any more.
        self.sessions.take_in(ended.ok_or(Error::WrongPassword)?);
        Ok(())
    }

    /// The sessions of a user that go on: of themselves, or of anyone for an administrator.
    pub(crate) async fn sessions(
        &self,
        viewer: Viewer,
        id: i64,
    ) -> Result<Vec<OpenSession>, Error> {
        self.find(id).await?;
        if !viewer.may_manage(id) {
            return Err(Error::MayNotSeeSessions);
        }
        self.sessions.open(id).await
    }

    /// Ends sessions of a user: of themselves, or of anyone for an administrator.
    pub(crate) async fn end_sessions(
        &self,
        viewer: Viewer,
        token_end: i64,
        id: i64,
        which: Which<'_>,
    ) -> Result<(), Error> {
        self.find(id).await?;
        if !viewer.may_manage(id) {
            return Err(Error::MayNotSeeSessions);
        }
        if self.sessions.end(id, which, token_end).await? {
            Ok(())
        } else {
            Err(Error::SessionNotFound)
        }
    }
}
