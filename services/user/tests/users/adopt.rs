//! `user-service adopt`, as an operator runs it.

use ledger_api::Uuid;
use store::{Database, on_read, sqlx};
use testing::{SECRET, Said, every_database, run_command, wait_until};
use user::Config;

use crate::support::{FakeLedger, TestUsers, config, every_service};

async fn adopt(config: &Config, words: &[&str]) -> Said {
    let words = [&["adopt"], words].concat();
    let program = env!("CARGO_BIN_EXE_user-service");
    let variables = [
        ("SECRET_KEY", SECRET),
        ("WALLET_SERVICE_URL", &config.wallet_service_url),
    ];
    run_command(program, &words, &config.database, &variables).await
}

/// What the users' database says of itself, and how many there are.
async fn state(config: &Config) -> (user::Own, i64) {
    let database = Database::open(&config.database).await.unwrap();
    let count = on_read!(&database, pool => {
        sqlx::query_scalar("select count(*) from users").fetch_one(pool).await
    })
    .unwrap();
    database.close().await;
    (user::own(&config.database).await.unwrap().unwrap(), count)
}

impl TestUsers {
    async fn is_not_ready(&self) {
        wait_until("it is not ready", async || {
            self.client.get("/readyz").await.status == 503
        })
        .await;
    }
}

#[tokio::test]
async fn users_who_are_lost_are_given_up_with_yes_and_the_service_goes_on() {
    for (_database, users) in every_service().await {
        users.person("Ani").await;
        *users.ledger.known.lock().unwrap() = vec![1, 4, 9];
        users.ledger.standing.lock().unwrap().highest_user = 9;
        users.is_not_ready().await;
        let before = state(&users.config).await;
        let plan = adopt(&users.config, &[]).await;
        plan.expect(
            1,
            &[
                "older than the ledger: it has users up to 1, and the ledger knows them up to 9",
                "2 users are known to the ledger and have no account: 4, 9.",
                "new users get ids above 9",
                "nothing was changed; --yes does the above",
            ],
        );
        assert_eq!(state(&users.config).await, before);
        adopt(&users.config, &["--yes"]).await.expect(0, &["Done."]);
        users.is_ready().await;
        assert_eq!(users.person("Budi").await.id, 10);
        let nothing = adopt(&users.config, &["--yes"]).await;
        nothing.expect(0, &["they go with the ledger; there is nothing to do"]);
    }
}

#[tokio::test]
async fn an_empty_database_is_adopted_and_nobody_is_made_under_an_id_that_is_known() {
    for database in every_database().await {
        let ledger = FakeLedger::start().await;
        {
            let mut standing = ledger.standing.lock().unwrap();
            (standing.highest_user, standing.highest_told) = (3, 7);
            standing.is_demo = true;
        }
        *ledger.known.lock().unwrap() = vec![1, 2, 3];
        let mut config = config(&database, &ledger.url);
        config.demo_data = true;
        user::migrate(&config.database).await.unwrap();
        let users = TestUsers::run(config, crate::support::manual_clock(), ledger).await;
        users.is_not_ready().await;
        adopt(&users.config, &["--yes"])
            .await
            .expect(0, &["is empty, and the ledger knows users up to 7"]);
        users.is_ready().await;
        assert_eq!(users.person("Ani").await.id, 8);
        assert_eq!(state(&users.config).await.1, 1, "demo users were made");
    }
}

#[tokio::test]
async fn users_of_another_ledger_are_never_adopted_beside_wallets() {
    for (_database, users) in every_service().await {
        users.person("Ani").await;
        {
            let mut standing = users.ledger.standing.lock().unwrap();
            (standing.ledger, standing.highest_user) = (Uuid::from_u128(2), 5);
        }
        users.is_not_ready().await;
        let before = state(&users.config).await;
        for words in [&[][..], &["--yes"]] {
            let refused = adopt(&users.config, words).await;
            refused.expect(1, &["their ids stand for other people"]);
        }
        assert_eq!(state(&users.config).await, before);
    }
}

#[tokio::test]
async fn a_ledger_of_before_hears_again_of_everybody_who_was_deleted() {
    for (_database, users) in every_service().await {
        users.ledger.standing.lock().unwrap().head = 5;
        let ani = users.person("Ani").await;
        ani.client
            .delete(&format!("/users/{}", ani.id))
            .await
            .expect(200);
        let heard = async |times: usize| {
            wait_until("the ledger has closed her wallets", async || {
                users.ledger.closed().len() == times
                    && state(&users.config).await.0.position.seq == 5
            })
            .await;
        };
        heard(1).await;
        users.ledger.standing.lock().unwrap().head = 3;
        users.is_not_ready().await;
        adopt(&users.config, &["--yes"]).await.expect(
            0,
            &["the wallet service's database is older: its log ends at 3"],
        );
        users.is_ready().await;
        wait_until("the ledger has closed her wallets again", async || {
            users.ledger.closed().len() == 2
        })
        .await;
    }
}

#[tokio::test]
async fn what_cannot_be_adopted_is_said_and_nothing_is_made() {
    for database in every_database().await {
        let away = FakeLedger::away().await;
        let config = config(&database, &away.url);
        let said = adopt(&config, &["--yes"]).await;
        match config.database.url.strip_prefix("sqlite://") {
            Some(file) => {
                said.expect(1, &["users.db is missing"]);
                assert!(!std::path::Path::new(file).exists());
            }
            None => {
                said.expect(1, &["the database is not migrated"]);
            }
        }
        user::migrate(&config.database).await.unwrap();
        let before = state(&config).await;
        let said = adopt(&config, &["--yes"]).await;
        said.expect(1, &["wallet-service"]);
        assert_eq!(state(&config).await, before);
    }
}
