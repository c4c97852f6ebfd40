//! Numbers for rows that came without. Whoever applies the log gives each row the next number in the statement that adds it. A process
//! of the release before does not, and such processes follow too while an upgrade goes on: what they added gets its numbers here,
//! before anything is applied after it, so the order of numbers stays the order of the log.

use store::{in_transaction, sqlx};

use super::{Error, Store};
use crate::domain::{FIRST_RECORDED_ID, last_side};

/// Entries whose rows get their numbers at once at most. Meanwhile nobody else can apply any.
const ENTRIES_MAX: i64 = 5000;

/// Nobody moves the position while its row is held. What is read after this sees every row up to the position.
const HOLD: &str =
    "update feed_position set numbered = numbered where id = 0 returning seq, numbered";

const NUMBER: &str = "update history set number = numbers.number
    from (
        select h.id, p.last_number + row_number() over (order by h.id) as number
        from history h, feed_position p where h.number is null and h.id > $1 and h.id <= $2
    ) numbers
    where history.id = numbers.id and history.number is null";

const MOVE: &str =
    "update feed_position set numbered = $1, last_number = last_number + $2 where id = 0";

const NUMBER_RECORDED: &str = "update history set number = id where number is null and id >= $1";

impl Store {
    /// Gives the next rows that have none their numbers.
    pub(super) async fn give_numbers(&self) -> Result<(), Error> {
        in_transaction!(&self.database, tx => {
            let (seq, numbered): (i64, i64) = sqlx::query_as(HOLD).fetch_one(&mut *tx).await?;
            let to = seq.min(numbered.saturating_add(ENTRIES_MAX));
            let rows = sqlx::query(NUMBER).bind(last_side(numbered)).bind(last_side(to));
            let rows = rows.execute(&mut *tx).await?.rows_affected();
            let rows = i64::try_from(rows).unwrap_or(i64::MAX);
            sqlx::query(MOVE).bind(to).bind(rows).execute(&mut *tx).await?;
            sqlx::query(NUMBER_RECORDED).bind(FIRST_RECORDED_ID).execute(&mut *tx).await?;
            Ok(())
        })
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, and says where"
)]
mod tests {
    use store::{Database, DatabaseConfig, Step};
    use testing::{every_database, execute};

    use super::*;
    use crate::STEPS;
    use crate::domain::Batch;

    /// Rows of entries 2, 3 and 5 and one that was recorded, as the release before writes them, up to entry 6.
    const BEFORE: [&str; 3] = [
        "insert into history (id, user_id, wallet_id, kind, amount, currency, description, created_at) values
            (5, 1, 1, 1, 1000, 'IDR', 'Top up', 1), (6, 1, 1, 2, 10, 'IDR', 'Payment to Tokopedia', 2),
            (10, 1, 1, 3, 20, 'IDR', 'Transfer to user 2', 3), (11, 2, 2, 4, 20, 'IDR', 'Transfer from user 1', 3)",
        "insert into history (id, user_id, wallet_id, kind, amount, currency, description, created_at) values
            (4503599627370496, 1, 1, 1, 5, 'IDR', 'Old counter', 4)",
        "update feed_position set seq = 6 where id = 0",
    ];

    /// What it adds while an upgrade goes on.
    const MEANWHILE: [&str; 3] = [
        "insert into history (id, user_id, wallet_id, kind, amount, currency, description, created_at) values
            (16, 2, 2, 2, 1, 'IDR', 'Payment to Gojek', 5), (19, 1, 1, 1, 7, 'IDR', 'Top up', 6)",
        "insert into history (id, user_id, wallet_id, kind, amount, currency, description, created_at) values
            (4503599627370497, 2, 2, 1, 5, 'IDR', 'Old counter', 4)",
        "update feed_position set seq = 40000 where id = 0",
    ];

    async fn of_the_release_before(config: &DatabaseConfig) -> Database {
        let database = Database::open(config).await.unwrap();
        let mut steps: Vec<Step> = STEPS.to_vec();
        steps.retain(|step| step.version < 3);
        database.migrate(config, &steps).await.unwrap();
        database
    }

    async fn all_do(database: &Database, statements: [&'static str; 3]) {
        for statement in statements {
            execute(database, statement).await.unwrap();
        }
    }

    async fn numbers(store: &Store) -> Vec<(i64, i64)> {
        let rows = store.between(1, i64::MAX).await.unwrap();
        rows.iter().map(|row| (row.id, row.side)).collect()
    }

    const RECORDED: i64 = FIRST_RECORDED_ID;

    #[tokio::test]
    async fn a_history_of_the_release_before_counts_from_1_in_the_order_of_the_log() {
        for database in every_database().await {
            let config = database.config("transaction");
            let database = of_the_release_before(&config).await;
            all_do(&database, BEFORE).await;
            database.migrate(&config, STEPS).await.unwrap();
            let store = Store::new(database);
            assert_eq!(store.position().await.unwrap().seq, 6);
            let expected = [(1, 5), (2, 6), (3, 10), (4, 11), (RECORDED, RECORDED)];
            assert_eq!(numbers(&store).await, expected);
        }
    }

    #[tokio::test]
    async fn what_the_release_before_adds_during_an_upgrade_is_numbered_before_anything_after_it() {
        for database in every_database().await {
            let config = database.config("transaction");
            let database = of_the_release_before(&config).await;
            if matches!(database, Database::Sqlite(_)) {
                // One process has the file, so there is no such time.
                continue;
            }
            database.migrate(&config, STEPS).await.unwrap();
            all_do(&database, BEFORE).await;
            let store = Store::new(database.clone());
            assert_eq!(store.position().await.unwrap().seq, 6);
            all_do(&database, MEANWHILE).await;
            // It follows those rows, and they have no numbers yet.
            let nothing = Batch::after(0, &[]);
            let to = feed_follower::Position {
                seq: 40_001,
                ..feed_follower::Position::default()
            };
            assert!(!store.append(40_000, &to, &nothing).await.unwrap());
            let (first, second) = tokio::join!(store.position(), store.position());
            assert_eq!((first.unwrap().seq, second.unwrap().seq), (40_000, 40_000));
            assert!(store.append(40_000, &to, &nothing).await.unwrap());
            let of_the_log = [(1, 5), (2, 6), (3, 10), (4, 11), (5, 16), (6, 19)];
            let recorded = [(RECORDED, RECORDED), (RECORDED + 1, RECORDED + 1)];
            assert_eq!(numbers(&store).await, [&of_the_log[..], &recorded].concat());
        }
    }
}
