//! What five processes write: that they are ready, once; that something is away, once; that it is back, once. A start in which each has
//! to wait for others is a healthy one, and warns of nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;
use store::DatabaseConfig;
use testing::TestClient;

/// Those that need others first, so that they have to wait.
const ROLES: [&str; 5] = ["gateway", "payment", "transaction", "wallet", "user"];
const PORTS: [&str; 5] = [
    "GATEWAY_PORT",
    "PAYMENT_SERVICE_PORT",
    "TRANSACTION_SERVICE_PORT",
    "WALLET_SERVICE_PORT",
    "USER_SERVICE_PORT",
];
const URLS: [&str; 5] = [
    "",
    "PAYMENT_SERVICE_URL",
    "TRANSACTION_SERVICE_URL",
    "WALLET_SERVICE_URL",
    "USER_SERVICE_URL",
];

struct Processes {
    folder: tempfile::TempDir,
    ports: [u16; 5],
    running: Vec<(&'static str, Child)>,
}

impl Drop for Processes {
    fn drop(&mut self) {
        for (_, process) in &mut self.running {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Processes {
    fn database(&self, role: &str) -> String {
        format!("sqlite://{}/{role}.db", self.folder.path().display())
    }

    fn log(&self, role: &str) -> PathBuf {
        self.folder.path().join(format!("{role}.log"))
    }

    fn start(&mut self, role: &'static str) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_checker"));
        command.args(["serve", role]);
        for variable in settings::VARIABLES {
            command.env_remove(variable);
        }
        for ((port, url), number) in PORTS.into_iter().zip(URLS).zip(self.ports) {
            command.env(port, number.to_string());
            if !url.is_empty() {
                command.env(url, format!("http://127.0.0.1:{number}"));
            }
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log(role))
            .unwrap();
        command
            .env("SECRET_KEY", testing::SECRET)
            .env("BIND", "127.0.0.1")
            .env("DATABASE_URL", self.database(role))
            .stderr(log);
        self.running.push((role, command.spawn().unwrap()));
    }

    fn kill(&mut self, role: &str) {
        let place = self.running.iter().position(|(name, _)| *name == role);
        let (_, mut process) = self.running.remove(place.unwrap());
        process.kill().unwrap();
        process.wait().unwrap();
    }

    async fn healthy(&self) {
        let gateway = TestClient::new(format!("http://127.0.0.1:{}", self.ports[0]));
        testing::wait_until("everything is healthy", || async {
            let answer = gateway
                .try_send(Method::GET, "/health", Vec::new(), &[])
                .await;
            answer.is_ok_and(|answer| answer.status.is_success())
        })
        .await;
    }

    fn lines(&self, role: &str) -> Vec<Value> {
        lines(&self.log(role))
    }

    /// The number of times that these services together wrote this message.
    fn count(&self, roles: &[&str], message: &str) -> usize {
        let lines = roles.iter().flat_map(|role| self.lines(role));
        lines.filter(|line| line["message"] == message).count()
    }

    async fn wait_for(&self, roles: &[&str], message: &str, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.count(roles, message) < count {
            assert!(Instant::now() < deadline, "nobody writes {message:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn lines(log: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect()
}

#[tokio::test]
async fn each_thing_is_said_once() {
    let mut processes = Processes {
        folder: tempfile::tempdir().unwrap(),
        ports: testing::free_ports(),
        running: Vec::new(),
    };
    let at = |role| DatabaseConfig::at(processes.database(role));
    user::migrate(&at("user")).await.unwrap();
    wallet::migrate(&at("wallet")).await.unwrap();
    transaction::migrate(&at("transaction")).await.unwrap();
    payment::migrate(&at("payment")).await.unwrap();
    for role in ROLES {
        processes.start(role);
    }
    processes.healthy().await;
    processes.wait_for(&ROLES, "ready", 5).await;
    for role in ROLES {
        let lines = processes.lines(role);
        for line in &lines {
            assert!(line["level"] == "INFO", "a healthy start of {role}: {line}");
        }
        let ready: Vec<_> = lines
            .iter()
            .filter(|line| line["message"] == "ready")
            .collect();
        assert_eq!(ready.len(), 1, "{role}: {lines:?}");
        assert_eq!(ready[0]["version"], env!("CARGO_PKG_VERSION"));
    }

    let followers = &ROLES[..4];
    processes.kill("user");
    processes
        .wait_for(followers, "the user service is away", 4)
        .await;
    processes.start("user");
    processes
        .wait_for(followers, "the user service is back", 4)
        .await;
    for role in followers {
        assert_eq!(
            processes.count(&[role], "the user service is away"),
            1,
            "{role}"
        );
        assert_eq!(
            processes.count(&[role], "the user service is back"),
            1,
            "{role}"
        );
        for line in processes.lines(role) {
            assert!(
                line["target"] != "reqwest_retry::middleware",
                "{role}: {line}"
            );
            let why = line["why"].as_str().unwrap_or_default().to_owned();
            let causes: Vec<&str> = why.split(": ").collect();
            for (index, cause) in causes.iter().enumerate() {
                assert!(
                    !causes[..index].contains(cause),
                    "told twice by {role}: {why}"
                );
            }
        }
    }
}
