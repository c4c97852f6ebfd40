//! The client of the ledger's internal API. Orders that wait together travel together.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use service_client::{Answered, CallError, ServiceClient};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tracing::{Instrument as _, Span};

use crate::{
    LogPage, LogQuery, ORDERS_MAX, Order, OrdersRequest, OrdersResponse, Outcome, Receipt,
    Standing, StandingQuery, UserIds, UsersQuery, UsersTold,
};

/// The name of the service behind this client.
pub const SERVICE: &str = "wallet-service";

/// Orders that may wait to be sent; more wait at the door.
const WAITING_MAX: usize = 4096;
/// How long what arrives while a call is under way waits for it, and then travels together. A second call only sets out when the first
/// takes longer: at a middling load two at a time would carry half as many orders each, and each costs the ledger a commit.
const SLOW_CALL_AFTER: Duration = Duration::from_millis(10);

/// An order that waits to be sent.
struct Waiting {
    order: Order,
    /// The request that it belongs to.
    span: Span,
    answer: oneshot::Sender<Result<Outcome, Arc<CallError>>>,
}

/// Talks to the ledger. Cheap to clone; clones share one queue.
#[derive(Clone)]
pub struct LedgerClient {
    http: ServiceClient,
    queue: mpsc::Sender<Waiting>,
}

impl LedgerClient {
    /// A client over `http`. Starts the task that gathers orders; it ends with the last clone.
    pub fn new(http: ServiceClient) -> LedgerClient {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(send_together(http.clone(), waiting));
        LedgerClient { http, queue }
    }

    /// Has one order carried out. After an error it is unknown whether it was: a repeat with the same key tells.
    pub async fn submit(&self, order: Order) -> Result<Outcome, Arc<CallError>> {
        let lost = || Arc::new(CallError::Malformed { service: SERVICE });
        let (answer, outcome) = oneshot::channel();
        let waiting = Waiting {
            order,
            span: Span::current(),
            answer,
        };
        self.queue.send(waiting).await.map_err(|_| lost())?;
        outcome.await.map_err(|_| lost())?
    }

    /// Has these orders carried out in one call to the ledger behind `http`, one outcome for each. Without the queue: for who
    /// gathers by themselves.
    pub async fn carry_out(
        http: &ServiceClient,
        orders: Vec<Order>,
    ) -> Result<Answered<OrdersResponse>, CallError> {
        http.post_repeatable("/internal/orders", &OrdersRequest { orders })
            .await
    }

    /// The proof that an entry is in the chain; `None` where there is none with this number.
    pub async fn receipt(&self, entry: i64) -> Result<Option<Receipt>, CallError> {
        let path = format!("/internal/receipts/{entry}");
        match self.http.get(&path, &()).await {
            Err(CallError::Refused {
                status: StatusCode::NOT_FOUND,
                ..
            }) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// A part of the log.
    pub async fn log(&self, after: i64, limit: i64) -> Result<LogPage, CallError> {
        self.http
            .get("/internal/log", &LogQuery { after, limit })
            .await
    }

    /// Which ledger it is, and what its log looks like at the entry with this number.
    pub async fn standing(&self, seq: i64) -> Result<Standing, CallError> {
        let query = StandingQuery { seq };
        self.http.get("/internal/ledger", &query).await
    }

    /// Says up to which id users were given to people. A ledger with another id refuses.
    pub async fn tell_users(&self, told: &UsersTold) -> Result<(), CallError> {
        let path = "/internal/ledger/users";
        let _: Answered<UsersTold> = self.http.post_repeatable(path, told).await?;
        Ok(())
    }

    /// Users that the ledger knows, in the order of their ids, up to [`USERS_PAGE_MAX`](crate::USERS_PAGE_MAX).
    pub async fn users(&self, after: i64) -> Result<UserIds, CallError> {
        let query = UsersQuery { after };
        self.http.get("/internal/ledger/users", &query).await
    }

    /// The same of those who were deleted, and whose wallets are closed.
    pub async fn closed_users(&self, after: i64) -> Result<UserIds, CallError> {
        let query = UsersQuery { after };
        let path = "/internal/ledger/users/closed";
        self.http.get(path, &query).await
    }
}

async fn send_together(http: ServiceClient, mut waiting: mpsc::Receiver<Waiting>) {
    let (first, second) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(1)));
    loop {
        // First a place, then the orders: what arrives meanwhile comes along.
        let in_time = timeout(SLOW_CALL_AFTER, first.clone().acquire_owned()).await;
        let place = match in_time {
            Ok(place) => place,
            Err(_) => tokio::select! {
                place = first.clone().acquire_owned() => place,
                place = second.clone().acquire_owned() => place,
            },
        };
        let Ok(place) = place else {
            return;
        };
        let mut together = Vec::new();
        if waiting.recv_many(&mut together, ORDERS_MAX).await == 0 {
            return;
        }
        let http = http.clone();
        // A call has one parent in a trace: the request of its first order.
        let span = together
            .first()
            .map_or_else(Span::none, |first| first.span.clone());
        let call = async move {
            send(&http, together).await;
            drop(place);
        };
        tokio::spawn(call.instrument(span));
    }
}

async fn send(http: &ServiceClient, together: Vec<Waiting>) {
    let (orders, answers): (Vec<_>, Vec<_>) = together
        .into_iter()
        .map(|waiting| (waiting.order, waiting.answer))
        .unzip();
    let result = LedgerClient::carry_out(http, orders).await;
    // A receiver that is gone has given up waiting.
    match result {
        Ok(Answered {
            value: OrdersResponse { outcomes },
            after_unclear,
        }) if outcomes.len() == answers.len() => {
            for (answer, outcome) in answers.into_iter().zip(outcomes) {
                let _ = answer.send(match outcome {
                    // The attempt before may be with another process of the ledger, which may yet find it acceptable.
                    Outcome::Refused { .. } if after_unclear => {
                        Err(Arc::new(CallError::Unclear { service: SERVICE }))
                    }
                    outcome => Ok(outcome),
                });
            }
        }
        other => {
            let error = Arc::new(
                other
                    .err()
                    .unwrap_or(CallError::Malformed { service: SERVICE }),
            );
            for answer in answers {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
}
