//! Pages of history. What is asked for at the same moment is read at once.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use api_error::ApiError;
use futures_util::future::{try_join, try_join_all};
use store::sqlx::postgres::PgPool;
use store::sqlx::sqlite::SqlitePool;
use store::sqlx::{self, FromRow as _, Row as _};
use store::{Database, Together};

use super::{Cursor, Row, columns, movement};
use crate::domain::Movement;

/// Pages that are read at once at most; a page has at most [`http_server::Page::LIMIT_MAX`] rows.
const TOGETHER_MAX: usize = 32;

/// What a page is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// Everything that a user's wallets went through.
    User(i64),
    /// What one wallet went through.
    Wallet(i64),
}

/// Whose page, where it begins, and how long it is at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) owner: Owner,
    pub(crate) after: Cursor,
    pub(crate) limit: i64,
}

/// Some pages, each with the newest row first.
type Read = HashMap<Place, Arc<[Movement]>>;

/// Reads pages. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pages(Together<Place, Arc<[Movement]>>);

impl Pages {
    /// Pages of the history in this database.
    pub(crate) fn new(database: Database) -> Pages {
        Pages(Together::new(TOGETHER_MAX, move |places| {
            let database = database.clone();
            async move {
                match &database {
                    Database::Postgres(pool) => from_postgres(pool, places).await,
                    Database::Sqlite(pools) => from_sqlite(&pools.read, places).await,
                }
            }
        }))
    }

    /// The rows at this place, the newest first.
    pub(crate) async fn read(&self, place: Place) -> Result<Arc<[Movement]>, ApiError> {
        // Why not is logged where it is read.
        let page = self.0.get(place).await;
        let page = page.map_err(|_| ApiError::unavailable("The database does not answer"))?;
        Ok(page.unwrap_or_default())
    }
}

/// Pages of wallets, with the number of the place in the arrays.
const OF_WALLETS: &str = concat!(
    "select h.*, v.n
    from unnest($1::int8[], $2::int8[], $3::int8[], $4::int8[]) with ordinality v (owner, created_at, id, rows, n),
    lateral (select ",
    columns!(),
    " from history where wallet_id = v.owner and (created_at, id) < (v.created_at, v.id)
    order by created_at desc, id desc limit v.rows) h"
);

/// Pages of users: of what each of their wallets has, the newest.
const OF_USERS: &str = concat!(
    "select h.*, v.n
    from unnest($1::int8[], $2::int8[], $3::int8[], $4::int8[]) with ordinality v (owner, created_at, id, rows, n),
    lateral (select p.* from wallets w, lateral (select ",
    columns!(),
    " from history where wallet_id = w.wallet_id and (created_at, id) < (v.created_at, v.id)
        order by created_at desc, id desc limit v.rows) p
    where w.user_id = v.owner order by p.created_at desc, p.id desc limit v.rows) h"
);

async fn from_postgres(pool: &PgPool, places: Vec<Place>) -> sqlx::Result<Read> {
    let (mut of_users, mut of_wallets) = (Vec::new(), Vec::new());
    for place in places {
        match place.owner {
            Owner::User(id) => of_users.push((id, place)),
            Owner::Wallet(id) => of_wallets.push((id, place)),
        }
    }
    let (mut pages, more) = try_join(
        many(pool, OF_USERS, of_users),
        many(pool, OF_WALLETS, of_wallets),
    )
    .await?;
    pages.extend(more);
    Ok(pages)
}

async fn many(pool: &PgPool, sql: &'static str, places: Vec<(i64, Place)>) -> sqlx::Result<Read> {
    if places.is_empty() {
        return Ok(Read::new());
    }
    let column = |field: fn(&(i64, Place)) -> i64| places.iter().map(field).collect::<Vec<_>>();
    let rows = sqlx::query(sql)
        .bind(column(|(owner, _)| *owner))
        .bind(column(|(_, place)| place.after.created_at))
        .bind(column(|(_, place)| place.after.id))
        .bind(column(|(_, place)| place.limit))
        .fetch_all(pool)
        .await?;
    let mut pages: Vec<Vec<Movement>> = vec![Vec::new(); places.len()];
    for row in rows {
        let number: i64 = row.try_get("n")?;
        let index = usize::try_from(number.saturating_sub(1)).ok();
        let page = index.and_then(|index| pages.get_mut(index));
        page.ok_or(sqlx::Error::RowNotFound)?
            .push(movement(Row::from_row(&row)?)?);
    }
    let pages = places.into_iter().zip(pages);
    let sorted = pages.map(|((_, place), mut page)| {
        // They come in order, but nobody promises that they do.
        newest_first(&mut page);
        (place, page.into())
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
async fn from_sqlite(pool: &SqlitePool, places: Vec<Place>) -> sqlx::Result<Read> {
    let one = async |place: Place| -> sqlx::Result<(Place, Arc<[Movement]>)> {
        let wallets: Vec<i64> = match place.owner {
            Owner::Wallet(id) => vec![id],
            Owner::User(id) => {
                let wallets = sqlx::query_scalar(WALLETS).bind(id);
                wallets.fetch_all(pool).await?
            }
        };
        let mut page = Vec::new();
        for wallet in wallets {
            let rows: Vec<Row> = sqlx::query_as(OF_WALLET)
                .bind(wallet)
                .bind(place.after.created_at)
                .bind(place.after.id)
                .bind(place.limit)
                .fetch_all(pool)
                .await?;
            for row in rows {
                page.push(movement(row)?);
            }
        }
        newest_first(&mut page);
        page.truncate(usize::try_from(place.limit).unwrap_or_default());
        Ok((place, page.into()))
    };
    let pages = try_join_all(places.into_iter().map(one)).await?;
    Ok(pages.into_iter().collect())
}

fn newest_first(page: &mut [Movement]) {
    page.sort_unstable_by_key(|row| Reverse((row.created_at, row.id)));
}
