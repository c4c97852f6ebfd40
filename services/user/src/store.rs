//! The tables of the user service: users, answers to registrations, revocations, and closures that the ledger has yet to hear of.
//!
//! Each method is one whole operation; no transaction crosses this line. The SQL is the same on both databases. Rows are locked
//! in one order, first the user, then the session head, so that nothing deadlocks. What must hold: a revocation's
//! number is drawn from the session head in the transaction that appends it, so numbers become visible in order and a
//! follower's cursor cannot skip one; and a user is deleted, locked out and handed to the ledger's outbox all at once.

mod administration;
mod audit;
mod belonging;
mod feed;
mod sessions;
mod start;
mod tries;

pub(crate) use administration::UserFilter;
pub(crate) use audit::{AuditFilter, Written};
pub(crate) use feed::Closure;
pub(crate) use sessions::{End, NewSession, OpenSession, Which};
pub(crate) use tries::{Charge, NotCharged};

use auth::{EndedSessions, Role, UserId};
use clock::Timestamp;
use store::{Database, in_transaction, on_read, sqlx};

use self::audit::write_act;
use crate::audit::{Act, Actor};
use crate::domain::{Change, User, UserStatus, phone_key};
use crate::error::Error;
use crate::keys::Keys;

/// The name of a deleted user.
const DELETED_NAME: &str = "Deleted user";

/// The user service's database. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    database: Database,
}

/// A user to be kept.
pub(crate) struct NewUser<'a> {
    pub(crate) name: &'a str,
    pub(crate) email: &'a str,
    pub(crate) email_key: &'a str,
    pub(crate) phone: &'a str,
    pub(crate) password_hash: &'a str,
    pub(crate) role: Role,
    pub(crate) at: Timestamp,
}

/// The data that is remembered of a registration, beside the user.
pub(crate) struct Remember<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) request_hash: &'a [u8],
}

/// What proves who a user is.
#[derive(Clone)]
pub(crate) struct Secret {
    pub(crate) password_hash: String,
    /// When it was changed last; another number after each change.
    pub(crate) changed_at: i64,
}

/// A registration that was carried out before.
pub(crate) struct Remembered {
    /// The key that it was kept under.
    pub(crate) key: String,
    pub(crate) request_hash: Vec<u8>,
    pub(crate) user_id: i64,
    /// `None` once the user was deleted.
    pub(crate) user_json: Option<String>,
    pub(crate) session: String,
    pub(crate) issued_at: Timestamp,
}

/// What is there under a key.
pub(crate) enum Found {
    Nothing,
    /// A registration by this key, perhaps this one.
    Here(Remembered),
    /// The same caller used the key for another account.
    OfAnotherAccount,
}

/// Why a user was not added. Nothing was changed.
pub(crate) enum NotAdded {
    EmailTaken,
    /// The idempotency key was used, perhaps a moment ago.
    KeyTaken,
    Failed(Error),
}

impl From<sqlx::Error> for NotAdded {
    fn from(error: sqlx::Error) -> NotAdded {
        NotAdded::Failed(error.into())
    }
}

type UserRow = (i64, String, String, String, String, String);
type SecretRow = (i64, String, String, String, String, String, String, i64);

fn with_secret(
    (id, name, email, phone, role, status, password_hash, changed_at): SecretRow,
) -> (User, Secret) {
    let secret = Secret {
        password_hash,
        changed_at,
    };
    (user((id, name, email, phone, role, status)), secret)
}

fn user((id, name, email, phone, role, status): UserRow) -> User {
    User {
        id,
        name,
        email,
        phone,
        role: role_of(&role),
        status: UserStatus::parse(&status).unwrap_or(UserStatus::Suspended),
    }
}

/// The word in the database. Anything that is not `admin` has no rights; a check in the schema keeps it to two words.
fn role_of(word: &str) -> Role {
    if word == role_word(Role::Admin) {
        Role::Admin
    } else {
        Role::User
    }
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Admin => "admin",
    }
}

impl Store {
    pub(crate) fn new(database: Database) -> Store {
        Store { database }
    }

    /// Adds a user with a first session, and with `remember` what the answer was. `json` writes the user as it is answered,
    /// `act` what is written down.
    /// A registration of the same address or key that is under way is waited for. Nobody gets an id that is not above `above`: the
    /// ledger knows those, so somebody has put another database in this one's place.
    pub(crate) async fn add_user(
        &self,
        new: &NewUser<'_>,
        session: &NewSession<'_>,
        remember: Option<&Remember<'_>>,
        above: i64,
        (json, act): (impl Fn(User) -> Result<String, Error>, impl Fn(i64) -> Act),
    ) -> Result<(User, String, Act), NotAdded> {
        in_transaction!(&self.database, tx => {
            let id: Option<i64> = sqlx::query_scalar(
                "insert into users (name, email, email_key, phone, password_hash, role, created_at, updated_at, last_session, phone_key)
                 values ($1, $2, $3, $4, $5, $6, $7, $7, $7, $8)
                 on conflict (email_key) do nothing
                 returning id",
            )
            .bind(new.name)
            .bind(new.email)
            .bind(new.email_key)
            .bind(new.phone)
            .bind(new.password_hash)
            .bind(role_word(new.role))
            .bind(new.at.micros())
            .bind(phone_key(new.phone))
            .fetch_optional(&mut *tx)
            .await?;
            let id = id.ok_or(NotAdded::EmailTaken)?;
            if id <= above {
                return Err(NotAdded::Failed(Error::IdKnown { id, above }));
            }
            let user = new.user(id);
            let json = json(user.clone()).map_err(NotAdded::Failed)?;
            if let Some(remember) = remember {
                let added = sqlx::query(
                    "insert into idempotency (key, caller_key, request_hash, user_id, user_json, session, issued_at)
                     values ($1, $2, $3, $4, $5, $6, $7)
                     on conflict do nothing",
                )
                .bind(&remember.keys.of_account)
                .bind(&remember.keys.of_caller)
                .bind(remember.request_hash)
                .bind(id)
                .bind(&json)
                .bind(session.id)
                .bind(new.at.micros())
                .execute(&mut *tx)
                .await?
                .rows_affected();
                if added == 0 {
                    return Err(NotAdded::KeyTaken);
                }
            }
            // The first number is the moment of the registration, so that a repeat can make the same token.
            sessions::insert_session!(tx, id, new.at.micros(), session);
            let act = act(id);
            write_act!(tx, &act);
            Ok((user, json, act))
        })
    }

    /// The registration under this key, if there was one.
    pub(crate) async fn remembered(&self, keys: &Keys) -> Result<Found, Error> {
        type Row = (String, Vec<u8>, i64, Option<String>, String, i64);
        let rows: Vec<Row> = on_read!(&self.database, pool => {
            sqlx::query_as(
                "select key, request_hash, user_id, user_json, session, issued_at from idempotency
                 where key in ($1, $2) or caller_key = $3",
            )
            .bind(&keys.of_account)
            .bind(&keys.sent)
            .bind(&keys.of_caller)
            .fetch_all(pool)
            .await
        })?;
        let Some(row) = [&keys.of_account, &keys.sent]
            .into_iter()
            .find_map(|key| rows.iter().find(|row| row.0 == *key))
        else {
            return Ok(if rows.is_empty() {
                Found::Nothing
            } else {
                Found::OfAnotherAccount
            });
        };
        let (key, request_hash, user_id, user_json, session, issued_at) = row.clone();
        Ok(Found::Here(Remembered {
            key,
            request_hash,
            user_id,
            user_json,
            session,
            issued_at: Timestamp::from_micros(issued_at),
        }))
    }

    pub(crate) async fn find(&self, id: i64) -> Result<Option<User>, Error> {
        let row: Option<UserRow> = on_read!(&self.database, pool => {
            sqlx::query_as(
                "select id, name, email, phone, role, status from users where id = $1 and deleted_at is null",
            )
            .bind(id)
            .fetch_optional(pool)
            .await
        })?;
        Ok(row.map(user))
    }

    /// The user with this address (in lower case), and what proves that it is them.
    pub(crate) async fn find_by_email(
        &self,
        email_key: &str,
    ) -> Result<Option<(User, Secret)>, Error> {
        let row: Option<SecretRow> = on_read!(&self.database, pool => {
            sqlx::query_as(
                "select id, name, email, phone, role, status, password_hash, password_changed_at from users where email_key = $1",
            )
            .bind(email_key)
            .fetch_optional(pool)
            .await
        })?;
        Ok(row.map(with_secret))
    }

    /// The address of a user, as it is compared: tries of their password are counted under it.
    pub(crate) async fn account_of(&self, id: i64) -> Result<Option<String>, Error> {
        let key: Option<String> = on_read!(&self.database, pool => {
            sqlx::query_scalar("select email_key from users where id = $1 and deleted_at is null")
                .bind(id)
                .fetch_optional(pool)
                .await
        })?;
        Ok(key)
    }

    /// A user, and what proves that it is them.
    pub(crate) async fn find_with_secret(&self, id: i64) -> Result<Option<(User, Secret)>, Error> {
        let row: Option<SecretRow> = on_read!(&self.database, pool => {
            sqlx::query_as(
                "select id, name, email, phone, role, status, password_hash, password_changed_at from users
                 where id = $1 and deleted_at is null",
            )
            .bind(id)
            .fetch_optional(pool)
            .await
        })?;
        Ok(row.map(with_secret))
    }

    /// Changes a user, unless they were deleted meanwhile.
    pub(crate) async fn change(
        &self,
        id: i64,
        change: &Change,
        act: &Act,
    ) -> Result<Option<User>, Error> {
        in_transaction!(&self.database, tx => {
            write_act!(tx, act);
            let row: Option<UserRow> = sqlx::query_as(
                "update users set name = coalesce($2, name), phone = coalesce($3, phone), phone_key = coalesce($5, phone_key), updated_at = $4
                 where id = $1 and deleted_at is null
                 returning id, name, email, phone, role, status",
            )
            .bind(id)
            .bind(change.name.as_deref())
            .bind(change.phone.as_deref())
            .bind(act.at.micros())
            .bind(change.phone.as_deref().map(phone_key))
            .fetch_optional(&mut *tx)
            .await?;
            Ok::<_, Error>(row.map(user))
        })
    }

    /// Changes a password, if it is still the one that was checked, and ends every session but the one with the id `but`.
    pub(crate) async fn change_password(
        &self,
        id: i64,
        checked: &Secret,
        new_hash: &str,
        but: &str,
        (end, act): (End, &Act),
    ) -> Result<Option<EndedSessions>, Error> {
        in_transaction!(&self.database, tx => {
            let changed = sqlx::query(
                "update users
                 set password_hash = $3, updated_at = $4,
                     password_changed_at = case when password_changed_at >= $4 then password_changed_at + 1 else $4 end
                 where id = $1 and password_changed_at = $2 and deleted_at is null",
            )
            .bind(id)
            .bind(checked.changed_at)
            .bind(new_hash)
            .bind(end.at.micros())
            .execute(&mut *tx)
            .await?
            .rows_affected();
            if changed == 0 {
                return Ok(None);
            }
            write_act!(tx, act);
            Ok::<_, Error>(sessions::end_sessions!(tx, id, but, end))
        })
    }

    /// Replaces the hash of a password by one of the same password, if it is still the one that was read.
    pub(crate) async fn replace_password_hash(
        &self,
        id: i64,
        old: &str,
        new: &str,
    ) -> Result<(), Error> {
        in_transaction!(&self.database, tx => {
            sqlx::query("update users set password_hash = $3 where id = $1 and password_hash = $2")
                .bind(id)
                .bind(old)
                .bind(new)
                .execute(&mut *tx)
                .await
                .map(|_| ())
                .map_err(Error::from)
        })
    }

    /// Deletes a user: forgets who it was, revokes every token, and puts the closure of the wallets into the outbox.
    /// `false` if there is no such user. The last administrator who can log in is not deleted, unless nobody asked (`act` is the service's):
    /// then the ledger knows that they were.
    pub(crate) async fn delete(
        &self,
        id: i64,
        by: UserId,
        expires_at: i64,
        act: &Act,
    ) -> Result<bool, Error> {
        let at = act.at;
        in_transaction!(&self.database, tx => {
            if act.actor != Actor::Service {
                administration::keep_an_admin!(tx, id);
            }
            let deleted = sqlx::query(
                "update users
                 set name = $2, email = '', email_key = null, phone = '', phone_key = null, password_hash = '', updated_at = $3, deleted_at = $3
                 where id = $1 and deleted_at is null",
            )
            .bind(id)
            .bind(DELETED_NAME)
            .bind(at.micros())
            .execute(&mut *tx)
            .await?
            .rows_affected();
            if deleted == 0 {
                return Ok(false);
            }
            sqlx::query("update idempotency set user_json = null where user_id = $1")
                .bind(id)
                .execute(&mut *tx)
                .await?;
            for forget in [
                "delete from sessions where user_id = $1",
                "delete from admin_passwords where user_id = $1",
            ] {
                sqlx::query(forget).bind(id).execute(&mut *tx).await?;
            }
            sqlx::query("insert into closures (user_id, requested_at, asked_by) values ($1, $2, $3)")
                .bind(id)
                .bind(at.micros())
                .bind(by.0)
                .execute(&mut *tx)
                .await?;
            write_act!(tx, act);
            feed::append_revocation!(tx, "user", id.to_string(), expires_at);
            Ok::<_, Error>(true)
        })
    }
}

impl NewUser<'_> {
    fn user(&self, id: i64) -> User {
        User {
            id,
            name: self.name.to_owned(),
            email: self.email.to_owned(),
            phone: self.phone.to_owned(),
            role: self.role,
            status: UserStatus::Active,
        }
    }
}
