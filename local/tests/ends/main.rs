//! How the process ends: in order when it is told to, at once when it is told twice, and not at all because nobody reads what it says.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../process/mod.rs"]
mod process;
mod support;
mod unread;

use std::fs::OpenOptions;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use process::{Running, command, healthy, start};
use reqwest::Method;
use rustix::process::Signal;
use serde_json::json;
use support::{HalfSent, ended, log_in, nothing_listens, send};
use testing::TestClient;

/// Pays until the door is closed; gives the answers that were not 201.
async fn pay_until_closed(john: TestClient, answered: Arc<AtomicUsize>) -> Vec<String> {
    let mut wrong = Vec::new();
    let body = json!({"wallet_id": 1, "merchant": "Load", "amount": 1}).to_string();
    while let Ok(answer) = john
        .try_send(
            Method::POST,
            "/payments/pay",
            body.clone().into_bytes(),
            &[("content-type", "application/json")],
        )
        .await
    {
        if answer.status.as_u16() != 201 {
            wrong.push(format!("{} {}", answer.status, answer.text()));
        }
        answered.fetch_add(1, Ordering::SeqCst);
    }
    wrong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_and_half_sent_requests_are_answered_by_services_that_are_still_there() {
    let folder = tempfile::tempdir().unwrap();
    let ports = testing::free_ports();
    let mut process = start(folder.path(), ports, &[]).await;
    let john = log_in(ports[0]).await;
    let half = HalfSent::pay(ports[0], john.token().unwrap()).await;
    let answered = Arc::new(AtomicUsize::new(0));
    let load: Vec<_> = (0..8)
        .map(|_| tokio::spawn(pay_until_closed(john.clone(), answered.clone())))
        .collect();
    testing::wait_until("payments are under way", || async {
        answered.load(Ordering::SeqCst) > 50
    })
    .await;
    send(&process, Signal::INT);
    nothing_listens(ports[0]).await;
    let answer = half.finish().await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    for client in load {
        assert_eq!(client.await.unwrap(), Vec::<String>::new());
    }
    assert_eq!(ended(&mut process).await.code(), Some(0));
    let audit = command(folder.path(), ports).arg("verify").status();
    assert!(audit.unwrap().success());
}

#[tokio::test]
async fn a_second_signal_ends_at_once_and_says_so() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let folder = tempfile::tempdir().unwrap();
        let ports = testing::free_ports();
        let mut process = Running::spawn(command(folder.path(), ports).stderr(Stdio::piped()));
        healthy(ports).await;
        let john = log_in(ports[0]).await;
        let half = HalfSent::pay(ports[0], john.token().unwrap()).await;
        send(&process, signal);
        nothing_listens(ports[0]).await;
        assert!(process.try_wait().unwrap().is_none(), "it waits for half");
        send(&process, signal);
        assert_eq!(ended(&mut process).await.code(), Some(code));
        let mut said = String::new();
        let mut stderr = process.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        assert!(said.contains("Ended at once"), "{said}");
        assert!(!said.contains("reqwest_retry"), "{said}");
        drop(half);
    }
}

#[tokio::test]
async fn half_sent_headers_do_not_hold_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let ports = testing::free_ports();
    let mut process = start(folder.path(), ports, &[]).await;
    let half = HalfSent::begin(ports[0], "GET /api/v1/wallets HTTP/1.1\r\nhost: te").await;
    let told = Instant::now();
    send(&process, Signal::TERM);
    assert_eq!(ended(&mut process).await.code(), Some(0));
    assert!(
        told.elapsed() < Duration::from_secs(12),
        "{:?}",
        told.elapsed()
    );
    drop(half);
}

#[tokio::test]
async fn signals_that_ask_for_something_else_end_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ports = testing::free_ports();
    let mut process = start(folder.path(), ports, &[]).await;
    for signal in [Signal::HUP, Signal::USR1, Signal::USR2, Signal::PIPE] {
        send(&process, signal);
    }
    log_in(ports[0]).await;
    assert!(process.try_wait().unwrap().is_none());
    send(&process, Signal::TERM);
    assert_eq!(ended(&mut process).await.code(), Some(0));
}

/// util-linux' `setsid` makes the process the leader of a session on a terminal of its own; this test holds the other side of it.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_terminal_that_closes_ends_in_order() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let side = || {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        Stdio::from(options.open(name.to_str().unwrap()).unwrap())
    };
    let folder = tempfile::tempdir().unwrap();
    let ports = testing::free_ports();
    let dompet = command(folder.path(), ports);
    let mut setsid = Command::new("setsid");
    setsid.arg("--ctty").arg(dompet.get_program());
    setsid.envs(
        dompet
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    setsid.env_remove("DATABASE_URL");
    setsid.stdin(side()).stdout(side()).stderr(side());
    let mut process = Running::spawn(&mut setsid);
    drop(setsid);
    healthy(ports).await;
    let john = log_in(ports[0]).await;
    let half = HalfSent::pay(ports[0], john.token().unwrap()).await;
    drop(terminal);
    nothing_listens(ports[0]).await;
    let answer = half.finish().await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert_eq!(ended(&mut process).await.code(), Some(0));
}

#[tokio::test]
async fn a_soft_limit_of_files_is_raised_and_a_hard_one_that_cannot_work_is_named() {
    let limited = |limit: &str, ports| {
        let folder = tempfile::tempdir().unwrap();
        let dompet = command(folder.path(), ports);
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit {limit}; exec \"$0\"")]);
        shell.arg(dompet.get_program());
        shell.envs(
            dompet
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        shell.env_remove("DATABASE_URL");
        shell.stdout(Stdio::null()).stderr(Stdio::piped());
        (Running::spawn(&mut shell), folder)
    };
    let ports = testing::free_ports();
    let (mut process, _folder) = limited("-S -n 64", ports);
    healthy(ports).await;
    let idle: Vec<_> = (0..300)
        .map(|_| std::net::TcpStream::connect(("127.0.0.1", ports[0])).unwrap())
        .collect();
    log_in(ports[0]).await;
    drop(idle);
    send(&process, Signal::TERM);
    assert_eq!(ended(&mut process).await.code(), Some(0));

    let (process, _folder) = limited("-n 64", testing::free_ports());
    let output = process.output();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(
        said,
        "dompet: this process may have only 64 files open (`ulimit -n`), and needs at least 180\n"
    );
}
