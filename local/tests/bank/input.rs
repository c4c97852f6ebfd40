//! Bad input, through the gateway: a clear error with a code each time, and nothing is changed.

use reqwest::Method;
use serde_json::json;

use crate::support::every_bank;

const BAD_AMOUNTS: &[&str] = &[
    "0",
    "-1",
    "1.5",
    "\"10\"",
    "1e3",
    "1e400",
    "9007199254740992",
    "9223372036854775808",
    "-9223372036854775809",
    "true",
    "[]",
    "{}",
    "[5]",
];

#[tokio::test]
async fn a_bad_amount_is_an_invalid_amount_everywhere() {
    for bank in every_bank().await {
        let (ani, budi) = (
            bank.customer("ani", 1_000).await,
            bank.customer("budi", 0).await,
        );
        let (id, to) = (ani.wallet_id, budi.user_id);
        let calls = [
            (format!("/wallets/{id}/topup"), String::new()),
            (
                "/payments/pay".to_owned(),
                format!(r#""wallet_id":{id},"merchant":"Shop","#),
            ),
            (
                "/payments/transfer".to_owned(),
                format!(r#""from_wallet_id":{id},"to_user_id":{to},"#),
            ),
        ];
        for (path, fields) in &calls {
            for amount in BAD_AMOUNTS {
                let body = format!(r#"{{{fields}"amount":{amount}}}"#);
                let answer = ani
                    .client
                    .send_raw(
                        Method::POST,
                        path,
                        body.into_bytes(),
                        &[("content-type", "application/json")],
                    )
                    .await;
                // 1e400 is no number that JSON readers agree on.
                let sentence = if *amount == "1e400" {
                    "Invalid request body"
                } else {
                    "Invalid amount"
                };
                answer.expect_error(400, sentence);
            }
        }
        for missing in [json!({}), json!({"amount": null})] {
            ani.client
                .post(&calls[0].0, missing)
                .await
                .expect_error(400, "Invalid amount");
        }
        ani.client
            .post(
                "/payments/pay",
                json!({"wallet_id": id, "merchant": "Shop"}),
            )
            .await
            .expect_error(400, "Missing required fields");
        assert_eq!(ani.balance().await, 1_000);
        assert_eq!(ani.list("/transactions", "transactions").await.len(), 1);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn whatever_is_sent_there_is_never_a_500() {
    for bank in every_bank().await {
        let ani = bank.customer("ani", 1_000).await;
        let id = ani.wallet_id;
        let deep = format!(r#"{{"amount":{}1{}}}"#, "[".repeat(500), "]".repeat(500));
        let large = format!(r#"{{"amount":1,"x":"{}"}}"#, "x".repeat(70_000));
        let json_type: &[(&str, &str)] = &[("content-type", "application/json")];
        let paths = [
            format!("/wallets/{id}/topup"),
            "/payments/pay".to_owned(),
            "/payments/transfer".to_owned(),
            "/wallets".to_owned(),
            "/auth/login".to_owned(),
            "/auth/register".to_owned(),
        ];
        for path in &paths {
            for (body, headers, status, code) in [
                ("{", json_type, 400, "invalid_body"),
                ("nonsense", json_type, 400, "invalid_body"),
                ("[]", json_type, 400, "invalid_body"),
                ("\"amount\"", json_type, 400, "invalid_body"),
                ("{\"a\":1,\"a\":2", json_type, 400, ""),
                ("\u{fffe}{}", json_type, 400, "invalid_body"),
                (
                    r#"{"amount":1,"email":1,"amount":1,"email":1,"currency":1,"currency":1}"#,
                    json_type,
                    400,
                    "invalid_body",
                ),
                (&*deep, json_type, 400, ""),
                (&*large, json_type, 413, "body_too_large"),
                (
                    r#"{"amount":1}"#,
                    &[("content-type", "text/plain")],
                    415,
                    "unsupported_media_type",
                ),
                (r#"{"amount":1}"#, &[], 415, "unsupported_media_type"),
                (
                    r#"{"amount":1}"#,
                    &[
                        ("content-type", "application/json"),
                        ("content-encoding", "gzip"),
                    ],
                    415,
                    "unsupported_content_encoding",
                ),
                (
                    r#"{"amount":1}"#,
                    &[("content-type", "application/json; charset=utf-16")],
                    415,
                    "unsupported_charset",
                ),
            ] {
                let answer = ani
                    .client
                    .send_raw(Method::POST, path, body.as_bytes().to_vec(), headers)
                    .await;
                let shown = body.chars().take(40).collect::<String>();
                assert_eq!(
                    answer.status.as_u16(),
                    status,
                    "{path} {shown}: {}",
                    answer.text()
                );
                let found = answer.json()["code"].as_str().unwrap().to_owned();
                assert!(code.is_empty() || found == code, "{path} {shown}: {found}");
            }
        }
        let not_utf8 = ani
            .client
            .send_raw(
                Method::POST,
                &paths[0],
                vec![b'{', 0xff, 0xfe, b'}'],
                json_type,
            )
            .await;
        not_utf8.expect(400);
        for key in ["", "a b", &"k".repeat(256), "ключ"] {
            let headers = [
                ("content-type", "application/json"),
                ("idempotency-key", key),
            ];
            let answer = ani
                .client
                .send_raw(
                    Method::POST,
                    &paths[0],
                    br#"{"amount":1}"#.to_vec(),
                    &headers,
                )
                .await;
            assert_eq!(answer.json()["code"], "invalid_idempotency_key", "{key}");
        }
        for query in [
            "limit=0",
            "limit=-1",
            "limit=201",
            "limit=x",
            "before=0",
            "before=x",
            "limit=1&limit=2",
            "page=2",
            "limit=10&offset=10",
        ] {
            for path in ["/payments", "/transactions", "/users"] {
                ani.client
                    .get(&format!("{path}?{query}"))
                    .await
                    .expect_error(400, "Invalid query");
            }
        }
        for merchant in [
            "",
            "   ",
            "a\u{0}b",
            "a\u{1b}[0m",
            "\u{200b}",
            "Toko\u{202e}aidep",
            &"m".repeat(300),
        ] {
            ani.client
                .post(
                    "/payments/pay",
                    json!({"wallet_id": id, "merchant": merchant, "amount": 1}),
                )
                .await
                .expect(400);
        }
        for wallet_id in [
            json!(0),
            json!(-1),
            json!("1"),
            json!(1.5),
            json!([1]),
            json!(u64::MAX),
        ] {
            let body = json!({"wallet_id": wallet_id, "merchant": "Shop", "amount": 1});
            ani.client
                .post("/payments/pay", body)
                .await
                .expect_error(400, "Invalid wallet");
        }
        assert_eq!(ani.balance().await, 1_000);
        bank.assert_whole().await;
    }
}
