//! Every row of the contract, success and failure.

use serde_json::{Value, json};

use crate::support::{PASSWORD, TestUsers, every_service, registration};

#[tokio::test]
async fn a_user_registers_logs_in_changes_and_leaves() {
    for (_database, users) in every_service().await {
        let answer = users
            .client
            .post("/auth/register", registration("Ani", "Ani@Example.com"))
            .await;
        let body = answer.expect(201);
        assert_eq!(
            body["user"],
            json!({"id": 1, "name": "Ani", "email": "Ani@Example.com", "phone": "081234567890", "role": "user"})
        );
        let ani = users.client.with_token(body["token"].as_str().unwrap());
        assert_eq!(
            ani.get("/users/verify").await.expect(200)["user"],
            body["user"]
        );

        let login = json!({"email": " aNI@example.COM ", "password": PASSWORD});
        let session = users.client.post("/auth/login", login.clone()).await;
        let session = session.expect(200);
        assert_eq!(session["user"], body["user"]);
        assert_ne!(session["token"], body["token"], "each log-in is a session");

        assert_eq!(
            ani.get("/users").await.expect(200),
            json!({"users": [body["user"]]})
        );
        assert_eq!(
            ani.get("/users/1").await.expect(200),
            json!({"user": body["user"]})
        );

        let changed = ani
            .put(
                "/users/1",
                json!({"name": " Ani Putri ", "phone": "+62 812"}),
            )
            .await;
        let changed = changed.expect(200);
        assert_eq!(changed["user"]["name"], "Ani Putri");
        assert_eq!(changed["user"]["phone"], "+62 812");
        assert_eq!(ani.put("/users/1", json!({})).await.expect(200), changed);
        let null = ani.put("/users/1", json!({"name": null})).await;
        null.expect_error(400, "Invalid field");
        let one = ani
            .put("/users/1", json!({"name": "Ani"}))
            .await
            .expect(200);
        assert_eq!(one["user"]["phone"], "+62 812");

        let deleted = ani.delete("/users/1").await.expect(200);
        assert_eq!(deleted, json!({"message": "User deleted successfully"}));
        users
            .client
            .post("/auth/login", login)
            .await
            .expect_error(401, "Invalid credentials");
        for path in ["/users", "/users/verify", "/users/1"] {
            ani.get(path).await.expect_error(401, "Invalid token");
        }

        // The address is free again; the id is not.
        let again = users
            .client
            .post("/auth/register", registration("Ani", "ani@example.com"))
            .await
            .expect(201);
        assert_eq!(again["user"]["id"], 2);
        let ani = users.client.with_token(again["token"].as_str().unwrap());
        ani.get("/users/1")
            .await
            .expect_error(404, "User not found");
        assert_eq!(
            ani.get("/users").await.expect(200)["users"][0]["id"],
            json!(2)
        );
    }
}

#[tokio::test]
async fn every_refusal_has_its_sentence() {
    for (_database, users) in every_service().await {
        let (ani, budi) = (users.person("Ani").await, users.person("Budi").await);
        let post = |path, body| users.client.post(path, body);

        let taken = post("/auth/register", registration("X", "ANI@example.com")).await;
        taken.expect_error(400, "Email already registered");
        for field in ["name", "email", "phone", "password"] {
            let mut body = registration("X", "x@example.com");
            for value in [None, Some(Value::Null), Some(json!("")), Some(json!("  "))] {
                match value {
                    Some(value) => body[field] = value,
                    None => drop(body.as_object_mut().unwrap().remove(field)),
                }
                let error = post("/auth/register", body.clone()).await;
                let error = error.expect_error(400, "All fields required");
                assert_eq!(error["field"], field);
            }
        }

        for body in [
            json!({}),
            json!({"email": ani.email}),
            json!({"password": PASSWORD}),
            json!({"email": "", "password": ""}),
            json!({"email": null, "password": PASSWORD}),
        ] {
            let error = post("/auth/login", body).await;
            error.expect_error(400, "Email and password required");
        }
        for (email, password) in [
            (ani.email.as_str(), "wrong horse"),
            (ani.email.as_str(), " correct horse"),
            ("nobody@example.com", PASSWORD),
            ("not an address", PASSWORD),
            ("ani\u{0}@example.com", PASSWORD),
        ] {
            let error = post("/auth/login", json!({"email": email, "password": password})).await;
            error.expect_error(401, "Invalid credentials");
        }

        let theirs = format!("/users/{}", budi.id);
        ani.client
            .put(&theirs, json!({"name": "Mine"}))
            .await
            .expect_error(403, "Unauthorized to update this user");
        ani.client
            .delete(&theirs)
            .await
            .expect_error(403, "Unauthorized to delete this user");
        assert_eq!(
            budi.client.get(&theirs).await.expect(200)["user"]["name"],
            "Budi"
        );

        budi.client.delete(&theirs).await.expect(200);
        for path in [&theirs, "/users/999"] {
            let not_found = "User not found";
            ani.client.get(path).await.expect_error(404, not_found);
            let change = ani.client.put(path, json!({"name": "X"})).await;
            change.expect_error(404, not_found);
            ani.client.delete(path).await.expect_error(404, not_found);
        }
    }
}

#[tokio::test]
async fn others_are_masked_but_not_for_administrators() {
    for database in testing::every_database().await {
        let users = TestUsers::start(&database, |config| {
            config.admin_email = Some("root@example.com".to_owned());
            config.admin_password = Some("a long password".to_owned());
        })
        .await;
        let (ani, budi) = (users.person("Ani").await, users.person("Budi").await);
        let masked = json!({"id": budi.id, "name": "Budi", "email": "b***@example.com", "phone": "********7890"});
        let full = json!({"id": budi.id, "name": "Budi", "email": "budi@example.com", "phone": "081234567890", "role": "user"});
        let path = format!("/users/{}", budi.id);

        assert_eq!(ani.client.get(&path).await.expect(200)["user"], masked);
        assert_eq!(budi.client.get(&path).await.expect(200)["user"], full);
        let list = ani.client.get("/users").await.expect(200);
        assert_eq!(list["users"][0], masked);
        assert_eq!(list["users"][1]["email"], "ani@example.com");

        let token = users.log_in("root@example.com", "a long password").await;
        let admin = users.client.with_token(token);
        let mut with_status = full.clone();
        with_status["status"] = json!("active");
        assert_eq!(admin.get(&path).await.expect(200)["user"], with_status);
        assert_eq!(
            admin.get("/users").await.expect(200)["users"][0],
            with_status
        );
        let changed = admin.put(&path, json!({"name": "Budi S."})).await;
        assert_eq!(changed.expect(200)["user"]["name"], "Budi S.");
        admin.delete(&path).await.expect(200);
        budi.client
            .get("/users/verify")
            .await
            .expect_error(401, "Invalid token");
    }
}

#[tokio::test]
async fn the_list_is_newest_first_and_can_be_paged() {
    for (_database, users) in every_service().await {
        let mut people = Vec::new();
        for name in ["A", "B", "C", "D", "E"] {
            people.push(users.person(name).await);
        }
        let ani = &people[0].client;
        people[3].client.delete("/users/4").await.expect(200);
        let ids = |body: &Value| -> Vec<i64> {
            let users = body["users"].as_array().unwrap();
            users
                .iter()
                .map(|user| user["id"].as_i64().unwrap())
                .collect()
        };
        assert_eq!(ids(&ani.get("/users").await.expect(200)), [5, 3, 2, 1]);
        let (mut seen, mut path) = (Vec::new(), "/users?limit=2".to_owned());
        loop {
            let page = ani.get(&path).await.expect(200);
            seen.extend(ids(&page));
            let Some(next) = page["next"].as_i64() else {
                break;
            };
            path = format!("/users?limit=2&before={next}");
        }
        assert_eq!(seen, [5, 3, 2, 1]);
    }
}

#[tokio::test]
async fn probes_and_keys_need_no_token() {
    for (_database, users) in every_service().await {
        for path in ["/livez", "/metrics"] {
            assert_eq!(users.client.get(path).await.status, 200);
        }
        users.is_ready().await;
        let health = users.client.get("/health").await.expect(200);
        assert_eq!(health["service"], "user-service");
        assert_eq!(health["status"], "healthy");
        let jwks = users.client.get("/.well-known/jwks.json").await.expect(200);
        assert_eq!(jwks["keys"].as_array().unwrap().len(), 1);
        assert_eq!(jwks["keys"][0]["crv"], "Ed25519");
    }
}
