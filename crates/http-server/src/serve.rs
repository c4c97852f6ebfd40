//! The accept loop, and the order in which a server comes to its end.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{Health, Metrics, layers};

/// How a server listens and ends.
#[derive(Clone, Debug, clap::Args)]
pub struct HttpConfig {
    /// The address to listen on
    #[arg(long, env = "BIND", default_value = "0.0.0.0")]
    pub bind: IpAddr,
    /// Seconds that a request may take before it is answered with 504
    #[arg(long = "server-timeout", env = "SERVER_TIMEOUT", default_value = "15", value_parser = seconds)]
    pub deadline: Duration,
    /// Seconds that a client may take to send a request's headers; also how long an idle connection lives
    #[arg(long, env = "HEADER_TIMEOUT", default_value = "75", value_parser = seconds)]
    pub header_timeout: Duration,
    /// Seconds between the flip of readiness and the end of listening, so that load balancers look away first
    #[arg(long, env = "SHUTDOWN_DELAY", default_value = "0", value_parser = seconds)]
    pub shutdown_delay: Duration,
    /// Seconds that open requests have to finish at the end
    #[arg(long, env = "SHUTDOWN_TIMEOUT", default_value = "20", value_parser = seconds)]
    pub shutdown_timeout: Duration,
    /// Connections that are served at once; more wait
    // An id of its own: the database has connections too, and clap takes arguments of one id for one argument.
    #[arg(
        id = "http_max_connections",
        long = "max-connections",
        env = "MAX_CONNECTIONS",
        default_value_t = 10_000
    )]
    pub max_connections: usize,
}

impl Default for HttpConfig {
    /// The defaults, on the loopback address: for tests and the local mode.
    fn default() -> HttpConfig {
        HttpConfig {
            bind: IpAddr::from([127, 0, 0, 1]),
            deadline: Duration::from_secs(15),
            header_timeout: Duration::from_secs(75),
            shutdown_delay: Duration::ZERO,
            shutdown_timeout: Duration::from_secs(20),
            max_connections: 10_000,
        }
    }
}

/// Reads a number of seconds from the command line or the environment.
pub fn seconds(text: &str) -> Result<Duration, String> {
    text.parse::<f64>()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "a number of seconds, such as 5 or 0.5".to_owned())
}

/// Work that goes on beside requests, and ends after the last of them.
#[derive(Clone, Debug, Default)]
pub struct Workers {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Workers {
    /// Starts a worker. It gets a token that is cancelled when it should finish what it has and end.
    pub fn spawn<F>(&self, work: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(work(self.stop.clone()));
    }

    /// Tells every worker to end, and waits for that, at most `limit`.
    pub async fn finish(&self, limit: Duration) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(limit, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("background work did not end in time");
        }
    }
}

/// A service, built and ready to be served.
pub struct Service {
    /// Its name, such as `wallet-service`.
    pub name: &'static str,
    /// Its own routes.
    pub router: Router,
    /// Whether the router answers `/health` itself, as the gateway does.
    pub own_health: bool,
    /// Whether it can serve.
    pub health: Health,
    /// What it measures.
    pub metrics: Metrics,
    /// What it does beside requests.
    pub workers: Workers,
}

impl Service {
    /// Its routes with the probes, and with what happens around every request, which may take as long as `deadline`.
    pub fn app(&self, deadline: Duration) -> Router {
        layers::app(self, deadline)
    }
}

/// Serves until `stop` is cancelled, then ends in order. Returns when everything has ended.
pub async fn serve(
    service: Service,
    listener: TcpListener,
    config: HttpConfig,
    stop: CancellationToken,
) {
    let app = service.app(config.deadline);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(config.max_connections));
    let accepting = accept(&listener, &app, &config, &graceful, &places);
    let told_to_stop = async {
        stop.cancelled().await;
        tracing::info!(service = service.name, "stopping: no longer ready");
        service.health.drain();
        tokio::time::sleep(config.shutdown_delay).await;
    };
    tokio::select! {
        () = accepting => {}
        () = told_to_stop => {}
    }
    drop(listener);
    if tokio::time::timeout(config.shutdown_timeout, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(
            service = service.name,
            "requests were still open at the end of the drain"
        );
    }
    service.workers.finish(config.shutdown_timeout).await;
    tracing::info!(service = service.name, "stopped");
}

async fn accept(
    listener: &TcpListener,
    app: &Router,
    config: &HttpConfig,
    graceful: &GracefulShutdown,
    places: &Arc<Semaphore>,
) {
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let connection = graceful.watch(connection(stream, app.clone(), config));
                tokio::spawn(async move {
                    // A connection that breaks is the client's affair, and daily business.
                    let _ = connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                // Out of file descriptors: accepting at once would only spin.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn connection(
    stream: TcpStream,
    app: Router,
    config: &HttpConfig,
) -> http1::Connection<TokioIo<TcpStream>, TowerToHyperService<Router>> {
    // Without it small answers wait for the client's acknowledgement; it fails only on a dead socket.
    let _ = stream.set_nodelay(true);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(config.header_timeout)
        .max_headers(64)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app))
}

/// Cancelled by SIGTERM or Ctrl-C.
pub fn stop_signal() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let stop = CancellationToken::new();
    let cancelled = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        cancelled.cancel();
    });
    Ok(stop)
}

/// Asks the server on this machine's `port` whether it is ready: for images that have no shell and no curl.
pub async fn healthcheck(port: u16) -> anyhow::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer).await?;
        anyhow::ensure!(answer.starts_with("HTTP/1.1 200"), "not ready: {answer}");
        Ok(())
    };
    tokio::time::timeout(Duration::from_secs(3), ask)
        .await
        .context("no answer in time")?
}
