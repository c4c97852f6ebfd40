//! Forwarding orders to the process that wrote last, so that the processes of one ledger do not take turns at its head.
//!
//! Two processes that write one head alternate: while one commits, the other decides in vain, and then reads what was written. So
//! a process whose commit found the head moved forwards its orders to the one that moved it, for as long as that one answers.
//!
//! Invariants: nothing depends on it, and nobody holds a lease. Whoever is forwarded orders treats them as anybody's; whoever
//! gets no answer writes by itself; and keys see to it that what both carry out is done once. After an attempt whose fate is
//! unknown a refusal is not told as final, for the other process may still accept. Orders only go to a process whose address
//! sorts before one's own: they never go in circles, and processes that meet agree on who writes.

use std::sync::Arc;
use std::time::Duration;

use auth::ServiceIdentity;
use ledger_api::{LedgerClient, Order, Outcome};
use service_client::{CallError, ConnectOptions, ServiceClient};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::LedgerMetrics;
use super::requests::PendingCall;

/// Calls to the other process under way at once. While they are, what arrives waits and then travels together.
const CALLS_MAX: usize = 2;
/// How long the other process may take. Short enough to write by oneself after it, before callers have gone.
const ANSWER_WITHIN: Duration = Duration::from_millis(1500);
/// How long connecting may take; it is on the same network.
const CONNECT_WITHIN: Duration = Duration::from_millis(250);
/// How long a process that did not answer is left alone, although it writes.
const AVOIDED_FOR: Duration = Duration::from_secs(5);

/// How a process of the ledger reaches the others, and is reached by them.
#[derive(Clone)]
pub struct Peers {
    own_url: String,
    identity: ServiceIdentity,
}

impl Peers {
    /// The process that others reach at `own_url`, and that proves to them who it is.
    pub fn new(own_url: impl Into<String>, identity: ServiceIdentity) -> Peers {
        Peers {
            own_url: own_url.into(),
            identity,
        }
    }

    fn client(&self, url: &str) -> anyhow::Result<ServiceClient> {
        let options = ConnectOptions {
            timeout: ANSWER_WITHIN,
            connect_timeout: CONNECT_WITHIN,
            ..ConnectOptions::default()
        };
        // Without repeats: to write by oneself is quicker than to ask again.
        ServiceClient::new(
            ledger_api::SERVICE,
            url,
            self.identity.clone(),
            &options,
            None,
        )
    }
}

/// To whom this process passes its orders on, if to anybody. Part of the writer.
pub(super) struct Forwarder {
    peers: Option<Peers>,
    metrics: LedgerMetrics,
    to: Option<ServiceClient>,
    /// Whose answer did not come, and until when nothing is sent there.
    avoided: Option<(String, Instant)>,
    url: String,
    permits: Arc<Semaphore>,
    back: mpsc::Sender<Vec<PendingCall>>,
}

impl Forwarder {
    /// `back` gets what was not answered. Without `peers` nothing is passed on.
    pub(super) fn new(
        peers: Option<Peers>,
        metrics: LedgerMetrics,
    ) -> (Forwarder, mpsc::Receiver<Vec<PendingCall>>) {
        let (back, returned) = mpsc::channel(CALLS_MAX);
        let forwarder = Forwarder {
            peers,
            metrics,
            to: None,
            avoided: None,
            url: String::new(),
            permits: Arc::new(Semaphore::new(CALLS_MAX)),
            back,
        };
        (forwarder, returned)
    }

    /// Another process moved the head: the one at `writer`, if it said so.
    pub(super) fn note_writer(&mut self, writer: &str) {
        let Some(peers) = &self.peers else { return };
        let avoided = self
            .avoided
            .as_ref()
            .is_some_and(|(url, until)| url == writer && Instant::now() < *until);
        if writer.is_empty() || avoided || writer >= peers.own_url.as_str() || self.url == writer {
            return;
        }
        match peers.client(writer) {
            Ok(client) => {
                tracing::info!(writer, "orders are forwarded to the process that writes");
                writer.clone_into(&mut self.url);
                self.to = Some(client);
            }
            Err(error) => tracing::warn!(writer, %error, "the process that writes has no address"),
        }
    }

    /// An answer did not come: this process writes by itself again.
    pub(super) fn note_no_answer(&mut self) {
        if self.to.take().is_some() {
            let url = std::mem::take(&mut self.url);
            tracing::info!(writer = url, "the process that writes does not answer");
            self.avoided = Some((url, Instant::now() + AVOIDED_FOR));
        }
    }

    /// Passes calls on, and sees to their answers; gives them back where nobody is to have them.
    pub(super) async fn forward(&self, calls: Vec<PendingCall>) -> Option<Vec<PendingCall>> {
        let Some(client) = &self.to else {
            return Some(calls);
        };
        let Ok(permit) = self.permits.clone().acquire_owned().await else {
            return Some(calls);
        };
        let (client, back, metrics) = (client.clone(), self.back.clone(), self.metrics.clone());
        tokio::spawn(async move {
            if let Err(calls) = send(&client, calls, &metrics).await {
                metrics.forward_failed.inc();
                // When the writer has ended, who waits is told that the outcome is unknown.
                let _ = back.send(calls).await;
            }
            drop(permit);
        });
        None
    }
}

/// Gives the calls back when they were not answered.
async fn send(
    client: &ServiceClient,
    calls: Vec<PendingCall>,
    metrics: &LedgerMetrics,
) -> Result<(), Vec<PendingCall>> {
    let orders: Vec<Order> = calls.iter().flat_map(|call| call.orders.clone()).collect();
    let count = orders.len();
    let error = match LedgerClient::carry_out(client, orders).await {
        Ok(answered) if answered.value.outcomes.len() == count => {
            metrics.forwarded.inc_by(count as u64);
            answer(calls, answered.value.outcomes);
            return Ok(());
        }
        Ok(_) => CallError::Malformed {
            service: ledger_api::SERVICE,
        },
        Err(error) => error,
    };
    tracing::warn!(
        error = &error as &dyn std::error::Error,
        "forwarded orders were not answered"
    );
    let outcome_unknown = !error.was_not_sent();
    Err(calls
        .into_iter()
        .map(|call| PendingCall {
            outcome_unknown: call.outcome_unknown || outcome_unknown,
            ..call
        })
        .collect())
}

/// Gives each call its part of the outcomes.
fn answer(calls: Vec<PendingCall>, outcomes: Vec<Outcome>) {
    let mut outcomes = outcomes.into_iter();
    for call in calls {
        let own = outcomes.by_ref().take(call.orders.len()).collect();
        call.finish(Ok(own));
    }
}
