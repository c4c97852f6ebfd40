//! Whatever a client sends: a clear error, never a 500, and nothing changed.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::every_world;

const MISSING: (u16, &str) = (400, "Missing required fields");
const AMOUNT: (u16, &str) = (400, "Invalid amount");
const WALLET: (u16, &str) = (400, "Invalid wallet");
const TYPE: (u16, &str) = (400, "Invalid transaction type");
const FIELD: (u16, &str) = (400, "Invalid field");
const BODY: (u16, &str) = (400, "Invalid request body");

/// A field, a JSON text that is wrong in it, and what that is answered with.
fn wrong_fields() -> Vec<(&'static str, String, (u16, &'static str))> {
    let mut cases = Vec::new();
    let amounts = [
        "0",
        "-1",
        "1.5",
        "\"10\"",
        "1e3",
        "9007199254740992",
        "9223372036854775808",
        "true",
        "[]",
        "{}",
    ];
    cases.extend(amounts.map(|text| ("amount", text.to_owned(), AMOUNT)));
    let wallets = [
        "0",
        "-1",
        "1.5",
        "\"1\"",
        "9223372036854775808",
        "999999",
        "true",
    ];
    cases.extend(wallets.map(|text| ("wallet_id", text.to_owned(), WALLET)));
    let types = ["\"\"", "\"refund\"", "\"Payment\"", "7", "[]"];
    cases.extend(types.map(|text| ("type", text.to_owned(), TYPE)));
    let long = format!("\"{}\"", "d".repeat(300));
    let descriptions = [long.as_str(), r#""a\u0007b""#, "7"];
    cases.extend(descriptions.map(|text| ("description", text.to_owned(), FIELD)));
    cases.push(("description", "\"  \"".to_owned(), MISSING));
    for field in ["wallet_id", "type", "amount", "description"] {
        cases.push((field, "null".to_owned(), MISSING));
    }
    cases
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
async fn wrong_records_have_their_sentences() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        let body = json!({"wallet_id": ani.wallet_id, "type": "topup", "amount": 1, "description": "Old counter"});
        let mut cases: Vec<(String, (u16, &str))> = wrong_fields()
            .into_iter()
            .map(|(field, text, expected)| (with(&body, field, &text), expected))
            .collect();
        for field in ["wallet_id", "type", "amount", "description"] {
            let mut without = body.clone();
            without.as_object_mut().unwrap().remove(field);
            cases.push((without.to_string(), MISSING));
        }
        // One name, two values.
        let twice = body.to_string().replacen('{', "{\"amount\":2,", 1);
        cases.push((twice, BODY));
        cases.push(("not json".to_owned(), BODY));
        cases.push((String::new(), MISSING));

        let before = world.transactions(&ani).await;
        let service = world.service("test");
        for (body, (status, sentence)) in cases {
            let json = [("content-type", "application/json")];
            let answer = service.send_raw(Method::POST, "/transactions", body.into_bytes(), &json);
            answer.await.expect_error(status, sentence);
        }
        assert_eq!(world.transactions(&ani).await, before);
    }
}

#[tokio::test]
async fn wrong_paths_methods_and_pages_are_refused() {
    for world in every_world().await {
        let (ani, budi) = (
            world.bank.customer(1_000).await,
            world.bank.customer(1_000).await,
        );
        let client = world.client(&ani);
        for id in ["0", "-1", "9223372036854775808", "abc", "1.0"] {
            let answer = client.get(&format!("/transactions/{id}")).await;
            answer.expect_error(404, "Transaction not found");
        }
        let of_budi = world.transactions(&budi).await[0]["id"].clone();
        let strange = format!("before={of_budi}");
        for query in [
            "limit=0",
            "limit=201",
            "limit=x",
            "before=0",
            "before=999999",
            &strange,
        ] {
            for path in [
                "/transactions".to_owned(),
                format!("/transactions/wallet/{}", ani.wallet_id),
            ] {
                let answer = client.get(&format!("{path}?{query}")).await;
                answer.expect_error(400, "Invalid query");
            }
        }
        for (method, path) in [
            (Method::DELETE, "/transactions"),
            (Method::POST, "/transactions/stats"),
            (Method::PUT, "/transactions/1"),
        ] {
            let answer = client.send(method, path, None, &[]).await;
            answer.expect_error(405, "Method not allowed");
        }
    }
}
