//! What administrators do with users, and how a recipient is looked up.

use serde_json::{Value, json};
use testing::{TestClient, every_database, wait_until};

use crate::audit::{ADMIN, ADMIN_PASSWORD, with_admin};
use crate::support::{PASSWORD, TestUsers, every_service};

async fn set(admin: &TestClient, id: i64, status: &str) -> testing::Answer {
    let body = json!({"status": status, "reason": "A test"});
    admin.put(&format!("/users/{id}/status"), body).await
}

#[tokio::test]
async fn a_suspended_user_is_out_until_they_are_let_in_again() {
    for database in every_database().await {
        let (users, admin) = with_admin(&database).await;
        let replica = users.another(|_| {}).await;
        let ani = users.person("Ani").await;
        let log_in = async |password: &str| {
            let body = json!({"email": ani.email, "password": password});
            users.client.post("/auth/login", body).await
        };
        let seen = set(&admin, ani.id, "suspended").await.expect(200);
        assert_eq!(seen["user"]["status"], "suspended");
        ani.client
            .get("/users")
            .await
            .expect_error(401, "Invalid token");
        let there = replica.client.with_token(&ani.token);
        wait_until("the replica knows", async || {
            there.get("/users").await.status == 401
        })
        .await;
        let refused = log_in(PASSWORD)
            .await
            .expect_error(403, "Account suspended");
        assert_eq!(refused["code"], "user_suspended");
        // Who does not know the password learns nothing.
        log_in("wrong horse")
            .await
            .expect_error(401, "Invalid credentials");
        let seen = admin.get(&format!("/users/{}", ani.id)).await.expect(200);
        assert_eq!(seen["user"]["status"], "suspended");

        set(&admin, ani.id, "active").await.expect(200);
        let token = log_in(PASSWORD).await.expect(200)["token"].clone();
        let again = users.client.with_token(token.as_str().unwrap());
        again.get("/users").await.expect(200);
        ani.client
            .get("/users")
            .await
            .expect_error(401, "Invalid token");
    }
}

#[tokio::test]
async fn a_status_is_set_by_administrators_with_a_reason() {
    for database in every_database().await {
        let (users, admin) = with_admin(&database).await;
        let (ani, budi) = (users.person("Ani").await, users.person("Budi").await);
        let refused = set(&budi.client, ani.id, "suspended").await;
        assert_eq!(
            refused.expect_error(403, "Unauthorized")["code"],
            "admins_only"
        );
        set(&admin, 999, "suspended")
            .await
            .expect_error(404, "User not found");
        let path = format!("/users/{}/status", ani.id);
        for (body, sentence) in [
            (json!({}), "Invalid status"),
            (json!({"status": "frozen", "reason": "x"}), "Invalid status"),
            (json!({"status": 7, "reason": "x"}), "Invalid status"),
            (json!({"status": "suspended"}), "Missing required fields"),
            (
                json!({"status": "suspended", "reason": " "}),
                "Missing required fields",
            ),
            (
                json!({"status": "suspended", "reason": "a\u{202e}b"}),
                "Invalid field",
            ),
            (
                json!({"status": "suspended", "reason": "x".repeat(201)}),
                "Invalid field",
            ),
            (
                json!({"status": "suspended", "reason": "x", "by": 7}),
                "Invalid request body",
            ),
        ] {
            admin.put(&path, body).await.expect_error(400, sentence);
        }
        ani.client.get("/users").await.expect(200);
    }
}

#[tokio::test]
async fn there_is_always_an_administrator() {
    for database in every_database().await {
        let (users, admin) = with_admin(&database).await;
        let is_refused = async |answer: testing::Answer| {
            let error = answer.expect_error(403, "Unauthorized");
            assert_eq!(error["code"], "last_administrator");
        };
        is_refused(admin.delete("/users/1").await).await;
        is_refused(set(&admin, 1, "suspended").await).await;

        let second = users
            .another(|config| config.admin_email = Some("second@example.com".to_owned()))
            .await;
        second.is_ready().await;
        let other = second.log_in("second@example.com", ADMIN_PASSWORD).await;
        let other = users.client.with_token(other);
        // Both at once: one of them stays.
        let (one, two) = tokio::join!(admin.delete("/users/2"), other.delete("/users/1"));
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert!(
            statuses == [200, 403] || statuses == [200, 401],
            "{statuses:?}"
        );
        let mut left = 0;
        for (email, client) in [(ADMIN, &users), ("second@example.com", &users)] {
            let body = json!({"email": email, "password": ADMIN_PASSWORD});
            left += i32::from(client.client.post("/auth/login", body).await.status == 200);
        }
        assert_eq!(left, 1);
    }
}

async fn register(users: &TestUsers, name: &str, email: &str, phone: &str) -> i64 {
    let body = json!({"name": name, "email": email, "phone": phone, "password": PASSWORD});
    let answer = users.client.post("/auth/register", body).await.expect(201);
    answer["user"]["id"].as_i64().unwrap()
}

fn ids(body: &Value) -> Vec<i64> {
    let users = body["users"].as_array().unwrap();
    users
        .iter()
        .map(|user| user["id"].as_i64().unwrap())
        .collect()
}

#[tokio::test]
async fn administrators_search_by_how_something_begins() {
    for database in every_database().await {
        let (users, admin) = with_admin(&database).await;
        let jane = register(&users, "Jane Smith", "jane@example.com", "+62 811-1111").await;
        let janet = register(&users, "janet", "other@example.com", "0822").await;
        let percent = register(&users, "100% Jane", "p_c%t@example.com", "0833").await;
        let find = async |q: &str| {
            let encoded: String = q.bytes().map(|byte| format!("%{byte:02x}")).collect();
            ids(&admin.get(&format!("/users?q={encoded}")).await.expect(200))
        };
        for (q, found) in [
            ("jane", vec![janet, jane]),
            ("JANE", vec![janet, jane]),
            ("jane s", vec![jane]),
            ("jane@example.com", vec![jane]),
            ("0811", vec![jane]),
            ("+62811", vec![jane]),
            ("0822", vec![janet]),
            ("%", vec![]),
            ("_", vec![]),
            ("p_c%", vec![percent]),
            ("100%", vec![percent]),
            ("smith", vec![]),
            ("' or 1=1 --", vec![]),
        ] {
            assert_eq!(find(q).await, found, "{q}");
        }
        assert_eq!(find(&janet.to_string()).await, [janet]);
        set(&admin, jane, "suspended").await.expect(200);
        let list =
            async |query: &str| ids(&admin.get(&format!("/users?{query}")).await.expect(200));
        assert_eq!(list("status=suspended").await, [jane]);
        assert_eq!(list("status=active&q=jane").await, [janet]);
        assert_eq!(list("q=jane&limit=1").await, [janet]);
        assert_eq!(
            list(&format!("q=jane&limit=1&before={janet}")).await,
            [jane]
        );
        for wrong in ["status=closed", "q=", "q=a&q=b", "q=%00"] {
            let answer = admin.get(&format!("/users?{wrong}")).await;
            answer.expect_error(400, "Invalid query");
        }
        let ani = users.person("Ani").await;
        for query in ["q=jane", "status=active"] {
            let refused = ani.client.get(&format!("/users?{query}")).await;
            assert_eq!(
                refused.expect_error(403, "Unauthorized")["code"],
                "admins_only"
            );
        }
        let plain = ani.client.get("/users?unknown=1").await.expect(200);
        assert!(plain["users"][1].get("status").is_none(), "{plain}");
    }
}

#[tokio::test]
async fn a_recipient_is_found_by_the_whole_address_or_number() {
    for (_database, users) in every_service().await {
        let jane = register(
            &users,
            "Jane Anne Smith",
            "Jane@Example.com",
            "0812-3456 7890",
        )
        .await;
        let ani = users.person("Ani").await;
        let look_up = async |query: &str| ani.client.get(&format!("/users/lookup?{query}")).await;
        for query in ["email=jane@example.com", "email=JANE@EXAMPLE.COM"] {
            let found = look_up(query).await.expect(200);
            assert_eq!(
                found["user"],
                json!({"id": jane, "name": "Jane A*** S***", "email": "J***@Example.com"}),
                "{query}"
            );
        }
        // Ani has the same number: whose it is nobody knows.
        let both = look_up("phone=081234567890").await;
        both.expect_error(404, "User not found");
        ani.client
            .put(&format!("/users/{}", ani.id), json!({"phone": "0899"}))
            .await
            .expect(200);
        for phone in [
            "081234567890",
            "%2B62%20812-3456-7890",
            "(0812)%203456.7890",
        ] {
            let found = look_up(&format!("phone={phone}")).await.expect(200);
            assert_eq!(found["user"]["id"], jane, "{phone}");
        }
        for nobody in [
            "email=jane",
            "email=jan@example.com",
            "phone=0812",
            "phone=8",
            "email=%25",
        ] {
            let missing = look_up(nobody).await;
            missing.expect_error(404, "User not found");
        }
        for wrong in [
            "",
            "email=",
            "phone=",
            "email=a@b&phone=1",
            "email=a@b&email=c@d",
        ] {
            look_up(wrong).await.expect_error(400, "Invalid query");
        }
        let token = users.log_in("jane@example.com", PASSWORD).await;
        users
            .client
            .with_token(token)
            .delete(&format!("/users/{jane}"))
            .await
            .expect(200);
        look_up("email=jane@example.com")
            .await
            .expect_error(404, "User not found");
    }
}
