//! The scaffold of a service: everything that the gateway and the four services set up in the same way.
//!
//! It is a crate of its own because an HTTP server (`http-server`) knows no database, no token and no other service. A service's
//! `build` makes a [`Scaffold`], takes from it its database, its connections and its verifier, and hands it its routes:
//!
//! ```text
//! let scaffold = Scaffold::new(NAME, &config.keys, clock)?;
//! let router = router(config, &scaffold).await;
//! scaffold.into_service(router).await
//! ```
//!
//! What must hold: every service exports the same metrics of its calls, labelled with the service that is called; a readiness check
//! has one name wherever it is made ([`Check`]); a database that was opened is closed, whether the service ends, cannot be built or
//! cannot be migrated.

mod check;

pub use check::Check;

use std::time::Duration;

use auth::{ServiceIdentity, ServiceKeyConfig, ServiceKeys, Verifier};
use axum::Router;
use clock::Clock;
use http_server::{Health, Metrics, Service, Workers};
use service_client::{ConnectOptions, RetryCounters, ServiceClient};
use store::{Database, DatabaseConfig, Step};
use tokio_util::sync::CancellationToken;
use user_api::UserClient;

/// Less than the gateway's 5 seconds: the client reads this service's own answer, which says whether a repeat is safe.
const CALL_TIMEOUT: Duration = Duration::from_secs(4);
/// The time that the workers of a service that cannot be built have to end.
const ABANDON_TIMEOUT: Duration = Duration::from_secs(2);

/// The common parts of a service that is being built.
pub struct Scaffold {
    name: &'static str,
    clock: Clock,
    service_keys: ServiceKeys,
    identity: ServiceIdentity,
    metrics: Metrics,
    retries: RetryCounters,
    health: Health,
    workers: Workers,
}

impl Scaffold {
    /// Sets up the metrics, the identity and the readiness of the service `name`.
    pub fn new(
        name: &'static str,
        keys: &ServiceKeyConfig,
        clock: Clock,
    ) -> anyhow::Result<Scaffold> {
        let service_keys = keys.service_keys(clock.clone())?;
        let metrics = Metrics::new()?;
        let retries = RetryCounters::new()?;
        for collector in retries.collectors() {
            metrics.register(collector)?;
        }
        Ok(Scaffold {
            name,
            health: Health::new(name, clock.clone()),
            identity: ServiceIdentity::new(name, service_keys.clone()),
            service_keys,
            clock,
            metrics,
            retries,
            workers: Workers::default(),
        })
    }

    /// The metrics that `/metrics` shows.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The work beside requests.
    pub fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Cancelled when the server is told to stop: for answers that would go on until their client leaves.
    pub fn stopping(&self) -> CancellationToken {
        self.health.stopping()
    }

    /// The counters of repeated calls, for connections that the service makes itself.
    pub fn retries(&self) -> &RetryCounters {
        &self.retries
    }

    /// The proof that this service shows to others.
    pub fn identity(&self) -> &ServiceIdentity {
        &self.identity
    }

    /// The keys that other services prove themselves with.
    pub fn service_keys(&self) -> ServiceKeys {
        self.service_keys.clone()
    }

    /// Opens the database, which must be migrated before the service is ready. It is closed when the service has ended.
    pub async fn database(
        &self,
        config: &DatabaseConfig,
        steps: &'static [Step],
    ) -> anyhow::Result<Database> {
        let database = Database::open(config).await?;
        let closed = database.clone();
        self.workers.at_end(async move { closed.close().await });
        let checked = database.clone();
        self.health.require(Check::Database.name(), move || {
            let database = checked.clone();
            async move { database.check(steps).await }
        });
        Ok(database)
    }

    /// A client for the internal API of the service `service`. Its repeats are counted under that name.
    pub fn connect(&self, service: &'static str, url: &str) -> anyhow::Result<ServiceClient> {
        let options = ConnectOptions {
            timeout: CALL_TIMEOUT,
            ..ConnectOptions::default()
        };
        let url = settings::service_url(url)
            .map_err(|why| anyhow::anyhow!("{}: {why}", url_variable(service)))?;
        let identity = self.identity.clone();
        ServiceClient::new(service, &url, identity, &options, Some(&self.retries))
    }

    /// A client for the user service.
    pub fn users(&self, url: &str) -> anyhow::Result<UserClient> {
        Ok(UserClient::new(self.connect(user_api::SERVICE, url)?))
    }

    /// The verifier of users' tokens, kept up to date by the user service at `user_service_url`; or `shared`, which the user service
    /// keeps up to date in the same process. Without keys the service is not ready.
    pub fn verifier(
        &self,
        shared: Option<Verifier>,
        user_service_url: &str,
    ) -> anyhow::Result<Verifier> {
        let verifier = match shared {
            Some(verifier) => verifier,
            None => {
                let verifier = Verifier::new(self.clock.clone());
                let (users, followed) = (self.users(user_service_url)?, verifier.clone());
                self.workers
                    .spawn(|stop| users.follow_sessions(followed, stop));
                verifier
            }
        };
        self.require_signing_keys(&verifier);
        Ok(verifier)
    }

    /// Makes the service ready only when `verifier` knows the keys that users' tokens are signed with.
    pub fn require_signing_keys(&self, verifier: &Verifier) {
        let verifier = verifier.clone();
        self.require(Check::SigningKeys, move || {
            if verifier.is_ready() {
                Ok(())
            } else {
                Err("the keys that sign tokens are not known yet".to_owned())
            }
        });
    }

    /// Adds a condition of readiness. The error is a sentence that may be shown to anyone.
    pub fn require(
        &self,
        check: Check,
        holds: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) {
        self.health.require(check.name(), move || {
            let result = holds();
            async move { result }
        });
    }

    /// The service, when its routes could be made. Otherwise everything that was begun is ended.
    pub async fn into_service(self, router: anyhow::Result<Router>) -> anyhow::Result<Service> {
        match router {
            Ok(router) => Ok(Service {
                name: self.name,
                router,
                own_health: false,
                health: self.health,
                metrics: self.metrics,
                workers: self.workers,
            }),
            Err(error) => {
                self.workers.finish(ABANDON_TIMEOUT).await;
                Err(error)
            }
        }
    }
}

/// The variable that says where a service is: `USER_SERVICE_URL` for `user-service`.
fn url_variable(service: &str) -> String {
    format!("{}_URL", service.to_uppercase().replace('-', "_"))
}

/// Brings the database's schema to the newest of `steps`. The database is closed also when that fails.
pub async fn migrate(config: &DatabaseConfig, steps: &[Step]) -> anyhow::Result<()> {
    let database = Database::open(config).await?;
    let result = database.migrate(config, steps).await;
    database.close().await;
    result
}
