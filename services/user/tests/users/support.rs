//! User services on ports of their own, and a ledger that only takes notes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth::{ServiceIdentity, ServiceKeyConfig, ServiceKeys};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use clock::{Clock, Entropy, Timestamp};
use http_server::{Health, Metrics, Service, Workers};
use ledger_api::{
    Actor, Entry, Event, Operation, OrdersRequest, OrdersResponse, Outcome, Standing, UserIds,
    UsersQuery, UsersTold,
};
use serde_json::{Value, json};
use testing::{SECRET, TestClient, TestDatabase, TestServer, every_database};
use tokio::net::{TcpListener, TcpSocket};
use user::Config;

/// A password that is good enough.
pub(crate) const PASSWORD: &str = "correct horse";

/// A user service that runs.
pub(crate) struct TestUsers {
    pub(crate) server: TestServer,
    pub(crate) client: TestClient,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    /// What its ledger has been told.
    pub(crate) ledger: FakeLedger,
}

/// Somebody who registered.
pub(crate) struct Person {
    pub(crate) id: i64,
    pub(crate) token: String,
    pub(crate) client: TestClient,
    pub(crate) email: String,
}

/// A user service on each database, migrated and empty.
pub(crate) async fn every_service() -> Vec<(TestDatabase, TestUsers)> {
    let mut services = Vec::new();
    for database in every_database().await {
        let service = TestUsers::start(&database, |_| {}).await;
        services.push((database, service));
    }
    services
}

/// Cheap passwords, and a ledger that cannot be reached unless it is told otherwise.
pub(crate) fn config(database: &TestDatabase, ledger_url: &str) -> Config {
    let keys = ServiceKeyConfig {
        // Set to nothing is not set.
        secret_key_previous: Some(String::new()),
        service_key: Some(String::new()),
        ..ServiceKeyConfig::from_secret(SECRET)
    };
    Config {
        argon2_memory_kib: 64,
        argon2_passes: 1,
        ..Config::new(database.config("users"), keys, ledger_url)
    }
}

/// A clock that stands still, in 2026.
pub(crate) fn manual_clock() -> Clock {
    Clock::manual(Timestamp::from_micros(1_790_000_000_000_000))
}

impl TestUsers {
    /// Migrates the database, and starts a service and its ledger.
    pub(crate) async fn start(
        database: &TestDatabase,
        change: impl FnOnce(&mut Config),
    ) -> TestUsers {
        let ledger = FakeLedger::start().await;
        let mut config = config(database, &ledger.url);
        change(&mut config);
        user::migrate(&config.database).await.unwrap();
        Self::run(config, manual_clock(), ledger).await
    }

    /// One more service on the same database, with the same clock and ledger.
    pub(crate) async fn another(&self, change: impl FnOnce(&mut Config)) -> TestUsers {
        let mut config = self.config.clone();
        change(&mut config);
        Self::run(config, self.clock.clone(), self.ledger.clone()).await
    }

    pub(crate) async fn run(config: Config, clock: Clock, ledger: FakeLedger) -> TestUsers {
        let service = user::build(config.clone(), clock.clone(), Entropy::system())
            .await
            .unwrap();
        let (listener, url) = TestServer::listener().await;
        TestUsers {
            server: TestServer::start(service, listener),
            client: TestClient::new(url),
            clock,
            config,
            ledger,
        }
    }

    /// Registers somebody.
    pub(crate) async fn person(&self, name: &str) -> Person {
        let email = format!("{}@example.com", name.to_lowercase());
        let body = self
            .client
            .post("/auth/register", registration(name, &email))
            .await
            .expect(201);
        let token = body["token"].as_str().unwrap().to_owned();
        Person {
            id: body["user"]["id"].as_i64().unwrap(),
            client: self.client.with_token(&token),
            token,
            email,
        }
    }

    /// Logs in; gives the token.
    pub(crate) async fn log_in(&self, email: &str, password: &str) -> String {
        let body = json!({"email": email, "password": password});
        let session = self.client.post("/auth/login", body).await.expect(200);
        session["token"].as_str().unwrap().to_owned()
    }

    /// A client that is another service.
    pub(crate) fn as_service(&self) -> TestClient {
        self.client.with_token(service_token(SECRET, &self.clock))
    }

    /// One figure of the metrics.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = self.client.get("/metrics").await.text();
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .unwrap_or_else(|| panic!("no metric {name} in\n{text}"))
            .parse()
            .unwrap()
    }

    /// How many passwords were hashed since the start.
    pub(crate) async fn hashes(&self) -> f64 {
        self.metric("password_hash_duration_seconds_count").await
    }
}

pub(crate) fn registration(name: &str, email: &str) -> Value {
    json!({"name": name, "email": email, "phone": "081234567890", "password": PASSWORD})
}

/// The token of a service that has this secret.
pub(crate) fn service_token(secret: &str, clock: &Clock) -> String {
    let keys = ServiceKeys::from_secrets(secret, None, clock.clone()).unwrap();
    let identity = ServiceIdentity::new("test-service", keys);
    identity.token().unwrap().to_string()
}

/// A wallet service that writes down what it is told, and whom by.
#[derive(Clone)]
pub(crate) struct FakeLedger {
    pub(crate) url: String,
    closed: Arc<Mutex<Vec<(String, i64, Actor)>>>,
    /// What it says of itself.
    pub(crate) standing: Arc<Mutex<Standing>>,
    /// Who has a wallet there, in order.
    pub(crate) known: Arc<Mutex<Vec<i64>>>,
    /// Whether it takes no orders.
    is_deaf: Arc<Mutex<bool>>,
    reserved: Arc<Mutex<Option<TcpSocket>>>,
    running: Arc<Mutex<Option<TestServer>>>,
}

impl FakeLedger {
    /// One that runs.
    pub(crate) async fn start() -> FakeLedger {
        let (listener, url) = TestServer::listener().await;
        let ledger = Self::at(url);
        ledger.serve(listener);
        ledger
    }

    /// One that cannot be reached until it [`comes back`](Self::come_back).
    pub(crate) async fn away() -> FakeLedger {
        // Bound but not listening: connections are refused, and nobody else gets the port.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let ledger = Self::at(format!("http://{}", socket.local_addr().unwrap()));
        *ledger.reserved.lock().unwrap() = Some(socket);
        ledger
    }

    fn at(url: String) -> FakeLedger {
        FakeLedger {
            url,
            closed: Arc::default(),
            standing: Arc::new(Mutex::new(Standing {
                ledger: ledger_api::Uuid::from_u128(1),
                head: 0,
                mark: None,
                mark_there: None,
                highest_user: 0,
                highest_told: 0,
                is_demo: false,
            })),
            known: Arc::default(),
            is_deaf: Arc::default(),
            reserved: Arc::default(),
            running: Arc::default(),
        }
    }

    /// One that says who it is, and takes no orders until it [`listens`](Self::listen).
    pub(crate) async fn deaf() -> FakeLedger {
        let ledger = FakeLedger::start().await;
        *ledger.is_deaf.lock().unwrap() = true;
        ledger
    }

    /// Takes orders from now on.
    pub(crate) fn listen(&self) {
        *self.is_deaf.lock().unwrap() = false;
    }

    /// Listens from now on.
    pub(crate) fn come_back(&self) {
        let socket = self.reserved.lock().unwrap().take().unwrap();
        self.serve(socket.listen(64).unwrap());
    }

    /// Answers nobody any more.
    pub(crate) async fn go_away(&self) {
        let running = self.running.lock().unwrap().take().unwrap();
        running.stop().await;
    }

    /// The key of each order, the user that it closed, and who asked.
    pub(crate) fn closed(&self) -> Vec<(String, i64, Actor)> {
        self.closed.lock().unwrap().clone()
    }

    /// Closes a user, as an earlier user service had it do.
    pub(crate) fn close(&self, key: &str, user_id: i64) {
        self.closed
            .lock()
            .unwrap()
            .push((key.to_owned(), user_id, Actor::User(user_id)));
    }

    fn serve(&self, listener: TcpListener) {
        let clock = Clock::system();
        let service = Service {
            name: "wallet-service",
            router: axum::Router::new()
                .route("/internal/orders", post(take_note))
                .route("/internal/ledger", get(standing))
                .route("/internal/ledger/users", get(known_users).post(note_users))
                .route("/internal/ledger/users/closed", get(closed_users))
                .with_state(self.clone()),
            own_health: false,
            health: Health::new("wallet-service", clock),
            metrics: Metrics::new().unwrap(),
            workers: Workers::default(),
        };
        *self.running.lock().unwrap() = Some(TestServer::start(service, listener));
    }
}

async fn standing(State(ledger): State<FakeLedger>) -> Json<Standing> {
    Json(ledger.standing.lock().unwrap().clone())
}

async fn known_users(
    State(ledger): State<FakeLedger>,
    Query(query): Query<UsersQuery>,
) -> Json<UserIds> {
    let known = ledger.known.lock().unwrap().clone().into_iter();
    Json(UserIds {
        users: known.filter(|user_id| *user_id > query.after).collect(),
    })
}

async fn closed_users(
    State(ledger): State<FakeLedger>,
    Query(query): Query<UsersQuery>,
) -> Json<UserIds> {
    let closed = ledger.closed.lock().unwrap();
    let users = closed.iter().map(|(_, user_id, _)| *user_id);
    let users: BTreeSet<i64> = users.filter(|user_id| *user_id > query.after).collect();
    Json(UserIds {
        users: users.into_iter().collect(),
    })
}

async fn note_users(
    State(ledger): State<FakeLedger>,
    Json(told): Json<UsersTold>,
) -> Json<UsersTold> {
    let mut standing = ledger.standing.lock().unwrap();
    standing.highest_told = standing.highest_told.max(told.highest);
    Json(told)
}

async fn take_note(
    State(ledger): State<FakeLedger>,
    headers: HeaderMap,
    Json(request): Json<OrdersRequest>,
) -> Result<Json<OrdersResponse>, StatusCode> {
    let token = headers["authorization"].to_str().unwrap();
    let keys = ServiceKeys::from_secrets(SECRET, None, manual_clock()).unwrap();
    let caller = keys
        .verify(token.strip_prefix("Bearer ").unwrap())
        .map_err(|_| StatusCode::UNAUTHORIZED)?;
    assert_eq!(&*caller, "user-service");
    if *ledger.is_deaf.lock().unwrap() {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let mut closed = ledger.closed.lock().unwrap();
    let mut outcomes = Vec::new();
    for order in request.orders {
        let Operation::CloseUser { user_id, by } = order.operation else {
            return Err(StatusCode::BAD_REQUEST);
        };
        let note = (order.key.to_string(), user_id, by);
        let replayed = closed.contains(&note);
        closed.push(note);
        outcomes.push(Outcome::Accepted {
            entries: vec![Entry {
                seq: 1,
                at: 1,
                event: Event::UserClosed { user_id, by },
            }],
            replayed,
        });
    }
    Ok(Json(OrdersResponse { outcomes }))
}

/// How long a revocation may take to arrive everywhere.
pub(crate) const EVERYWHERE: Duration = Duration::from_secs(2);
