//! Whatever a client sends: a clear error, never a 500, and nothing changed.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::every_world;

const MISSING: (u16, &str) = (400, "Missing required fields");
const AMOUNT: (u16, &str) = (400, "Invalid amount");
const WALLET: (u16, &str) = (400, "Invalid wallet");
const SOURCE: (u16, &str) = (400, "Invalid source wallet");
const BODY: (u16, &str) = (400, "Invalid request body");
const FIELD: (u16, &str) = (400, "Invalid field");
const DESTINATION: (u16, &str) = (404, "Destination user not found");

/// JSON texts that are no amount, and what they are answered with.
fn bad_amounts() -> Vec<(&'static str, (u16, &'static str))> {
    vec![
        ("0", AMOUNT),
        ("-1", AMOUNT),
        ("1.5", AMOUNT),
        ("1.0", AMOUNT),
        ("\"10\"", AMOUNT),
        ("1e3", AMOUNT),
        ("9007199254740992", AMOUNT),
        ("9223372036854775807", AMOUNT),
        ("9223372036854775808", AMOUNT),
        ("1e400", BODY),
        ("true", AMOUNT),
        ("[1]", AMOUNT),
        ("{}", AMOUNT),
        ("null", MISSING),
    ]
}

/// JSON texts that are no id of a wallet.
fn bad_ids(sentence: (u16, &'static str)) -> Vec<(&'static str, (u16, &'static str))> {
    vec![
        ("0", sentence),
        ("-1", sentence),
        ("1.5", sentence),
        ("\"1\"", sentence),
        ("9223372036854775808", sentence),
        ("true", sentence),
        ("null", MISSING),
    ]
}

fn bad_merchants() -> Vec<(String, (u16, &'static str))> {
    let mut merchants = vec![
        (json!("m".repeat(300)).to_string(), FIELD),
        (json!("Toko\u{7}pedia").to_string(), FIELD),
        (json!("Toko\npedia").to_string(), FIELD),
        (json!(7).to_string(), FIELD),
        (json!("").to_string(), MISSING),
        (json!("   ").to_string(), MISSING),
        ("null".to_owned(), MISSING),
    ];
    // A lone surrogate is no text at all; nothing inside the body can be trusted then.
    merchants.push((r#""\ud800""#.to_owned(), BODY));
    merchants
}

/// The body with one field replaced by a JSON text.
fn with(body: &Value, field: &str, text: &str) -> String {
    let fields = body.as_object().unwrap().iter().map(|(name, value)| {
        let text = if name == field {
            text.to_owned()
        } else {
            value.to_string()
        };
        format!("{name:?}:{text}")
    });
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn wrong_fields_have_their_sentences() {
    for world in every_world().await {
        let (ani, budi) = (
            world.bank.customer(1_000).await,
            world.bank.customer(0).await,
        );
        let pay = json!({"wallet_id": ani.wallet_id, "merchant": "Tokopedia", "amount": 1});
        let transfer =
            json!({"from_wallet_id": ani.wallet_id, "to_user_id": budi.user_id, "amount": 1});
        let mut cases: Vec<(&str, String, (u16, &str))> = Vec::new();
        for (path, body, wallet, wallet_sentence) in [
            ("/payments/pay", &pay, "wallet_id", WALLET),
            ("/payments/transfer", &transfer, "from_wallet_id", SOURCE),
        ] {
            for (text, expected) in bad_amounts() {
                cases.push((path, with(body, "amount", text), expected));
            }
            for (text, expected) in bad_ids(wallet_sentence) {
                cases.push((path, with(body, wallet, text), expected));
            }
            for field in body.as_object().unwrap().keys() {
                let mut without = body.clone();
                without.as_object_mut().unwrap().remove(field);
                cases.push((path, without.to_string(), MISSING));
            }
            // One name, two values.
            let twice = body.to_string().replacen('{', "{\"amount\":2,", 1);
            cases.push((path, twice, BODY));
            cases.push((path, String::new(), MISSING));
        }
        for (text, expected) in bad_ids(DESTINATION) {
            cases.push((
                "/payments/transfer",
                with(&transfer, "to_user_id", text),
                expected,
            ));
        }
        for (text, expected) in bad_merchants() {
            cases.push(("/payments/pay", with(&pay, "merchant", &text), expected));
        }

        let before = world.bank.log().await;
        let client = world.client(&ani);
        for (path, body, (status, sentence)) in cases {
            let json = [("content-type", "application/json")];
            let answer = client
                .send_raw(Method::POST, path, body.into_bytes(), &json)
                .await;
            answer.expect_error(status, sentence);
        }
        assert_eq!(world.bank.log().await, before);
    }
}

#[tokio::test]
async fn a_wrong_merchant_is_named() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        let body = json!({"wallet_id": ani.wallet_id, "merchant": "m".repeat(300), "amount": 1});
        let answer = world.client(&ani).post("/payments/pay", body).await;
        assert_eq!(
            answer.expect_error(400, "Invalid field")["field"],
            "merchant"
        );
    }
}

#[tokio::test]
async fn bodies_that_are_no_json_objects_are_refused() {
    let deep = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    let large = format!(r#"{{"merchant":"{}"}}"#, "m".repeat(70_000));
    let json: &[(&str, &str)] = &[("content-type", "application/json")];
    let text: &[(&str, &str)] = &[("content-type", "text/plain")];
    let cases = [
        ("not json".to_owned(), json, 400, "Invalid request body"),
        ("[]".to_owned(), json, 400, "Invalid request body"),
        ("7".to_owned(), json, 400, "Invalid request body"),
        (
            r#"{"amount":1"#.to_owned(),
            json,
            400,
            "Invalid request body",
        ),
        (
            r#"{"amount":1,"amount":2}"#.to_owned(),
            json,
            400,
            "Invalid request body",
        ),
        (deep, json, 400, "Invalid request body"),
        (large, json, 413, "Request body too large"),
        ("{}".to_owned(), text, 415, "Unsupported media type"),
        ("{}".to_owned(), &[], 415, "Unsupported media type"),
    ];
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        for path in ["/payments/pay", "/payments/transfer"] {
            for (body, headers, status, sentence) in &cases {
                let client = world.client(&ani);
                let answer =
                    client.send_raw(Method::POST, path, body.clone().into_bytes(), headers);
                answer.await.expect_error(*status, sentence);
            }
        }
    }
}

#[tokio::test]
async fn wrong_paths_methods_pages_and_keys_are_refused() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        let client = world.client(&ani);
        for id in [
            "0",
            "-1",
            "9223372036854775808",
            "abc",
            "1.0",
            "%00",
            "1%2F2",
        ] {
            let answer = client.get(&format!("/payments/{id}")).await;
            answer.expect_error(404, "Payment not found");
        }
        for query in [
            "limit=0",
            "limit=201",
            "limit=x",
            "before=0",
            "before=-1",
            "limit=1&limit=2",
        ] {
            let answer = client.get(&format!("/payments?{query}")).await;
            answer.expect_error(400, "Invalid query");
        }
        for (method, path) in [
            (Method::DELETE, "/payments"),
            (Method::PUT, "/payments/1"),
            (Method::PUT, "/payments/pay"),
        ] {
            let answer = client.send(method, path, None, &[]).await;
            answer.expect_error(405, "Method not allowed");
        }
        client
            .get("/elsewhere")
            .await
            .expect_error(404, "Endpoint not found");
        let body = json!({"wallet_id": ani.wallet_id, "merchant": "Tokopedia", "amount": 1});
        for key in ["", "two words", &"k".repeat(256)] {
            let answer = client
                .post_with_key("/payments/pay", key, body.clone())
                .await;
            answer.expect_error(400, "Invalid idempotency key");
        }
    }
}
