//! The gateway and the four services show the same of themselves, as far as they are alike: the metrics that every service has, the
//! repeats of their calls by the name of the service that is called, and readiness checks under one spelling.

use std::collections::BTreeSet;

use auth::ServiceKeyConfig;
use clock::{Clock, Entropy};
use http_server::Service;
use testing::{SECRET, every_database};

/// The metrics that every service has: what it is asked, what it asks others, its process and its traces.
/// (`http_request_duration_seconds` begins with the first request.)
const COMMON: [&str; 6] = [
    "client_retries_total",
    "client_retry_budget_exhausted_total",
    "http_requests_in_flight",
    "process_open_fds",
    "process_resident_memory_bytes",
    "trace_spans_total",
];

struct Built {
    service: Service,
    checks: &'static [&'static str],
    /// The services that it calls.
    calls: &'static [&'static str],
}

/// The five, each alone: what they need is not there.
async fn built() -> [Built; 5] {
    let database = every_database().await.swap_remove(0);
    let keys = ServiceKeyConfig::from_secret(SECRET);
    let nobody = || "http://127.0.0.1:1".to_owned();
    let (clock, entropy) = (Clock::system, Entropy::system);
    let user = user::Config::new(database.config("user"), keys.clone(), nobody());
    let wallet = wallet::Config {
        kinds: &wallet_api::KINDS,
        database: database.config("wallet"),
        keys: keys.clone(),
        user_service_url: nobody(),
        demo_data: true,
        money: wallet::MoneyConfig::open(),
        peer_url: None,
        verifier: None,
    };
    let transaction = transaction::Config {
        kinds: &wallet_api::KINDS,
        database: database.config("transaction"),
        keys: keys.clone(),
        user_service_url: nobody(),
        wallet_service_url: nobody(),
        event_streams_max: transaction::EVENT_STREAMS_MAX,
        verifier: None,
    };
    let payment = payment::Config {
        database: database.config("payment"),
        keys: keys.clone(),
        user_service_url: nobody(),
        wallet_service_url: nobody(),
        payer_refunds: false,
        verifier: None,
    };
    let gateway = gateway::Config::for_services(std::array::from_fn(|_| nobody()), keys);
    let of = |service, checks, calls| Built {
        service,
        checks,
        calls,
    };
    const FOLLOWS: &[&str] = &["database", "ledger", "signing_keys"];
    [
        of(
            gateway::build(gateway, clock(), entropy()).await.unwrap(),
            &["signing_keys"],
            &[
                "payment-service",
                "transaction-service",
                "user-service",
                "wallet-service",
            ],
        ),
        of(
            user::build(user, clock(), entropy()).await.unwrap(),
            FOLLOWS,
            &["wallet-service"],
        ),
        of(
            wallet::build(wallet, clock(), entropy()).await.unwrap(),
            &["database", "demo_data", "signing_keys"],
            &["user-service"],
        ),
        of(
            transaction::build(transaction, clock(), entropy())
                .await
                .unwrap(),
            FOLLOWS,
            &["user-service", "wallet-service"],
        ),
        of(
            payment::build(payment, clock(), entropy()).await.unwrap(),
            FOLLOWS,
            &["user-service", "wallet-service"],
        ),
    ]
}

/// The values of the label `upstream` of a metric.
fn upstreams<'a>(text: &'a str, metric: &str) -> BTreeSet<&'a str> {
    let labelled = |line: &'a str| line.strip_prefix(metric)?.strip_prefix("{upstream=\"");
    text.lines()
        .filter_map(labelled)
        .filter_map(|rest| rest.split('"').next())
        .collect()
}

#[tokio::test]
async fn all_services_show_the_same_metrics_and_spell_their_checks_alike() {
    for Built {
        service,
        checks,
        calls,
    } in built().await
    {
        let name = service.name;
        let text = service.metrics.text().unwrap();
        let families: BTreeSet<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
            .collect();
        let missing: Vec<_> = COMMON
            .iter()
            .filter(|metric| !families.contains(**metric))
            .collect();
        assert!(missing.is_empty(), "{name}: {missing:?}");
        let calls = BTreeSet::from_iter(calls.iter().copied());
        for metric in [
            "client_retries_total",
            "client_retry_budget_exhausted_total",
        ] {
            assert_eq!(upstreams(&text, metric), calls, "{name}: {metric}");
        }
        let named: BTreeSet<_> = service.health.checks().into_iter().collect();
        assert_eq!(named, BTreeSet::from_iter(checks.iter().copied()), "{name}");
        let failing: BTreeSet<_> = service
            .health
            .failures()
            .await
            .into_iter()
            .map(|(check, _)| check)
            .collect();
        assert!(failing.is_subset(&named), "{name}: {failing:?}");
        assert!(failing.contains("signing_keys"), "{name}: {failing:?}");
        service
            .workers
            .finish(std::time::Duration::from_secs(10))
            .await;
    }
}
