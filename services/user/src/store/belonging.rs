//! Which ledger the users belong to, and the counter of ids.

use ledger_api::Position;
use store::{Database, in_transaction, on_read, sqlx};
use uuid::Uuid;

use super::Store;
use crate::belonging::Own;
use crate::error::Error;

const OWN: &str = "
    select ledger, seq, mark, lost_up_to, coalesce((select max(id) from users), 0) from ledger where one = 1";

/// The next id is larger than this. The counter of PostgreSQL may stand at a number that it has not given yet.
const RAISE_POSTGRES: &str = "
    select setval('users_id_seq', $1) from users_id_seq where last_value < $1 or (last_value = $1 and not is_called)";

impl Store {
    /// What this database says of itself, at one moment.
    pub(crate) async fn own(&self) -> Result<Own, Error> {
        type Row = (Option<Uuid>, i64, Option<String>, i64, i64);
        let (ledger, seq, mark, lost_up_to, highest): Row = on_read!(&self.database, pool => {
            sqlx::query_as(OWN).fetch_one(pool).await
        })?;
        Ok(Own {
            position: Position { seq, ledger, mark },
            lost_up_to,
            highest,
        })
    }

    /// Keeps where the ledger is now, and which users were given up.
    pub(crate) async fn bind(&self, position: &Position, lost_up_to: i64) -> Result<(), Error> {
        in_transaction!(&self.database, tx => {
            sqlx::query("update ledger set ledger = $1, seq = $2, mark = $3, lost_up_to = $4 where one = 1")
                .bind(position.ledger)
                .bind(position.seq)
                .bind(&position.mark)
                .bind(lost_up_to)
                .execute(&mut *tx)
                .await
                .map(|_| ())
                .map_err(Error::from)
        })
    }

    /// The same for a ledger that has gone on. Another replica may have seen it further on already.
    pub(crate) async fn advance(&self, position: &Position) -> Result<(), Error> {
        in_transaction!(&self.database, tx => {
            sqlx::query("update ledger set ledger = $1, seq = $2, mark = $3 where one = 1 and seq <= $2")
                .bind(position.ledger)
                .bind(position.seq)
                .bind(&position.mark)
                .execute(&mut *tx)
                .await
                .map(|_| ())
                .map_err(Error::from)
        })
    }

    /// Puts every deletion into the outbox again, for a ledger that may not have heard of some. Whom it knows as closed stays so.
    pub(crate) async fn tell_deletions_again(&self) -> Result<(), Error> {
        in_transaction!(&self.database, tx => {
            sqlx::query(
                "insert into closures (user_id, requested_at)
                 select id, deleted_at from users where deleted_at is not null on conflict do nothing",
            )
            .execute(&mut *tx)
            .await
            .map(|_| ())
            .map_err(Error::from)
        })
    }

    /// Sees to it that every id from now on is larger than `known`. Nothing is written where that is so.
    pub(crate) async fn raise_ids_above(&self, known: i64) -> Result<(), Error> {
        match &self.database {
            Database::Postgres(pool) if known > 0 => {
                let mut session = pool.begin().await?;
                sqlx::query(RAISE_POSTGRES)
                    .bind(known)
                    .execute(&mut *session)
                    .await?;
                session.commit().await?;
            }
            Database::Sqlite(pools) if known > 0 => {
                let at: Option<i64> =
                    sqlx::query_scalar("select seq from sqlite_sequence where name = 'users'")
                        .fetch_optional(&pools.read)
                        .await?;
                let sql = match at {
                    Some(at) if at >= known => return Ok(()),
                    Some(_) => "update sqlite_sequence set seq = max(seq, $1) where name = 'users'",
                    None => "insert into sqlite_sequence (name, seq) values ('users', $1)",
                };
                sqlx::query(sql).bind(known).execute(&pools.write).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Which of these ids are of people who are here, and not deleted.
    pub(crate) async fn living(&self, ids: &[i64]) -> Result<Vec<i64>, Error> {
        let living = on_read!(
            &self.database,
            postgres pool => {
                sqlx::query_scalar("select id from users where id = any($1) and deleted_at is null order by id")
                    .bind(ids)
                    .fetch_all(pool)
                    .await
            },
            sqlite pool => {
                sqlx::query_scalar(
                    "select id from users where id in (select value from json_each($1)) and deleted_at is null order by id",
                )
                .bind(serde_json::json!(ids).to_string())
                .fetch_all(pool)
                .await
            }
        )?;
        Ok(living)
    }

    /// Which of these ids nobody here has ever had.
    pub(crate) async fn unknown(&self, ids: &[i64]) -> Result<Vec<i64>, Error> {
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else {
            return Ok(Vec::new());
        };
        let there: Vec<i64> = on_read!(&self.database, pool => {
            sqlx::query_scalar("select id from users where id between $1 and $2 order by id")
                .bind(first)
                .bind(last)
                .fetch_all(pool)
                .await
        })?;
        let is_unknown = |id: &i64| there.binary_search(id).is_err();
        Ok(ids.iter().copied().filter(is_unknown).collect())
    }
}
