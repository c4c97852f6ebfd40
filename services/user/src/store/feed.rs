//! The streams that others follow: revocations by their number, and the outbox of closures.

use auth::{EndedSessions, RevokedSubject, UserId};
use clock::Timestamp;
use store::{in_transaction, on_read, sqlx};

use super::audit::write_act;
use super::{Store, sessions};
use crate::audit::Act;
use crate::error::Error;

/// Appends a revocation under the next number. It holds the session head until the commit, so it comes last in a transaction.
macro_rules! append_revocation {
    ($tx:ident, $kind:expr, $subject:expr, $expires_at:expr) => {{
        let seq: i64 =
            sqlx::query_scalar("update session_head set seq = seq + 1 where one = 1 returning seq")
                .fetch_one(&mut *$tx)
                .await?;
        sqlx::query(
            "insert into revocations (seq, kind, subject, expires_at) values ($1, $2, $3, $4)",
        )
        .bind(seq)
        .bind($kind)
        .bind($subject)
        .bind($expires_at)
        .execute(&mut *$tx)
        .await?;
    }};
}
pub(super) use append_revocation;

/// Number, kind, subject, and what else each kind has; the end.
type RevokedRow = (i64, String, String, i64, String, i64);

/// Each of the two tables has an index by number, and each part its own limit, so that a page never reads more than two pages.
const REVOKED_AFTER: &str = "
    select * from (
        select seq, kind, subject, cast(0 as bigint) as ended_before, '' as kept, expires_at
        from revocations where seq > $1 and expires_at > $2 order by seq limit $3
    ) as revoked
    union all
    select * from (
        select seq, 'ended' as kind, cast(user_id as text) as subject, ended_before, kept, expires_at
        from session_ends where seq > $1 and expires_at > $2 order by seq limit $3
    ) as ended
    order by 1 limit $3";

/// Revocations by number.
pub(crate) struct Revoked {
    /// In order.
    pub(crate) revocations: Vec<auth::Revocation>,
    /// In order, too.
    pub(crate) ended: Vec<EndedSessions>,
    /// The number of the last one, or the one that was asked for.
    pub(crate) cursor: i64,
}

/// A deleted user of whom the ledger has yet to be told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closure {
    pub(crate) user_id: i64,
    /// When the deletion was.
    pub(crate) since: Timestamp,
    /// Who asked for it: the user, or an administrator. Not known of deletions in an earlier release.
    pub(crate) by: Option<UserId>,
}

impl Store {
    /// Ends a session that is not in the table: its token has no number, or the database was restored from before it began.
    pub(crate) async fn end_unknown_session(
        &self,
        session: &str,
        expires_at: i64,
        act: &Act,
    ) -> Result<(), Error> {
        in_transaction!(&self.database, tx => {
            write_act!(tx, act);
            append_revocation!(tx, "session", session, expires_at);
            Ok::<_, Error>(())
        })
    }

    /// Revocations with a number after `after` that have not expired by `now_s`, at most `limit`. A cursor from the future was
    /// drawn from another history, such as one before a backup was restored: it begins anew.
    pub(crate) async fn revoked_after(
        &self,
        after: i64,
        now_s: i64,
        limit: usize,
    ) -> Result<Revoked, Error> {
        let head: i64 = on_read!(&self.database, pool => {
            sqlx::query_scalar("select seq from session_head where one = 1").fetch_one(pool).await
        })?;
        let after = if after > head { 0 } else { after };
        if after == head {
            return Ok(Revoked {
                revocations: Vec::new(),
                ended: Vec::new(),
                cursor: head,
            });
        }
        let rows: Vec<RevokedRow> = on_read!(&self.database, pool => {
            sqlx::query_as(REVOKED_AFTER)
            .bind(after)
            .bind(now_s)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(pool)
            .await
        })?;
        let last = rows.last().map_or(after, |(seq, ..)| *seq);
        // The page has all there is: what lies between its end and the head has expired.
        let is_all = rows.len() < limit;
        let cursor = if is_all { last.max(head) } else { last };
        let mut revoked = Revoked {
            revocations: Vec::new(),
            ended: Vec::new(),
            cursor,
        };
        for (_, kind, subject, before, kept, expires_at) in rows {
            let user_id = subject.parse().ok();
            let subject = match (kind.as_str(), user_id) {
                ("ended", Some(user_id)) => {
                    let ended = sessions::read(user_id, before, &kept, expires_at);
                    revoked.ended.push(ended);
                    continue;
                }
                ("user", Some(user_id)) => RevokedSubject::User(UserId(user_id)),
                _ => RevokedSubject::Session(subject),
            };
            revoked.revocations.push(auth::Revocation {
                subject,
                expires_at,
            });
        }
        Ok(revoked)
    }

    /// Forgets the revocations and the sessions that have expired by `now_s`. Returns how many.
    pub(crate) async fn prune_sessions(&self, now_s: i64) -> Result<u64, Error> {
        in_transaction!(&self.database, tx => {
            let mut pruned = 0_u64;
            for prune in [
                "delete from sessions where expires_at <= $1",
                "delete from session_ends where expires_at <= $1",
                "delete from revocations where expires_at <= $1",
            ] {
                let done = sqlx::query(prune).bind(now_s).execute(&mut *tx).await?;
                pruned = pruned.saturating_add(done.rows_affected());
            }
            Ok::<_, Error>(pruned)
        })
    }

    /// Deleted users with an id after `after` of whom the ledger has yet to be told.
    pub(crate) async fn closures(&self, after: i64, limit: i64) -> Result<Vec<Closure>, Error> {
        let rows: Vec<(i64, i64, Option<i64>)> = on_read!(&self.database, pool => {
            sqlx::query_as(
                "select user_id, requested_at, asked_by from closures where user_id > $1 order by user_id limit $2",
            )
            .bind(after)
            .bind(limit)
            .fetch_all(pool)
            .await
        })?;
        let closures = rows.into_iter().map(|(user_id, at, by)| Closure {
            user_id,
            since: Timestamp::from_micros(at),
            by: by.map(UserId),
        });
        Ok(closures.collect())
    }

    /// The ledger has acknowledged.
    pub(crate) async fn closure_done(&self, user_id: i64) -> Result<(), Error> {
        in_transaction!(&self.database, tx => {
            sqlx::query("delete from closures where user_id = $1")
                .bind(user_id)
                .execute(&mut *tx)
                .await
                .map(|_| ())
                .map_err(Error::from)
        })
    }
}
