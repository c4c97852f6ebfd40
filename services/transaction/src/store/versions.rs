//! The version of a user's history: how many entries it has. Rows are never changed, and each new one, of the log or recorded, is
//! counted in its user's totals in the transaction that adds it. So while the number is the same, every list of the user's is.

use std::collections::HashMap;

use api_error::ApiError;
use futures_util::future::try_join_all;
use store::sqlx;
use store::sqlx::sqlite::SqlitePool;
use store::{Database, Together, on_read};

/// Users whose versions are read at once at most.
const TOGETHER_MAX: usize = 512;

/// How many entries there are of all currencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version(pub(super) i64);

/// The version of one user as a query; null where there is no entry.
macro_rules! version_of {
    ($user:literal) => {
        concat!(
            "select cast(sum(entries) as bigint) as version from totals where user_id = ",
            $user
        )
    };
}
pub(super) use version_of;

/// Reads versions. What is asked for at the same moment is read at once. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Versions(Together<i64, Version>);

impl Versions {
    /// Versions of the histories in this database.
    pub(crate) fn new(database: Database) -> Versions {
        Versions(Together::new(TOGETHER_MAX, move |users| {
            let database = database.clone();
            async move {
                let versions = on_read!(
                    &database,
                    postgres pool => sqlx::query_as(OF_USERS).bind(&users).fetch_all(pool).await,
                    sqlite pool => of_each(pool, &users).await
                )?;
                let known = versions.into_iter();
                let known = known.filter_map(|(user, version)| Some((user, Version(version?))));
                Ok::<HashMap<_, _>, sqlx::Error>(known.collect())
            }
        }))
    }

    /// The version of this user's history; `None` where there is no entry.
    pub(crate) async fn read(&self, user_id: i64) -> Result<Option<Version>, ApiError> {
        // Why not is logged where it is read.
        let version = self.0.get(user_id).await;
        version.map_err(ApiError::from)
    }
}

const OF_USERS: &str = concat!(
    "select v.user_id, t.version from unnest($1::int8[]) v (user_id), lateral (",
    version_of!("v.user_id"),
    ") t"
);

/// SQLite's queries have no way to go: one for each user, one beside the other.
async fn of_each(pool: &SqlitePool, users: &[i64]) -> sqlx::Result<Vec<(i64, Option<i64>)>> {
    let one = async |user: i64| {
        let version = of_user(pool, user).await?;
        Ok((user, version.map(|Version(entries)| entries)))
    };
    try_join_all(users.iter().copied().map(one)).await
}

/// The version of one user on SQLite.
pub(super) async fn of_user(pool: &SqlitePool, user_id: i64) -> sqlx::Result<Option<Version>> {
    let version = sqlx::query_scalar(version_of!("$1")).bind(user_id);
    let entries: Option<i64> = version.fetch_one(pool).await?;
    Ok(entries.map(Version))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, and says where"
)]
mod tests {
    use clock::Timestamp;
    use ledger_api::{Actor, Entry, Event, Kind, Leg, Posting};
    use money::{Amount, Currency};
    use store::on_read;
    use testing::every_database;
    use wallet_api::{KINDS, PAYMENT, TOPUP, TRANSFER, WITHDRAWAL};

    use super::*;
    use crate::STEPS;
    use crate::domain::{Batch, Wallet};
    use crate::store::{Cursor, Key, Pages, Place, Recorded, Store};
    use crate::wire::NewRecord;

    /// Wallets with the number, the user and the currency.
    const WALLETS: [(i64, i64, &str); 4] =
        [(1, 1, "IDR"), (2, 1, "USD"), (3, 1, "IDR"), (4, 2, "IDR")];

    /// Postings from one to the other. What is below zero is no wallet.
    const POSTINGS: [(Kind, i64, i64); 6] = [
        (TOPUP, -1, 1),
        (PAYMENT, 1, -2),
        (TOPUP, -1, 2),
        // Between two wallets of one user it is two rows of that user.
        (TRANSFER, 1, 3),
        (TRANSFER, 3, 4),
        (WITHDRAWAL, 4, -3),
    ];

    fn log() -> Vec<Entry> {
        let opened = WALLETS.map(|(wallet_id, user_id, code)| Event::WalletOpened {
            wallet_id,
            user_id,
            currency: code.parse().unwrap(),
        });
        let moved = POSTINGS.map(|(kind, from, to)| {
            let wallet = |account| WALLETS.into_iter().find(|wallet| wallet.0 == account);
            let leg = |account| Leg {
                account,
                user_id: wallet(account).map(|wallet| wallet.1),
                balance: 7,
            };
            let own = wallet(from).or(wallet(to)).unwrap();
            Event::Posted(Posting {
                kind: kind.code,
                debit: leg(from),
                credit: leg(to),
                amount: Amount::new(3).unwrap(),
                currency: own.2.parse().unwrap(),
                number: None,
                by: Actor::User(own.1),
                draws_on: None,
                group: None,
                expires_at: None,
                note: None,
            })
        });
        let events = opened.into_iter().chain(moved).zip(1..);
        let entries = events.map(|(event, seq)| Entry {
            seq,
            at: seq,
            event,
        });
        entries.collect()
    }

    async fn store_on(database: &testing::TestDatabase) -> (Database, Store) {
        let config = database.config("transaction");
        let database = Database::open(&config).await.unwrap();
        database.migrate(&config, STEPS).await.unwrap();
        (database.clone(), Store::new(database, &KINDS))
    }

    /// Every version is the number of rows, as those who read only versions see it, and as those see it who read a page.
    async fn assert_counts_rows(database: &Database) {
        let (versions, pages) = (
            Versions::new(database.clone()),
            Pages::new(database.clone(), &KINDS),
        );
        for user_id in [1, 2, 3] {
            let sql = "select count(*) from history where user_id = $1";
            let rows: i64 = on_read!(database, pool => {
                sqlx::query_scalar(sql).bind(user_id).fetch_one(pool).await
            })
            .unwrap();
            let expected = (rows > 0).then_some(Version(rows));
            assert_eq!(versions.read(user_id).await.unwrap(), expected);
            let page = pages.read(Place {
                user_id,
                wallet_id: None,
                after: Cursor::NEWEST,
                limit: 1,
            });
            assert_eq!(page.await.unwrap().version, expected);
        }
    }

    fn at(seq: i64) -> feed_follower::Position {
        feed_follower::Position {
            seq,
            ..feed_follower::Position::default()
        }
    }

    #[tokio::test]
    async fn the_version_counts_every_row_of_the_log_and_every_record() {
        for database in every_database().await {
            let (database, store) = store_on(&database).await;
            let log = log();
            // One after the other, and several at once.
            for entries in log[..8].chunks(1).chain([&log[8..]]) {
                let (first, last) = (entries.first().unwrap(), entries.last().unwrap());
                let batch = Batch::after(0, entries, &KINDS).unwrap();
                assert!(
                    store
                        .append(first.seq - 1, &at(last.seq), &batch)
                        .await
                        .unwrap()
                );
                assert_counts_rows(&database).await;
            }
            let version = Versions::new(database.clone()).read(1).await.unwrap();
            assert_eq!(version, Some(Version(6)));

            let wallet = Wallet {
                wallet_id: 2,
                user_id: 1,
                currency: "USD".parse::<Currency>().unwrap(),
            };
            let record = NewRecord {
                wallet_id: 2,
                kind: KINDS.get(TOPUP.code).unwrap(),
                amount: Amount::new(5).unwrap(),
                description: "Old counter".to_owned(),
            };
            let key = Key {
                service: "test".to_owned(),
                key: "k".to_owned(),
            };
            let at = Timestamp::from_micros(1);
            for repeated in [false, true] {
                let recorded = store
                    .record(&record, &wallet, Some(&key), at)
                    .await
                    .unwrap();
                assert_eq!(matches!(recorded, Recorded::Before(_)), repeated);
                assert_counts_rows(&database).await;
            }
            let version = Versions::new(database).read(1).await.unwrap();
            assert_eq!(version, Some(Version(7)));
        }
    }

    #[tokio::test]
    async fn many_who_ask_at_once_get_their_own() {
        for database in every_database().await {
            let (database, store) = store_on(&database).await;
            let log = log();
            assert!(
                store
                    .append(0, &at(10), &Batch::after(0, &log, &KINDS).unwrap())
                    .await
                    .unwrap()
            );
            let versions = Versions::new(database);
            let asked = (0..1000_i64).map(|count| versions.read(count % 4));
            let answers = try_join_all(asked).await.unwrap();
            let expected = [None, Some(Version(6)), Some(Version(2)), None];
            for (answer, expected) in answers.iter().zip(expected.iter().cycle()) {
                assert_eq!(answer, expected);
            }
        }
    }
}
