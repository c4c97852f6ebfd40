//! A port of its own for probes and metrics, so that a door that is full does not look like death: whoever fills the public port's places
//! takes none here, and Kubernetes does not start a pod anew because strangers came in crowds.
//!
//! What must hold: it answers from before the public port does until everything has ended; it shows one service, or all services of a
//! process. It shows what operators may see, and belongs into no ingress.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use clock::Clock;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use crate::serve::Server;
use crate::{Health, HttpConfig, Metrics, Service, Workers, layers, listen, metrics};

/// Connections at once: kubelets, a Prometheus or two, and a person.
pub(crate) const PROBE_CONNECTIONS_MAX: usize = 32;
/// The time for a request.
const DEADLINE: Duration = Duration::from_secs(10);
/// What the port calls itself.
const NAME: &str = "probes";

/// One service, as its probes show it.
#[derive(Clone)]
struct Shown {
    name: &'static str,
    health: Health,
    metrics: Metrics,
}

/// The probes and the metrics of one service, or of all in a process.
pub struct Probes {
    shown: Vec<Shown>,
}

/// A port of probes that is being served, until this is dropped.
pub struct ProbeServer {
    address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

impl Probes {
    /// Those of these services.
    pub fn of<'a>(services: impl IntoIterator<Item = &'a Service>) -> Probes {
        let shown = services.into_iter().map(|service| Shown {
            name: service.name,
            health: service.health.clone(),
            metrics: service.metrics.clone(),
        });
        Probes {
            shown: shown.collect(),
        }
    }

    /// Listens on this address.
    pub async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
        listen(address, "probes and metrics", "PROBE_PORT").await
    }

    /// Serves them there.
    pub fn serve(self, listener: TcpListener) -> anyhow::Result<ProbeServer> {
        let address = listener.local_addr()?;
        let config = HttpConfig {
            deadline: DEADLINE,
            max_connections: PROBE_CONNECTIONS_MAX,
            ..HttpConfig::default()
        };
        // Requests are counted where the service's are; connections are not those of its door.
        let (app, connections) = (self.app(&config)?, Metrics::new()?);
        let server = Server::new(NAME, app, connections, &config);
        let task = tokio::spawn(async move { server.accept(&listener).await });
        Ok(ProbeServer {
            address,
            _task: AbortOnDropHandle::new(task),
        })
    }

    fn app(self, config: &HttpConfig) -> anyhow::Result<Router> {
        if let [shown] = self.shown.as_slice() {
            let service = shown.service(Router::new());
            return Ok(layers::app(&service, config));
        }
        let health = Health::new(NAME, Clock::system());
        for Shown {
            name, health: of, ..
        } in self.shown.clone()
        {
            health.require(name, move || {
                let of = of.clone();
                async move { of.in_words().await }
            });
        }
        let shown = self.shown;
        let all = get(async move || {
            let parts = shown.iter().map(|shown| (shown.name, &shown.metrics));
            metrics::render_all(parts)
        });
        let service = Shown {
            name: NAME,
            health,
            metrics: Metrics::new()?,
        };
        let service = service.service(Router::new().route("/metrics", all));
        let config = HttpConfig {
            public_metrics: false,
            ..config.clone()
        };
        Ok(layers::app(&service, &config))
    }
}

impl Shown {
    /// A service that has nothing but the probes.
    fn service(&self, router: Router) -> Service {
        Service {
            name: self.name,
            router,
            own_health: false,
            health: self.health.clone(),
            metrics: self.metrics.clone(),
            workers: Workers::default(),
        }
    }
}

impl ProbeServer {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
