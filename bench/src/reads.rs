//! Reads through the gateway, compared with the least that a proxy can do: nginx in front of an axum that answers a fixed text of the
//! same length.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::routing::get;
use testing::{DurablePostgres, free_ports};
use tokio::net::TcpListener;

use crate::bank::{self, Client};
use crate::closed_loop::Progress;
use crate::http::Connection;
use crate::report::{self, Report};
use crate::{Cli, Load};

const WAITING: usize = 64;
/// The longest answer of the bare axum.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The path of what a user reads, whose wallet has the user's number.
type PathOf = fn(i64) -> String;

/// The kinds of reads.
const READS: [(&str, PathOf); 2] = [
    ("balance through the gateway", |user| {
        format!("/api/v1/wallets/{user}/balance")
    }),
    ("newest 20 of history through the gateway", |_| {
        "/api/v1/transactions?limit=20".to_owned()
    }),
];

pub(crate) async fn run(cli: &Cli) -> anyhow::Result<()> {
    let span = Duration::from_secs(cli.seconds);
    let postgres = DurablePostgres::start().await?;
    let bench = bank::Bench::start(Some(postgres.url()), cli.accounts).await?;
    report::say("payments, so that there is history to read");
    bench.measure(Load::Uniform, 512, span).await?;
    let proxy = Proxy::start().await?;

    let mut report = Report::default();
    for round in 1..=cli.rounds {
        for (name, path) in READS {
            report::say(&format!(
                "round {round} of {}: nginx, then {name}",
                cli.rounds
            ));
            let clients = || (0..WAITING).map(|number| bench.client(number, Load::Uniform));
            let bytes = length(&bench.client(0, Load::Uniform)?, path).await?;
            let as_long = move |_| format!("/{bytes}");
            let yardstick = measure(clients(), Some(proxy.port), as_long, span).await?;
            let rate = measure(clients(), None, path, span).await?;
            report.add_named(name, "64 connections", rate, yardstick);
        }
    }
    drop(proxy);
    bench.finish().await?;
    report.print("nginx in front of axum")
}

/// The number of bytes that a client is answered.
async fn length(client: &Client, path: PathOf) -> anyhow::Result<usize> {
    let mut connection = Connection::open(client.port).await?;
    client.get(&mut connection, &path(client.user)).await?;
    Ok(connection.body().len())
}

/// Reads a second, of clients that ask again as soon as they are answered.
async fn measure(
    clients: impl Iterator<Item = anyhow::Result<Client>>,
    port: Option<u16>,
    path: impl Fn(i64) -> String,
    span: Duration,
) -> anyhow::Result<f64> {
    let progress = Progress::default();
    let mut callers = Vec::new();
    for client in clients {
        let (client, progress) = (client?, progress.clone());
        let path = path(client.user);
        callers.push(tokio::spawn(async move {
            let mut connection = Connection::open(port.unwrap_or(client.port)).await?;
            while !progress.is_over() {
                client.get(&mut connection, &path).await?;
                progress.count();
            }
            anyhow::Ok(())
        }));
    }
    let rate = progress.rate(Duration::from_secs(1), span).await;
    progress.end(callers).await?;
    Ok(rate)
}

/// nginx, and the axum behind it, as processes of their own.
struct Proxy {
    port: u16,
    processes: [Child; 2],
    _folder: tempfile::TempDir,
}

impl Proxy {
    async fn start() -> anyhow::Result<Proxy> {
        let [port, behind] = free_ports();
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("nginx.conf");
        let path = folder.path().display();
        std::fs::write(
            &config,
            format!(
                "daemon off; pid {path}/pid; error_log {path}/error.log; worker_processes auto;
                 events {{ worker_connections 1024; }}
                 http {{
                   access_log off; client_body_temp_path {path}/a; proxy_temp_path {path}/b; fastcgi_temp_path {path}/c;
                   uwsgi_temp_path {path}/d; scgi_temp_path {path}/e; keepalive_requests 100000000;
                   upstream bare {{ server 127.0.0.1:{behind}; keepalive 128; keepalive_requests 100000000; }}
                   server {{ listen 127.0.0.1:{port};
                     location / {{ proxy_pass http://bare; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}
                 }}"
            ),
        )?;
        let axum = Command::new(std::env::current_exe()?)
            .args(["axum", &behind.to_string()])
            .spawn()?;
        let nginx = Command::new(nginx()?)
            .arg("-c")
            .arg(&config)
            .stderr(Stdio::null())
            .spawn()?;
        let deadline = Instant::now() + Duration::from_secs(10);
        for port in [behind, port] {
            while tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .is_err()
            {
                anyhow::ensure!(Instant::now() < deadline, "nginx or axum does not listen");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(Proxy {
            port,
            processes: [nginx, axum],
            _folder: folder,
        })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let [nginx, axum] = &mut self.processes;
        // nginx has workers, which end with it when it is told to end, and not when it is killed.
        let _ = Command::new("kill").arg(nginx.id().to_string()).status();
        let _ = nginx.wait();
        let _ = axum.kill();
        let _ = axum.wait();
    }
}

fn nginx() -> anyhow::Result<PathBuf> {
    ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/bin/nginx"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.exists())
        .context("nginx is not installed")
}

pub(crate) async fn serve_bare_axum(port: u16) -> anyhow::Result<()> {
    let answer = Bytes::from(vec![b' '; ANSWER_BYTES_MAX]);
    let fixed = async move |Path(bytes): Path<usize>| {
        let json = [("content-type", "application/json")];
        (json, answer.slice(..bytes.min(ANSWER_BYTES_MAX)))
    };
    let router = Router::new().route("/{bytes}", get(fixed));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    Ok(axum::serve(listener, router).await?)
}
