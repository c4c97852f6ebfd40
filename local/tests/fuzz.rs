//! Bytes that no client should send, made of requests that clients do send: whatever arrives at the gateway, it answers, it never
//! breaks, and no money moves that should not. The seeds are in `fuzz/seeds`; `PROPTEST_CASES=100000` makes it try longer.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "fuzz/mutation.rs"]
mod mutation;

use std::path::Path;
use std::time::Duration;

use clock::{Clock, Entropy};
use ledger::receipts;
use ledger::store::SqlStore;
use ledger_api::Receipt;
use local::{Bank, Config, Home};
use mutation::{Mutation, mutate, mutations};
use proptest::prelude::*;
use proptest::test_runner::{Config as ProptestConfig, FileFailurePersistence, TestRunner};
use serde_json::{Value, json};
use store::Database;
use testing::TestClient;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The factor by which tries are fewer than for pure functions.
const REQUESTS: u32 = 8;
/// The time that a whole request may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// The time that bytes which may be half a request are given.
const HALF_A_REQUEST: Duration = Duration::from_millis(50);

fn runner(cases: u32) -> TestRunner {
    let known = FileFailurePersistence::Direct("tests/fuzz/regressions.txt");
    TestRunner::new(ProptestConfig {
        cases: ProptestConfig::default().cases * cases,
        failure_persistence: Some(Box::new(known)),
        ..ProptestConfig::default()
    })
}

/// A request, taken apart.
#[derive(Clone, Debug)]
struct Seed {
    name: String,
    line: Vec<u8>,
    headers: Vec<u8>,
    body: Vec<u8>,
}

/// The part of a request that is damaged.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Path,
    Headers,
    Body,
    /// Anything, and the length stays as it was.
    Bytes,
}

fn seeds() -> Vec<Seed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds");
    let mut seeds: Vec<Seed> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let (head, body) = text.split_once("\n\n").unwrap();
            let (line, headers) = head.split_once('\n').unwrap();
            Seed {
                name: path.file_stem().unwrap().to_string_lossy().into_owned(),
                line: line.into(),
                headers: headers.replace('\n', "\r\n").into(),
                body: body.into(),
            }
        })
        .collect();
    seeds.sort_by(|one, other| one.name.cmp(&other.name));
    seeds
}

impl Seed {
    fn request(&self, token: &str, part: Option<Part>, mutations: &[Mutation]) -> Vec<u8> {
        let with_token = String::from_utf8_lossy(&self.headers).replace("{token}", token);
        let damaged = |which, bytes: &[u8]| match part {
            Some(part) if part == which => mutate(bytes, mutations),
            _ => bytes.to_vec(),
        };
        let body = damaged(Part::Body, &self.body);
        let request = [
            &damaged(Part::Path, &self.line)[..],
            b"\r\n",
            &damaged(Part::Headers, with_token.as_bytes()),
            format!(
                "\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            )
            .as_bytes(),
            &body,
        ]
        .concat();
        damaged(Part::Bytes, &request)
    }
}

struct FuzzedBank {
    port: u16,
    api: TestClient,
    token: String,
    config: Config,
    _bank: Bank,
    _folder: tempfile::TempDir,
}

impl FuzzedBank {
    async fn start() -> FuzzedBank {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            demo_data: true,
            ..Config::on_free_ports(folder.path().join("data"), testing::SECRET)
        };
        let bank = Bank::start(config.clone(), Clock::system(), Entropy::system())
            .await
            .unwrap();
        let url = bank.gateway_url();
        let api = TestClient::new(format!("{url}/api/v1"));
        let login = json!({"email": "john@example.com", "password": "password123"});
        let token = api.post("/auth/login", login).await.expect(200)["token"]
            .as_str()
            .unwrap()
            .to_owned();
        FuzzedBank {
            port: url.rsplit(':').next().unwrap().parse().unwrap(),
            api: api.with_token(&token),
            token,
            config,
            _bank: bank,
            _folder: folder,
        }
    }

    /// The bytes that come back until the server closes, or the time is over.
    async fn send(&self, request: &[u8], patience: Duration) -> (Vec<u8>, bool) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        // Who is refused early sees the connection end while it still writes.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let all = tokio::time::timeout(patience, stream.read_to_end(&mut answer)).await;
        (answer, all.is_ok())
    }

    /// The status, and the body if it is JSON; `None` for a connection that just ended.
    fn read(answer: &[u8]) -> Option<(u16, Option<Value>)> {
        let text = String::from_utf8_lossy(answer);
        let status = text
            .strip_prefix("HTTP/1.1 ")
            .or_else(|| text.strip_prefix("HTTP/1.0 "))?;
        let status = status.get(..3)?.parse().ok()?;
        let body = text.split_once("\r\n\r\n").map_or("", |parts| parts.1);
        Some((status, serde_json::from_str(body).ok()))
    }

    async fn assert_whole(&self) {
        self.api.get("/wallets").await.expect(200);
        let mut report = Vec::new();
        let home = Home::new(&self.config);
        let is_whole = local::verify::verify(&home, None, &mut report).await;
        assert!(is_whole.unwrap(), "{}", String::from_utf8_lossy(&report));
    }
}

#[test]
fn every_seed_is_a_request_that_is_understood() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let bank = FuzzedBank::start().await;
        for seed in seeds() {
            let request = seed.request(&bank.token, None, &[]);
            let (answer, _) = bank.send(&request, ANSWERED_WITHIN).await;
            let (status, body) = FuzzedBank::read(&answer).unwrap();
            let expected = match seed.name.as_str() {
                "open-wallet" | "pay" | "register" | "transfer" => 201,
                "freeze" => 403,
                _ => 200,
            };
            assert_eq!(status, expected, "{}: {body:?}", seed.name);
        }
    });
}

#[test]
fn damaged_requests_are_answered_and_break_nothing() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bank = runtime.block_on(FuzzedBank::start());
    let part = prop_oneof![
        1 => Just(Part::Path),
        1 => Just(Part::Headers),
        2 => Just(Part::Body),
        1 => Just(Part::Bytes)
    ];
    let cases = (prop::sample::select(seeds()), part, mutations());
    let result = runner(REQUESTS).run(&cases, |(seed, part, mutations)| {
        let request = seed.request(&bank.token, Some(part), &mutations);
        let patience = match part {
            Part::Body | Part::Path => ANSWERED_WITHIN,
            Part::Headers | Part::Bytes => HALF_A_REQUEST,
        };
        let (answer, is_complete) = runtime.block_on(bank.send(&request, patience));
        prop_assert!(is_complete || patience == HALF_A_REQUEST, "no answer");
        let Some((status, body)) = FuzzedBank::read(&answer) else {
            prop_assert!(part != Part::Body, "the connection just ended");
            return Ok(());
        };
        prop_assert!(status < 500, "{status}: {body:?}");
        if part == Part::Body && status >= 400 {
            let code = body.as_ref().and_then(|body| body["code"].as_str());
            prop_assert!(
                code.is_some_and(|code| !code.is_empty()),
                "no code: {body:?}"
            );
        }
        Ok(())
    });
    result.unwrap();
    runtime.block_on(bank.assert_whole());
}

#[test]
fn damaged_tokens_are_no_tokens() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bank = runtime.block_on(FuzzedBank::start());
    let result = runner(REQUESTS).run(&mutations(), |mutations| {
        let token = mutate(bank.token.as_bytes(), &mutations);
        let token = String::from_utf8_lossy(&token).into_owned();
        // What a header cannot carry is no token, and spaces around one are not part of it.
        if reqwest::header::HeaderValue::from_str(&token).is_err() || token.trim() == bank.token {
            return Ok(());
        }
        let api = bank.api.with_token(token);
        let answer = runtime.block_on(api.get("/wallets"));
        prop_assert!(
            [400, 401, 431].contains(&answer.status.as_u16()),
            "{}",
            answer.status
        );
        Ok(())
    });
    result.unwrap();
}

#[test]
fn damaged_receipts_prove_nothing() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bank = runtime.block_on(FuzzedBank::start());
    let (receipt, store) = runtime.block_on(async {
        let history = bank.api.get("/transactions").await.expect(200);
        let id = &history["transactions"][0]["id"];
        let answer = bank.api.get(&format!("/transactions/{id}/receipt")).await;
        let config = Home::new(&bank.config).database("wallet");
        let store = SqlStore::new(Database::open(&config).await.unwrap());
        (answer.expect(200)["receipt"].to_string(), store)
    });
    let original: Receipt = serde_json::from_str(&receipt).unwrap();
    assert_eq!(
        runtime
            .block_on(receipts::check_in(&store, &original))
            .unwrap(),
        Ok(())
    );
    let plain = |receipt: &Receipt| serde_json::to_string(receipt).unwrap().to_lowercase();
    let result = runner(REQUESTS).run(&mutations(), |mutations| {
        let damaged = mutate(receipt.as_bytes(), &mutations);
        let Ok(damaged) = serde_json::from_slice::<Receipt>(&damaged) else {
            return Ok(());
        };
        let verdict = runtime
            .block_on(receipts::check_in(&store, &damaged))
            .unwrap();
        // A receipt whose note is gone proves the entry all the same: notes can be erased.
        let mut original = original.clone();
        original.note = original.note.filter(|_| damaged.note.is_some());
        // Hexadecimal digits may be written large.
        prop_assert!(
            verdict.is_err() || plain(&damaged) == plain(&original),
            "{damaged:?}"
        );
        Ok(())
    });
    result.unwrap();
}
