//! How one service calls another: pooled connections, the trace goes along, the caller proves who it is, and a call is
//! repeated only where a repeat is safe, within a budget.
//!
//! The gateway uses the same connection ([`connect`]) to pass on what clients send.

mod call;
mod retry;

pub use call::{CallError, ServiceClient};
pub use retry::{Repeatable, RetryMetrics};

use std::time::Duration;

use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};

/// How connections to other services are made.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// How long one attempt may take, from connecting to the last byte.
    pub timeout: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long an idle connection is kept. Shorter than the server keeps it, or a reused one dies in the middle of a request.
    pub idle_timeout: Duration,
}

impl Default for ConnectOptions {
    fn default() -> ConnectOptions {
        ConnectOptions {
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(30),
        }
    }
}

/// A client for one upstream: trace context in, retries where safe. Each upstream has its own, so that its retry budget is its own.
pub fn connect(
    options: &ConnectOptions,
    metrics: RetryMetrics,
) -> anyhow::Result<ClientWithMiddleware> {
    let client = reqwest::Client::builder()
        .timeout(options.timeout)
        .connect_timeout(options.connect_timeout)
        .pool_idle_timeout(options.idle_timeout)
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        // reqwest has retries of its own; those of reqwest-retry decide alone.
        .retry(reqwest::retry::never())
        .build()?;
    Ok(ClientBuilder::new(client)
        .with(retry::RetryWhereSafe::new(metrics))
        .with(PropagateTrace)
        .build())
}

/// Writes the current span's context into the headers.
struct PropagateTrace;

#[async_trait::async_trait]
impl Middleware for PropagateTrace {
    async fn handle(
        &self,
        mut request: reqwest::Request,
        extensions: &mut http::Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        telemetry::inject_trace(request.headers_mut());
        next.run(request, extensions).await
    }
}
