//! What administrators do with users: search, suspend. And how a recipient is looked up.
//!
//! What must hold: there is always an administrator who can log in. Whoever takes one away holds the row of the ledger first, so that two
//! who take each other away come one after the other.

use auth::EndedSessions;
use http_server::Page;
use store::{in_transaction, on_read, sqlx};

use super::audit::write_act;
use super::sessions::{NONE, end_sessions};
use super::{End, Store, UserRow, user};
use crate::audit::Act;
use crate::domain::{User, UserStatus, phone_key};
use crate::error::Error;

/// Sorts after everything that begins in the same way.
const LAST: char = '\u{10ffff}';

/// The users that are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserFilter {
    /// An id, or how a name, an address or a number begins.
    pub(crate) text: Option<String>,
    pub(crate) status: Option<UserStatus>,
}

/// Fails where a user is the last administrator who can log in.
macro_rules! keep_an_admin {
    ($tx:ident, $id:expr) => {
        let is_admin: Option<i64> =
            sqlx::query_scalar("select id from users where id = $1 and role = 'admin' and status = 'active'")
                .bind($id)
                .fetch_optional(&mut *$tx)
                .await?;
        if is_admin.is_some() {
            sqlx::query("update ledger set lost_up_to = lost_up_to where one = 1")
                .execute(&mut *$tx)
                .await?;
            let other: Option<i64> = sqlx::query_scalar(
                "select id from users where role = 'admin' and status = 'active' and deleted_at is null and id <> $1 limit 1",
            )
            .bind($id)
            .fetch_optional(&mut *$tx)
            .await?;
            if other.is_none() {
                return Err($crate::error::Error::LastAdministrator);
            }
        }
    };
}
pub(super) use keep_an_admin;

/// In PostgreSQL texts have to be compared byte by byte for an index to find how they begin; SQLite does nothing else.
macro_rules! search {
    ($bytes:literal) => {
        concat!(
            "select id, name, email, phone, role, status from users
             where deleted_at is null and id < $1 and ($3 is null or status = $3)
               and ($4 is null or id = $5
                 or (email_key ",
            $bytes,
            " >= $4 and email_key ",
            $bytes,
            " < $6)
                 or (lower(name) ",
            $bytes,
            " >= $4 and lower(name) ",
            $bytes,
            " < $6)
                 or (phone_key ",
            $bytes,
            " >= $7 and phone_key ",
            $bytes,
            " < $8))
             order by id desc limit $2"
        )
    };
}

impl Store {
    /// Users, the newest first.
    pub(crate) async fn list(&self, filter: &UserFilter, page: Page) -> Result<Vec<User>, Error> {
        let text = filter.text.as_deref().map(str::to_lowercase);
        let id = text.as_deref().and_then(|text| text.parse::<i64>().ok());
        let number = text.as_deref().map(phone_key).filter(|key| !key.is_empty());
        let end = |text: &Option<String>| text.as_ref().map(|text| format!("{text}{LAST}"));
        let (text_end, number_end) = (end(&text), end(&number));
        macro_rules! fetch {
            ($sql:expr, $pool:ident) => {
                sqlx::query_as($sql)
                    .bind(page.before)
                    .bind(page.limit)
                    .bind(filter.status.map(UserStatus::word))
                    .bind(text.as_deref())
                    .bind(id)
                    .bind(text_end.as_deref())
                    .bind(number.as_deref())
                    .bind(number_end.as_deref())
                    .fetch_all($pool)
                    .await
            };
        }
        let rows: Vec<UserRow> = on_read!(
            &self.database,
            postgres pool => fetch!(search!("collate \"C\""), pool),
            sqlite pool => fetch!(search!("collate binary"), pool)
        )?;
        Ok(rows.into_iter().map(user).collect())
    }

    /// The active users with this number, at most two.
    pub(crate) async fn find_by_phone(&self, phone: &str) -> Result<Vec<User>, Error> {
        let rows: Vec<UserRow> = on_read!(&self.database, pool => {
            sqlx::query_as(
                "select id, name, email, phone, role, status from users
                 where phone_key = $1 and status = 'active' and deleted_at is null limit 2",
            )
            .bind(phone_key(phone))
            .fetch_all(pool)
            .await
        })?;
        Ok(rows.into_iter().map(user).collect())
    }

    /// Suspends a user and ends every session, or lets them in again. `None` if there is no such user.
    pub(crate) async fn set_status(
        &self,
        id: i64,
        status: UserStatus,
        end: End,
        act: &Act,
    ) -> Result<Option<(User, Option<EndedSessions>)>, Error> {
        in_transaction!(&self.database, tx => {
            if status == UserStatus::Suspended {
                keep_an_admin!(tx, id);
            }
            let row: Option<UserRow> = sqlx::query_as(
                "update users set status = $2, updated_at = $3 where id = $1 and deleted_at is null
                 returning id, name, email, phone, role, status",
            )
            .bind(id)
            .bind(status.word())
            .bind(act.at.micros())
            .fetch_optional(&mut *tx)
            .await?;
            let Some(row) = row else {
                return Ok(None);
            };
            write_act!(tx, act);
            let ended = match status {
                UserStatus::Active => None,
                UserStatus::Suspended => end_sessions!(tx, id, NONE, end),
            };
            Ok::<_, Error>(Some((user(row), ended)))
        })
    }
}
