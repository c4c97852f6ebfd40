//! Users and ledger belong together, or nobody is let in: a number never comes to stand for another person.

use ledger_api::Uuid;
use serde_json::json;
use store::{Database, on_read, sqlx};
use testing::{every_database, wait_until};
use user_api::Belonging;

use crate::support::{
    FakeLedger, PASSWORD, TestUsers, config, every_service, manual_clock, registration,
};

impl TestUsers {
    /// Waits until the probes say why nobody is let in.
    async fn says(&self, why: &str) {
        wait_until(why, async || {
            let answer = self.client.get("/readyz").await;
            answer.status == 503 && answer.text().contains(why)
        })
        .await;
        for (path, body) in [
            ("/auth/register", registration("Eve", "eve@example.com")),
            (
                "/auth/login",
                json!({"email": "ani@example.com", "password": PASSWORD}),
            ),
        ] {
            let error = self.client.post(path, body).await;
            let error = error.expect_error(503, "Service unavailable");
            assert_eq!(error["code"], "ledger_mismatch", "{error}");
        }
        // The wallet service needs these to start, and to say that it is the right one again.
        self.client.get("/.well-known/jwks.json").await.expect(200);
        self.as_service()
            .get("/internal/sessions?after=0")
            .await
            .expect(200);
    }

    pub(crate) async fn is_ready(&self) {
        wait_until("it is ready", async || {
            self.client.get("/readyz").await.status == 200
        })
        .await;
    }

    async fn count(&self) -> i64 {
        let database = Database::open(&self.config.database).await.unwrap();
        on_read!(&database, pool => {
            sqlx::query_scalar("select count(*) from users").fetch_one(pool).await
        })
        .unwrap()
    }
}

#[tokio::test]
async fn users_older_than_the_ledger_wait_for_the_right_database() {
    for (_database, users) in every_service().await {
        users.person("Ani").await;
        users.ledger.standing.lock().unwrap().highest_user = 9;
        let again = users.another(|_| {}).await;
        again
            .says("it has users up to 1, and the ledger knows them up to 9")
            .await;
        assert_eq!(again.count().await, 1);
        // The right database is back, as far as the ledger sees.
        users.ledger.standing.lock().unwrap().highest_user = 1;
        again.is_ready().await;
        again.person("Budi").await;
    }
}

#[tokio::test]
async fn nothing_is_made_in_an_empty_database_beside_a_ledger_with_users() {
    for database in every_database().await {
        let ledger = FakeLedger::start().await;
        {
            let mut standing = ledger.standing.lock().unwrap();
            (standing.highest_user, standing.highest_told) = (3, 3);
            standing.is_demo = true;
        }
        let mut config = config(&database, &ledger.url);
        config.demo_data = true;
        config.admin_email = Some("root@example.com".to_owned());
        config.admin_password = Some(PASSWORD.to_owned());
        user::migrate(&config.database).await.unwrap();
        let users = TestUsers::run(config, manual_clock(), ledger).await;
        users
            .says("is empty, and the ledger knows users up to 3")
            .await;
        assert_eq!(users.count().await, 0);
    }
}

#[tokio::test]
async fn a_ledger_that_is_another_one_lets_nobody_in_and_asks_for_no_closure() {
    for (_database, users) in every_service().await {
        users.person("Ani").await;
        let before = users.ledger.standing.lock().unwrap().clone();
        users.ledger.standing.lock().unwrap().ledger = Uuid::from_u128(2);
        let again = users.another(|_| {}).await;
        again.says("another ledger").await;
        // The one that was running sees it too.
        users.says("another ledger").await;
        let token = again.as_service();
        let belonging = token.get("/internal/belonging").await.expect(200);
        let belonging: Belonging = serde_json::from_value(belonging).unwrap();
        assert_eq!(belonging.ledger, Some(before.ledger));
        *users.ledger.standing.lock().unwrap() = before;
        again.is_ready().await;
        users.is_ready().await;
    }
}

#[tokio::test]
async fn who_was_deleted_stays_deleted_when_an_older_database_is_put_back() {
    for (_database, users) in every_service().await {
        users.ledger.standing.lock().unwrap().head = 5;
        let ani = users.person("Ani").await;
        let database = Database::open(&users.config.database).await.unwrap();
        wait_until("the ledger was seen", async || {
            let seq: i64 = on_read!(&database, pool => {
                sqlx::query_scalar("select seq from ledger").fetch_one(pool).await
            })
            .unwrap();
            seq == 5
        })
        .await;
        let keep =
            "create table kept as select id, name, email, email_key, password_hash from users";
        testing::execute(&database, keep).await.unwrap();
        let path = format!("/users/{}", ani.id);
        ani.client.delete(&path).await.expect(200);
        wait_until("the ledger has closed her wallets", async || {
            !users.ledger.closed().is_empty()
        })
        .await;
        for sql in [
            "update users set deleted_at = null,
             name = (select name from kept where kept.id = users.id),
             email = (select email from kept where kept.id = users.id),
             email_key = (select email_key from kept where kept.id = users.id),
             password_hash = (select password_hash from kept where kept.id = users.id)",
            "delete from revocations",
            "delete from closures",
            "update ledger set seq = 4",
        ] {
            testing::execute(&database, sql).await.unwrap();
        }
        // A service that starts lets her in at no time.
        let again = users.another(|_| {}).await;
        let login = json!({"email": ani.email, "password": PASSWORD});
        let refused = again.client.post("/auth/login", login.clone()).await;
        refused.expect_error(401, "Invalid credentials");
        let token = again.client.with_token(&ani.token);
        token.get("/users").await.expect(401);
        assert!(again.person("Budi").await.id > ani.id);
        again.person("Ani").await;
    }
}

#[tokio::test]
async fn an_older_database_under_a_running_service_is_noticed_and_deletions_are_done_again() {
    for (_database, users) in every_service().await {
        users.ledger.standing.lock().unwrap().head = 5;
        let (ani, budi) = (users.person("Ani").await, users.person("Budi").await);
        users.ledger.close("of before", ani.id);
        let login = json!({"email": ani.email, "password": PASSWORD});
        let database = Database::open(&users.config.database).await.unwrap();
        // As a database is that knows an earlier ledger.
        wait_until("she is deleted", async || {
            let older = "update ledger set seq = 4";
            testing::execute(&database, older).await.unwrap();
            users.client.post("/auth/login", login.clone()).await.status == 401
        })
        .await;
        users.log_in(&budi.email, PASSWORD).await;
    }
}

#[tokio::test]
async fn the_ledger_hears_of_everybody_and_no_id_that_it_knows_is_given_again() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        wait_until("the ledger has heard", async || {
            users.ledger.standing.lock().unwrap().highest_told == ani.id
        })
        .await;
        // Somebody puts an older counter in this one's place, and the ledger is not asked in time.
        let database = Database::open(&users.config.database).await.unwrap();
        let sql = match &database {
            Database::Postgres(_) => "select setval('users_id_seq', 1, false)",
            Database::Sqlite(_) => "update sqlite_sequence set seq = 0",
        };
        testing::execute(&database, sql).await.unwrap();
        let again = users.another(|_| {}).await;
        again.is_ready().await;
        assert_eq!(again.person("Budi").await.id, ani.id + 1);
    }
}

#[tokio::test]
async fn nobody_is_let_in_before_the_ledger_was_reached() {
    for database in every_database().await {
        let users = TestUsers::start(&database, |_| {}).await;
        users.person("Ani").await;
        let away = FakeLedger::away().await;
        let again = users
            .another(|config| config.wallet_service_url = away.url.clone())
            .await;
        let body = registration("Budi", "budi@example.com");
        let login = json!({"email": "ani@example.com", "password": PASSWORD});
        for (path, body) in [("/auth/register", &body), ("/auth/login", &login)] {
            let refused = again.client.post(path, body.clone()).await;
            let error = refused.expect_error(503, "Service unavailable");
            assert_eq!(error["code"], "unavailable", "{error}");
        }
        // The wallet service may be waiting for this one's keys: it is ready without it after a while.
        again.is_ready().await;
        again.client.get("/.well-known/jwks.json").await.expect(200);
        let refused = again.client.post("/auth/login", login.clone()).await;
        refused.expect_error(503, "Service unavailable");
        away.come_back();
        wait_until("people can log in", async || {
            let answer = again.client.post("/auth/login", login.clone()).await;
            answer.status == 200
        })
        .await;
        again.client.post("/auth/register", body).await.expect(201);
    }
}

#[tokio::test]
async fn a_wrong_ledger_that_goes_away_has_not_become_the_right_one() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        users.ledger.standing.lock().unwrap().ledger = Uuid::from_u128(2);
        users.says("another ledger").await;
        users.ledger.go_away().await;
        // The right one may wait for the keys before it answers.
        users.is_ready().await;
        let login = json!({"email": ani.email, "password": PASSWORD});
        let refused = users.client.post("/auth/login", login).await;
        let error = refused.expect_error(503, "Service unavailable");
        assert_eq!(error["code"], "ledger_mismatch", "{error}");
    }
}
