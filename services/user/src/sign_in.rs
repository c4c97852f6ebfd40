//! Who proves to be a user, and for how long: log-ins, password changes, and the ends of sessions.
//!
//! What must hold: a log-in that was under way with the old password begins no session after the change, and a change ends every other
//! session in the transaction that makes it.

use auth::Caller;

use crate::audit::{Act, Actor, Kind};
use crate::domain::{Credentials, Email, Owner, Password, User, UserStatus, UserView, Viewer};
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
        let attempt = self
            .guard
            .try_password(&credentials.account, client.ip())
            .await?;
        let known = match &credentials.email {
            Some(email) => self.find_by_email(email).await?,
            None => None,
        };
        let hash = known
            .as_ref()
            .map(|(_, secret)| secret.password_hash.clone());
        let password = credentials.password;
        let verdict = attempt.turn.verify(password.clone(), hash).await?;
        let (user, secret) = match (verdict, known) {
            (Verdict::Right | Verdict::RightButOutdated, Some(known)) => known,
            (_, known) => {
                let known = known.map(|(user, _)| user);
                return Err(self.refuse_log_in(known.as_ref(), client).await);
            }
        };
        if user.status == UserStatus::Suspended {
            // Only who has the password is told.
            self.refuse_log_in(Some(&user), client).await;
            return Err(Error::Suspended);
        }
        if verdict == Verdict::RightButOutdated {
            let new = attempt.turn.hash(password).await?;
            let old = &secret.password_hash;
            self.store.replace_password_hash(user.id, old, &new).await?;
        }
        attempt.was_right().await?;
        let session = self.sessions.begin();
        let row = session.row(client);
        let end = self.sessions.end_now(0);
        let actor = Actor::User(user.id, user.role);
        let act = Act::on_user(Kind::LogIn, actor, user.id, client, session.began_at);
        let begun = self
            .store
            .begin_session(user.id, secret.changed_at, &row, end, &act)
            .await?;
        // Deleted, suspended, or with another password, since they were looked up.
        let Some((number, ended)) = begun else {
            return Err(self.refuse_log_in(Some(&user), client).await);
        };
        self.audit.tell(&act);
        if let Some(ended) = ended {
            self.sessions.take_in(ended);
        }
        let token = self.sessions.token(&session, number, user.id, user.role)?;
        Ok((token, user.in_full()))
    }

    /// Writes a failed log-in down. Of an unknown address nothing is kept: it may be a password that was typed into the wrong field.
    async fn refuse_log_in(&self, known: Option<&User>, client: &Client) -> Error {
        let mut act = Act::on_user(Kind::LogIn, Actor::Nobody, 0, client, self.clock.now());
        act.object_id = known.map(|user| user.id.to_string());
        self.audit.note_refusal(&act.refused()).await;
        Error::InvalidCredentials
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
        client: &Client,
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
        let now = self.clock.now();
        let act = Act::on_user(Kind::ChangePassword, caller.into(), id, client, now);
        // A token that was stolen must not tell the password: a wrong one counts like that of a log-in.
        let account = self.store.account_of(id).await?.ok_or(Error::NotFound)?;
        let attempt = self.guard.try_password(&account, client.ip()).await?;
        if attempt.turn.verify(change.old, old_hash).await? == Verdict::Wrong {
            self.audit.note_refusal(&act.refused()).await;
            return Err(Error::WrongPassword);
        }
        let new_hash = attempt.turn.hash(new).await?;
        attempt.was_right().await?;
        let end = self.sessions.end_now(caller.expires_at);
        let ended = self
            .store
            .change_password(id, &secret, &new_hash, &caller.session, (end, &act))
            .await?;
        // Changed since it was looked at: what was right then is not any more.
        self.sessions.take_in(ended.ok_or(Error::WrongPassword)?);
        self.audit.tell(&act);
        Ok(())
    }

    /// The sessions of a user that go on: of themselves, or of anyone for an administrator.
    pub(crate) async fn sessions(
        &self,
        caller: &Caller,
        id: i64,
    ) -> Result<Vec<OpenSession>, Error> {
        self.find(id).await?;
        if !Viewer::from(caller).may_manage(id) {
            return Err(Error::MayNotSeeSessions);
        }
        self.sessions.open(id).await
    }

    /// Ends sessions of a user: of themselves, or of anyone for an administrator.
    pub(crate) async fn end_sessions(
        &self,
        caller: &Caller,
        id: i64,
        which: Which<'_>,
        client: &Client,
    ) -> Result<(), Error> {
        self.find(id).await?;
        if !Viewer::from(caller).may_manage(id) {
            return Err(Error::MayNotSeeSessions);
        }
        if self.sessions.end_for(caller, id, which, client).await? {
            Ok(())
        } else {
            Err(Error::SessionNotFound)
        }
    }
}
