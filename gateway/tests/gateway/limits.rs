//! What one client may do is limited by address and by user, and the limits of several gateways are one where there is a Redis.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use auth::{Claims, Role, UserId};
use clock::Clock;
use gateway::Config;
use http::HeaderMap;
use serde_json::json;
use testing::{Answer, TestClient, TestServer, free_ports, wait_until};

use crate::world::{World, signing_keys, start};

/// Slow enough that nothing comes back while a test runs.
const STRICT: &str = "address=1/m burst 30, open=1/m burst 4, user=1/m burst 6, money=1/m burst 3, directory=1/m burst 2";

fn strict(config: &mut Config) {
    config.rate_limits = STRICT.parse().unwrap();
}

/// A token of this user.
fn token_of(user: i64) -> String {
    let now = Clock::system().now();
    let claims = Claims::new(UserId(user), Role::User, format!("session-{user}"), now);
    signing_keys().sign(&claims).unwrap()
}

/// The number of requests that are let in, and the refusal of the next.
async fn let_in(request: impl AsyncFn() -> Answer) -> (usize, Answer) {
    for count in 0..100 {
        let answer = request().await;
        if answer.status == 429 {
            let error = answer.expect_error(429, "Too many requests");
            assert_eq!(error["code"], "too_many_requests");
            return (count, answer);
        }
        answer.expect(200);
    }
    panic!("nobody is refused");
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_user_is_told_what_is_left_and_then_when_to_come_back() {
    let world = World::with(strict).await;
    let user = world.client.with_token(token_of(1));
    let first = user.get("/api/v1/wallets").await;
    assert_eq!(header(&first.headers, "ratelimit"), "\"user\";r=5;t=60");
    assert_eq!(
        header(&first.headers, "ratelimit-policy"),
        "\"user\";q=6;w=360"
    );
    let pay = async || user.post("/api/v1/payments/pay", json!({})).await;
    let (count, refused) = let_in(pay).await;
    assert_eq!(count, 3);
    let limit = header(&refused.headers, "ratelimit");
    assert!(limit.starts_with("\"user\";r=2;t="), "{limit}");
    assert!(limit.contains("\"money\";r=0;t=60"), "{limit}");
    assert_eq!(header(&refused.headers, "retry-after"), "60");
    // A refused request counts under no policy: reading goes on.
    let (count, refused) = let_in(async || user.get("/api/v1/wallets").await).await;
    assert_eq!(count, 2);
    assert!(header(&refused.headers, "ratelimit").starts_with("\"user\";r=0;t="));
    // Another user has limits of their own.
    let other = world.client.with_token(token_of(2));
    other.get("/api/v1/wallets").await.expect(200);
    // Nothing of what was refused was passed on.
    assert_eq!(world.seen().len(), 1 + 3 + 2 + 1);
}

#[tokio::test]
async fn looking_at_users_has_a_limit_of_its_own() {
    let world = World::with(strict).await;
    let user = world.client.with_token(token_of(1));
    let (count, refused) = let_in(async || user.get("/api/v1/users?limit=200").await).await;
    assert_eq!(count, 2);
    assert!(header(&refused.headers, "ratelimit").contains("\"directory\";r=0"));
    user.get("/api/v1/users/verify").await.expect(200);
}

#[tokio::test]
async fn who_has_no_token_is_counted_by_address_and_told_no_policies() {
    let world = World::with(strict).await;
    let log_in = async |client: &TestClient| client.post("/api/v1/auth/login", json!({})).await;
    let (count, refused) = let_in(async || log_in(&world.client).await).await;
    assert_eq!(count, 4);
    assert_eq!(header(&refused.headers, "retry-after"), "60");
    for name in ["ratelimit", "ratelimit-policy"] {
        assert!(!refused.headers.contains_key(name), "{name}");
    }
    // Whatever a client says of itself, it is where its connection comes from.
    for name in [
        "x-forwarded-for",
        "forwarded",
        "x-real-ip",
        "x-client-address",
    ] {
        let liar = world.client.with_header(name, "203.0.113.7");
        assert_eq!(log_in(&liar).await.status, 429, "{name}");
    }
    // Another address is another client, and the probes are nobody's.
    let elsewhere = TestClient::from_address(world.gateway.url(), [127, 0, 0, 2]);
    log_in(&elsewhere).await.expect(200);
    for _ in 0..40 {
        assert_eq!(world.client.get("/livez").await.status, 200);
    }
}

#[tokio::test]
async fn every_request_of_an_address_counts_before_its_token_is_looked_at() {
    let world = World::with(strict).await;
    let mut refused = 0;
    for n in 0..40 {
        let stranger = world.client.with_token(format!("a.b.{n}"));
        match stranger.get("/api/v1/wallets").await.status.as_u16() {
            401 => {}
            429 => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!(refused, 10);
    let metrics = world.client.get("/metrics").await.text();
    assert!(
        metrics.contains("gateway_rate_limited_total{policy=\"address\"} 10"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_trusted_proxy_says_where_a_client_is() {
    let world = World::with(|config| {
        strict(config);
        config.trusted_proxies = "127.0.0.1, 10.0.0.0/8".parse().unwrap();
    })
    .await;
    let log_in = async |forwarded: &str| {
        let client = world.client.with_header("x-forwarded-for", forwarded);
        client.post("/api/v1/auth/login", json!({})).await
    };
    let (count, _) = let_in(async || log_in("203.0.113.7").await).await;
    assert_eq!(count, 4);
    // What stands left of the proxies' own words is the client's invention.
    assert_eq!(
        log_in("198.51.100.1, 203.0.113.7, 10.1.2.3").await.status,
        429
    );
    log_in("198.51.100.1").await.expect(200);
    // The service hears the same, with the gateway's proof, whatever the client sent.
    let seen = world.service("user-service").take();
    let last = &seen.last().unwrap().headers;
    assert_eq!(header(last, "x-client-address"), "198.51.100.1");
    assert!(!header(last, "x-client-address-proof").is_empty());
    // IPv6: a network counts as one.
    let (count, _) = let_in(async || log_in("2001:db8:1:2::1").await).await;
    assert_eq!(count, 4);
    assert_eq!(log_in("2001:db8:1:2:3::1").await.status, 429);
    log_in("2001:db8:1:3::1").await.expect(200);
}

#[tokio::test]
async fn a_page_of_another_origin_can_read_a_refusal() {
    let world = World::with(strict).await;
    let page = world
        .client
        .with_token(token_of(1))
        .with_header("origin", "https://wallet.example.com");
    let (_, refused) = let_in(async || page.get("/api/v1/wallets").await).await;
    assert_eq!(header(&refused.headers, "access-control-allow-origin"), "*");
    let exposed = header(&refused.headers, "access-control-expose-headers");
    for name in ["ratelimit", "ratelimit-policy", "retry-after"] {
        assert!(exposed.contains(name), "{exposed}");
    }
}

#[tokio::test]
async fn without_policies_nobody_is_refused() {
    let world = World::start().await;
    let user = world.client.with_token(token_of(1));
    for _ in 0..300 {
        let answer = user.get("/api/v1/wallets").await;
        answer.expect(200);
        assert!(!answer.headers.contains_key("ratelimit"));
    }
}

/// A Redis that ends with the test.
struct Redis {
    port: u16,
    process: Child,
}

impl Redis {
    fn start(port: u16) -> Redis {
        let port_word = port.to_string();
        let process = Command::new("redis-server")
            .args([
                "--port",
                &port_word,
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is needed for this test");
        Redis { port, process }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn has_redis() -> bool {
    let found = Command::new("redis-server")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        eprintln!("LEFT OUT: no redis-server on this machine");
    }
    found
}

/// Two gateways in front of the same services, with one Redis.
async fn two_gateways(redis: &str, policies: &str) -> (World, TestServer) {
    let mut second = None;
    let world = World::with(|config| {
        config.rate_limits = policies.parse().unwrap();
        config.redis_url = Some(redis.parse().unwrap());
        config.gateways = 2;
        second = Some(config.clone());
    })
    .await;
    let second = start(second.unwrap()).await;
    let there = TestClient::new(second.url());
    wait_until("the second gateway is ready", async || {
        there.get("/readyz").await.status == 200
    })
    .await;
    (world, second)
}

async fn is_shared(client: &TestClient) -> bool {
    let metrics = client.get("/metrics").await.text();
    metrics.contains("\ngateway_rate_limits_shared 1")
}

#[tokio::test]
async fn two_gateways_on_one_redis_hold_one_limit() {
    if !has_redis() {
        return;
    }
    let redis = Redis::start(free_ports::<1>()[0]);
    let (world, second) = two_gateways(&redis.url(), "user=1/m burst 20, money=1/m burst 6").await;
    let gateways = [world.client.clone(), TestClient::new(second.url())];
    // On a busy machine a call may take longer than it may: then the gateway counts that one by itself, and it is tried with another user.
    for user in 1..20 {
        let users = gateways
            .each_ref()
            .map(|gateway| gateway.with_token(token_of(user)));
        let failures = failures(&gateways).await;
        let (mut payments, mut reads) = (0, 0);
        for n in 0..40 {
            if users[n % 2]
                .post("/api/v1/payments/pay", json!({}))
                .await
                .status
                == 200
            {
                payments += 1;
            }
        }
        for n in 0..40 {
            if users[n % 2].get("/api/v1/wallets").await.status == 200 {
                reads += 1;
            }
        }
        if failures == self::failures(&gateways).await {
            assert_eq!((payments, reads), (6, 14));
            return;
        }
        // A Redis that did not answer is asked again after a second.
        for gateway in &gateways {
            let other = gateway.with_token(token_of(1000 + user));
            wait_until("the gateway counts in Redis", async || {
                other.get("/api/v1/users/verify").await;
                is_shared(gateway).await
            })
            .await;
        }
    }
    panic!("Redis never answers in time");
}

/// The calls of Redis that failed at each gateway.
async fn failures(gateways: &[TestClient; 2]) -> [String; 2] {
    let [first, second] = gateways;
    [failures_of(first).await, failures_of(second).await]
}

async fn failures_of(gateway: &TestClient) -> String {
    let metrics = gateway.get("/metrics").await.text();
    let mut lines = metrics.lines();
    let found = lines.find(|line| line.starts_with("gateway_rate_limit_failures_total "));
    found.unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_redis_that_dies_fails_no_request_and_one_that_comes_back_counts_again() {
    if !has_redis() {
        return;
    }
    let port = free_ports::<1>()[0];
    let redis = Redis::start(port);
    let (world, second) = two_gateways(&redis.url(), "user=1/h burst 200").await;
    let gateways = [world.client.clone(), TestClient::new(second.url())];
    let read = async |gateway: usize, user: i64| {
        let client = gateways[gateway].with_token(token_of(user));
        client.get("/api/v1/wallets").await
    };
    for gateway in [0, 1] {
        wait_until("the gateway counts in Redis", async || {
            // Until then it counts alone, and may refuse this user.
            read(gateway, 1).await;
            is_shared(&gateways[gateway]).await
        })
        .await;
    }
    drop(redis);
    for n in 0..100 {
        let began = Instant::now();
        read(n % 2, 2).await.expect(200);
        assert!(began.elapsed() < Duration::from_secs(2));
    }
    assert!(!is_shared(&gateways[0]).await && !is_shared(&gateways[1]).await);
    // Each lets in its share: together no more than the limit.
    let mut let_in = 0;
    for n in 0..400 {
        if read(n % 2, 3).await.status == 200 {
            let_in += 1;
        }
    }
    assert_eq!(let_in, 200);

    let _redis = Redis::start(port);
    for gateway in [0, 1] {
        wait_until("the gateway counts in Redis again", async || {
            read(gateway, 4).await;
            is_shared(&gateways[gateway]).await
        })
        .await;
    }
}
