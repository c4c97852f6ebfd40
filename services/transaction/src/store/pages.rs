//! Pages of history. What is asked for at the same moment is read at once.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use api_error::ApiError;
use futures_util::future::{try_join, try_join_all};
use ledger_api::Kinds;
use store::sqlx::sqlite::SqlitePool;
use store::sqlx::{self, FromRow as _, Row as _};
use store::{Database, PostgresPool, Together, on_postgres};

use super::versions::{Version, of_user, version_of};
use super::{Cursor, Row, columns, movement};
use crate::domain::Movement;

/// Pages that are read at once at most; a page has at most [`http_server::Page::LIMIT_MAX`] rows.
const TOGETHER_MAX: usize = 32;

/// Whose page, where it begins, and how long it is at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) user_id: i64,
    /// Only what this one of the user's wallets went through; without it, what all of them did.
    pub(crate) wallet_id: Option<i64>,
    pub(crate) after: Cursor,
    pub(crate) limit: i64,
}

/// What is at a place.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The newest first.
    pub(crate) rows: Vec<Movement>,
    /// The version of the user's history that the rows are of, or one before it; unknown where there is no row.
    pub(crate) version: Option<Version>,
}

/// Some pages.
type Read = HashMap<Place, Arc<Found>>;

/// Reads pages. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pages(Together<Place, Arc<Found>>);

impl Pages {
    /// Pages of the history in this database, which has these kinds.
    pub(crate) fn new(database: Database, kinds: &'static Kinds) -> Pages {
        Pages(Together::new(TOGETHER_MAX, move |places| {
            let database = database.clone();
            async move {
                match &database {
                    Database::Postgres(pool) => from_postgres(pool, places, kinds).await,
                    Database::Sqlite(pools) => {
                        pools.noted(from_sqlite(&pools.read, places, kinds).await)
                    }
                }
            }
        }))
    }

    /// What is at this place.
    pub(crate) async fn read(&self, place: Place) -> Result<Arc<Found>, ApiError> {
        // Why not is logged where it is read.
        let page = self.0.get(place).await;
        let page = page.map_err(ApiError::from)?;
        Ok(page.unwrap_or_default())
    }
}

/// The places, with their number in the arrays, and beside each the version of the user's history: one statement sees one state.
macro_rules! places {
    () => {
        concat!(
            "select h.*, v.n, t.version
            from unnest($1::int8[], $2::int8[], $3::int8[], $4::int8[], $5::int8[]) with ordinality
                v (user_id, wallet_id, created_at, id, rows, n),
            lateral (",
            version_of!("v.user_id"),
            ") t, "
        )
    };
}

/// Pages of wallets.
const OF_WALLETS: &str = concat!(
    places!(),
    "lateral (select ",
    columns!(),
    " from history where wallet_id = v.wallet_id and (created_at, id) < (v.created_at, v.id)
    order by created_at desc, id desc limit v.rows) h"
);

/// Pages of users: of what each of their wallets has, the newest.
const OF_USERS: &str = concat!(
    places!(),
    "lateral (select p.* from wallets w, lateral (select ",
    columns!(),
    " from history where wallet_id = w.wallet_id and (created_at, id) < (v.created_at, v.id)
        order by created_at desc, id desc limit v.rows) p
    where w.user_id = v.user_id order by p.created_at desc, p.id desc limit v.rows) h"
);

async fn from_postgres(
    pool: &PostgresPool,
    places: Vec<Place>,
    kinds: &Kinds,
) -> sqlx::Result<Read> {
    let (of_wallets, of_users) = places
        .into_iter()
        .partition(|place| place.wallet_id.is_some());
    let (mut pages, more) = try_join(
        many(pool, OF_USERS, of_users, kinds),
        many(pool, OF_WALLETS, of_wallets, kinds),
    )
    .await?;
    pages.extend(more);
    Ok(pages)
}

async fn many(
    pool: &PostgresPool,
    sql: &'static str,
    places: Vec<Place>,
    kinds: &Kinds,
) -> sqlx::Result<Read> {
    if places.is_empty() {
        return Ok(Read::new());
    }
    let column = |field: fn(&Place) -> i64| places.iter().map(field).collect::<Vec<_>>();
    let wallets: Vec<_> = places.iter().map(|place| place.wallet_id).collect();
    let rows = on_postgres!(pool, connection => {
        sqlx::query(sql)
            .bind(column(|place| place.user_id))
            .bind(&wallets)
            .bind(column(|place| place.after.created_at))
            .bind(column(|place| place.after.side))
            .bind(column(|place| place.limit))
            .fetch_all(connection)
            .await
    })?;
    let mut pages: Vec<Found> = places.iter().map(|_| Found::default()).collect();
    for row in rows {
        let number: i64 = row.try_get("n")?;
        let index = usize::try_from(number.saturating_sub(1)).ok();
        let page = index.and_then(|index| pages.get_mut(index));
        let page = page.ok_or(sqlx::Error::RowNotFound)?;
        page.rows.push(movement(Row::from_row(&row)?, kinds)?);
        page.version = row.try_get::<Option<i64>, _>("version")?.map(Version);
    }
    let pages = places.into_iter().zip(pages);
    let sorted = pages.map(|(place, mut page)| {
        // They come in order, but nobody promises that they do.
        newest_first(&mut page.rows);
        (place, Arc::new(page))
    });
    Ok(sorted.collect())
}

const OF_WALLET: &str = concat!(
    "select ",
    columns!(),
    " from history where wallet_id = $1 and (created_at, id) < ($2, $3) order by created_at desc, id desc limit $4"
);

const WALLETS: &str = "select wallet_id from wallets where user_id = $1";

/// Its queries have no way to go: one for each page, one beside the other.
async fn from_sqlite(pool: &SqlitePool, places: Vec<Place>, kinds: &Kinds) -> sqlx::Result<Read> {
    let one = async |place: Place| -> sqlx::Result<(Place, Arc<Found>)> {
        // Before the rows: they may then be newer than it, and never older.
        let version = of_user(pool, place.user_id).await?;
        let wallets: Vec<i64> = match place.wallet_id {
            Some(id) => vec![id],
            None => {
                let wallets = sqlx::query_scalar(WALLETS).bind(place.user_id);
                wallets.fetch_all(pool).await?
            }
        };
        let mut rows = Vec::new();
        for wallet in wallets {
            let of_wallet: Vec<Row> = sqlx::query_as(OF_WALLET)
                .bind(wallet)
                .bind(place.after.created_at)
                .bind(place.after.side)
                .bind(place.limit)
                .fetch_all(pool)
                .await?;
            for row in of_wallet {
                rows.push(movement(row, kinds)?);
            }
        }
        newest_first(&mut rows);
        rows.truncate(usize::try_from(place.limit).unwrap_or_default());
        Ok((place, Arc::new(Found { rows, version })))
    };
    let pages = try_join_all(places.into_iter().map(one)).await?;
    Ok(pages.into_iter().collect())
}

fn newest_first(page: &mut [Movement]) {
    page.sort_unstable_by_key(|row| Reverse((row.created_at, row.side)));
}
