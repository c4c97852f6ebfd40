//! The two users' side of the door: one request, and what must come back.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use http::{Method, StatusCode};
use http_server::REPLAYED_HEADER;
use reqwest::Url;
use serde_json::{Value, json};
use service_client::{ConnectOptions, read_body};

use crate::upstream::ANSWER_BYTES_MAX;

/// More than the gateway itself gives a service.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// To whom payments go.
pub(super) const MERCHANT: &str = "The story's shop";

/// The gateway, as a client knows it.
#[derive(Clone)]
pub(super) struct Door {
    http: reqwest::Client,
    base: String,
}

impl Door {
    pub(super) fn new(url: &str) -> anyhow::Result<Door> {
        let parsed = Url::parse(url).with_context(|| format!("--url {url:?}"))?;
        ensure!(
            parsed.scheme() == "http",
            "--url {url:?} is not a plain http:// address"
        );
        let options = ConnectOptions {
            timeout: ANSWER_LIMIT,
            ..ConnectOptions::default()
        };
        Ok(Door {
            // A repeat would hide what the story is there to find.
            http: service_client::connect_without_retries(&options)?,
            base: url.trim_end_matches('/').to_owned(),
        })
    }

    /// A request that nobody has signed. All but `/health` is under the contract's prefix.
    pub(super) fn ask(&self, method: Method, path: &str) -> Request {
        let prefix = if path == "/health" { "" } else { "/api/v1" };
        Request {
            what: format!("{method} {path}"),
            builder: self
                .http
                .request(method, format!("{}{prefix}{path}", self.base)),
        }
    }
}

/// A request on its way.
pub(super) struct Request {
    what: String,
    builder: reqwest::RequestBuilder,
}

impl Request {
    pub(super) fn key(mut self, key: &str) -> Request {
        self.builder = self.builder.header("idempotency-key", key);
        self
    }

    pub(super) fn body(mut self, body: Value) -> Request {
        self.builder = self.builder.json(&body);
        self
    }

    pub(super) async fn send(self) -> anyhow::Result<Answer> {
        let no_answer = || format!("{}: no answer", self.what);
        let response = self.builder.send().await.with_context(no_answer)?;
        let status = response.status();
        let replayed = response.headers().contains_key(REPLAYED_HEADER);
        let bytes = read_body(response, ANSWER_BYTES_MAX).await;
        let bytes = bytes.with_context(no_answer)?;
        let body = serde_json::from_slice(&bytes)
            .with_context(|| format!("{}: {status}, and its body is not JSON", self.what))?;
        Ok(Answer {
            what: self.what,
            status,
            replayed,
            body,
        })
    }
}

/// The answer to a request.
#[derive(Debug)]
pub(super) struct Answer {
    what: String,
    pub(super) status: StatusCode,
    pub(super) replayed: bool,
    pub(super) body: Value,
}

impl Answer {
    /// The answer, if it has this status, and at least what is wanted in its body.
    pub(super) fn expect(self, status: StatusCode, wanted: &Value) -> anyhow::Result<Answer> {
        ensure!(
            self.status == status && has(&self.body, wanted),
            "{}: {} {}, not {} with {wanted}",
            self.what,
            self.status.as_u16(),
            self.body,
            status.as_u16(),
        );
        Ok(self)
    }

    /// The number at a JSON pointer.
    fn number(&self, pointer: &str) -> anyhow::Result<i64> {
        let number = self.body.pointer(pointer).and_then(Value::as_i64);
        number.with_context(|| format!("{}: no number at {pointer} in {}", self.what, self.body))
    }
}

/// Returns whether everything that is wanted is there: of an object the named fields, of a list every item.
fn has(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted
            .iter()
            .all(|(name, wanted)| found.get(name).is_some_and(|found| has(found, wanted))),
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len()
                && found
                    .iter()
                    .zip(wanted)
                    .all(|(found, wanted)| has(found, wanted))
        }
        _ => found == wanted,
    }
}

/// One of the two.
pub(super) struct Person {
    pub(super) door: Door,
    pub(super) name: &'static str,
    pub(super) email: String,
    pub(super) password: String,
    /// Once registered.
    pub(super) token: Option<String>,
    pub(super) id: i64,
    pub(super) wallet: i64,
}

impl Person {
    /// A request in this person's name.
    pub(super) fn ask(&self, method: Method, path: &str) -> Request {
        let mut request = self.door.ask(method, path);
        if let Some(token) = &self.token {
            request.builder = request.builder.bearer_auth(token);
        }
        request
    }

    pub(super) async fn register(&mut self) -> anyhow::Result<()> {
        let body = json!({"name": self.name, "email": self.email, "phone": "081200000000", "password": self.password});
        let answer = self
            .door
            .ask(Method::POST, "/auth/register")
            .body(body)
            .send()
            .await?;
        let wanted = json!({"user": {"name": self.name, "email": self.email}});
        let answer = answer.expect(StatusCode::CREATED, &wanted)?;
        self.id = answer.number("/user/id")?;
        Ok(())
    }

    pub(super) async fn log_in(&mut self) -> anyhow::Result<()> {
        let body = json!({"email": self.email, "password": self.password});
        let answer = self
            .door
            .ask(Method::POST, "/auth/login")
            .body(body)
            .send()
            .await?;
        let answer = answer.expect(StatusCode::OK, &json!({"user": {"id": self.id}}))?;
        let token = answer.body["token"]
            .as_str()
            .context("no token came with the log-in")?;
        self.token = Some(token.to_owned());
        Ok(())
    }

    pub(super) async fn open_wallet(&mut self) -> anyhow::Result<()> {
        let answer = self
            .ask(Method::POST, "/wallets")
            .body(json!({}))
            .send()
            .await?;
        let wanted = json!({"wallet": {"user_id": self.id, "balance": 0, "currency": "IDR", "status": "active"}});
        self.wallet = answer
            .expect(StatusCode::CREATED, &wanted)?
            .number("/wallet/id")?;
        Ok(())
    }

    /// `false` where users bring no money in.
    pub(super) async fn tops_up_where_open(&self, amount: i64) -> anyhow::Result<bool> {
        let path = format!("/wallets/{}/topup", self.wallet);
        let answer = self
            .ask(Method::POST, &path)
            .body(json!({"amount": amount}))
            .send()
            .await?;
        let wanted = json!({"message": "Top up successful", "wallet": {"id": self.wallet, "balance": amount}});
        if answer.status == StatusCode::FORBIDDEN {
            answer.expect(StatusCode::FORBIDDEN, &json!({"code": "topup_closed"}))?;
            return Ok(false);
        }
        answer.expect(StatusCode::OK, &wanted)?;
        Ok(true)
    }

    /// The body of a payment.
    pub(super) fn order(&self, amount: i64) -> Value {
        json!({"wallet_id": self.wallet, "merchant": MERCHANT, "amount": amount})
    }

    pub(super) async fn pays(&self, amount: i64) -> anyhow::Result<()> {
        let request = self
            .ask(Method::POST, "/payments/pay")
            .body(self.order(amount));
        request
            .send()
            .await?
            .expect(StatusCode::CREATED, &self.receipt(&self.order(amount)))?;
        Ok(())
    }

    pub(super) async fn pays_with_key(&self, key: &str, order: &Value) -> anyhow::Result<Answer> {
        let request = self.ask(Method::POST, "/payments/pay").key(key);
        let answer = request.body(order.clone()).send().await?;
        answer.expect(StatusCode::CREATED, &self.receipt(order))
    }

    fn receipt(&self, order: &Value) -> Value {
        let mut payment = order.clone();
        payment["user_id"] = self.id.into();
        json!({"message": "Payment successful", "payment": payment})
    }

    pub(super) async fn sends(&self, to: &Person, amount: i64) -> anyhow::Result<()> {
        let body = json!({"from_wallet_id": self.wallet, "to_user_id": to.id, "amount": amount});
        let answer = self
            .ask(Method::POST, "/payments/transfer")
            .body(body)
            .send()
            .await?;
        let wanted =
            json!({"from_wallet_id": self.wallet, "to_wallet_id": to.wallet, "amount": amount});
        answer.expect(StatusCode::CREATED, &wanted)?;
        Ok(())
    }

    /// The wallet's balance is this one.
    pub(super) async fn has(&self, balance: i64) -> anyhow::Result<()> {
        let wanted = json!({"wallet_id": self.wallet, "balance": balance, "currency": "IDR"});
        self.reads(&format!("/wallets/{}/balance", self.wallet), &wanted)
            .await
    }

    /// This is what is there.
    pub(super) async fn reads(&self, path: &str, wanted: &Value) -> anyhow::Result<()> {
        self.ask(Method::GET, path)
            .send()
            .await?
            .expect(StatusCode::OK, wanted)?;
        Ok(())
    }
}
