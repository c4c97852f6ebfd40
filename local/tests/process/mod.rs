//! The local mode as a process of its own.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use reqwest::Method;
use testing::TestClient;

/// `dompet` on this data folder and these ports.
pub(crate) fn command(folder: &Path, ports: [u16; 5]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dompet"));
    command
        .env("DATA_DIR", folder)
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

/// Starts it with these variables, and waits until everything is healthy.
pub(crate) async fn start(folder: &Path, ports: [u16; 5], variables: &[(&str, &str)]) -> Child {
    let process = command(folder, ports)
        .envs(variables.iter().copied())
        .spawn()
        .unwrap();
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
