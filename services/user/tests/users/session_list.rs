//! Users see their sessions and end them; so does an administrator for anybody; and none of it grows without end.

use std::time::{Duration, Instant};

use auth::SessionUpdate;
use serde_json::{Value, json};
use store::{Database, on_read, sqlx};
use testing::{TestClient, every_database, wait_until};

use crate::support::{EVERYWHERE, PASSWORD, Person, TestUsers, every_service};

async fn sessions(client: &TestClient, id: i64) -> Vec<Value> {
    let list = client
        .get(&format!("/users/{id}/sessions"))
        .await
        .expect(200);
    list["sessions"].as_array().unwrap().clone()
}

async fn end(client: &TestClient, path: &str) {
    let ended = client.delete(path).await;
    assert_eq!(ended.status, 204, "{}", ended.text());
    assert!(ended.bytes.is_empty());
}

async fn log_in_as(users: &TestUsers, ani: &Person, agent: &str) -> TestClient {
    let body = json!({"email": ani.email, "password": PASSWORD});
    let headers = [("user-agent", agent)];
    let method = reqwest::Method::POST;
    let answer = users
        .client
        .send(method, "/auth/login", Some(body), &headers)
        .await;
    let token = answer.expect(200)["token"].as_str().unwrap().to_owned();
    users.client.with_token(token)
}

#[tokio::test]
async fn the_list_tells_where_each_session_is_from() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        users.clock.advance(Duration::from_secs(60));
        let phone = log_in_as(&users, &ani, &format!("Phone/1 {}", "x".repeat(300))).await;
        let list = sessions(&phone, ani.id).await;
        assert_eq!(list.len(), 2);
        assert_eq!(list[0]["current"], true);
        assert_eq!(list[1]["current"], false);
        assert_eq!(list[0]["address"], "127.0.0.1");
        let agent = list[0]["user_agent"].as_str().unwrap();
        assert!(
            agent.starts_with("Phone/1 xxx") && agent.len() == 200,
            "{agent}"
        );
        assert_eq!(list[0]["created_at"], "2026-09-21T14:14:20.000000Z");
        assert_eq!(list[0]["expires_at"], "2026-09-22T14:14:20.000000Z");
        assert!(list[0]["id"].as_str().unwrap().len() >= 16);
        let own = sessions(&ani.client, ani.id).await;
        assert_eq!(
            (&own[0]["current"], &own[1]["current"]),
            (&json!(false), &json!(true))
        );

        users.clock.advance(Duration::from_secs(24 * 60 * 60 - 60));
        assert_eq!(
            sessions(&phone, ani.id).await.len(),
            1,
            "the other's day is over"
        );
    }
}

#[tokio::test]
async fn one_session_and_all_others_are_ended_everywhere() {
    for (_database, users) in every_service().await {
        let replica = users.another(|_| {}).await;
        let ani = users.person("Ani").await;
        let mut devices = Vec::new();
        for device in ["a", "b", "c"] {
            devices.push(log_in_as(&users, &ani, device).await);
        }
        let list = sessions(&ani.client, ani.id).await;
        let id_of = |agent: &str| {
            let one = list.iter().find(|session| session["user_agent"] == agent);
            one.unwrap()["id"].as_str().unwrap().to_owned()
        };
        let path = format!("/users/{}/sessions", ani.id);
        end(&ani.client, &format!("{path}/{}", id_of("b"))).await;
        let is_in = async |at: &TestUsers, client: &TestClient| {
            let client = at.client.with_token(client.token().unwrap());
            client.get("/users/verify").await.status == 200
        };
        assert!(!is_in(&users, &devices[1]).await);
        assert!(is_in(&users, &devices[0]).await && is_in(&users, &devices[2]).await);
        let twice = ani.client.delete(&format!("{path}/{}", id_of("b"))).await;
        let error = twice.expect_error(404, "Session not found");
        assert_eq!(error["code"], "session_not_found");

        end(&devices[2], &format!("{path}?except=current")).await;
        let started = Instant::now();
        for client in [&ani.client, &devices[0]] {
            assert!(!is_in(&users, client).await);
            wait_until("the replica knows", async || !is_in(&replica, client).await).await;
        }
        assert!(started.elapsed() < EVERYWHERE, "{:?}", started.elapsed());
        assert!(is_in(&users, &devices[2]).await && is_in(&replica, &devices[2]).await);

        end(&devices[2], &path).await;
        assert!(!is_in(&users, &devices[2]).await);
        let again = users
            .client
            .with_token(users.log_in(&ani.email, PASSWORD).await);
        assert_eq!(sessions(&again, ani.id).await.len(), 1);
    }
}

#[tokio::test]
async fn others_sessions_are_for_administrators() {
    for database in every_database().await {
        let users = TestUsers::start(&database, |config| {
            config.admin_email = Some("root@example.com".to_owned());
            config.admin_password = Some("a long password".to_owned());
        })
        .await;
        users.is_ready().await;
        let (ani, budi) = (users.person("Ani").await, users.person("Budi").await);
        let path = format!("/users/{}/sessions", ani.id);
        let one = format!(
            "{path}/{}",
            sessions(&ani.client, ani.id).await[0]["id"]
                .as_str()
                .unwrap()
        );
        for answer in [
            budi.client.get(&path).await,
            budi.client.delete(&path).await,
            budi.client.delete(&one).await,
        ] {
            let error = answer.expect_error(403, "Unauthorized");
            assert_eq!(error["code"], "not_owner");
        }
        // Somebody else's session is not found among one's own.
        let own = format!(
            "/users/{}/sessions/{}",
            budi.id,
            one.rsplit('/').next().unwrap()
        );
        budi.client
            .delete(&own)
            .await
            .expect_error(404, "Session not found");
        ani.client.get("/users/verify").await.expect(200);
        for query in ["?except=x", "?except=", "?except=current&except=current"] {
            let wrong = ani.client.delete(&format!("{path}{query}")).await;
            wrong.expect_error(400, "Invalid query");
        }
        for wrong in [
            "/users/999/sessions",
            "/users/x/sessions",
            "/users/0/sessions/a",
        ] {
            let missing = ani.client.delete(wrong).await;
            missing.expect_error(404, "User not found");
        }

        let admin = users.log_in("root@example.com", "a long password").await;
        let admin = users.client.with_token(admin);
        let list = sessions(&admin, ani.id).await;
        assert_eq!((list.len(), &list[0]["current"]), (1, &json!(false)));
        end(&admin, &format!("{path}?except=current")).await;
        ani.client
            .get("/users/verify")
            .await
            .expect_error(401, "Invalid token");
        budi.client.get("/users/verify").await.expect(200);
        admin.get("/users/verify").await.expect(200);
    }
}

#[tokio::test]
async fn the_hundred_and_first_session_ends_the_oldest() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        let second = users.log_in(&ani.email, PASSWORD).await;
        for _ in 0..98 {
            users.log_in(&ani.email, PASSWORD).await;
        }
        ani.client.get("/users/verify").await.expect(200);
        let last = users
            .client
            .with_token(users.log_in(&ani.email, PASSWORD).await);
        ani.client
            .get("/users/verify")
            .await
            .expect_error(401, "Invalid token");
        let second = users.client.with_token(second);
        second.get("/users/verify").await.expect(200);
        assert_eq!(sessions(&last, ani.id).await.len(), 100);
        assert_eq!(users.metric("revocation_records").await, 1.0);
    }
}

#[tokio::test]
async fn any_number_of_log_outs_is_one_record() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        for _ in 0..20 {
            let token = users.log_in(&ani.email, PASSWORD).await;
            let ended = users
                .client
                .with_token(&token)
                .post("/auth/logout", json!({}))
                .await;
            assert_eq!(ended.status, 204);
            let client = users.client.with_token(token);
            client
                .get("/users")
                .await
                .expect_error(401, "Invalid token");
        }
        ani.client.get("/users").await.expect(200);
        assert_eq!(users.metric("revocation_records").await, 1.0);
        let update = users.as_service().get("/internal/sessions?after=0").await;
        let update: SessionUpdate = serde_json::from_value(update.expect(200)).unwrap();
        assert_eq!((update.revocations.len(), update.ended.len()), (0, 1));
        assert_eq!(update.ended[0].kept.len(), 1, "the registration's goes on");

        let database = Database::open(&users.config.database).await.unwrap();
        let rows = async || -> i64 {
            on_read!(&database, pool => {
                sqlx::query_scalar("select (select count(*) from sessions) + (select count(*) from session_ends) + (select count(*) from revocations)")
                    .fetch_one(pool)
                    .await
            })
            .unwrap()
        };
        assert_eq!(rows().await, 2);
        // Until no clock can be so wrong that a token of these would be good.
        users.clock.advance(Duration::from_secs(50 * 60 * 60));
        let later = users.another(|_| {}).await;
        wait_until("a start forgets", async || rows().await == 0).await;
        assert_eq!(later.metric("revocation_records").await, 0.0);
    }
}

#[tokio::test]
async fn a_session_that_a_restored_database_does_not_know_can_be_ended() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        let database = Database::open(&users.config.database).await.unwrap();
        testing::execute(&database, "delete from sessions")
            .await
            .unwrap();
        let ended = ani.client.post("/auth/logout", json!({})).await;
        assert_eq!(ended.status, 204, "{}", ended.text());
        ani.client
            .get("/users")
            .await
            .expect_error(401, "Invalid token");
        let later = users.another(|_| {}).await;
        let client = later.client.with_token(&ani.token);
        client
            .get("/users")
            .await
            .expect_error(401, "Invalid token");
    }
}
