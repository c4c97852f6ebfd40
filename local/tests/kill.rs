//! The local process is killed in the middle of load, again and again: what was answered is there once, and what is
//! repeated with its key is there once.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod process;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use process::{command, start};
use reqwest::Method;
use serde_json::{Value, json};
use testing::TestClient;

const KILLS: usize = 20;
const CLIENTS: usize = 8;

/// One payment that a client asked for, and the id that it was answered with, if it was answered.
#[derive(Clone, Debug)]
struct Attempt {
    key: String,
    payment_id: Option<i64>,
}

async fn pay(john: &TestClient, key: &str) -> Option<i64> {
    let body = json!({"wallet_id": 1, "merchant": key, "amount": 1})
        .to_string()
        .into_bytes();
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", key),
    ];
    let answer = john
        .try_send(Method::POST, "/payments/pay", body, &headers)
        .await
        .ok()?;
    (answer.status.as_u16() == 201).then(|| answer.json()["payment"]["id"].as_i64().unwrap())
}

/// Pays one rupiah after the other until told to stop or the server is gone.
async fn client(
    john: TestClient,
    name: String,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    for number in 0.. {
        let key = format!("{name}-{number}");
        let payment_id = pay(&john, &key).await;
        attempts.push(Attempt { key, payment_id });
        if payment_id.is_none() || stop.load(Ordering::SeqCst) {
            break;
        }
        answered.fetch_add(1, Ordering::SeqCst);
    }
    attempts
}

async fn every_payment(john: &TestClient) -> Vec<Value> {
    let mut payments = Vec::new();
    let mut page = "/payments?limit=200".to_owned();
    loop {
        let answer = john.get(&page).await.expect(200);
        payments.extend(answer["payments"].as_array().unwrap().clone());
        match answer["next"].as_i64() {
            Some(before) => page = format!("/payments?limit=200&before={before}"),
            None => return payments,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_when_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let ports = testing::free_ports();
    let api = TestClient::new(format!("http://127.0.0.1:{}/api/v1", ports[0]));
    let mut process = start(folder.path(), ports, &[]).await;
    let login = json!({"email": "john@example.com", "password": "password123"});
    let token = api.post("/auth/login", login).await.expect(200)["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let john = api.with_token(token);
    let mut attempts = Vec::new();

    for kill in 0..KILLS {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicUsize::new(0));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| {
                tokio::spawn(client(
                    john.clone(),
                    format!("kill-{kill}-{n}"),
                    stop.clone(),
                    answered.clone(),
                ))
            })
            .collect();
        // Each time a little later in the load.
        testing::wait_until("some payments are answered", || async {
            answered.load(Ordering::SeqCst) > 3 + 7 * kill
        })
        .await;
        process.kill().unwrap();
        process.wait().unwrap();
        stop.store(true, Ordering::SeqCst);
        for client in clients {
            attempts.extend(client.await.unwrap());
        }
        let audit = command(folder.path(), ports)
            .arg("verify")
            .status()
            .unwrap();
        assert!(audit.success(), "the ledger is not whole after kill {kill}");
        process = start(folder.path(), ports, &[]).await;
    }

    let unknown = attempts
        .iter()
        .filter(|attempt| attempt.payment_id.is_none())
        .count();
    assert!(unknown > 0, "no kill hit a request");
    for attempt in &mut attempts {
        let again = pay(&john, &attempt.key)
            .await
            .expect("a repeat is answered");
        assert_eq!(
            *attempt.payment_id.get_or_insert(again),
            again,
            "{}",
            attempt.key
        );
    }
    let payments = every_payment(&john).await;
    for attempt in &attempts {
        let found: Vec<_> = payments
            .iter()
            .filter(|payment| payment["merchant"] == attempt.key.as_str())
            .collect();
        assert_eq!(found.len(), 1, "{attempt:?}");
        assert_eq!(found[0]["id"].as_i64(), attempt.payment_id);
    }
    // One payment came with the demo data.
    assert_eq!(payments.len(), attempts.len() + 1);
    let balance = john.get("/wallets/1/balance").await.expect(200)["balance"]
        .as_i64()
        .unwrap();
    assert_eq!(balance, 1_000_000 - i64::try_from(attempts.len()).unwrap());
    assert!(
        command(folder.path(), ports)
            .arg("verify")
            .status()
            .unwrap()
            .success()
    );
    process.kill().unwrap();
    process.wait().unwrap();
}
