//! What strangers can do to the door of the whole wallet without a token: fill its memory, hold its places, take its files.
// The figures come from /proc.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod process;

use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use process::{Running, command, healthy};
use rustix::process::{Resource, getrlimit, setrlimit};
use testing::{TestClient, free_ports, wait_until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const MIB: u64 = 1024 * 1024;
/// The most that an attack of this file may cost.
const MEMORY_MAX: u64 = 64 * MIB;
/// The time after which slow connections are gone: that of a head, and some for a machine that has much to do.
const GONE_WITHIN: Duration = Duration::from_secs(15);

/// The whole wallet, and the ports that it has.
struct World {
    process: Running,
    ports: [u16; 5],
    probe_port: u16,
    _folder: tempfile::TempDir,
}

impl World {
    /// With at most so many open files, where there is a number.
    async fn start(files: Option<u32>) -> World {
        raise_own_limit();
        let (folder, [probe_port]) = (tempfile::tempdir().unwrap(), free_ports());
        let ports = free_ports();
        let mut dompet = command(&folder.path().join("data"), ports);
        dompet.env("PROBE_PORT", probe_port.to_string());
        let process = match files {
            None => dompet,
            Some(files) => {
                let mut shell = std::process::Command::new("sh");
                let limit = format!("ulimit -n {files} && exec \"$0\"");
                shell.arg("-c").arg(limit).arg(dompet.get_program());
                for (name, value) in dompet.get_envs() {
                    match value {
                        Some(value) => shell.env(name, value),
                        None => shell.env_remove(name),
                    };
                }
                shell.stdout(Stdio::null()).stderr(Stdio::null());
                shell
            }
        };
        let mut process = process;
        let process = Running::spawn(&mut process);
        healthy(ports).await;
        World {
            process,
            ports,
            probe_port,
            _folder: folder,
        }
    }

    fn url(&self, service: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports[service])
    }

    fn probes(&self) -> TestClient {
        TestClient::new(format!("http://127.0.0.1:{}", self.probe_port))
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.ports[0]))
            .await
            .unwrap()
    }

    /// The memory that the process has now; from now on its highest is looked for.
    fn memory(&self) -> u64 {
        let now = self.status("VmRSS:");
        std::fs::write(format!("/proc/{}/clear_refs", self.process.id()), "5").unwrap();
        now
    }

    fn status(&self, field: &str) -> u64 {
        let file = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(file).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = line.unwrap().trim().trim_end_matches(" kB");
        kib.parse::<u64>().unwrap() * 1024
    }

    /// The connections that the gateway counts.
    async fn connections(&self) -> u64 {
        let text = TestClient::new(self.url(0)).get("/metrics").await.text();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("http_connections "));
        line.unwrap().parse().unwrap()
    }

    /// Waits until nobody is at the gateway's door any more.
    async fn are_gone(&self, last: Instant) {
        loop {
            let left = self.connections().await;
            // The client that waited for the start may rest for a moment.
            if left <= 1 {
                return;
            }
            assert!(last.elapsed() < GONE_WITHIN, "{left} are still there");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    #[track_caller]
    fn assert_cost(&self, before: u64, attack: &str) {
        let highest = self.status("VmHWM:");
        let (cost, left) = (highest.saturating_sub(before), self.memory());
        eprintln!("{attack}: at most {} KiB, now {left}", cost / 1024);
        assert!(cost < MEMORY_MAX, "{attack} cost {} MiB", cost / MIB);
    }
}

/// For the sockets of the attacker.
fn raise_own_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

#[tokio::test]
async fn connections_with_huge_heads_are_refused_and_cost_nothing_afterwards() {
    let world = World::start(None).await;
    let before = world.memory();
    let head = format!(
        "GET /livez HTTP/1.1\r\nhost: x\r\nx: {}",
        "y".repeat(400_000)
    );
    let attack = async || {
        let mut stream = world.connect().await;
        // It is closed on the way.
        let _ = stream.write_all(head.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 431")
    };
    for _ in 0..3 {
        let refused = join_all((0..500).map(|_| attack())).await;
        assert!(refused.iter().all(|refused| *refused));
        world.assert_cost(before, "500 connections with 400 KB of headers");
    }
    world.are_gone(Instant::now()).await;
    world.assert_cost(before, "what is left of them");
}

#[tokio::test]
async fn slow_connections_cost_little_and_are_gone_soon() {
    let world = World::start(None).await;
    let before = world.memory();
    let mut held = Vec::new();
    for number in 0..2_000 {
        let mut stream = world.connect().await;
        // A third says nothing, a third stops in the first line, and a third in the headers.
        let said: &[u8] = match number % 3 {
            0 => b"",
            1 => b"GET /he",
            _ => b"GET /health HTTP/1.1\r\nhost: x\r\nx: y",
        };
        stream.write_all(said).await.unwrap();
        held.push(stream);
    }
    let last = Instant::now();
    world.assert_cost(before, "2,000 slow connections");
    // Others are served meanwhile.
    let answer = TestClient::new(world.url(0)).get("/livez").await;
    assert!(answer.status.is_success());
    world.are_gone(last).await;
    world.assert_cost(before, "what is left of them");
    drop(held);
}

#[tokio::test]
async fn a_full_door_does_not_look_like_death() {
    let world = World::start(Some(1024)).await;
    let held = join_all((0..1_000).map(|_| world.connect())).await;
    wait_until("the door is full", async || {
        let text = world.probes().get("/metrics").await.text();
        let value = |name: &str| -> u64 {
            let start = format!("{name}{{service=\"api-gateway\"}} ");
            let line = text.lines().find_map(|line| line.strip_prefix(&start));
            line.unwrap().parse().unwrap()
        };
        value("http_connections") == value("http_connections_max")
    })
    .await;
    for path in ["/livez", "/readyz", "/health"] {
        let answer = world.probes().get(path).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text());
    }
    for service in 1..5 {
        let answer = TestClient::new(world.url(service)).get("/readyz").await;
        assert!(answer.status.is_success(), "service {service}");
    }
    drop(held);
}

#[tokio::test]
async fn probes_find_a_port_where_theirs_is_taken() {
    // Whether by this test or by whoever has it already.
    let _taken = std::net::TcpListener::bind(("127.0.0.1", 5099));
    let (folder, ports) = (tempfile::tempdir().unwrap(), free_ports());
    let mut dompet = command(&folder.path().join("data"), ports);
    dompet.env_remove("PROBE_PORT").stdout(Stdio::piped());
    let mut process = Running::spawn(&mut dompet);
    healthy(ports).await;
    let (mut said, mut out) = (String::new(), process.stdout.take().unwrap());
    let url = loop {
        let mut some = [0; 512];
        let read = out.read(&mut some).unwrap();
        assert!(read > 0, "{said}");
        said.push_str(&String::from_utf8_lossy(&some[..read]));
        if let Some((_, rest)) = said.split_once("  Probes        ")
            && let Some((url, _)) = rest.split_once("/readyz")
        {
            break url.to_owned();
        }
    };
    assert!(!url.ends_with(":5099"), "{url}");
    let answer = TestClient::new(url).get("/readyz").await;
    assert!(answer.status.is_success(), "{}", answer.text());
}
