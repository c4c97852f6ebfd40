//! Calls of one service to another: pooled connections, the trace goes along, the caller proves who it is, and a call is
//! repeated only where a repeat is safe, within a budget.
//!
//! The gateway uses the same connection ([`connect`]) to pass on what clients send.

mod body;
mod call;
mod failure;
mod in_process;
mod retry;
mod trace;

pub use body::{BodyError, is_stream, read_body};
pub use call::{Answered, CallError, ServiceClient};
pub use failure::Failure;
pub use retry::{AfterUnclear, Repeatable, RetryCounters, RetryMetrics};

use std::time::Duration;

use axum::Router;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};

/// Idle connections kept to one upstream. More than it may have requests open at once would only hold sockets.
const IDLE_CONNECTIONS_MAX: usize = 1024;

/// The settings of connections to other services.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// The time that one attempt may take, from connecting to the last byte; [`Duration::MAX`] where the caller sees to it.
    pub timeout: Duration,
    /// The time that connecting may take.
    pub connect_timeout: Duration,
    /// The time that an idle connection is kept. Shorter than the server keeps it, or a reused one dies in the middle of a request.
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

/// A client for one upstream: trace context in, retries where safe. Each upstream has its own, so that its retry budget is its
/// own. `service` names it in spans and metrics. Without `retries` nothing is repeated: the caller has something better to do.
pub fn connect(
    service: &'static str,
    options: &ConnectOptions,
    retries: Option<&RetryCounters>,
) -> anyhow::Result<ClientWithMiddleware> {
    Ok(client(service, options, retries)?.build())
}

/// The same for an upstream that is in this process: its routes are called instead of its address. Timeouts of `options` do not
/// hold; deadlines of the caller and of the upstream do.
pub fn connect_in_process(
    service: &'static str,
    options: &ConnectOptions,
    retries: Option<&RetryCounters>,
    routes: Router,
) -> anyhow::Result<ClientWithMiddleware> {
    let client = client(service, options, retries)?;
    Ok(client.with(in_process::CallRoutes(routes)).build())
}

fn client(
    service: &'static str,
    options: &ConnectOptions,
    retries: Option<&RetryCounters>,
) -> anyhow::Result<ClientBuilder> {
    let mut builder = ClientBuilder::new(connect_without_retries(options)?);
    if let Some(counters) = retries {
        builder = builder.with(retry::RetryWhereSafe::new(counters.of(service)));
    }
    Ok(builder
        .with(trace::PropagateTrace { service })
        .with(retry::NoteUnclear))
}

/// The connections alone, for a question whose first answer counts, such as whether a service is healthy.
pub fn connect_without_retries(options: &ConnectOptions) -> anyhow::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder();
    if options.timeout != Duration::MAX {
        builder = builder.timeout(options.timeout);
    }
    Ok(builder
        .connect_timeout(options.connect_timeout)
        .pool_idle_timeout(options.idle_timeout)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        // reqwest has retries of its own; those of reqwest-retry decide alone.
        .retry(reqwest::retry::never())
        .build()?)
}
