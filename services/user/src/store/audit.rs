//! The audit log: rows that are written with what they tell of, read by administrators, and forgotten when they are old.

use clock::Timestamp;
use http_server::Page;
use store::{in_transaction, on_read, sqlx};

use uuid::Uuid;

use super::Store;
use crate::audit::Act;
use crate::error::Error;

/// A row of the audit log.
pub(crate) struct Written {
    pub(crate) id: i64,
    pub(crate) at: Timestamp,
    pub(crate) actor_id: Option<i64>,
    pub(crate) actor_role: String,
    pub(crate) act: String,
    pub(crate) object_kind: String,
    pub(crate) object_id: Option<String>,
    pub(crate) result: String,
    pub(crate) reason: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) trace_id: Option<String>,
}

type Row = (
    i64,
    i64,
    Option<i64>,
    String,
    String,
    String,
    Option<String>,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
);

fn written(row: Row) -> Written {
    let (
        id,
        at,
        actor_id,
        actor_role,
        act,
        object_kind,
        object_id,
        result,
        reason,
        address,
        trace_id,
    ) = row;
    Written {
        id,
        at: Timestamp::from_micros(at),
        actor_id,
        actor_role,
        act,
        object_kind,
        object_id,
        result,
        reason,
        address,
        trace_id,
    }
}

/// The rows that are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditFilter {
    pub(crate) actor_id: Option<i64>,
    pub(crate) act: Option<&'static str>,
    pub(crate) object_kind: Option<String>,
    pub(crate) object_id: Option<String>,
}

/// Writes an act down. One that another service told under its key is there only once.
macro_rules! write_act {
    ($tx:ident, $act:expr) => {
        $crate::store::audit::write_act!($tx, $act, None::<uuid::Uuid>)
    };
    ($tx:ident, $act:expr, $told_key:expr) => {{
        let act: &$crate::audit::Act = $act;
        sqlx::query(
            "insert into audit_log
             (at, actor_id, actor_role, act, object_kind, object_id, result, reason, address, trace_id, told_key)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             on conflict (told_key) do nothing",
        )
        .bind(act.at.micros())
        .bind(act.actor.id())
        .bind(act.actor.role())
        .bind(act.kind.word())
        .bind(act.object_kind)
        .bind(act.object_id.as_deref())
        .bind(act.result())
        .bind(act.reason.as_deref())
        .bind(act.client.address.as_deref())
        .bind(act.client.trace_id.as_deref())
        .bind($told_key)
        .execute(&mut *$tx)
        .await?
    }};
}
pub(super) use write_act;

impl Store {
    /// Writes down an act that changes nothing else here.
    pub(crate) async fn write_act(&self, act: &Act) -> Result<(), Error> {
        in_transaction!(&self.database, tx => {
            write_act!(tx, act);
            Ok::<_, Error>(())
        })
    }

    /// The same for an act of another service; `false` where it was written down before.
    pub(crate) async fn write_told_act(&self, act: &Act, key: Uuid) -> Result<bool, Error> {
        in_transaction!(&self.database, tx => {
            let written = write_act!(tx, act, Some(key));
            Ok::<_, Error>(written.rows_affected() > 0)
        })
    }

    /// Rows, the newest first.
    pub(crate) async fn audit_log(
        &self,
        filter: &AuditFilter,
        page: Page,
    ) -> Result<Vec<Written>, Error> {
        let rows: Vec<Row> = on_read!(&self.database, pool => {
            sqlx::query_as(
                "select id, at, actor_id, actor_role, act, object_kind, object_id, result, reason, address, trace_id
                 from audit_log
                 where id < $1
                   and ($3 is null or actor_id = $3) and ($4 is null or act = $4)
                   and ($5 is null or object_kind = $5) and ($6 is null or object_id = $6)
                 order by id desc limit $2",
            )
            .bind(page.before)
            .bind(page.limit)
            .bind(filter.actor_id)
            .bind(filter.act)
            .bind(filter.object_kind.as_deref())
            .bind(filter.object_id.as_deref())
            .fetch_all(pool)
            .await
        })?;
        Ok(rows.into_iter().map(written).collect())
    }

    /// Forgets what is from before `until`. Returns how many rows that were.
    pub(crate) async fn forget_acts(&self, until: Timestamp) -> Result<u64, Error> {
        in_transaction!(&self.database, tx => {
            sqlx::query("delete from audit_log where at < $1")
                .bind(until.micros())
                .execute(&mut *tx)
                .await
                .map(|done| done.rows_affected())
                .map_err(Error::from)
        })
    }
}
