//! What clients of the original system send: more fields than are needed, a token without a scheme, what a page got before; at
//! the gateway under both prefixes, and at each service's own port.

use reqwest::Method;
use serde_json::{Value, json};
use testing::TestClient;

use crate::support::{TestBank, every_bank};

/// The doors through which a path of the contract is reached: both prefixes, and the port of its service.
fn doors(bank: &TestBank, service: usize) -> [TestClient; 3] {
    let urls = bank.bank.urls();
    [
        TestClient::new(format!("{}/api/v1", urls[0])),
        TestClient::new(format!("{}/api", urls[0])),
        TestClient::new(urls[service].clone()),
    ]
}

const USER: usize = 1;
const WALLET: usize = 2;
const TRANSACTION: usize = 3;
const PAYMENT: usize = 4;

/// The calls of the contract that take a body, each right, with the field that it needs: the service, the method, the path, the
/// body, the status.
fn writes(user_id: i64, wallet_id: i64, to: i64) -> Vec<(usize, Method, String, Value, u16)> {
    let post = Method::POST;
    let me = format!("/users/{user_id}");
    let top_up = format!("/wallets/{wallet_id}/topup");
    let pay = json!({"wallet_id": wallet_id, "merchant": "Tokopedia", "amount": 1});
    let transfer = json!({"from_wallet_id": wallet_id, "to_user_id": to, "amount": 1});
    vec![
        (USER, Method::PUT, me, json!({"name": "Ani"}), 200),
        (WALLET, post.clone(), top_up, json!({"amount": 1}), 200),
        (PAYMENT, post.clone(), "/payments/pay".into(), pay, 201),
        (PAYMENT, post, "/payments/transfer".into(), transfer, 201),
    ]
}

fn with(body: &Value, fields: Value) -> Value {
    let mut body = body.clone();
    let fields = fields.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    body
}

#[tokio::test]
async fn fields_that_nobody_knows_are_ignored() {
    for bank in every_bank().await {
        let (ani, budi) = (
            bank.customer("ani", 1_000).await,
            bank.customer("budi", 0).await,
        );
        let more = json!({
            "id": 7, "user_id": 7, "role": "admin", "balance": 1_000_000, "email": "x@example.com", "status": "closed",
            "payment_method": "wallet", "description": "x", "remember": true, "confirm_password": "x", "note": null,
            "nested": {"a": [1, {"b": null}]},
        });
        for (service, method, path, body, status) in
            writes(ani.user_id, ani.wallet_id, budi.user_id)
        {
            for door in doors(&bank, service) {
                let client = door.with_token(&ani.token);
                let body = Some(with(&body, more.clone()));
                let answer = client.send(method.clone(), &path, body, &[]).await;
                answer.expect(status);
            }
        }
        // Three top-ups, payments and transfers of 1 each.
        assert_eq!(ani.balance().await, 997);
        for door in doors(&bank, USER) {
            let login = json!({"email": "ani@example.org", "password": "a long password", "remember": true});
            door.post("/auth/login", login).await.expect(200);
        }
        // The user as it was read, changed, and sent back.
        let path = format!("/users/{}", ani.user_id);
        let mut user = ani.client.get(&path).await.expect(200)["user"].clone();
        user["name"] = json!("Ani Putri");
        let changed = ani.client.put(&path, user.clone()).await.expect(200);
        assert_eq!(changed["user"], user);
        let register = json!({
            "name": "C", "email": "c@example.org", "phone": "1", "password": "a long password", "role": "admin", "id": 1,
        });
        let registered = bank.api.post("/auth/register", register).await.expect(201);
        assert_eq!(registered["user"]["role"], "user");
        let open = json!({"currency": "USD", "balance": 1_000_000, "user_id": 1});
        let opened = ani.client.post("/wallets", open).await.expect(201);
        assert_eq!(opened["wallet"]["balance"], 0);
        assert_eq!(opened["wallet"]["user_id"], ani.user_id);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn new_routes_refuse_them() {
    for bank in every_bank().await {
        let admin = bank.login("admin@example.com", "a long password").await;
        let freeze = json!({"status": "frozen", "until": "x"});
        let answer = admin.put("/wallets/1/status", freeze).await;
        assert_eq!(answer.expect(400)["code"], "unknown_field");
        let answer = admin
            .post("/auth/logout", json!({"everywhere": true}))
            .await;
        assert_eq!(answer.expect(400)["code"], "unknown_field");
        admin.get("/users/verify").await.expect(200);
        admin.post("/auth/logout", json!({})).await.expect(204);
        admin.get("/users/verify").await.expect(401);
    }
}

#[tokio::test]
async fn a_known_field_of_a_wrong_type_is_refused_everywhere() {
    for bank in every_bank().await {
        let (ani, budi) = (
            bank.customer("ani", 1_000).await,
            bank.customer("budi", 0).await,
        );
        let wrong = [json!(null), json!([]), json!({}), json!(true), json!(1.5)];
        for (service, method, path, body, _) in writes(ani.user_id, ani.wallet_id, budi.user_id) {
            let fields: Vec<String> = body.as_object().unwrap().keys().cloned().collect();
            for field in &fields {
                for door in doors(&bank, service) {
                    let client = door.with_token(&ani.token);
                    for value in &wrong {
                        let body = Some(with(&body, json!({field.as_str(): value})));
                        let answer = client.send(method.clone(), &path, body, &[]).await;
                        assert!(
                            (400..=404).contains(&answer.status.as_u16()),
                            "{}: {}",
                            answer.request,
                            answer.status
                        );
                        assert!(answer.json()["message"].is_string());
                    }
                    // One name, two values.
                    let text = body.to_string();
                    let twice = text.replacen('{', &format!("{{\"{field}\":{},", body[field]), 1);
                    let json_type = [("content-type", "application/json")];
                    let answer = client
                        .send_raw(method.clone(), &path, twice.into_bytes(), &json_type)
                        .await;
                    answer.expect_error(400, "Invalid request body");
                }
            }
        }
        for currency in wrong {
            let answer = ani
                .client
                .post("/wallets", json!({"currency": currency}))
                .await;
            answer.expect_error(400, "Invalid currency");
        }
        assert_eq!(ani.balance().await, 1_000);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn a_token_needs_no_scheme_and_any_case_of_it_will_do() {
    for bank in every_bank().await {
        let token = bank.customer("ani", 0).await.token;
        for (service, path) in [
            (USER, "/users/verify"),
            (WALLET, "/wallets"),
            (TRANSACTION, "/transactions"),
            (PAYMENT, "/payments"),
        ] {
            for door in doors(&bank, service) {
                for (scheme, status) in [
                    ("", 200),
                    ("bearer ", 200),
                    ("BEARER   ", 200),
                    ("Basic ", 401),
                    ("JWT ", 401),
                ] {
                    let value = format!("{scheme}{token}");
                    let headers = [("authorization", value.as_str())];
                    let answer = door.send(Method::GET, path, None, &headers).await;
                    let body = answer.expect(status);
                    if status == 401 {
                        assert_eq!(body["error"], "Invalid token");
                        assert_eq!(body["code"], "token_scheme");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn json_with_a_byte_order_mark_is_json() {
    for bank in every_bank().await {
        let ani = bank.customer("ani", 0).await;
        for door in doors(&bank, WALLET) {
            for content_type in [
                "application/json",
                "Application/JSON; charset=UTF-8",
                "application/json;charset=\"utf-8\"",
                "application/vnd.api+json",
            ] {
                let body = "\u{feff}{\"amount\":5}".as_bytes().to_vec();
                let path = format!("/wallets/{}/topup", ani.wallet_id);
                let headers = [("content-type", content_type)];
                let client = door.with_token(&ani.token);
                let answer = client.send_raw(Method::POST, &path, body, &headers).await;
                answer.expect(200);
            }
        }
        assert_eq!(ani.balance().await, 60);
    }
}

#[tokio::test]
async fn the_same_letters_are_the_same_person() {
    for bank in every_bank().await {
        let register = json!({
            "name": "Jose\u{301}", "email": "jose\u{301}@bu\u{308}cher.example", "phone": "1", "password": "pa\u{df}wo\u{308}rt1",
        });
        let user = bank.api.post("/auth/register", register).await.expect(201);
        assert_eq!(user["user"]["name"], "Jos\u{e9}");
        for (email, password) in [
            ("jos\u{e9}@b\u{fc}cher.example", "pa\u{df}w\u{f6}rt1"),
            ("JOS\u{c9}@xn--bcher-kva.example", "pa\u{df}wo\u{308}rt1"),
        ] {
            let login = json!({"email": email, "password": password});
            bank.api.post("/auth/login", login).await.expect(200);
            let again =
                json!({"name": "x", "email": email, "phone": "1", "password": "a long password"});
            let answer = bank.api.post("/auth/register", again).await;
            answer.expect_error(400, "Email already registered");
        }
        for (field, value) in [
            ("name", "John\u{200b} Doe"),
            ("email", "joh\u{200b}n@example.com"),
            ("phone", "0812\u{202e}34"),
        ] {
            let mut body = json!({"name": "x", "email": "x@example.com", "phone": "1", "password": "a long password"});
            body[field] = json!(value);
            let answer = bank.api.post("/auth/register", body).await;
            let error = answer.expect_error(400, "Invalid field");
            assert_eq!(error["field"], field);
        }
    }
}
