//! The order in which dumps of the four schemas are taken, as docs/BACKUP.md has it, played while payments go on: what is restored
//! belongs together, although each dump is of a moment of its own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use clock::{Clock, Entropy};
use local::{Bank, Config, Home};
use reqwest::Method;
use serde_json::json;
use testing::{DurablePostgres, TestClient};

/// As docs/BACKUP.md says: who follows first, then the users, and the ledger last.
const ORDER: [&str; 4] = ["transaction", "payment", "user", "wallet"];
const CLIENTS: usize = 4;
/// Payments between one dump and the next, so that no two are of one moment.
const BETWEEN: usize = 20;

async fn start(folder: &Path, url: String) -> (Bank, Config) {
    let config = Config {
        database_url: Some(url),
        demo_data: true,
        ..Config::on_free_ports(folder, testing::SECRET)
    };
    let bank = Bank::start(config.clone(), Clock::system(), Entropy::system());
    (bank.await.unwrap(), config)
}

async fn john(bank: &Bank) -> TestClient {
    let api = TestClient::new(format!("{}/api/v1", bank.gateway_url()));
    let login = json!({"email": "john@example.com", "password": "password123"});
    let answer = api.post("/auth/login", login).await.expect(200);
    api.with_token(answer["token"].as_str().unwrap())
}

async fn pay(john: &TestClient, key: &str) -> i64 {
    let body = json!({"wallet_id": 1, "merchant": key, "amount": 1}).to_string();
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", key),
    ];
    let answer = john
        .try_send(Method::POST, "/payments/pay", body.into_bytes(), &headers)
        .await
        .unwrap();
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.text());
    answer.json()["payment"]["id"].as_i64().unwrap()
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// Every payment's id and merchant.
async fn payments(john: &TestClient) -> Vec<(i64, String)> {
    let mut payments = Vec::new();
    let mut page = "/payments?limit=200".to_owned();
    loop {
        let answer = john.get(&page).await.expect(200);
        for payment in answer["payments"].as_array().unwrap() {
            let merchant = payment["merchant"].as_str().unwrap().to_owned();
            payments.push((payment["id"].as_i64().unwrap(), merchant));
        }
        match answer["next"].as_i64() {
            Some(before) => page = format!("/payments?limit=200&before={before}"),
            None => return payments,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dumps_in_the_documented_order_belong_together() {
    let server = match DurablePostgres::start().await {
        Ok(server) => server,
        Err(error) if std::env::var_os("REQUIRE_POSTGRES").is_none() => {
            eprintln!("LEFT OUT: {error:#}");
            return;
        }
        Err(error) => panic!("{error:#}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let (bank, _) = start(&folder.path().join("before"), server.url()).await;
    let client = john(&bank).await;
    let (stop, answered) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let load: Vec<_> = (0..CLIENTS)
        .map(|name| {
            let (client, stop, answered) = (client.clone(), stop.clone(), answered.clone());
            tokio::spawn(async move {
                let mut paid = Vec::new();
                while !stop.load(Ordering::SeqCst) {
                    let key = format!("dump-{name}-{}", paid.len());
                    let id = pay(&client, &key).await;
                    paid.push((id, key));
                    answered.fetch_add(1, Ordering::SeqCst);
                }
                paid
            })
        })
        .collect();
    for schema in ORDER {
        let goal = answered.load(Ordering::SeqCst) + BETWEEN;
        testing::wait_until("payments go on", || async {
            answered.load(Ordering::SeqCst) >= goal
        })
        .await;
        // A read brings the followers up to the ledger, so that they have something to be ahead with.
        client.get("/payments").await.expect(200);
        client.get("/transactions").await.expect(200);
        run(Command::new(server.program("pg_dump"))
            .arg(format!("--dbname={}", server.url()))
            .arg(format!("--schema=\"{schema}\""))
            .arg("--file")
            .arg(folder.path().join(schema)));
    }
    let goal = answered.load(Ordering::SeqCst) + BETWEEN;
    testing::wait_until("payments are made that are in no dump", || async {
        answered.load(Ordering::SeqCst) >= goal
    })
    .await;
    stop.store(true, Ordering::SeqCst);
    let mut paid = Vec::new();
    for client in load {
        paid.extend(client.await.unwrap());
    }
    bank.stop().await;

    let psql = || Command::new(server.program("psql"));
    run(psql()
        .arg(format!("--dbname={}", server.url()))
        .args(["--command", "create database restored"]));
    let url = server.url();
    let (server_url, _) = url.rsplit_once('/').unwrap();
    let restored = format!("{server_url}/restored");
    for schema in ORDER {
        run(psql()
            .arg(format!("--dbname={restored}"))
            .args(["--set", "ON_ERROR_STOP=1", "--quiet", "--file"])
            .arg(folder.path().join(schema)));
    }
    let (bank, config) = start(&folder.path().join("after"), restored).await;
    let mut report = Vec::new();
    let home = Home::new(&config);
    let whole = local::verify::verify(&home, None, &mut report)
        .await
        .unwrap();
    assert!(whole, "{}", String::from_utf8_lossy(&report));

    let client = john(&bank).await;
    let kept = payments(&client).await;
    let is_kept = |(id, key): &(i64, String)| kept.contains(&(*id, key.clone()));
    let known = paid.iter().filter(|payment| is_kept(payment)).count();
    assert!(known >= 3 * BETWEEN, "{known} of {}", paid.len());
    assert!(known < paid.len(), "the ledger's dump has everything");
    // What the ledger knows is answered as it was at first; what it does not know is done now, and takes no id that is there.
    for payment in &paid {
        let again = pay(&client, &payment.1).await;
        if is_kept(payment) {
            assert_eq!(again, payment.0, "{}", payment.1);
        } else {
            assert!(
                kept.iter().all(|(id, _)| *id != again),
                "{again} is given twice"
            );
        }
    }
    assert_eq!(payments(&client).await.len(), paid.len() + 1);
    let mut report = Vec::new();
    let whole = local::verify::verify(&home, None, &mut report)
        .await
        .unwrap();
    assert!(whole, "{}", String::from_utf8_lossy(&report));
    bank.stop().await;
}
