//! Receipts: each proves its movement, shows nothing of others, and stops fitting when anything in it is changed.

use ledger::receipts::{Flaw, check};
use ledger_api::Receipt;
use serde_json::{Value, json};

use crate::support::every_world;

fn parse(body: &Value) -> Receipt {
    serde_json::from_value(body["receipt"].clone()).unwrap()
}

#[tokio::test]
async fn a_receipt_proves_its_movement() {
    for world in every_world().await {
        let (ani, budi) = (
            world.bank.customer(10_000).await,
            world.bank.customer(0).await,
        );
        // Many at once share a commit, and so a tree.
        let sent = (0..40).map(|_| world.send(&ani, &budi, 7));
        let sent = futures_util::future::join_all(sent).await;
        for entry in sent {
            for who in [&ani, &budi] {
                let id = world.id(&entry, who).await;
                let path = format!("/transactions/{id}/receipt");
                let body = world.client(who).get(&path).await.expect(200);
                assert_eq!(body["transaction"]["id"], id);
                let receipt = parse(&body);
                assert_eq!(check(&receipt), Ok(()));
                assert_eq!(receipt.entry, entry.seq);
                // What the leaf says in the documented places: the accounts and the amount.
                let leaf = hex(&receipt.leaf);
                let number = |at: usize| i64::from_le_bytes(leaf[at..at + 8].try_into().unwrap());
                assert_eq!(number(32), entry.seq);
                assert_eq!(number(48), i64::from(wallet_api::TRANSFER.code.0));
                assert_eq!(number(56), ani.wallet_id);
                assert_eq!(number(64), budi.wallet_id);
                assert_eq!(number(72), 7);
                assert_eq!(receipt.note, None);
            }
        }
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

#[tokio::test]
async fn a_receipt_that_was_changed_proves_nothing() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        let payments = (0..9).map(|_| world.pay(&ani, "Tokopedia", 1));
        let paid = futures_util::future::join_all(payments).await;
        let id = world.id(&paid[4], &ani).await;
        let path = format!("/transactions/{id}/receipt");
        let body = world.client(&ani).get(&path).await.expect(200);
        let whole = parse(&body);
        assert_eq!(check(&whole), Ok(()));
        for (field, value) in body["receipt"].as_object().unwrap() {
            let mut changed = body.clone();
            changed["receipt"][field] = match value {
                Value::Number(number) => json!(number.as_i64().unwrap() + 1),
                Value::String(text) if field != "format" => {
                    let first = if text.starts_with('0') { "1" } else { "0" };
                    json!(format!("{first}{}", &text[1..]))
                }
                Value::Array(hashes) => {
                    json!([hashes.clone(), vec![json!("00".repeat(32))]].concat())
                }
                _ => json!("another format"),
            };
            let flaw = check(&parse(&changed)).unwrap_err();
            let expected = if field == "format" {
                Flaw::Malformed
            } else {
                Flaw::Inconsistent
            };
            assert_eq!(flaw, expected, "{field}");
        }
    }
}

#[tokio::test]
async fn a_receipt_is_for_the_owner_of_a_movement() {
    for world in every_world().await {
        let (ani, budi) = (
            world.bank.customer(1_000).await,
            world.bank.customer(0).await,
        );
        let sent = world.send(&ani, &budi, 1).await;
        let client = world.client(&ani);
        let id = world.id(&sent, &budi).await;
        let of_budi = format!("/transactions/{id}/receipt");
        client.get(&of_budi).await.expect_error(403, "Unauthorized");
        for id in ["999999", "0", "abc"] {
            let answer = client.get(&format!("/transactions/{id}/receipt")).await;
            answer.expect_error(404, "Transaction not found");
        }
        let token = world.bank.service_token("payment-service");
        let body = json!({"wallet_id": ani.wallet_id, "type": "topup", "amount": 5, "description": "Elsewhere"});
        let recorded = client
            .with_token(&token)
            .post("/transactions", body)
            .await
            .expect(201);
        let path = format!("/transactions/{}/receipt", recorded["transaction"]["id"]);
        client.get(&path).await.expect_error(404, "No receipt");
    }
}
