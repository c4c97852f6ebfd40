//! The order in which dumps of the four schemas are taken, as docs/BACKUP.md has it, played while payments go on: what is restored
//! belongs together, although each dump is of a moment of its own. Another order is told before anything runs, and repaired.
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
/// The ledger first: whatever follows it knows more than it.
const WRONG_ORDER: [&str; 4] = ["wallet", "user", "transaction", "payment"];
const CLIENTS: usize = 4;
/// Payments between one dump and the next, so that no two are of one moment.
const BETWEEN: usize = 20;

fn config(folder: &Path, url: String) -> Config {
    Config {
        database_url: Some(url),
        demo_data: true,
        ..Config::on_free_ports(folder, testing::SECRET)
    }
}

async fn start(folder: &Path, url: String) -> (Bank, Config) {
    let config = config(folder, url);
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

/// Dumps taken while payments went on, put into another database.
struct Restored {
    folder: tempfile::TempDir,
    url: String,
    /// The payments that were answered, each with its key.
    paid: Vec<(i64, String)>,
}

/// Dumps in this order while clients pay, and what comes of it in a new database.
async fn dump_and_restore(server: &DurablePostgres, order: [&str; 4]) -> Restored {
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
    for schema in order {
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
    let url = format!("{server_url}/restored");
    for schema in order {
        run(psql()
            .arg(format!("--dbname={url}"))
            .args(["--set", "ON_ERROR_STOP=1", "--quiet", "--file"])
            .arg(folder.path().join(schema)));
    }
    Restored { folder, url, paid }
}

/// Every invariant holds.
async fn assert_whole(home: &Home) {
    let mut report = Vec::new();
    let whole = local::verify::verify(home, None, &mut report)
        .await
        .unwrap();
    assert!(whole, "{}", String::from_utf8_lossy(&report));
}

/// Those of `paid` that the bank knows, after all of it was sent again: what the ledger knows is answered as it was at first, and what it
/// does not know is done now, and takes no id that is there.
async fn pay_again(bank: &Bank, paid: &[(i64, String)]) -> usize {
    let client = john(bank).await;
    let kept = payments(&client).await;
    let is_kept = |(id, key): &(i64, String)| kept.contains(&(*id, key.clone()));
    for payment in paid {
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
    paid.iter().filter(|payment| is_kept(payment)).count()
}

async fn server() -> Option<DurablePostgres> {
    match DurablePostgres::start().await {
        Ok(server) => Some(server),
        Err(error) if std::env::var_os("REQUIRE_POSTGRES").is_none() => {
            eprintln!("LEFT OUT: {error:#}");
            None
        }
        Err(error) => panic!("{error:#}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dumps_in_the_documented_order_belong_together() {
    let Some(server) = server().await else {
        return;
    };
    let Restored { folder, url, paid } = dump_and_restore(&server, ORDER).await;
    let (bank, config) = start(&folder.path().join("after"), url).await;
    let home = Home::new(&config);
    assert_whole(&home).await;
    let known = pay_again(&bank, &paid).await;
    assert!(known >= 3 * BETWEEN, "{known} of {}", paid.len());
    assert!(known < paid.len(), "the ledger's dump has everything");
    assert_whole(&home).await;
    bank.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dumps_that_begin_with_the_ledger_are_told_before_anything_runs_and_are_repaired() {
    let Some(server) = server().await else {
        return;
    };
    let Restored { folder, url, paid } = dump_and_restore(&server, WRONG_ORDER).await;
    let config = config(&folder.path().join("after"), url);
    let home = Home::new(&config);
    let refused = Bank::start(config.clone(), Clock::system(), Entropy::system()).await;
    let why = format!("{:#}", refused.err().unwrap());
    for part in [
        "the schema transaction in PostgreSQL: ",
        "the schema payment in PostgreSQL: ",
        "`dompet repair` says how to go on",
    ] {
        assert!(why.contains(part), "{why}\nlacks\n{part}");
    }
    let mut report = Vec::new();
    let whole = local::verify::verify(&home, None, &mut report).await;
    assert!(
        !whole.unwrap_or_default(),
        "{}",
        String::from_utf8_lossy(&report)
    );

    let mut report = Vec::new();
    let repaired = local::repair::repair(&home, true, &mut report)
        .await
        .unwrap();
    assert!(repaired, "{}", String::from_utf8_lossy(&report));
    let bank = Bank::start(config, Clock::system(), Entropy::system())
        .await
        .unwrap();
    assert_whole(&home).await;
    let known = pay_again(&bank, &paid).await;
    assert!(known < paid.len(), "the ledger's dump has everything");
    assert_whole(&home).await;
    bank.stop().await;
}
