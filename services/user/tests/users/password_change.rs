//! A password is changed by whoever knows it, ends every other session, and is none that attackers try first.

use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};
use testing::{Answer, TestClient, every_database, wait_until};

use crate::support::{EVERYWHERE, PASSWORD, Person, TestUsers, every_service, registration};

const NEW: &str = "battery staple";

async fn change(client: &TestClient, id: i64, old: &str, new: &str) -> Answer {
    let body = json!({"old_password": old, "new_password": new});
    client.put(&format!("/users/{id}/password"), body).await
}

async fn tries(users: &TestUsers, ani: &Person, password: &str) -> u16 {
    let body = json!({"email": ani.email, "password": password});
    let answer = users.client.post("/auth/login", body).await;
    answer.status.as_u16()
}

#[tokio::test]
async fn a_change_ends_every_other_session_everywhere_and_keeps_its_own() {
    for (_database, users) in every_service().await {
        let replica = users.another(|_| {}).await;
        let ani = users.person("Ani").await;
        let budi = users.person("Budi").await;
        let thief = replica.log_in(&ani.email, PASSWORD).await;
        let (here, there) = (
            users.client.with_token(&thief),
            replica.client.with_token(&thief),
        );
        here.get("/users/verify").await.expect(200);

        let changed = change(&ani.client, ani.id, PASSWORD, NEW).await;
        let started = Instant::now();
        assert_eq!(changed.status, 204, "{}", changed.text());
        let refused = here.get("/users/verify").await;
        refused.expect_error(401, "Invalid token");
        wait_until("the replica knows", async || {
            there.get("/users/verify").await.status == 401
        })
        .await;
        assert!(started.elapsed() < EVERYWHERE, "{:?}", started.elapsed());

        let own = replica.client.with_token(&ani.token);
        for client in [&ani.client, &own, &budi.client] {
            client.get("/users/verify").await.expect(200);
        }
        assert_eq!(tries(&users, &ani, PASSWORD).await, 401);
        let token = replica.log_in(&ani.email, NEW).await;
        users
            .client
            .with_token(&token)
            .get("/users")
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn a_second_change_from_another_session_ends_the_first_one() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        let changed = change(&ani.client, ani.id, PASSWORD, NEW).await;
        assert_eq!(changed.status, 204, "{}", changed.text());
        let token = users.log_in(&ani.email, NEW).await;
        let phone = users.client.with_token(&token);
        let again = change(&phone, ani.id, NEW, PASSWORD).await;
        assert_eq!(again.status, 204, "{}", again.text());
        ani.client
            .get("/users")
            .await
            .expect_error(401, "Invalid token");
        phone.get("/users").await.expect(200);
    }
}

#[tokio::test]
async fn only_the_owner_who_knows_the_old_one_changes_it() {
    for database in every_database().await {
        let users = TestUsers::start(&database, |config| {
            config.admin_email = Some("root@example.com".to_owned());
            config.admin_password = Some("a long password".to_owned());
        })
        .await;
        users.is_ready().await;
        let (ani, budi) = (users.person("Ani").await, users.person("Budi").await);
        let admin = users.log_in("root@example.com", "a long password").await;
        let admin = users.client.with_token(admin);
        let other = users.log_in(&ani.email, PASSWORD).await;

        let wrong = change(&ani.client, ani.id, "wrong horse", NEW).await;
        let error = wrong.expect_error(403, "Wrong password");
        assert_eq!(error["code"], "wrong_password");
        for client in [&budi.client, &admin] {
            let refused = change(client, ani.id, PASSWORD, NEW).await;
            let error = refused.expect_error(403, "Unauthorized to update this user");
            assert_eq!(error["code"], "not_owner");
        }
        let nobody = change(&ani.client, 999, PASSWORD, NEW).await;
        nobody.expect_error(404, "User not found");
        assert_eq!(tries(&users, &ani, PASSWORD).await, 200);
        let other = users.client.with_token(other);
        other.get("/users").await.expect(200);
    }
}

#[tokio::test]
async fn what_cannot_be_a_password_is_refused_and_changes_nothing() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        let path = format!("/users/{}/password", ani.id);
        let put = async |body: Value| ani.client.put(&path, body).await;
        for (new, code) in [
            ("short", "invalid_field"),
            ("password", "weak_password"),
            ("ani@example.com", "weak_password"),
            ("081234567890", "weak_password"),
            ("12345678", "weak_password"),
            (&"x7Kq".repeat(300), "invalid_field"),
        ] {
            let body = json!({"old_password": PASSWORD, "new_password": new});
            let error = put(body).await.expect_error(400, "Invalid field");
            assert_eq!(
                (&error["code"], &error["field"]),
                (&json!(code), &json!("new_password"))
            );
        }
        for body in [
            json!({}),
            json!({"old_password": PASSWORD}),
            json!({"new_password": NEW}),
            json!({"old_password": null, "new_password": NEW}),
            json!({"old_password": PASSWORD, "new_password": "  "}),
        ] {
            let error = put(body).await.expect_error(400, "All fields required");
            assert_eq!(error["code"], "missing_fields");
        }
        for body in [
            json!({"old_password": PASSWORD, "new_password": 7}),
            json!({"old_password": [], "new_password": NEW}),
            json!({"old_password": "x".repeat(1025), "new_password": NEW}),
        ] {
            put(body).await.expect_error(400, "Invalid field");
        }
        let more = json!({"old_password": PASSWORD, "new_password": NEW, "role": "admin"});
        let error = put(more).await.expect(400);
        assert_eq!(error["code"], "unknown_field");
        assert_eq!(tries(&users, &ani, PASSWORD).await, 200);
    }
}

#[tokio::test]
async fn a_registration_has_no_password_that_attackers_try_first() {
    for database in every_database().await {
        let users = TestUsers::start(&database, |_| {}).await;
        let register = async |at: &TestUsers, password: &str| {
            let mut body = registration("Ani Putri", "ani@example.com");
            body["password"] = json!(password);
            at.client.post("/auth/register", body).await
        };
        for weak in [
            "password",
            "password123",
            "PASSWORD1",
            "Ani Putri",
            "aniputri1",
            "081234567890",
            "ani@example.com",
        ] {
            let error = register(&users, weak)
                .await
                .expect_error(400, "Invalid field");
            assert_eq!(
                (&error["code"], &error["field"]),
                (&json!("weak_password"), &json!("password")),
                "{weak}"
            );
            let message = error["message"].as_str().unwrap();
            assert!(message.starts_with("password is "), "{message}");
        }
        // Clients of the original register with it, and a demo has nothing to lose.
        let demo = users.another(|config| config.demo_data = true).await;
        register(&demo, "password")
            .await
            .expect_error(400, "Invalid field");
        register(&demo, "password123").await.expect(201);
    }
}

#[tokio::test]
async fn log_ins_with_the_old_password_during_a_change_get_no_session() {
    for (_database, users) in every_service().await {
        let replica = users.another(|_| {}).await;
        let ani = users.person("Ani").await;
        let body = json!({"email": ani.email, "password": PASSWORD});
        let attempts: Vec<_> = [&users, &replica]
            .into_iter()
            .cycle()
            .take(20)
            .map(|at| {
                let (client, body) = (at.client.clone(), body.clone());
                tokio::spawn(async move { client.post("/auth/login", body).await })
            })
            .collect();
        let changed = change(&ani.client, ani.id, PASSWORD, NEW).await;
        assert_eq!(changed.status, 204, "{}", changed.text());
        let mut begun = Vec::new();
        for attempt in attempts {
            let answer = attempt.await.unwrap();
            if answer.status == 200 {
                begun.push(answer.json()["token"].as_str().unwrap().to_owned());
            } else if answer.status != 429 {
                // By then the old password is a wrong one, and after ten of those the next has to wait.
                answer.expect_error(401, "Invalid credentials");
            }
        }
        for token in begun {
            let client = users.client.with_token(token);
            let verify = async || client.send(Method::GET, "/users/verify", None, &[]).await;
            wait_until("it is refused", async || verify().await.status == 401).await;
        }
        let open = ani.client.get(&format!("/users/{}/sessions", ani.id)).await;
        assert_eq!(open.expect(200)["sessions"].as_array().unwrap().len(), 1);
    }
}
