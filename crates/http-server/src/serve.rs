//! The accept loop, and the order in which a server comes to its end.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::HttpConfig;
use crate::front::Front;
use crate::line::refuse_connection;
use crate::line::{Line, Progress};
use crate::places::{Place, Places};
use crate::{Health, Metrics, Peer, layers};

/// The time that a client that had sent half of a request's headers when the server was told to stop may go on with them. Nobody knows yet
/// what it asks for, so nothing is lost with it; a request whose headers are there is finished.
const HEADERS_AFTER_STOP: Duration = Duration::from_secs(3);
/// The longest head of a request: its first line and all headers. Browsers and proxies stay far below; nginx takes 32 KiB as well.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// The number of headers in it.
const HEADERS_MAX: usize = 64;
/// The memory that a connection has for what it reads, and again for what it writes.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// The time that accepting rests when it failed. Out of file descriptors, accepting at once would only spin.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// The interval at which it is logged at most that connections cannot be accepted.
const ACCEPT_LOG_EVERY: Duration = Duration::from_secs(60);

/// The time that closing may take at the end. A connection that still works for a request that was cut off cannot be closed.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Work that goes on beside requests, and ends after the last of them.
#[derive(Clone, Debug, Default)]
pub struct Workers {
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Cancelled when all workers have ended.
    all_ended: CancellationToken,
    closing: TaskTracker,
}

impl Workers {
    /// Starts a worker. It gets a token that is cancelled when it should finish what it has and end.
    pub fn spawn<F>(&self, work: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(work(self.stop.clone()));
    }

    /// Has this done when all workers have ended, such as closing what they use.
    pub fn at_end(&self, work: impl Future<Output = ()> + Send + 'static) {
        let all_ended = self.all_ended.clone();
        self.closing.spawn(async move {
            all_ended.cancelled().await;
            work.await;
        });
    }

    /// Tells every worker to end, and waits for that, at most `limit`; then does what was left for the end.
    pub async fn finish(&self, limit: Duration) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(limit, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("background work did not end in time");
        }
        self.all_ended.cancel();
        self.closing.close();
        if tokio::time::timeout(CLOSE_LIMIT, self.closing.wait())
            .await
            .is_err()
        {
            tracing::warn!("the database was not closed in time");
        }
    }
}

/// A service, built and ready to be served.
pub struct Service {
    /// Its name, such as `wallet-service`.
    pub name: &'static str,
    /// Its own routes.
    pub router: Router,
    /// True if the router answers `/health` itself, as the gateway does.
    pub own_health: bool,
    /// The readiness.
    pub health: Health,
    /// The metrics.
    pub metrics: Metrics,
    /// The work beside requests.
    pub workers: Workers,
}

impl Service {
    /// Its routes with the probes, and with what happens around every request, which may take as long as `deadline`: for another service
    /// in the same process.
    pub fn app(&self, deadline: Duration) -> Router {
        let config = HttpConfig {
            deadline,
            ..HttpConfig::default()
        };
        layers::app(self, &config)
    }

    /// True for the gateway, which strangers call.
    pub(crate) fn is_public_door(&self) -> bool {
        self.own_health
    }
}

/// Serves until `stop` is cancelled, then ends in order. Returns when everything has ended.
pub async fn serve(
    service: Service,
    listener: TcpListener,
    config: HttpConfig,
    stop: CancellationToken,
) {
    let app = layers::app(&service, &config);
    let server = Server::new(service.name, app, service.metrics.clone(), &config);
    let told_to_stop = async {
        stop.cancelled().await;
        tracing::info!(service = service.name, "stopping: no longer ready");
        service.health.drain();
        tokio::time::sleep(config.shutdown_delay).await;
    };
    tokio::select! {
        () = server.accept(&listener) => {}
        () = told_to_stop => {}
    }
    drop(listener);
    server.drain(config.shutdown_timeout).await;
    service.workers.finish(config.shutdown_timeout).await;
    tracing::info!(service = service.name, "stopped");
}

/// The state that one listener's connections share.
pub(crate) struct Server {
    name: &'static str,
    front: Front,
    for_every_origin: bool,
    header_timeout: Duration,
    idle_timeout: Duration,
    connections: GracefulShutdown,
    places: Places,
    metrics: Metrics,
    /// Cancelled when a connection that has not sent a whole request's headers is not waited for any more.
    half_sent_end: CancellationToken,
}

impl Server {
    /// `metrics` counts the connections.
    pub(crate) fn new(
        name: &'static str,
        app: Router,
        metrics: Metrics,
        config: &HttpConfig,
    ) -> Server {
        metrics.connections_max(config.max_connections);
        Server {
            name,
            front: Front::new(app, &config.cors_origins, config.body_timeout),
            for_every_origin: config.cors_origins.iter().any(|origin| origin == "*"),
            header_timeout: config.header_timeout,
            idle_timeout: config.idle_timeout,
            connections: GracefulShutdown::new(),
            places: Places::new(config.max_connections, config.address_limit()),
            metrics,
            half_sent_end: CancellationToken::new(),
        }
    }

    pub(crate) async fn accept(&self, listener: &TcpListener) {
        let mut told: Option<Instant> = None;
        loop {
            let Some(place) = self.places.wait().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let peer = Peer::of(peer);
                    match self.places.take(place, peer.0.ip()) {
                        Some(place) => self.serve_connection(stream, peer, place),
                        None => {
                            self.metrics.connection_refused();
                            refuse_connection(stream, self.for_every_origin);
                        }
                    }
                }
                Err(error) => {
                    if told.is_none_or(|at| at.elapsed() >= ACCEPT_LOG_EVERY) {
                        told = Some(Instant::now());
                        tracing::warn!(
                            service = self.name,
                            %error,
                            "could not accept a connection; more of these are not told for a minute"
                        );
                    }
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
    }

    fn serve_connection(&self, stream: TcpStream, peer: Peer, place: Place) {
        // Without it small answers wait for the client's acknowledgement; it fails only on a dead socket.
        let _ = stream.set_nodelay(true);
        let (open, progress) = (Arc::new(AtomicUsize::new(0)), Progress::default());
        let line = Line::new(
            stream,
            progress.clone(),
            self.header_timeout,
            self.for_every_origin,
        );
        let counted = self.metrics.connection_opened();
        let (front, requests) = (self.front.clone(), open.clone());
        let answer = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            let counted = OpenRequest::count(&requests);
            progress.has_request();
            let (answer, progress) = (front.clone().answer(request), progress.clone());
            async move {
                let answer = answer.await;
                drop(counted);
                progress.is_answered();
                answer
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // From the answer before, so that it also ends who rests. The headers' own limit is the line's.
            .header_read_timeout(self.idle_timeout)
            .max_headers(HEADERS_MAX)
            .max_header_size(HEAD_BYTES_MAX)
            .max_buf_size(BUFFER_BYTES_MAX)
            // A client that has said everything may close its half and still wants the answer (RFC 9112, section 9.6). It also means
            // that a request goes on when its client is gone: what it does is done whole, within its deadline.
            .half_close(true)
            .serve_connection(TokioIo::new(line), answer);
        let connection = self.connections.watch(connection);
        let half_sent_end = self.half_sent_end.clone();
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            tokio::select! {
                // A connection that breaks is the client's affair, and daily business.
                _ = &mut connection => {}
                () = half_sent_end.cancelled() => {
                    if open.load(Ordering::SeqCst) > 0 {
                        let _ = connection.await;
                    }
                }
            }
            drop((place, counted));
        });
    }

    /// Lets open requests finish, within `limit`.
    async fn drain(self, limit: Duration) {
        let half_sent_end = self.half_sent_end;
        let drained = async {
            let mut drained = pin!(self.connections.shutdown());
            tokio::select! {
                () = &mut drained => return,
                () = tokio::time::sleep(HEADERS_AFTER_STOP.min(limit)) => {}
            }
            half_sent_end.cancel();
            drained.await;
        };
        if tokio::time::timeout(limit, drained).await.is_err() {
            tracing::warn!(
                service = self.name,
                "requests were still open at the end of the drain"
            );
        }
    }
}

/// Counts a request of a connection until it is answered, or dropped.
struct OpenRequest(Arc<AtomicUsize>);

impl OpenRequest {
    fn count(open: &Arc<AtomicUsize>) -> OpenRequest {
        open.fetch_add(1, Ordering::SeqCst);
        OpenRequest(open.clone())
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Listens on this address, or says why not: `who` listens there, and `variable` changes the port.
pub async fn listen(address: SocketAddr, who: &str, variable: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| anyhow::anyhow!(cannot_listen(address, who, variable, &error)))
}

fn cannot_listen(address: SocketAddr, who: &str, variable: &str, error: &io::Error) -> String {
    let port = address.port();
    match error.kind() {
        ErrorKind::AddrInUse => format!(
            "port {port} for {who} is taken; stop what uses it, or set {variable} to another port"
        ),
        ErrorKind::PermissionDenied => format!(
            "cannot listen on {address} for {who}: permission denied; set {variable} to a port from 1024 on, or give the right to use lower ones"
        ),
        ErrorKind::AddrNotAvailable => format!(
            "cannot listen on {address} for {who}: this machine has no such address; set BIND to one that it has"
        ),
        _ => format!("cannot listen on {address} for {who}: {error}"),
    }
}

/// The address by which this machine reaches a server that listens on `address`.
pub fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        // Not the other family's: where there is no IPv4, `::` is all there is.
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

/// Asks the server that listens on this address whether it is ready: for images that have no shell and no curl.
pub async fn healthcheck(address: SocketAddr) -> anyhow::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let ask = async {
        let mut stream = TcpStream::connect(reachable(address)).await?;
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
