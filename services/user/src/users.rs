//! The operations on users, in the order in which a user's life goes: register, look, change, delete. What has to do with passwords and
//! sessions is in [`crate::sign_in`].

use std::sync::Arc;

use auth::{Caller, RevokedSubject, Role, UserId};
use clock::Clock;
use http_server::Page;

use crate::audit::{Act, Actor, Audit, Kind};
use crate::belonging::Belonging;
use crate::closures::Closures;
use crate::domain::{Change, PasswordRules, Registration, User, UserView, Viewer};
use crate::error::Error;
use crate::passwords::Passwords;
use crate::request_hash::RequestHashes;
use crate::sessions::{Client, Session, Sessions};
use crate::store::{NewUser, NotAdded, Remember, Remembered, Store, UserFilter};

/// The users. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Users {
    pub(crate) store: Store,
    pub(crate) passwords: Passwords,
    pub(crate) password_rules: PasswordRules,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) audit: Audit,
    pub(crate) closures: Arc<Closures>,
    pub(crate) belonging: Arc<Belonging>,
    pub(crate) request_hashes: Arc<RequestHashes>,
    pub(crate) clock: Clock,
}

/// The answer to a registration.
pub(crate) struct Registered {
    pub(crate) token: String,
    /// The user as JSON: kept as text, so that a repeat has the same bytes.
    pub(crate) user_json: String,
    /// True if it was carried out before.
    pub(crate) replayed: bool,
}

impl Users {
    /// Adds a user and begins a session. With a key, a repeat gets the first answer.
    pub(crate) async fn register(
        &self,
        registration: Registration,
        client: &Client,
        key: Option<String>,
    ) -> Result<Registered, Error> {
        if let Some(replayed) = self.replay(&registration, key.as_deref()).await? {
            return Ok(replayed);
        }
        let email_key = registration.email.key();
        if self.find_by_email(&registration.email).await?.is_some() {
            // It may have been added since the look before, by a twin of this request.
            let replayed = self.replay(&registration, key.as_deref()).await?;
            return replayed.ok_or(Error::EmailTaken);
        }
        let password_hash = self.passwords.hash(registration.password.clone()).await?;
        let session = self.sessions.begin();
        let new = NewUser {
            name: &registration.name,
            email: registration.email.as_str(),
            email_key: &email_key,
            phone: &registration.phone,
            password_hash: &password_hash,
            role: Role::User,
            at: session.began_at,
        };
        let request_hash = self.request_hashes.hash(&registration);
        let remember = key.as_deref().map(|key| Remember {
            key,
            request_hash: &request_hash,
        });
        let json = |user: User| Ok(serde_json::to_string(&user.in_full())?);
        let act = |id| {
            let actor = Actor::User(id, Role::User);
            Act::on_user(Kind::Register, actor, id, client, session.began_at)
        };
        let above = self.belonging.known();
        let row = session.row(client);
        let added = self
            .store
            .add_user(&new, &row, remember.as_ref(), above, (json, act));
        match added.await {
            Ok((user, user_json, act)) => Ok(Registered {
                token: {
                    self.audit.tell(&act);
                    self.belonging.gave(user.id);
                    let number = session.began_at.micros();
                    self.sessions.token(&session, number, user.id, user.role)?
                },
                user_json,
                replayed: false,
            }),
            Err(NotAdded::EmailTaken | NotAdded::KeyTaken) => {
                let replayed = self.replay(&registration, key.as_deref()).await?;
                replayed.ok_or(Error::EmailTaken)
            }
            Err(NotAdded::Failed(error)) => Err(error),
        }
    }

    /// The first answer, if this registration was carried out before under this key.
    async fn replay(
        &self,
        registration: &Registration,
        key: Option<&str>,
    ) -> Result<Option<Registered>, Error> {
        let Some(key) = key else {
            return Ok(None);
        };
        let Some(remembered) = self.store.remembered(key).await? else {
            return Ok(None);
        };
        let Remembered {
            request_hash,
            user_id,
            user_json,
            session,
            issued_at,
        } = remembered;
        if !self.request_hashes.matches(registration, &request_hash) {
            return Err(Error::KeyReused);
        }
        let session = Session {
            id: session,
            began_at: issued_at,
        };
        let number = session.began_at.micros();
        Ok(Some(Registered {
            token: self.sessions.token(&session, number, user_id, Role::User)?,
            user_json: user_json.ok_or(Error::DeletedSince)?,
            replayed: true,
        }))
    }

    /// Users as `viewer` sees them, the newest first, and where the next page begins. Who is no administrator cannot search.
    pub(crate) async fn list(
        &self,
        viewer: Viewer,
        filter: &UserFilter,
        page: Page,
    ) -> Result<(Vec<UserView>, Option<i64>), Error> {
        let is_search = filter.text.is_some() || filter.status.is_some();
        if is_search && !viewer.is_admin {
            return Err(Error::AdminsOnly);
        }
        let users = self.store.list(filter, page).await?;
        let next = page.next(users.iter().map(|user| user.id));
        let seen = users.into_iter().map(|user| user.seen_by(viewer)).collect();
        Ok((seen, next))
    }

    /// One user.
    pub(crate) async fn find(&self, id: i64) -> Result<User, Error> {
        self.store.find(id).await?.ok_or(Error::NotFound)
    }

    /// Changes a user: themselves, or anyone for an administrator.
    pub(crate) async fn change(
        &self,
        caller: &Caller,
        id: i64,
        change: Change,
        client: &Client,
    ) -> Result<UserView, Error> {
        let viewer = Viewer::from(caller);
        self.find(id).await?;
        if !viewer.may_manage(id) {
            return Err(Error::MayNotUpdate);
        }
        let now = self.clock.now();
        let act = Act::on_user(Kind::UpdateUser, caller.into(), id, client, now);
        let changed = self.store.change(id, &change, &act).await?;
        let changed = changed.ok_or(Error::NotFound)?;
        self.audit.tell(&act);
        Ok(changed.seen_by(viewer))
    }

    /// Deletes a user: themselves, or anyone for an administrator. From then on no token of theirs is good, and the ledger
    /// closes their wallets, now or when it can be reached.
    pub(crate) async fn delete(
        &self,
        caller: &Caller,
        id: i64,
        client: &Client,
    ) -> Result<(), Error> {
        self.find(id).await?;
        if !Viewer::from(caller).may_manage(id) {
            return Err(Error::MayNotDelete);
        }
        let expires_at = self.sessions.refuse_until(caller.expires_at);
        let now = self.clock.now();
        let act = Act::on_user(Kind::DeleteUser, caller.into(), id, client, now);
        let by = caller.user_id;
        if !self.store.delete(id, by, expires_at, &act).await? {
            return Err(Error::NotFound);
        }
        self.sessions
            .lock_out(RevokedSubject::User(UserId(id)), expires_at);
        self.audit.tell(&act);
        self.closures.try_at_once(id, by).await;
        Ok(())
    }
}
