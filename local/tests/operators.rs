//! The real program in the hands of operators: clocks that were wrong, data folders of every kind, two programs on one folder, and
//! what its commands log.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod process;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use process::{Running, command, healthy};
use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use testing::TestClient;

/// The words of a command on standard output and on standard error, and its exit code.
fn said(command: &mut Command) -> (String, String, Option<i32>) {
    let output = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        text(output.stdout),
        text(output.stderr),
        output.status.code(),
    )
}

fn dompet(folder: &Path, words: &[&str]) -> Command {
    let mut dompet = command(folder, testing::free_ports());
    dompet.args(words).env_remove("CARGO");
    dompet
}

async fn stop(running: Running) {
    kill_process(Pid::from_child(&running), Signal::TERM).unwrap();
    assert!(running.output().status.success());
}

async fn log_in(ports: [u16; 5]) -> TestClient {
    let api = TestClient::new(format!("http://127.0.0.1:{}/api/v1", ports[0]));
    let login = json!({"email": "john@example.com", "password": "password123"});
    let answer = api.post("/auth/login", login).await.expect(200);
    api.with_token(answer["token"].as_str().unwrap())
}

/// Pays with this key; gives the payment.
async fn pay(client: &TestClient, key: &str) -> Value {
    let body = json!({"wallet_id": 1, "merchant": "Kopi", "amount": 1});
    client
        .post_with_key("/payments/pay", key, body)
        .await
        .expect(201)["payment"]
        .clone()
}

/// The library that gives a program another time.
fn libfaketime() -> Option<PathBuf> {
    let found = std::fs::read_dir("/usr/lib").unwrap().flatten();
    let mut found = found.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
    let library = found.find(|path| path.exists());
    assert!(
        library.is_some() || std::env::var_os("REQUIRE_POSTGRES").is_none(),
        "install libfaketime"
    );
    if library.is_none() {
        eprintln!("LEFT OUT: a clock that was ahead; install libfaketime");
    }
    library
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_days_ahead_and_came_back_breaks_neither_order_nor_tokens() {
    let Some(library) = libfaketime() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let ports = testing::free_ports();
    let mut ahead = command(folder.path(), ports);
    ahead
        .env("LD_PRELOAD", library)
        .env("FAKETIME", "+3d")
        .env("DONT_FAKE_MONOTONIC", "1");
    let running = Running::spawn(&mut ahead);
    healthy(ports).await;
    let of_the_future = log_in(ports).await;
    let first = pay(&of_the_future, "first").await;
    stop(running).await;

    let running = process::start(folder.path(), ports, &[]).await;
    let today = log_in(ports).await;
    let second = pay(&today, "second").await;
    let third = pay(&of_the_future, "third").await;
    // The log's time never goes back, so neither does the order of what clients see.
    let time = |payment: &Value| payment["created_at"].as_str().unwrap().to_owned();
    assert!(time(&first) <= time(&second) && time(&second) <= time(&third));
    assert_eq!(pay(&today, "first").await, first);
    let listed = today.get("/transactions?limit=3").await.expect(200);
    let listed: Vec<&Value> = listed["transactions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["payment_id"])
        .collect();
    assert_eq!(listed, [&third["id"], &second["id"], &first["id"]]);
    // A log-out holds also for a token that is not of today.
    of_the_future
        .post("/auth/logout", json!({}))
        .await
        .expect(204);
    let body = json!({"wallet_id": 1, "merchant": "Kopi", "amount": 1});
    of_the_future.post("/payments/pay", body).await.expect(401);
    pay(&today, "fourth").await;
    let (report, log, code) = said(&mut dompet(folder.path(), &["verify"]));
    assert_eq!(code, Some(0), "{report}{log}");
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_may_have_any_name_and_must_be_a_folder_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "with space",
        "q?uery#mark",
        "per%20cent",
        "quote'\";drop",
        "\u{e9}\u{1f4b0}",
        "a=b&c",
    ] {
        let data = folder.path().join(name);
        let ports = testing::free_ports();
        let running = process::start(&data, ports, &[]).await;
        pay(&log_in(ports).await, "one").await;

        // A second one says so, and leaves the first alone.
        let (_, why, code) = said(&mut dompet(&data, &[]));
        assert_eq!(code, Some(1), "{name}: {why}");
        let expected = format!(
            "dompet: the data folder {} is in use by another dompet; stop it, or set DATA_DIR to another\n",
            data.display()
        );
        assert_eq!(why, expected);
        pay(&log_in(ports).await, "two").await;
        stop(running).await;
        let (report, log, code) = said(&mut dompet(&data, &["verify"]));
        assert_eq!(code, Some(0), "{name}: {report}{log}");
        assert!(data.join("wallet.db").exists(), "{name}");
    }
    let file = folder.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    for (data, expected) in [
        (file.clone(), "is a file; set DATA_DIR to another"),
        (
            file.join("below"),
            "set DATA_DIR to another: Not a directory",
        ),
    ] {
        let (_, why, code) = said(&mut dompet(&data, &[]));
        assert_eq!(code, Some(1), "{why}");
        assert!(
            why.contains(expected) && why.contains(data.to_str().unwrap()),
            "{why}"
        );
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn port_0_takes_a_free_one_and_the_greeting_says_which() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("greeting");
    let mut dompet = command(&folder.path().join("data"), [0; 5]);
    dompet.stdout(std::fs::File::create(&log).unwrap());
    let running = Running::spawn(&mut dompet);
    testing::wait_until("it has greeted", || async {
        std::fs::read_to_string(&log).unwrap().contains("Stop with")
    })
    .await;
    let greeting = std::fs::read_to_string(&log).unwrap();
    let urls = greeting
        .split_whitespace()
        .filter(|word| word.starts_with("http://"));
    let mut listening = 0;
    for url in urls {
        let origin: Vec<&str> = url.split('/').take(3).collect();
        let client = TestClient::new(origin.join("/"));
        let answer = client
            .try_send(Method::GET, "/livez", Vec::new(), &[])
            .await;
        assert_eq!(answer.unwrap().status.as_u16(), 200, "{url}");
        listening += 1;
    }
    assert!(listening >= 5, "{greeting}");
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_log_as_the_services_do_and_never_into_what_they_report() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let copy = copy.to_str().unwrap();
    let ports = testing::free_ports();
    stop(process::start(&data, ports, &[]).await).await;
    for words in [
        &["verify"][..],
        &["repair"],
        &["backup", copy],
        &["restore", copy, "--replace"],
    ] {
        let mut mistyped = dompet(&data, words);
        // Which a start would tell, too.
        mistyped.env("GATEWAY_PROT", "6000");
        let (report, log, code) = said(&mut mistyped);
        assert_eq!(code, Some(0), "{words:?}: {report}{log}");
        let hint = "GATEWAY_PROT is set, and nothing reads it; is GATEWAY_PORT meant?";
        assert_eq!(log.matches(hint).count(), 1, "{words:?}: {log}");
        for line in log.lines() {
            let line: Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{words:?}: {error}: {line}"));
            assert!(line["level"].is_string(), "{line}");
        }
        assert!(!report.contains("\"level\""), "{words:?}: {report}");

        let mut quiet = dompet(&data, &["verify"]);
        quiet.env("GATEWAY_PROT", "6000").env("LOG_LEVEL", "off");
        let (_, log, _) = said(&mut quiet);
        assert_eq!(log, "", "{words:?}");
    }
}
