//! The rows of a first start: demo users and the administrator. Each may be done by several replicas at once.

use store::{Database, in_transaction, on_read, sqlx};

use super::{NewUser, Store, role_word};
use crate::error::Error;

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
                    "insert into users (id, name, email, email_key, phone, password_hash, role, created_at, updated_at)
                     values ($1, $2, $3, $4, $5, $6, $7, $8, $8)
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
                .execute(&mut *tx)
                .await?;
            }
            Ok::<_, Error>(())
        })
    }

    /// Makes sure that an administrator has this address. Somebody who has it but is none becomes one, with the new
    /// password: addresses are not proved, so it may have been registered by anyone.
    pub(crate) async fn ensure_admin(&self, admin: &NewUser<'_>) -> Result<(), Error> {
        in_transaction!(&self.database, tx => {
            sqlx::query(
                "insert into users (name, email, email_key, phone, password_hash, role, created_at, updated_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $7)
                 on conflict (email_key) do update
                 set role = excluded.role, password_hash = excluded.password_hash, updated_at = excluded.updated_at
                 where users.role <> excluded.role",
            )
            .bind(admin.name)
            .bind(admin.email)
            .bind(admin.email_key)
            .bind(admin.phone)
            .bind(admin.password_hash)
            .bind(role_word(admin.role))
            .bind(admin.at.micros())
            .execute(&mut *tx)
            .await
            .map(|_| ())
                .map_err(Error::from)
        })
    }

    /// Returns whether somebody with this address is an administrator.
    pub(crate) async fn is_admin(&self, email_key: &str) -> Result<bool, Error> {
        let found: Option<i64> = on_read!(&self.database, pool => {
            sqlx::query_scalar("select id from users where email_key = $1 and role = 'admin'")
                .bind(email_key)
                .fetch_optional(pool)
                .await
        })?;
        Ok(found.is_some())
    }
}
