//! Clients that do what real ones do, at once and in a hurry: pay, send, top up, look, and repeat with the same key what they got no
//! answer to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clock::Entropy;
use futures_util::future::join;
use ledger_api::{Operation, Uuid, idempotency_key};
use money::Amount;
use reqwest::Method;
use serde_json::{Value, json};
use testing::{Answer, TestClient};

use crate::record::{Kind, Outcome, Recorder, Shown, Told, Totals, random};

/// The time that a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(8);
/// The number of rows that a client asks for.
const PAGE: usize = 20;
/// The most that is moved at once.
const AMOUNT_MAX: u64 = 300;

/// Somebody with a wallet.
#[derive(Clone, Debug)]
pub struct User {
    /// The user.
    pub id: i64,
    /// Their wallet.
    pub wallet_id: i64,
    /// The API, with their token.
    pub api: TestClient,
}

/// A write as it is sent: every repeat is the same bytes.
#[derive(Clone, Debug)]
struct Request {
    user: usize,
    path: String,
    body: String,
    client_key: String,
    key: Uuid,
    operation: Operation,
}

/// One client: acts for any of the users, one call after the other.
pub struct Client {
    number: usize,
    users: Arc<Vec<User>>,
    recorder: Recorder,
    entropy: Entropy,
    requests: u64,
    /// The calls that may be repeated: those without an answer, and some with one.
    open: Vec<Request>,
    settled: Option<Request>,
}

impl Client {
    /// A client whose choices follow from the seed.
    pub fn new(number: usize, users: Arc<Vec<User>>, recorder: Recorder, seed: i64) -> Client {
        let own = i64::try_from(number).unwrap_or(0);
        Client {
            number,
            users,
            recorder,
            entropy: Entropy::seeded(seed.wrapping_mul(1_000_003).wrapping_add(own)),
            requests: 0,
            open: Vec::new(),
            settled: None,
        }
    }

    /// Calls until told to stop; then asks once more for whatever is still open.
    pub async fn run(mut self, stop: Arc<AtomicBool>) {
        while !stop.load(Ordering::SeqCst) {
            self.act().await;
            let pause = Duration::from_micros(self.draw(3_000));
            tokio::time::sleep(pause).await;
        }
        // Half of what is open is left alone: nobody says what became of it.
        for request in std::mem::take(&mut self.open).into_iter().step_by(2) {
            self.write(request).await;
        }
    }

    fn draw(&self, limit: u64) -> u64 {
        random(&self.entropy, limit)
    }

    fn any_user(&self) -> usize {
        let users = u64::try_from(self.users.len()).unwrap_or(1);
        usize::try_from(self.draw(users)).unwrap_or(0)
    }

    async fn act(&mut self) {
        match self.draw(100) {
            0..=44 => {
                let request = self.new_request();
                self.write(request).await;
            }
            45..=54 => match self.open.pop() {
                Some(request) => self.write(request).await,
                None => self.balance().await,
            },
            55..=59 => {
                if let Some(request) = self.settled.clone() {
                    self.write(request).await;
                }
            }
            60..=62 => {
                if let Some(request) = self.settled.clone() {
                    self.write(self.altered(request)).await;
                }
            }
            63..=69 => {
                // Impatient: the same twice at once.
                let request = self.new_request();
                let (one, two) = join(self.send(&request), self.send(&request)).await;
                if [one, two].contains(&Outcome::Unknown) {
                    self.open.push(request);
                }
            }
            70..=81 => self.balance().await,
            82..=89 => self.history().await,
            90..=94 => self.payments().await,
            _ => self.stats().await,
        }
    }

    fn new_request(&mut self) -> Request {
        self.requests += 1;
        let user = self.any_user();
        let amount = self.draw(AMOUNT_MAX) + 1;
        let units = i64::try_from(amount).unwrap_or(1);
        let amount = Amount::new(units).unwrap_or(Amount::MAX);
        let User { id, wallet_id, .. } = self.users[user];
        let client_key = format!("client-{}-{}", self.number, self.requests);
        let (route, path, body, operation) = match self.draw(10) {
            0..=2 => (
                "POST /wallets/{id}/topup",
                format!("/wallets/{wallet_id}/topup"),
                json!({"amount": units}),
                wallet_api::top_up(wallet_id, id, amount),
            ),
            3..=6 => (
                "POST /payments/pay",
                "/payments/pay".to_owned(),
                json!({"wallet_id": wallet_id, "merchant": "Tokopedia", "amount": units}),
                wallet_api::pay(wallet_id, id, "Tokopedia", amount),
            ),
            _ => {
                let to_user_id = self.users[(user + 1) % self.users.len()].id;
                (
                    "POST /payments/transfer",
                    "/payments/transfer".to_owned(),
                    json!({"from_wallet_id": wallet_id, "to_user_id": to_user_id, "amount": units}),
                    wallet_api::transfer(wallet_id, id, to_user_id, amount),
                )
            }
        };
        Request {
            user,
            path,
            body: body.to_string(),
            key: idempotency_key(id, route, &client_key),
            client_key,
            operation,
        }
    }

    /// The same key with another amount.
    fn altered(&self, mut request: Request) -> Request {
        let Operation::Post(postings) = &mut request.operation else {
            return request;
        };
        let [posting] = &mut postings[..] else {
            return request;
        };
        let Some(amount) = posting.amount else {
            return request;
        };
        let units = amount.units() + 1;
        posting.amount = Amount::new(units).ok().or(Some(Amount::MAX));
        let mut body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        body["amount"] = json!(units);
        request.body = body.to_string();
        request
    }

    async fn write(&mut self, request: Request) {
        match self.send(&request).await {
            Outcome::Unknown => self.open.push(request),
            Outcome::Done(_) => self.settled = Some(request),
            Outcome::Insufficient | Outcome::KeyReused => {}
        }
    }

    async fn send(&self, request: &Request) -> Outcome {
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", &request.client_key),
        ];
        let start = self.recorder.now();
        let body = request.body.clone().into_bytes();
        let api = &self.users[request.user].api;
        let answer = patiently(api, Method::POST, &request.path, body, &headers).await;
        let outcome = answer.map_or(Outcome::Unknown, |answer| outcome(&answer));
        self.recorder.record(
            start,
            Kind::Write {
                key: request.key,
                operation: request.operation.clone(),
                outcome: outcome.clone(),
            },
        );
        outcome
    }

    async fn look(&self, user: usize, path: &str, shown: impl FnOnce(Value) -> Option<Shown>) {
        let start = self.recorder.now();
        let api = &self.users[user].api;
        let Some(answer) = patiently(api, Method::GET, path, Vec::new(), &[]).await else {
            return;
        };
        if answer.status != 200 {
            return;
        }
        let may_be_behind = answer.headers.contains_key("x-data-behind");
        if let Some(shown) = shown(answer.json()) {
            self.recorder.record(
                start,
                Kind::Read {
                    shown,
                    may_be_behind,
                },
            );
        }
    }

    async fn balance(&self) {
        let user = self.any_user();
        let wallet_id = self.users[user].wallet_id;
        let path = format!("/wallets/{wallet_id}/balance");
        self.look(user, &path, |body| {
            let balance = body["balance"].as_i64()?;
            Some(Shown::Balance { wallet_id, balance })
        })
        .await;
    }

    async fn history(&self) {
        let user = self.any_user();
        let user_id = self.users[user].id;
        self.look(user, &format!("/transactions?limit={PAGE}"), |body| {
            Some(Shown::History {
                user_id,
                limit: PAGE,
                ids: ids(&body["transactions"])?,
            })
        })
        .await;
    }

    async fn payments(&self) {
        let user = self.any_user();
        let user_id = self.users[user].id;
        self.look(user, &format!("/payments?limit={PAGE}"), |body| {
            Some(Shown::Payments {
                user_id,
                limit: PAGE,
                ids: ids(&body["payments"])?,
            })
        })
        .await;
    }

    async fn stats(&self) {
        let user = self.any_user();
        let user_id = self.users[user].id;
        self.look(user, "/transactions/stats", |body| {
            let totals = Totals {
                transactions: body["total_transactions"].as_i64()?,
                topup: body["total_topup"].as_i64()?,
                payment: body["total_payment"].as_i64()?,
                sent: body["total_transfer"].as_i64()?,
                received: body["total_received"].as_i64()?,
            };
            Some(Shown::Stats { user_id, totals })
        })
        .await;
    }
}

fn ids(list: &Value) -> Option<Vec<i64>> {
    list.as_array()?
        .iter()
        .map(|row| row["id"].as_i64())
        .collect()
}

async fn patiently(
    api: &TestClient,
    method: Method,
    path: &str,
    body: Vec<u8>,
    headers: &[(&str, &str)],
) -> Option<Answer> {
    let answer = api.try_send(method, path, body, headers);
    tokio::time::timeout(PATIENCE, answer).await.ok()?.ok()
}

/// Only what is said clearly counts; everything else leaves open what happened.
fn outcome(answer: &Answer) -> Outcome {
    let Ok(body) = serde_json::from_slice::<Value>(&answer.bytes) else {
        return Outcome::Unknown;
    };
    match (answer.status.as_u16(), body["error"].as_str()) {
        (200 | 201, _) => Outcome::Done(Told {
            balance: body["wallet"]["balance"].as_i64(),
            payment_id: body["payment"]["id"].as_i64(),
        }),
        (400, Some("Insufficient balance")) => Outcome::Insufficient,
        (422, _) => Outcome::KeyReused,
        _ => Outcome::Unknown,
    }
}
