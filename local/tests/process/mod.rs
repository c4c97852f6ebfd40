//! The local mode as a process of its own.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::io::Read;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use reqwest::Method;
use testing::TestClient;

/// `dompet` on this data folder and these ports.
pub(crate) fn command(folder: &Path, ports: [u16; 5]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dompet"));
    command
        .env("DATA_DIR", folder)
        .env("PROBE_PORT", "0")
        .env_remove("DATABASE_URL")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let variables = [
        "GATEWAY_PORT",
        "USER_SERVICE_PORT",
        "WALLET_SERVICE_PORT",
        "TRANSACTION_SERVICE_PORT",
        "PAYMENT_SERVICE_PORT",
    ];
    for (variable, port) in variables.into_iter().zip(ports) {
        command.env(variable, port.to_string());
    }
    command
}

/// A process that does not outlive its test.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn spawn(command: &mut Command) -> Running {
        Running(command.spawn().unwrap())
    }

    /// Waits for its end, and gives what it said into pipes.
    pub(crate) fn output(mut self) -> Output {
        let read = |pipe: Option<&mut dyn Read>| {
            let mut said = Vec::new();
            pipe.map(|pipe| pipe.read_to_end(&mut said).unwrap());
            said
        };
        Output {
            stdout: read(self.stdout.take().as_mut().map(|pipe| pipe as _)),
            stderr: read(self.stderr.take().as_mut().map(|pipe| pipe as _)),
            status: self.wait().unwrap(),
        }
    }
}

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it with these variables, and waits until everything is healthy.
pub(crate) async fn start(folder: &Path, ports: [u16; 5], variables: &[(&str, &str)]) -> Running {
    let process = Running::spawn(command(folder, ports).envs(variables.iter().copied()));
    healthy(ports).await;
    process
}

/// Waits until everything is healthy.
pub(crate) async fn healthy(ports: [u16; 5]) {
    let gateway = TestClient::new(format!("http://127.0.0.1:{}", ports[0]));
    testing::wait_until("everything is healthy", || async {
        let answer = gateway
            .try_send(Method::GET, "/health", Vec::new(), &[])
            .await;
        answer.is_ok_and(|answer| answer.status.is_success())
    })
    .await;
}
