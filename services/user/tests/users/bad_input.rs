//! Whatever a client sends: a clear error, never a 500, and nothing changed.

use reqwest::Method;
use serde_json::{Value, json};
use testing::{Answer, TestClient};

use crate::support::{every_service, registration};

/// A refusal has a sentence and a code, and is the client's fault.
#[track_caller]
fn assert_refused(answer: &Answer, statuses: &[u16]) {
    let status = answer.status.as_u16();
    assert!(
        statuses.contains(&status),
        "{}: {status} {}",
        answer.request,
        answer.text()
    );
    let body = answer.json();
    for part in ["error", "code"] {
        let text = body[part].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "{}: no {part}: {body}", answer.request);
    }
}

async fn everything(client: &TestClient) -> Value {
    client.get("/users?limit=200").await.expect(200)
}

fn bad_texts(longest: usize) -> Vec<Value> {
    vec![
        json!("x".repeat(longest + 1)),
        json!("a\u{0}b"),
        json!("a\nb"),
        json!("a\u{7f}b"),
        json!(7),
        json!(1.5),
        json!(true),
        json!([]),
        json!({}),
        json!(["Ani"]),
    ]
}

#[tokio::test]
async fn fields_of_a_registration() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        let before = everything(&ani.client).await;
        let mut cases = Vec::new();
        for (field, longest) in [("name", 200), ("phone", 32), ("email", 254)] {
            cases.extend(bad_texts(longest).into_iter().map(|value| (field, value)));
        }
        for bad in ["ani", "@", "a@", "@b", "a@b@c", "a b@c.id", "a@b c"] {
            cases.push(("email", json!(bad)));
        }
        let long = format!("{}@example.com", "a".repeat(243));
        for bad in [json!(long), json!("a\u{0}@b")] {
            cases.push(("email", bad));
        }
        for bad in [
            json!("short"),
            json!("1234567"),
            json!("x".repeat(1025)),
            json!(12_345_678),
            json!(["correct horse"]),
        ] {
            cases.push(("password", bad));
        }
        for (field, value) in cases {
            let mut body = registration("X", "x@example.com");
            body[field] = value;
            let answer = users.client.post("/auth/register", body).await;
            let error = answer.expect_error(400, "Invalid field");
            assert_eq!(error["field"], field, "{error}");
            assert!(error["message"].is_string(), "{error}");
        }
        assert_eq!(everything(&ani.client).await, before);
    }
}

#[tokio::test]
async fn fields_of_a_log_in_and_of_a_change() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        let before = everything(&ani.client).await;
        for bad in [json!(7), json!([]), json!({}), json!(true)] {
            for body in [
                json!({"email": bad, "password": "correct horse"}),
                json!({"email": "ani@example.com", "password": bad}),
            ] {
                let answer = users.client.post("/auth/login", body).await;
                answer.expect_error(400, "Invalid field");
            }
        }
        let long = json!({"email": ani.email, "password": "x".repeat(1025)});
        let answer = users.client.post("/auth/login", long).await;
        answer.expect_error(400, "Invalid field");

        for (field, longest) in [("name", 200), ("phone", 32)] {
            let empty = [json!(""), json!("   ")];
            for bad in bad_texts(longest).into_iter().chain(empty) {
                let body = json!({"name": "New", field: bad});
                let error = ani.client.put("/users/1", body).await;
                let error = error.expect_error(400, "Invalid field");
                assert_eq!(error["field"], field, "{error}");
            }
        }
        for unknown in ["id", "email", "password", "role", "deleted_at"] {
            let answer = ani.client.put("/users/1", json!({unknown: "admin"})).await;
            answer.expect(200);
        }
        assert_eq!(everything(&ani.client).await, before);
    }
}

#[tokio::test]
async fn bodies_that_are_none() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        let before = everything(&ani.client).await;
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        let deep_field = format!(r#"{{"name":{deep}}}"#);
        let routes = [
            (Method::POST, "/auth/register"),
            (Method::POST, "/auth/login"),
            (Method::PUT, "/users/1"),
        ];
        for (method, path) in routes {
            let json_type = [("content-type", "application/json")];
            for body in [
                "{",
                "nonsense",
                "[]",
                r#"["Ani", "0812"]"#,
                r#"["Ani", "x@example.com", "0812", "correct horse"]"#,
                "7",
                "\"text\"",
                "null",
                "{\"name\":}",
                "{} {}",
                "\u{0}",
                &deep,
                &deep_field,
            ] {
                let send =
                    ani.client
                        .send_raw(method.clone(), path, body.as_bytes().to_vec(), &json_type);
                assert_refused(&send.await, &[400]);
            }
            let twice = r#"{"name":"A","name":"B"}"#.as_bytes().to_vec();
            let send = ani.client.send_raw(method.clone(), path, twice, &json_type);
            assert_refused(&send.await, &[400]);
            let not_utf8 = b"{\"name\":\"\xff\xfe\"}".to_vec();
            let send = ani
                .client
                .send_raw(method.clone(), path, not_utf8, &json_type);
            assert_refused(&send.await, &[400]);
            let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(70_000)).into_bytes();
            let send = ani.client.send_raw(method.clone(), path, large, &json_type);
            assert_refused(&send.await, &[413]);
            for content_type in ["text/plain", "application/x-www-form-urlencoded", ""] {
                let body = br#"{"name":"New"}"#.to_vec();
                let headers = [("content-type", content_type)];
                let send = ani.client.send_raw(method.clone(), path, body, &headers);
                assert_refused(&send.await, &[415]);
            }
        }
        assert_eq!(everything(&ani.client).await, before);
    }
}

#[tokio::test]
async fn ids_methods_pages_and_keys() {
    for (_database, users) in every_service().await {
        let ani = users.person("Ani").await;
        let before = everything(&ani.client).await;
        for id in [
            "0",
            "-1",
            "abc",
            "1.5",
            "1e0",
            "+1",
            "9223372036854775808",
            "99999999999999999999",
            "%00",
            "1%20",
        ] {
            let path = format!("/users/{id}");
            let not_found = "User not found";
            ani.client.get(&path).await.expect_error(404, not_found);
            ani.client.delete(&path).await.expect_error(404, not_found);
            let change = ani.client.put(&path, json!({"name": "X"})).await;
            change.expect_error(404, not_found);
        }
        for (method, path) in [
            (Method::GET, "/auth/register"),
            (Method::DELETE, "/auth/login"),
            (Method::POST, "/users"),
            (Method::PATCH, "/users/1"),
            (Method::POST, "/users/verify"),
        ] {
            let answer = ani.client.send(method, path, None, &[]).await;
            answer.expect_error(405, "Method not allowed");
        }
        let nowhere = ani.client.get("/user").await;
        nowhere.expect_error(404, "Endpoint not found");
        for query in [
            "limit=0",
            "limit=201",
            "limit=-1",
            "limit=x",
            "limit=",
            "before=0",
            "before=-5",
            "before=9223372036854775808",
            "limit=1&limit=2",
        ] {
            let answer = ani.client.get(&format!("/users?{query}")).await;
            answer.expect_error(400, "Invalid query");
        }
        for key in ["", "a b", "\u{e4}", &"k".repeat(256)] {
            let answer = users
                .client
                .post_with_key("/auth/register", key, registration("X", "x@example.com"))
                .await;
            answer.expect_error(400, "Invalid idempotency key");
        }
        for query in ["", "?after=x", "?after="] {
            let path = format!("/internal/sessions{query}");
            let answer = users.as_service().get(&path).await;
            answer.expect_error(400, "Invalid query");
        }
        let answer = users.as_service().get("/internal/users/abc").await;
        answer.expect_error(404, "User not found");
        assert_eq!(everything(&ani.client).await, before);
    }
}
