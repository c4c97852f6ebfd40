//! The operations on users, in the order in which a user's life goes: register, look, change, delete. What has to do with passwords and
//! sessions is in [`crate::sign_in`].

use std::net::IpAddr;
use std::sync::Arc;

use auth::{Caller, RevokedSubject, Role, UserId};
use clock::Clock;
use http_server::Page;

use crate::audit::{Act, Actor, Audit, Kind};
use crate::belonging::Belonging;
use crate::closures::Closures;
use crate::domain::{Change, PasswordRules, Registration, User, UserView, Viewer};
use crate::error::Error;
use crate::guard::{Attempt, Guard};
use crate::keys::Keys;
use crate::request_hash::RequestHashes;
use crate::sessions::{Client, Session, Sessions};
use crate::store::{Found, NewUser, NotAdded, Remember, Remembered, Store, UserFilter};

/// The users. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Users {
    pub(crate) store: Store,
    pub(crate) guard: Guard,
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
        let from = client.ip();
        let keys = key.map(|key| Keys::new(&key, &registration.email, from));
        if let Some(replayed) = self.replay(&registration, keys.as_ref(), from).await? {
            return Ok(replayed);
        }
        let email_key = registration.email.key();
        // Before it is known whether the address is taken: a full queue must not tell one from the other.
        let attempt = self.guard.try_registration(from).await?;
        if self.find_by_email(&registration.email).await?.is_some() {
            return self
                .taken(attempt, &registration, keys.as_ref(), from)
                .await;
        }
        let password_hash = attempt.turn.hash(registration.password.clone()).await?;
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
        let remember = keys.as_ref().map(|keys| Remember {
            keys,
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
            Ok((user, user_json, act)) => {
                self.audit.tell(&act);
                self.belonging.gave(user.id);
                attempt.was_right().await?;
                self.guard.know(&email_key, from).await?;
                let number = session.began_at.micros();
                Ok(Registered {
                    token: self.sessions.token(&session, number, user.id, user.role)?,
                    user_json,
                    replayed: false,
                })
            }
            Err(NotAdded::EmailTaken | NotAdded::KeyTaken) => {
                self.taken(attempt, &registration, keys.as_ref(), from)
                    .await
            }
            Err(NotAdded::Failed(error)) => Err(error),
        }
    }

    /// The answer where the address is taken. It may have been added since the look before, by a twin of this request: then it is no try.
    async fn taken(
        &self,
        attempt: Attempt,
        registration: &Registration,
        keys: Option<&Keys>,
        from: IpAddr,
    ) -> Result<Registered, Error> {
        let remembered = match keys {
            Some(keys) => self.store.remembered(keys).await?,
            None => Found::Nothing,
        };
        if matches!(remembered, Found::Nothing) {
            return Err(Error::EmailTaken);
        }
        attempt.was_right().await?;
        let replayed = self.replay(registration, keys, from).await?;
        replayed.ok_or(Error::EmailTaken)
    }

    /// The first answer, if this registration was carried out before under this key. Another password in it is a wrong one, and
    /// counts like one at a log-in.
    async fn replay(
        &self,
        registration: &Registration,
        keys: Option<&Keys>,
        from: IpAddr,
    ) -> Result<Option<Registered>, Error> {
        let Some(keys) = keys else {
            return Ok(None);
        };
        let remembered = match self.store.remembered(keys).await? {
            Found::Nothing => return Ok(None),
            Found::OfAnotherAccount => return Err(Error::KeyReused),
            Found::Here(remembered) => remembered,
        };
        let account = registration.email.key();
        let attempt = self.guard.try_password(&account, from).await?;
        let Remembered {
            key: remembered_key,
            request_hash,
            user_id,
            user_json,
            session,
            issued_at,
        } = remembered;
        if !self.request_hashes.matches(registration, &request_hash) {
            return if keys.are_of(&remembered_key) {
                Err(Error::KeyReused)
            } else {
                // Kept by an earlier release, which knew the key alone: it may be anybody's.
                Ok(None)
            };
        }
        attempt.was_right().await?;
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
