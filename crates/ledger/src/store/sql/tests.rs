//! The statements, against both databases.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, and says where"
)]

use store::sqlx::{AssertSqlSafe, Executor as _};
use testing::{TestDatabase, every_database, execute};

use super::*;
use crate::store::STEPS;

async fn migrated(home: &TestDatabase) -> Database {
    let config = home.config("wallet");
    let database = Database::open(&config).await.unwrap();
    database.migrate(&config, STEPS).await.unwrap();
    database
}

#[tokio::test]
async fn a_page_of_the_log_does_not_read_the_rest_of_it() {
    for home in every_database().await {
        let database = migrated(&home).await;
        // SQLite has no other way to put this in order than by its key.
        let Database::Postgres(pool) = &database else {
            continue;
        };
        let mut connection = pool.lend().await.unwrap();
        connection
            .execute(
                "insert into postings select n, 1, 2, 1, 1, 1, 1, gen_random_uuid(), 1
                 from generate_series(1, 20000) n",
            )
            .await
            .unwrap();
        let prepare = format!("prepare page(int8, int8) as {LOG}");
        connection.execute(AssertSqlSafe(prepare)).await.unwrap();
        let plan: Vec<String> =
            sqlx::query_scalar("explain (analyze, costs off, timing off) execute page(100, 50)")
                .persistent(false)
                .fetch_all(&mut *connection)
                .await
                .unwrap();
        let rows = plan.iter().filter_map(|line| {
            let (_, after) = line.split_once("actual rows=")?;
            after.split(' ').next()?.parse::<u64>().ok()
        });
        assert_eq!(rows.max(), Some(50), "{plan:#?}");
    }
}

#[tokio::test]
async fn sums_are_of_one_moment_although_they_are_read_in_parts() {
    for home in every_database().await {
        let database = migrated(&home).await;
        let count = 2 * SUMMED_AT_ONCE + 7;
        // Rupiah and dollars (360 and 840): what wallets hold came in from outside.
        let open = format!(
            "insert into accounts (id, user_id, balance, currency, status)
             with recursive n(id) as (select 1 union all select id + 1 from n where id < {count})
             select id, id, 1000, 360 + 480 * (id % 2), 0 from n
             union all select -1 - c, null, -1000 * (select count(*) from n where id % 2 = c), 360 + 480 * c, 0 from (select 0 as c union all select 1) codes"
        );
        // From the first part to the last, and none of it is anywhere in between.
        let shift = format!(
            "update accounts set balance = balance + case id when 1 then -1 else 1 end where id in (1, {count})"
        );
        let store = SqlStore::new(database.clone());
        execute(&database, &open).await.unwrap();
        let shifting = async {
            for _ in 0..200 {
                execute(&database, &shift).await.unwrap();
            }
        };
        let summing = async {
            for _ in 0..10 {
                let (sums, negative) = store.sums().await.unwrap();
                let sums: Vec<i128> = sums.into_iter().map(|(_, sum)| sum).collect();
                assert_eq!((sums, negative), (vec![0, 0], 0));
            }
        };
        tokio::join!(shifting, summing);
        execute(
            &database,
            "update accounts set balance = balance + 1 where id = 3000",
        )
        .await
        .unwrap();
        assert_eq!(store.sums().await.unwrap().0[0].1, 1);
    }
}
