//! The gateway: the only public door. It knows which path belongs to which service, turns away whom nobody knows, and
//! passes everything else on; of money it knows nothing.
//!
//! The way of a request, and the file of each step:
//! 1. `http-server`: CORS, trace, metrics, the outermost deadline, panics, the limit of a body.
//! 2. `routes.rs`: one table says which paths there are; anything else is 404 or 405.
//! 3. `limits.rs`: the client's address is counted.
//! 4. `proxy.rs`: the token is verified, and the user is counted (`limits.rs`).
//! 5. `proxy.rs`: the body is read, headers that are for one hop are dropped (`headers.rs`), the request is passed on within
//!    the deadline, if its service has not too many requests already (`upstream.rs`). There is no breaker: docs/adr/0007 says why.
//! 6. `service-client`: repeats where that is safe, trace context, pooled connections.
//!
//! What must hold: a path reaches the route that the table says, or none; a request that may not be repeated is never
//! repeated after it may have arrived; a request ends within its deadline, whatever its service does. Services verify tokens
//! again by themselves: the gateway spares them the work, it does not vouch for anybody.

mod answer;
mod config;
mod docs;
mod headers;
mod health;
mod limits;
mod openapi;
mod page_session;
mod pages;
mod proxy;
mod public_config;
mod routes;
pub mod story;
mod streams;
mod upstream;

pub use config::Config;
pub use limits::{Policies, SharedUrl};
pub use openapi::openapi;
pub use public_config::DemoLogin;

use std::sync::Arc;

use axum::Router;
use clock::{Clock, Entropy};
use http_server::{Program, Service};
use service::Scaffold;

use crate::limits::Limits;
use crate::proxy::Proxy;
use crate::streams::Streams;
use crate::upstream::Upstreams;

/// The gateway's name.
pub const NAME: &str = "api-gateway";

/// The gateway's command line.
pub const PROGRAM: Program = Program {
    name: NAME,
    about: "The public door: routes requests to the services",
    port_variable: "GATEWAY_PORT",
    default_port: 5000,
};

/// Builds the gateway. It draws nothing at random; `entropy` is there because every service's `build` has it.
pub async fn build(config: Config, clock: Clock, _entropy: Entropy) -> anyhow::Result<Service> {
    let scaffold = Scaffold::new(NAME, &config.service_keys, clock.clone())?;
    let router = router(config, &scaffold, clock);
    let service = scaffold.into_service(router).await?;
    Ok(Service {
        own_health: true,
        ..service
    })
}

fn router(config: Config, scaffold: &Scaffold, clock: Clock) -> anyhow::Result<Router> {
    let upstreams = Upstreams::connect(&config, scaffold.retries(), scaffold.metrics())?;
    let verifier = scaffold.verifier(config.verifier.clone(), &config.user_service_url)?;
    let probe = health::Aggregate::new(&config)?;
    let streams = Streams::new(
        config.event_streams_max,
        scaffold.stopping(),
        scaffold.metrics(),
    )?;
    let limits = Limits::new(&config, clock, scaffold.metrics())?;
    let proxy = Arc::new(Proxy {
        upstreams,
        streams,
        verifier,
        request_timeout: config.request_timeout,
        proxies: config.trusted_proxies,
        identity: scaffold.identity().clone(),
        limits,
    });
    Ok(Router::new()
        .merge(routes::router(&proxy))
        .merge(probe.routes())
        .merge(public_config::routes(config.demo_logins)?)
        .merge(docs::routes())
        .merge(pages::routes()?))
}
