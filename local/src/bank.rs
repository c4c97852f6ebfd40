//! All five services, built and served together.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use auth::{ServiceKeyConfig, Verifier};
use clock::{Clock, Entropy};
use http_server::{FileNeeds, HttpConfig, ProbeServer, Probes, Readiness, Service, reachable};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::belonging;
use crate::data::Lock;
use crate::{Config, Home};

/// The demo users of the contract: all have one password.
const DEMO_EMAILS: [&str; 3] = ["john@example.com", "jane@example.com", "bob@example.com"];
const DEMO_PASSWORD: &str = "password123";

/// The time that the start may take until everything is ready.
const START_LIMIT: Duration = Duration::from_secs(30);

/// The least time that a part has for its end, also after others that took theirs.
const PART_END_MIN: Duration = Duration::from_secs(1);

/// The five services, running.
pub struct Bank {
    addresses: [SocketAddr; 5],
    /// In the order in which they end: whoever calls another ends before it.
    parts: [Part; 4],
    probes: ProbeServer,
    shutdown_timeout: Duration,
    home: Home,
    _lock: Lock,
}

/// Services that end together.
struct Part {
    stop: CancellationToken,
    servers: JoinSet<()>,
}

impl Part {
    fn serve(
        services: impl IntoIterator<Item = (Service, TcpListener)>,
        http: &HttpConfig,
    ) -> Part {
        let (stop, mut servers) = (CancellationToken::new(), JoinSet::new());
        for (service, listener) in services {
            let server = http_server::serve(service, listener, http.clone(), stop.clone());
            servers.spawn(server);
        }
        Part { stop, servers }
    }
}

impl Bank {
    /// Claims the ports and the data folder, migrates, starts, and waits until everything is ready.
    pub async fn start(config: Config, clock: Clock, entropy: Entropy) -> anyhow::Result<Bank> {
        let (listeners, at_probes) = bind(&config).await?;
        let mut addresses = [SocketAddr::from(([0, 0, 0, 0], 0)); 5];
        for (address, listener) in addresses.iter_mut().zip(&listeners) {
            *address = listener.local_addr()?;
        }
        let home = Home::new(&config);
        let lock = home.lock()?;
        let secret = match config.secret_key.clone() {
            Some(secret) => secret,
            None => {
                let secret = home.secret(&entropy)?;
                if secret.is_new {
                    home.tell_of_new_secret().await;
                }
                secret.text
            }
        };
        belonging::check_that_none_is_missing(&home).await?;
        migrate(&home).await?;
        belonging::check(&home, config.demo_data).await?;
        let keys = ServiceKeyConfig::from_secret(secret);
        let mut http = config.http.clone();
        FileNeeds::LOCAL.claim(&mut http)?;
        let services = build(&config, &http, &home, &keys, addresses, &clock, &entropy).await?;

        let probes = Probes::of(&services).serve(at_probes)?;
        let healths = services.each_ref().map(|service| service.health.clone());
        let [gateway, user, wallet, transaction, payment] = services;
        let [at_gateway, at_user, at_wallet, at_transaction, at_payment] = listeners;
        let bank = Bank {
            addresses,
            parts: [
                Part::serve([(gateway, at_gateway)], &http),
                Part::serve(
                    [(transaction, at_transaction), (payment, at_payment)],
                    &http,
                ),
                Part::serve([(wallet, at_wallet)], &http),
                Part::serve([(user, at_user)], &http),
            ],
            probes,
            shutdown_timeout: http.shutdown_timeout,
            home,
            _lock: lock,
        };
        bank.wait_until_ready().await?;
        for health in healths {
            tokio::spawn(health.tell_changes(Readiness::Ready));
        }
        Ok(bank)
    }

    /// The gateway's URL, as it works on this machine.
    pub fn gateway_url(&self) -> String {
        self.url(0)
    }

    /// The URL of the probes and metrics of all five together.
    pub fn probe_url(&self) -> String {
        url_of(self.probes.address())
    }

    /// The URLs of the gateway and of the user, wallet, transaction and payment services.
    pub fn urls(&self) -> [String; 5] {
        std::array::from_fn(|index| self.url(index))
    }

    fn url(&self, index: usize) -> String {
        url_of(self.addresses[index])
    }

    /// Ends everything in order: the gateway first, so that every request that it let in finds the services that it needs, then who
    /// calls the ledger, then the ledger, then who knows the users. What takes longer than `SHUTDOWN_TIMEOUT` in all is cut off.
    pub async fn stop(mut self) {
        let end = Instant::now() + self.shutdown_timeout;
        for part in &mut self.parts {
            part.stop.cancel();
            let end = end.max(Instant::now() + PART_END_MIN);
            let ended = async { while part.servers.join_next().await.is_some() {} };
            if tokio::time::timeout_at(end, ended).await.is_err() {
                tracing::warn!("requests were still open at the end, and were cut off");
            }
        }
        self.home.empty_logs().await;
    }

    async fn wait_until_ready(&self) -> anyhow::Result<()> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let ready = async {
            for address in self.addresses {
                let url = format!("http://{}/readyz", reachable(address));
                while !http
                    .get(&url)
                    .send()
                    .await
                    .is_ok_and(|answer| answer.status().is_success())
                {
                    tracing::debug!(url, "not ready yet");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        };
        tokio::time::timeout(START_LIMIT, ready)
            .await
            .context("not everything became ready in time; LOG_LEVEL=debug tells more")
    }
}

/// A URL that works on this machine.
fn url_of(address: SocketAddr) -> String {
    let address = reachable(address);
    let own = [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::from(Ipv6Addr::LOCALHOST),
    ];
    if own.contains(&address.ip()) {
        format!("http://localhost:{}", address.port())
    } else {
        format!("http://{address}")
    }
}

/// The five services' listeners, and that of the probes.
async fn bind(config: &Config) -> anyhow::Result<([TcpListener; 5], TcpListener)> {
    let mut listeners = Vec::new();
    let mut failures = Vec::new();
    for (port, who, variable) in config.ports.named() {
        match http_server::listen(SocketAddr::new(config.bind, port), who, variable).await {
            Ok(listener) => listeners.push(listener),
            Err(failure) => failures.push(failure.to_string()),
        }
    }
    let at_probes = bind_probes(config).await;
    if let Err(failure) = &at_probes {
        failures.push(failure.to_string());
    }
    // All at once: whoever has one port taken may have several.
    match (<[TcpListener; 5]>::try_from(listeners), at_probes) {
        (Ok(listeners), Ok(at_probes)) => Ok((listeners, at_probes)),
        _ => Err(anyhow::anyhow!(failures.join("\n"))),
    }
}

async fn bind_probes(config: &Config) -> anyhow::Result<TcpListener> {
    let at = |port| Probes::listen(SocketAddr::new(config.bind, port));
    match config.probe_port {
        Some(port) => at(port).await,
        // Whoever starts a second wallet beside the first has named the ports of the contract.
        None => match at(Config::PROBE_PORT).await {
            Ok(listener) => Ok(listener),
            Err(_) => at(0).await,
        },
    }
}

pub(crate) async fn migrate(home: &Home) -> anyhow::Result<()> {
    user::migrate(&home.database("user")).await?;
    wallet::migrate(&home.database("wallet")).await?;
    transaction::migrate(&home.database("transaction")).await?;
    payment::migrate(&home.database("payment")).await
}

async fn build(
    config: &Config,
    http: &HttpConfig,
    home: &Home,
    keys: &ServiceKeyConfig,
    addresses: [SocketAddr; 5],
    clock: &Clock,
    entropy: &Entropy,
) -> anyhow::Result<[Service; 5]> {
    let url = |index: usize| format!("http://{}", reachable(addresses[index]));
    let (user_url, wallet_url) = (url(1), url(2));
    // One for all, fed by the user service: who is logged out or deleted is refused everywhere with the answer that says so.
    let verifier = Some(Verifier::new(clock.clone()));
    let user = user::Config {
        demo_data: config.has_demo_data(),
        admin_email: config.admin_email.clone(),
        admin_password: config.admin_password.clone(),
        password_tries: config.password_tries,
        verifier: verifier.clone(),
        ..user::Config::new(home.database("user"), keys.clone(), &wallet_url)
    };
    let wallet = wallet::Config {
        database: home.database("wallet"),
        keys: keys.clone(),
        user_service_url: user_url.clone(),
        demo_data: config.has_demo_data(),
        money: config.money.clone().with_topup(wallet::TopUp::Open),
        peer_url: None,
        verifier: verifier.clone(),
        kinds: &wallet_api::KINDS,
    };
    let transaction = transaction::Config {
        database: home.database("transaction"),
        keys: keys.clone(),
        user_service_url: user_url.clone(),
        wallet_service_url: wallet_url.clone(),
        event_streams_max: transaction::EVENT_STREAMS_MAX,
        verifier: verifier.clone(),
        kinds: &wallet_api::KINDS,
    };
    let payment = payment::Config {
        database: home.database("payment"),
        keys: keys.clone(),
        user_service_url: user_url,
        wallet_service_url: wallet_url,
        payer_refunds: true,
        verifier: verifier.clone(),
    };
    let services = [
        user::build(user, clock.clone(), entropy.clone()).await?,
        wallet::build(wallet, clock.clone(), entropy.clone()).await?,
        transaction::build(transaction, clock.clone(), entropy.clone()).await?,
        payment::build(payment, clock.clone(), entropy.clone()).await?,
    ];
    let routes = services
        .each_ref()
        .map(|service| service.app(http.deadline));
    let gateway = gateway::Config {
        request_timeout: config.request_timeout,
        rate_limits: config.rate_limits.clone(),
        trusted_proxies: config.trusted_proxies.clone(),
        verifier,
        in_process: (!config.over_http).then_some(routes),
        demo_logins: demo_logins(config.demo_data),
        ..gateway::Config::for_services([url(1), url(2), url(3), url(4)], keys.clone())
    };
    let gateway = gateway::build(gateway, clock.clone(), entropy.clone()).await?;
    let [user, wallet, transaction, payment] = services;
    Ok([gateway, user, wallet, transaction, payment])
}

/// The logins that the web pages offer.
fn demo_logins(is_demo: bool) -> Vec<gateway::DemoLogin> {
    let login = |email: &str| gateway::DemoLogin {
        email: email.to_owned(),
        password: DEMO_PASSWORD.to_owned(),
    };
    if is_demo {
        DEMO_EMAILS.into_iter().map(login).collect()
    } else {
        Vec::new()
    }
}
