//! What these tests have in common: signals, a wait for the end, and a request of which only half is sent.

use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use testing::TestClient;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) fn send(process: &Child, signal: Signal) {
    kill_process(Pid::from_child(process), signal).unwrap();
}

pub(crate) async fn ended(process: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(status) = process.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "it does not end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) async fn nothing_listens(port: u16) {
    testing::wait_until("nothing listens any more", || async {
        TcpStream::connect(("127.0.0.1", port)).await.is_err()
    })
    .await;
}

pub(crate) async fn log_in(port: u16) -> TestClient {
    let api = TestClient::new(format!("http://127.0.0.1:{port}/api/v1"));
    let login = json!({"email": "john@example.com", "password": "password123"});
    let answer = api.post("/auth/login", login).await.expect(200);
    api.with_token(answer["token"].as_str().unwrap())
}

/// A payment of which only half is sent.
pub(crate) struct HalfSent {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl HalfSent {
    pub(crate) async fn pay(port: u16, token: &str) -> HalfSent {
        let body = r#"{"wallet_id":1,"merchant":"Half","amount":1}"#;
        let head = format!(
            "POST /api/v1/payments/pay HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let (now, later) = body.split_at(20);
        let stream = HalfSent::begin(port, &format!("{head}{now}")).await;
        HalfSent {
            stream,
            rest: later.as_bytes().to_vec(),
        }
    }

    pub(crate) async fn begin(port: u16, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// Sends the rest, and gives what is answered.
    pub(crate) async fn finish(mut self) -> String {
        self.stream.write_all(&self.rest).await.unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}
