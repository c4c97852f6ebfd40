//! A gateway between a client and four fake services.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::auth::{Claims, Role, ServiceIdentity, ServiceKeyConfig, SessionUpdate, SigningKeys, UserId};
use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use clock::{Clock, Entropy};
use gateway::Config;
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;
use testing::{SECRET, TestClient, TestServer, wait_until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The services' names, in the order of the configuration.
pub(crate) const SERVICES: [&str; 4] = [
    "user-service",
    "wallet-service",
    "transaction-service",
    "payment-service",
];

/// A request as a service got it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;
type Script = Arc<dyn Fn(Seen) -> Answer + Send + Sync>;

/// A service that notes what it gets and answers as it is told.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) name: &'static str,
    seen: Arc<Mutex<Vec<Seen>>>,
    script: Arc<Mutex<Script>>,
    health: Arc<Mutex<StatusCode>>,
    health_calls: Arc<AtomicUsize>,
    sessions: Arc<Mutex<SessionUpdate>>,
}

impl Fake {
    /// A service that echoes.
    pub(crate) fn new(name: &'static str) -> Fake {
        let sessions = SessionUpdate {
            jwks: signing_keys().jwks().clone(),
            ..SessionUpdate::default()
        };
        let fake = Fake {
            name,
            seen: Arc::default(),
            script: Arc::new(Mutex::new(Arc::new(|_| {
                Box::pin(std::future::ready(StatusCode::OK.into_response()))
            }))),
            health: Arc::new(Mutex::new(StatusCode::OK)),
            health_calls: Arc::default(),
            sessions: Arc::new(Mutex::new(sessions)),
        };
        fake.answers(move |seen| {
            let echo = json!({
                "service": name,
                "method": seen.method.as_str(),
                "path": seen.path,
                "query": seen.query,
                "body": String::from_utf8_lossy(&seen.body),
            });
            std::future::ready(axum::Json(echo).into_response())
        });
        fake
    }

    /// How it answers from now on.
    pub(crate) fn answers<F>(&self, script: impl Fn(Seen) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Response> + Send + 'static,
    {
        *self.script.lock().unwrap() = Arc::new(move |seen| Box::pin(script(seen)));
    }

    /// How it says it is.
    /// How often its health was asked.
    pub(crate) fn health_calls(&self) -> usize {
        self.health_calls.load(Ordering::SeqCst)
    }

    pub(crate) fn set_health(&self, status: StatusCode) {
        *self.health.lock().unwrap() = status;
    }

    /// What it says of sessions.
    pub(crate) fn set_sessions(&self, change: impl FnOnce(&mut SessionUpdate)) {
        change(&mut self.sessions.lock().unwrap());
    }

    /// What clients sent, since the last time it was asked.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// Serves on that listener until the test ends.
    pub(crate) fn serve(&self, listener: TcpListener) {
        let fake = self.clone();
        let app = Router::new().fallback(async move |request: Request| fake.handle(request).await);
        tokio::spawn(async move { axum::serve(listener, app).await });
    }

    async fn handle(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        match parts.uri.path() {
            "/internal/sessions" if parts.headers.contains_key("authorization") => {
                return axum::Json(self.sessions.lock().unwrap().clone()).into_response();
            }
            "/health" => {
                self.health_calls.fetch_add(1, Ordering::SeqCst);
                return self.health.lock().unwrap().into_response();
            }
            _ => {}
        }
        let seen = Seen {
            method: parts.method,
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(str::to_owned),
            headers: parts.headers,
            body: axum::body::to_bytes(body, usize::MAX).await.unwrap(),
        };
        self.seen.lock().unwrap().push(seen.clone());
        let script = self.script.lock().unwrap().clone();
        script(seen).await
    }
}

/// The gateway, its services, and a client of it.
pub(crate) struct World {
    pub(crate) services: [Fake; 4],
    pub(crate) gateway: TestServer,
    pub(crate) client: TestClient,
}

impl World {
    /// Everything as it is without configuration.
    pub(crate) async fn start() -> World {
        World::with(|_| {}).await
    }

    /// The same with changes to the configuration.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> World {
        let services = SERVICES.map(Fake::new);
        let mut urls = Vec::new();
        for service in &services {
            let (listener, url) = TestServer::listener().await;
            service.serve(listener);
            urls.push(url);
        }
        let mut config = config(urls.try_into().unwrap());
        change(&mut config);
        let gateway = start(config).await;
        let client = TestClient::new(gateway.url());
        let world = World {
            services,
            gateway,
            client,
        };
        world.until_ready().await;
        world
    }

    /// Waits for the keys that tokens are verified with.
    pub(crate) async fn until_ready(&self) {
        wait_until("the gateway is ready", async || {
            self.client.get("/readyz").await.status == 200
        })
        .await;
    }

    pub(crate) fn service(&self, name: &str) -> &Fake {
        self.services.iter().find(|fake| fake.name == name).unwrap()
    }

    /// A client with the token of user 1.
    pub(crate) fn user(&self) -> TestClient {
        self.client.with_token(token())
    }

    /// Everything that reached any service since the last time.
    pub(crate) fn seen(&self) -> Vec<(&'static str, Seen)> {
        let seen = self.services.iter().map(|fake| (fake.name, fake.take()));
        seen.flat_map(|(name, seen)| seen.into_iter().map(move |seen| (name, seen)))
            .collect()
    }

    /// Sends these bytes, and reads until the gateway closes.
    pub(crate) async fn raw(&self, head: &str) -> String {
        let mut stream = TcpStream::connect(self.gateway.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// A configuration for services at these addresses.
pub(crate) fn config(urls: [String; 4]) -> Config {
    Config::for_services(urls, ServiceKeyConfig::from_secret(SECRET))
}

/// A gateway on a port of its own.
pub(crate) async fn start(config: Config) -> TestServer {
    let (listener, _) = TestServer::listener().await;
    let service = gateway::build(config, Clock::system(), Entropy::system())
        .await
        .unwrap();
    TestServer::start(service, listener)
}

pub(crate) fn signing_keys() -> SigningKeys {
    SigningKeys::from_secrets(SECRET, None).unwrap()
}

pub(crate) fn claims() -> Claims {
    Claims::new(
        UserId(1),
        Role::User,
        "session-1".to_owned(),
        Clock::system().now(),
    )
}

/// A good token of user 1.
pub(crate) fn token() -> String {
    signing_keys().sign(&claims()).unwrap()
}

/// A good token of user 1, whose day is over.
pub(crate) fn expired_token() -> String {
    let mut claims = claims();
    claims.iat -= 100_000;
    claims.exp = claims.iat + 86_400;
    signing_keys().sign(&claims).unwrap()
}

/// What another installation would sign.
pub(crate) fn foreign_token() -> String {
    SigningKeys::from_secrets("another secret, longer than 32 bytes, too", None)
        .unwrap()
        .sign(&claims())
        .unwrap()
}

/// A good token whose signature belongs to other claims.
pub(crate) fn tampered_token() -> String {
    let mut other = claims();
    other.user_id = UserId(2);
    let (good, other) = (token(), signing_keys().sign(&other).unwrap());
    let (_, signature) = good.rsplit_once('.').unwrap();
    let (claims, _) = other.rsplit_once('.').unwrap();
    format!("{claims}.{signature}")
}

/// What services prove themselves with.
pub(crate) fn service_token() -> String {
    let keys = ServiceKeyConfig::from_secret(SECRET)
        .service_keys(Clock::system())
        .unwrap();
    ServiceIdentity::new("wallet-service", keys)
        .token()
        .unwrap()
        .to_string()
}

/// A server that takes requests and breaks the connection `times` times, then answers 200. It counts requests.
pub(crate) async fn breaking(times: usize) -> (String, Arc<Mutex<usize>>) {
    let (listener, url) = TestServer::listener().await;
    let count = Arc::new(Mutex::new(0));
    let requests = count.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let requests = requests.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                    let mut part = [0; 1024];
                    match stream.read(&mut part).await {
                        Ok(length) if length > 0 => head.extend_from_slice(&part[..length]),
                        _ => return,
                    }
                }
                let earlier = {
                    let mut requests = requests.lock().unwrap();
                    *requests += 1;
                    *requests - 1
                };
                if earlier >= times {
                    let answer =
                        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (url, count)
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> String {
    let (_, url) = TestServer::listener().await;
    url
}

/// Short enough for a test that waits for it.
pub(crate) const SHORT: Duration = Duration::from_millis(300);
