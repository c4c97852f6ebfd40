//! Output that nobody reads, or that nobody can read any more: it holds up nothing.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, PipeReader, PipeWriter, Read as _, Write as _};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::process::Signal;
use serde_json::Value;
use testing::TestClient;

use crate::process::{Running, command, healthy};
use crate::support::{HalfSent, ended, log_in, nothing_listens, send};

const CLIENTS: usize = 8;
/// A process that ends in order has this long, also where its last lines cannot be written.
const END_MAX: Duration = Duration::from_secs(5);

/// A pipe that is open and full: the next byte waits until somebody reads.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let flags = rustix::fs::fcntl_getfl(&writer).unwrap();
    rustix::fs::fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    while writer.write(b"\n").is_ok() {}
    rustix::fs::fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

/// `dompet` with both outputs into this pipe, at a level where every request is many lines.
fn talking_into(pipe: PipeWriter, folder: &std::path::Path, ports: [u16; 5]) -> Running {
    let mut dompet = command(folder, ports);
    dompet.env("LOG_LEVEL", "trace").env("LOG_FORMAT", "json");
    Running::spawn(dompet.stdout(pipe.try_clone().unwrap()).stderr(pipe))
}

/// Reads until a line says how many lines are missing, and gives that, and the rest.
fn read_until_missing(reader: PipeReader) -> (u64, BufReader<PipeReader>) {
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).unwrap() > 0, "it ended");
        if line.contains("lines are missing here: nobody read stderr") {
            let line: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(line["level"], "WARN");
            return (line["lines"].as_u64().unwrap(), reader);
        }
    }
}

#[tokio::test]
async fn output_that_cannot_be_written_neither_ends_it_nor_keeps_it_from_starting() {
    let full = || Stdio::from(OpenOptions::new().write(true).open("/dev/full").unwrap());
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    for (stdout, stderr) in [(full(), full()), (closed(), closed())] {
        let folder = tempfile::tempdir().unwrap();
        let ports = testing::free_ports();
        let mut dompet = command(folder.path(), ports);
        let mut process = Running::spawn(dompet.stdout(stdout).stderr(stderr));
        healthy(ports).await;
        let john = log_in(ports[0]).await;
        let half = HalfSent::pay(ports[0], john.token().unwrap()).await;
        send(&process, Signal::TERM);
        nothing_listens(ports[0]).await;
        let answer = half.finish().await;
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        assert_eq!(ended(&mut process).await.code(), Some(0));
    }
}

#[tokio::test]
async fn a_full_pipe_holds_up_neither_the_start_nor_requests_nor_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let ports = testing::free_ports();
    let (_reader, writer) = full_pipe();
    let mut process = talking_into(writer, folder.path(), ports);
    healthy(ports).await;
    let john = log_in(ports[0]).await;
    send(&process, Signal::USR1);
    for _ in 0..50 {
        john.get("/wallets").await.expect(200);
    }
    let told = Instant::now();
    send(&process, Signal::TERM);
    assert_eq!(ended(&mut process).await.code(), Some(0));
    assert!(told.elapsed() < END_MAX, "{:?}", told.elapsed());
}

#[tokio::test]
async fn a_second_signal_ends_at_once_also_where_nobody_reads() {
    let folder = tempfile::tempdir().unwrap();
    let ports = testing::free_ports();
    let (_reader, writer) = full_pipe();
    let mut process = talking_into(writer, folder.path(), ports);
    healthy(ports).await;
    let john = log_in(ports[0]).await;
    let _half = HalfSent::pay(ports[0], john.token().unwrap()).await;
    send(&process, Signal::TERM);
    nothing_listens(ports[0]).await;
    let told = Instant::now();
    send(&process, Signal::TERM);
    assert_eq!(ended(&mut process).await.code(), Some(143));
    assert!(
        told.elapsed() < Duration::from_secs(2),
        "{:?}",
        told.elapsed()
    );
}

#[tokio::test]
async fn a_start_that_fails_ends_also_where_nobody_reads_why() {
    let folder = tempfile::tempdir().unwrap();
    for (variable, value, code) in [("GATEWAY_PORT", "abc", 2), ("BIND", "192.0.2.1", 1)] {
        let (_reader, writer) = full_pipe();
        let mut dompet = command(folder.path(), testing::free_ports());
        let mut process = Running::spawn(dompet.env(variable, value).stderr(writer));
        assert_eq!(ended(&mut process).await.code(), Some(code));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_found_no_place_are_counted_and_told_once_somebody_reads() {
    let folder = tempfile::tempdir().unwrap();
    let ports = testing::free_ports();
    let (reader, writer) = full_pipe();
    let mut process = talking_into(writer, folder.path(), ports);
    healthy(ports).await;
    let wallet = TestClient::new(format!("http://127.0.0.1:{}", ports[2]));
    let dropped = async || {
        let metrics = wallet.get("/metrics").await.text();
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("log_lines_dropped_total "));
        line.unwrap().parse::<u64>().unwrap()
    };
    let john = log_in(ports[0]).await;
    // A request is a line in each of the processes that it goes through, of 300 bytes.
    let requests = 2 * telemetry::WAITING_BYTES_MAX / 300;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let john = john.clone();
            tokio::spawn(async move {
                for _ in 0..requests / CLIENTS {
                    john.get("/wallets").await.expect(200);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    assert!(dropped().await > 0);
    let reading = thread::spawn(move || read_until_missing(reader));
    testing::wait_until("somebody has read how many", || async {
        reading.is_finished()
    })
    .await;
    let (told, mut reader) = reading.join().unwrap();
    assert!(0 < told && told <= dropped().await, "{told}");
    let rest = thread::spawn(move || {
        let mut rest = String::new();
        reader.read_to_string(&mut rest).map(|_| rest)
    });
    send(&process, Signal::TERM);
    assert_eq!(ended(&mut process).await.code(), Some(0));
    let rest = rest.join().unwrap().unwrap();
    assert!(
        rest.contains("Stopping: open requests finish first."),
        "{rest}"
    );
}
