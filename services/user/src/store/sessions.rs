//! Sessions: those that go on, and one row for each user that says which are over.
//!
//! What must hold: whoever begins or ends a session of a user holds that user's row first, so that two who do it at once come one after
//! the other; and the row of what is over changes in the transaction that takes the session away.

use auth::{EndedSessions, UserId};
use clock::Timestamp;
use store::{in_transaction, on_read, sqlx};

use super::Store;
use super::audit::write_act;
use crate::audit::Act;
use crate::error::Error;

/// The sessions that a user can have at once. One more ends the oldest.
const SESSIONS_PER_USER_MAX: i64 = 100;

/// A session to begin.
pub(crate) struct NewSession<'a> {
    pub(crate) id: &'a str,
    pub(crate) at: Timestamp,
    /// Seconds since 1970.
    pub(crate) expires_at: i64,
    pub(crate) user_agent: Option<&'a str>,
    pub(crate) address: Option<&'a str>,
}

/// A session that goes on.
pub(crate) struct OpenSession {
    pub(crate) id: String,
    pub(crate) created_at: Timestamp,
    /// Seconds since 1970.
    pub(crate) expires_at: i64,
    pub(crate) user_agent: Option<String>,
    pub(crate) address: Option<String>,
}

/// The sessions of a user that are to end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which<'a> {
    All,
    /// All but the one with this id.
    AllBut(&'a str),
    One(&'a str),
}

/// The moment of an end of sessions.
#[derive(Clone, Copy)]
pub(crate) struct End {
    pub(crate) at: Timestamp,
    /// Until when it matters, in seconds since 1970.
    pub(crate) expires_at: i64,
}

/// Gives the next number to a session, or to an end of sessions; `None` where there is no such user. It holds the user's row from here on.
macro_rules! next_session_number {
    ($tx:ident, $user_id:expr, $at:expr) => {
        sqlx::query_scalar::<_, i64>(
            "update users
             set last_session = case when last_session >= $2 then last_session + 1 else $2 end
             where id = $1 and deleted_at is null
             returning last_session",
        )
        .bind($user_id)
        .bind($at.micros())
        .fetch_optional(&mut *$tx)
        .await?
    };
}

/// Keeps the row of a session that begins.
macro_rules! insert_session {
    ($tx:ident, $user_id:expr, $number:expr, $new:expr) => {
        sqlx::query(
            "insert into sessions (user_id, number, id, created_at, expires_at, user_agent, address)
             values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind($user_id)
        .bind($number)
        .bind($new.id)
        .bind($new.at.micros())
        .bind($new.expires_at)
        .bind($new.user_agent)
        .bind($new.address)
        .execute(&mut *$tx)
        .await?
    };
}
pub(super) use insert_session;

/// Writes down that of the sessions before a number only those in the table go on. It holds the session head until the commit, so it comes
/// last in a transaction.
macro_rules! write_end {
    ($tx:ident, $user_id:expr, $before:expr, $end:expr) => {{
        let kept: Vec<i64> = sqlx::query_scalar(
            "select number from sessions where user_id = $1 and number < $2 and expires_at > $3 order by number",
        )
        .bind($user_id)
        .bind($before)
        .bind($end.at.seconds())
        .fetch_all(&mut *$tx)
        .await?;
        let seq: i64 =
            sqlx::query_scalar("update session_head set seq = seq + 1 where one = 1 returning seq")
                .fetch_one(&mut *$tx)
                .await?;
        sqlx::query(
            "insert into session_ends (user_id, seq, ended_before, kept, expires_at) values ($1, $2, $3, $4, $5)
             on conflict (user_id) do update
             set seq = excluded.seq, ended_before = excluded.ended_before, kept = excluded.kept,
                 expires_at = case when session_ends.expires_at > excluded.expires_at
                              then session_ends.expires_at else excluded.expires_at end",
        )
        .bind($user_id)
        .bind(seq)
        .bind($before)
        .bind($crate::store::sessions::written(&kept))
        .bind($end.expires_at)
        .execute(&mut *$tx)
        .await?;
        auth::EndedSessions {
            user_id: auth::UserId($user_id),
            before: $before,
            kept,
            expires_at: $end.expires_at,
        }
    }};
}

/// Ends every session of a user but one, if that is among them.
macro_rules! end_sessions {
    ($tx:ident, $user_id:expr, $but:expr, $end:expr) => {
        match $crate::store::sessions::next_session_number!($tx, $user_id, $end.at) {
            None => None,
            Some(before) => {
                sqlx::query("delete from sessions where user_id = $1 and id <> $2")
                    .bind($user_id)
                    .bind($but)
                    .execute(&mut *$tx)
                    .await?;
                Some($crate::store::sessions::write_end!(
                    $tx, $user_id, before, $end
                ))
            }
        }
    };
}
pub(super) use {end_sessions, next_session_number, write_end};

/// No session has this id.
pub(super) const NONE: &str = "";

impl Store {
    /// Begins a session, if the user is there and the password is still the one that was checked. Returns its number, and what it ended: the
    /// oldest sessions, where there were too many.
    pub(crate) async fn begin_session(
        &self,
        user_id: i64,
        password_changed_at: i64,
        new: &NewSession<'_>,
        end: End,
        act: &Act,
    ) -> Result<Option<(i64, Option<EndedSessions>)>, Error> {
        in_transaction!(&self.database, tx => {
            let Some(number) = next_session_number!(tx, user_id, new.at) else {
                return Ok(None);
            };
            let is_as_checked: Option<i64> = sqlx::query_scalar(
                "select id from users where id = $1 and password_changed_at = $2 and status = 'active'",
            )
            .bind(user_id)
            .bind(password_changed_at)
            .fetch_optional(&mut *tx)
            .await?;
            if is_as_checked.is_none() {
                return Ok(None);
            }
            insert_session!(tx, user_id, number, new);
            write_act!(tx, act);
            let too_old: Option<i64> = sqlx::query_scalar(
                "select number from sessions where user_id = $1 order by number desc limit 1 offset $2",
            )
            .bind(user_id)
            .bind(SESSIONS_PER_USER_MAX)
            .fetch_optional(&mut *tx)
            .await?;
            let ended = match too_old {
                None => None,
                Some(too_old) => {
                    sqlx::query("delete from sessions where user_id = $1 and number <= $2")
                        .bind(user_id)
                        .bind(too_old)
                        .execute(&mut *tx)
                        .await?;
                    Some(write_end!(tx, user_id, number, end))
                }
            };
            Ok::<_, Error>(Some((number, ended)))
        })
    }

    /// Ends sessions of a user. `None` if there is no such user, or no such session.
    pub(crate) async fn end_sessions(
        &self,
        user_id: i64,
        which: Which<'_>,
        end: End,
        act: &Act,
    ) -> Result<Option<EndedSessions>, Error> {
        in_transaction!(&self.database, tx => {
            write_act!(tx, act);
            match which {
                Which::All => Ok(end_sessions!(tx, user_id, NONE, end)),
                Which::AllBut(id) => Ok(end_sessions!(tx, user_id, id, end)),
                Which::One(id) => {
                    let Some(before) = next_session_number!(tx, user_id, end.at) else {
                        return Ok(None);
                    };
                    let there = sqlx::query("delete from sessions where user_id = $1 and id = $2")
                        .bind(user_id)
                        .bind(id)
                        .execute(&mut *tx)
                        .await?
                        .rows_affected();
                    if there == 0 {
                        return Ok(None);
                    }
                    Ok::<_, Error>(Some(write_end!(tx, user_id, before, end)))
                }
            }
        })
    }

    /// The sessions of a user that go on, the newest first.
    pub(crate) async fn open_sessions(
        &self,
        user_id: i64,
        now_s: i64,
    ) -> Result<Vec<OpenSession>, Error> {
        type Row = (String, i64, i64, Option<String>, Option<String>);
        let rows: Vec<Row> = on_read!(&self.database, pool => {
            sqlx::query_as(
                "select id, created_at, expires_at, user_agent, address from sessions
                 where user_id = $1 and expires_at > $2
                 order by number desc limit $3",
            )
            .bind(user_id)
            .bind(now_s)
            .bind(SESSIONS_PER_USER_MAX)
            .fetch_all(pool)
            .await
        })?;
        let open = rows
            .into_iter()
            .map(|(id, at, expires_at, user_agent, address)| OpenSession {
                id,
                created_at: Timestamp::from_micros(at),
                expires_at,
                user_agent,
                address,
            });
        Ok(open.collect())
    }
}

/// The numbers as the column has them.
pub(super) fn written(kept: &[i64]) -> String {
    let numbers: Vec<String> = kept.iter().map(ToString::to_string).collect();
    numbers.join(",")
}

/// What the columns say.
pub(super) fn read(user_id: i64, before: i64, kept: &str, expires_at: i64) -> EndedSessions {
    EndedSessions {
        user_id: UserId(user_id),
        before,
        kept: kept
            .split(',')
            .filter_map(|number| number.parse().ok())
            .collect(),
        expires_at,
    }
}
