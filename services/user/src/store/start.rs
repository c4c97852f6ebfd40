//! The rows of a first start: demo users and the administrator. Each may be done by several replicas at once.

use clock::Timestamp;
use store::{Database, in_transaction, on_read, sqlx};

use super::audit::write_act;
use super::{End, NewUser, Secret, Store, role_word, sessions};
use crate::audit::Act;
use crate::domain::phone_key;
use crate::error::Error;

macro_rules! insert_admin_password {
    ($tx:ident, $id:expr, $at:expr, $hash:expr) => {
        sqlx::query(
            "insert into admin_passwords (user_id, set_at, password_hash) values ($1, $2, $3) on conflict do nothing",
        )
        .bind($id)
        .bind($at.micros())
        .bind($hash)
        .execute(&mut *$tx)
        .await?
    };
}

impl Store {
    /// Returns whether nobody has ever registered.
    pub(crate) async fn is_empty(&self) -> Result<bool, Error> {
        let any: Option<i64> = on_read!(&self.database, pool => {
            sqlx::query_scalar("select id from users order by id limit 1").fetch_optional(pool).await
        })?;
        Ok(any.is_none())
    }

    /// Adds users under the ids 1, 2, 3, …; an id or an address that is there already stays as it is.
    pub(crate) async fn add_first_users(&self, users: &[NewUser<'_>]) -> Result<(), Error> {
        // PostgreSQL counts ids apart from the table: first they are put out of the way, then they are used.
        if let Database::Postgres(pool) = &self.database {
            let mut session = pool.lend().await?;
            sqlx::query(
                "select setval(pg_get_serial_sequence('users', 'id'), greatest($1, (select last_value from users_id_seq)))",
            )
            .bind(i64::try_from(users.len()).unwrap_or(i64::MAX))
            .execute(&mut *session)
            .await?;
            session.commit().await?;
        }
        in_transaction!(&self.database, tx => {
            for (id, user) in (1_i64..).zip(users) {
                sqlx::query(
                    "insert into users (id, name, email, email_key, phone, password_hash, role, created_at, updated_at, phone_key)
                     values ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)
                     on conflict do nothing",
                )
                .bind(id)
                .bind(user.name)
                .bind(user.email)
                .bind(user.email_key)
                .bind(user.phone)
                .bind(user.password_hash)
                .bind(role_word(user.role))
                .bind(user.at.micros())
                .bind(phone_key(user.phone))
                .execute(&mut *tx)
                .await?;
            }
            Ok::<_, Error>(())
        })
    }

    /// Makes sure that an administrator has this address. Somebody who has it but is none becomes one, with the new
    /// password and without any of their sessions: addresses are not proved, so it may have been registered by anyone.
    pub(crate) async fn ensure_admin(
        &self,
        admin: &NewUser<'_>,
        end: End,
        act: impl Fn(i64) -> Act,
    ) -> Result<Option<Act>, Error> {
        in_transaction!(&self.database, tx => {
            let id: Option<i64> = sqlx::query_scalar(
                "insert into users (name, email, email_key, phone, password_hash, role, created_at, updated_at, password_changed_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $7, $7)
                 on conflict (email_key) do update
                 set role = excluded.role, password_hash = excluded.password_hash, updated_at = excluded.updated_at,
                     password_changed_at = excluded.password_changed_at, status = 'active'
                 where users.role <> excluded.role
                 returning id",
            )
            .bind(admin.name)
            .bind(admin.email)
            .bind(admin.email_key)
            .bind(admin.phone)
            .bind(admin.password_hash)
            .bind(role_word(admin.role))
            .bind(admin.at.micros())
            .fetch_optional(&mut *tx)
            .await?;
            // Another replica was first.
            let Some(id) = id else {
                return Ok(None);
            };
            insert_admin_password!(tx, id, admin.at, admin.password_hash);
            let act = act(id);
            write_act!(tx, &act);
            let _ = sessions::end_sessions!(tx, id, sessions::NONE, end);
            Ok::<_, Error>(Some(act))
        })
    }

    /// The hashes of what ADMIN_PASSWORD was for this administrator, the newest first, at most `limit`.
    pub(crate) async fn admin_passwords(&self, id: i64, limit: i64) -> Result<Vec<String>, Error> {
        let hashes = on_read!(&self.database, pool => {
            sqlx::query_scalar("select password_hash from admin_passwords where user_id = $1 order by set_at desc limit $2")
                .bind(id)
                .bind(limit)
                .fetch_all(pool)
                .await
        })?;
        Ok(hashes)
    }

    /// Notes the hash of an ADMIN_PASSWORD that is in force already.
    pub(crate) async fn note_admin_password(
        &self,
        id: i64,
        hash: &str,
        at: Timestamp,
    ) -> Result<(), Error> {
        in_transaction!(&self.database, tx => {
            insert_admin_password!(tx, id, at, hash);
            Ok::<_, Error>(())
        })
    }

    /// Gives an administrator the password of a new ADMIN_PASSWORD, and ends all their sessions, unless the password changed since it was
    /// looked at.
    pub(crate) async fn replace_admin_password(
        &self,
        id: i64,
        seen: &Secret,
        hash: &str,
        (end, act): (End, &Act),
    ) -> Result<bool, Error> {
        in_transaction!(&self.database, tx => {
            let changed = sqlx::query(
                "update users
                 set password_hash = $3, updated_at = $4,
                     password_changed_at = case when password_changed_at >= $4 then password_changed_at + 1 else $4 end
                 where id = $1 and password_changed_at = $2 and deleted_at is null",
            )
            .bind(id)
            .bind(seen.changed_at)
            .bind(hash)
            .bind(end.at.micros())
            .execute(&mut *tx)
            .await?
            .rows_affected();
            if changed == 0 {
                return Ok(false);
            }
            insert_admin_password!(tx, id, end.at, hash);
            write_act!(tx, act);
            let _ = sessions::end_sessions!(tx, id, sessions::NONE, end);
            Ok::<_, Error>(true)
        })
    }
}
