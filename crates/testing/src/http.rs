//! Servers on ports of their own, and a client that says what it saw when an expectation fails.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use http_server::{HttpConfig, Service};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Ports that nobody listens on, for servers that cannot be handed a listener.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let free = || std::net::TcpListener::bind(("127.0.0.1", 0));
    // Open until all are known, so that no two are one.
    let listeners: [_; N] =
        std::array::from_fn(|_| free().unwrap_or_else(|error| panic!("no free port: {error}")));
    listeners.map(|listener| {
        let address = listener.local_addr();
        address
            .unwrap_or_else(|error| panic!("no address: {error}"))
            .port()
    })
}

/// A service that is being served on the loopback address. Stops when dropped.
pub struct TestServer {
    /// The address it listens on.
    pub address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl TestServer {
    /// A listener on a free port: known before the service is built, since services need each other's addresses.
    pub async fn listener() -> (TcpListener, String) {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .unwrap_or_else(|error| panic!("no free port: {error}"));
        let address = listener
            .local_addr()
            .unwrap_or_else(|error| panic!("no address: {error}"));
        (listener, format!("http://{address}"))
    }

    /// Serves on that listener.
    pub fn start(service: Service, listener: TcpListener) -> TestServer {
        Self::start_with(service, listener, HttpConfig::default())
    }

    /// The same with another configuration.
    pub fn start_with(service: Service, listener: TcpListener, config: HttpConfig) -> TestServer {
        let address = listener
            .local_addr()
            .unwrap_or_else(|error| panic!("no address: {error}"));
        let stop = CancellationToken::new();
        let task = tokio::spawn(http_server::serve(service, listener, config, stop.clone()));
        TestServer {
            address,
            stop,
            task,
        }
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it in order, as SIGTERM does.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let _ = (&mut self.task).await;
    }

    /// Ends it at once: nothing is drained. (Its background tasks live on until the test's runtime ends.)
    pub fn kill(self) {
        self.task.abort();
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A client of one server, with or without a token.
#[derive(Clone, Debug)]
pub struct TestClient {
    http: reqwest::Client,
    base_url: String,
    token: Option<String>,
    /// Sent with every request.
    headers: Vec<(String, String)>,
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The request, for messages.
    pub request: String,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: reqwest::header::HeaderMap,
    /// The body's bytes.
    pub bytes: Vec<u8>,
}

impl TestClient {
    /// A client without a token.
    pub fn new(base_url: impl Into<String>) -> TestClient {
        TestClient {
            http: reqwest::Client::new(),
            base_url: base_url.into(),
            token: None,
            headers: Vec::new(),
        }
    }

    /// A client whose connections come from this address of the machine.
    pub fn from_address(base_url: impl Into<String>, address: impl Into<IpAddr>) -> TestClient {
        let http = reqwest::Client::builder().local_address(address.into());
        TestClient {
            http: http
                .build()
                .unwrap_or_else(|error| panic!("no client: {error}")),
            ..TestClient::new(base_url)
        }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(&self, name: &str, value: &str) -> TestClient {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    /// The same with a token.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> TestClient {
        TestClient {
            token: Some(token.into()),
            ..self.clone()
        }
    }

    /// Its token.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, &[]).await
    }

    /// Sends a body.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body), &[]).await
    }

    /// Sends a body under an idempotency key.
    pub async fn post_with_key(&self, path: &str, key: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body), &[("idempotency-key", key)])
            .await
    }

    /// Changes.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body), &[]).await
    }

    /// Deletes.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None, &[]).await
    }

    /// Any request with JSON.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let body = body.map(|body| body.to_string());
        let mut headers = headers.to_vec();
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        self.send_raw(
            method,
            path,
            body.unwrap_or_default().into_bytes(),
            &headers,
        )
        .await
    }

    /// Any request with any bytes. Panics when there is no answer.
    pub async fn send_raw(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        headers: &[(&str, &str)],
    ) -> Answer {
        self.try_send(method, path, body, headers)
            .await
            .unwrap_or_else(|error| panic!("{path}: no answer: {error}"))
    }

    /// Asks for a stream, and gives its beginning.
    pub async fn open(&self, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
        let mut request = self.http.get(format!("{}{path}", self.base_url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await;
        response.unwrap_or_else(|error| panic!("{path}: no answer: {error}"))
    }

    /// The same, where no answer is a result too.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        headers: &[(&str, &str)],
    ) -> reqwest::Result<Answer> {
        let described = format!(
            "{method} {path} {}",
            String::from_utf8_lossy(&body[..body.len().min(300)])
        );
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base_url))
            .body(body);
        let own = self.headers.iter();
        let own = own.map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.chain(headers.iter().copied()) {
            request = request.header(name, value);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await?;
        Ok(Answer {
            request: described,
            status: response.status(),
            headers: response.headers().clone(),
            bytes: response.bytes().await?.to_vec(),
        })
    }
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| {
            panic!(
                "{}: {} is not JSON: {}",
                self.request,
                self.status,
                self.text()
            )
        })
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Panics unless the status is this one; gives the JSON.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{}: {}",
            self.request,
            self.text()
        );
        if self.bytes.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }

    /// Panics unless it is an error with this status and sentence, and a code.
    #[track_caller]
    pub fn expect_error(&self, status: u16, sentence: &str) -> Value {
        let body = self.expect(status);
        assert_eq!(body["error"], sentence, "{}: {body}", self.request);
        assert!(
            body["code"].as_str().is_some_and(|code| !code.is_empty()),
            "{}: no code: {body}",
            self.request
        );
        assert!(
            body["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty()),
            "{}: no message: {body}",
            self.request
        );
        body
    }
}

/// Waits until the condition holds; panics after ten seconds.
pub async fn wait_until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition().await {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
