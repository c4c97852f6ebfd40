//! Processes of one ledger that pass their orders on to the one that writes: it is the quicker way, and never the only one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::sync::Arc;

use auth::{ServiceIdentity, ServiceKeyConfig};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use clock::Clock;
use futures_util::future::join_all;
use ledger::store::SqlStore;
use ledger::{Ledger, LedgerError, Peers};
use ledger_api::{Operation, Order, OrdersRequest, OrdersResponse, Outcome, Refusal, SERVICE};
use money::Currency;
use support::{TestBank, accepted, every_bank, pay, refused, top_up};
use testing::{Link, SECRET};
use tokio::net::TcpListener;

const PASSED_ON: &str = "ledger_passed_on_total ";
const NOT_ANSWERED: &str = "ledger_passed_on_failed_total ";
const BATCHES: &str = "ledger_batches_total ";

/// The door for orders that another process passes on.
async fn orders(
    State(ledger): State<Ledger>,
    Json(body): Json<OrdersRequest>,
) -> Result<Json<OrdersResponse>, StatusCode> {
    let outcomes = ledger.submit(body.orders).await;
    let outcomes = outcomes.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(Json(OrdersResponse { outcomes }))
}

/// One process more on the database of `bank`, which takes orders from others on `listener` and is reached by `link`.
fn process(bank: &TestBank, listener: TcpListener, link: &Link) -> TestBank {
    let keys = ServiceKeyConfig::from_secret(SECRET)
        .service_keys(Clock::system())
        .unwrap();
    let peers = Peers::new(link.url(), ServiceIdentity::new(SERVICE, keys.clone()));
    let process = TestBank::among(
        bank.backend,
        &bank.config,
        Arc::new(SqlStore::new(bank.database.clone()).written_by(link.url())),
        bank.database.clone(),
        Some(peers),
    );
    let router = Router::new()
        .route("/internal/orders", post(orders))
        .with_state(process.ledger.clone());
    tokio::spawn(async { axum::serve(listener, router).await });
    process
}

/// Two processes, of which the second passes its orders on to the first, and the link between them.
async fn pair(bank: &TestBank) -> (TestBank, TestBank, Link) {
    let mut doors = Vec::new();
    for _ in 0..2 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let link = Link::to(listener.local_addr().unwrap()).await;
        doors.push((link, listener));
    }
    doors.sort_by_key(|(link, _)| link.url());
    let [(link, one), (other, two)] = <[_; 2]>::try_from(doors).unwrap();
    (process(bank, one, &link), process(bank, two, &other), link)
}

/// Has both write in turn, so that the second meets a head that the first has moved.
async fn meet(first: &TestBank, second: &TestBank, wallet: i64) {
    for process in [second, first, second] {
        accepted(process.submit(top_up(wallet, 1, 100)).await);
    }
}

#[tokio::test]
async fn who_meets_another_writer_passes_orders_on_and_both_answer_alike() {
    for bank in every_bank().await {
        let ani = bank.wallet(1, 1_000).await;
        let (first, second, _link) = pair(&bank).await;
        meet(&first, &second, ani).await;
        let written = second.count(BATCHES);
        let calls =
            (0..60).map(|n| if n % 2 == 0 { &first } else { &second }.submit(pay(ani, 1, 5)));
        for outcome in join_all(calls).await {
            accepted(outcome);
        }
        assert_eq!(second.count(PASSED_ON), 30);
        assert_eq!(second.count(BATCHES), written, "it wrote nothing itself");
        assert_eq!(first.count(PASSED_ON), 0, "orders do not go in circles");
        // Refusals and repeats come back as they are.
        assert_eq!(
            second.submit(pay(ani, 1, 5_000)).await,
            refused(Refusal::InsufficientBalance)
        );
        let key = bank.key();
        let entry = accepted(second.submit_with(key, pay(ani, 1, 1)).await);
        assert_eq!(
            first.submit_with(key, pay(ani, 1, 1)).await,
            Outcome::Accepted {
                entries: vec![entry],
                replayed: true
            }
        );
        assert_eq!(bank.balance(ani).await, 1_000 + 300 - 300 - 1);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn a_call_stays_together_and_keeps_its_order() {
    for bank in every_bank().await {
        let ani = bank.wallet(1, 1_000).await;
        let (first, second, _link) = pair(&bank).await;
        meet(&first, &second, ani).await;
        let order = |operation| Order {
            key: bank.key(),
            operation,
        };
        let call = vec![
            order(Operation::OpenWallet {
                user_id: 2,
                currency: Currency::IDR,
            }),
            order(top_up(2, 2, 70)),
            order(pay(2, 2, 71)),
            order(pay(2, 2, 70)),
        ];
        let outcomes = second.ledger.submit(call).await.unwrap();
        let told: Vec<bool> = outcomes.iter().map(Outcome::is_refused).collect();
        assert_eq!(told, [false, false, true, false]);
        assert_eq!(second.count(PASSED_ON), 4);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn who_gets_no_answer_writes_by_itself_and_nothing_is_done_twice() {
    for bank in every_bank().await {
        let ani = bank.wallet(1, 1_000).await;
        let (first, second, link) = pair(&bank).await;
        meet(&first, &second, ani).await;
        // The first process carries it out, and the answer is lost.
        link.lose_answers(1);
        let outcome = second.submit(pay(ani, 1, 100)).await;
        assert!(
            matches!(outcome, Outcome::Accepted { replayed: true, .. }),
            "{outcome:?}"
        );
        assert_eq!(second.count(NOT_ANSWERED), 1);
        assert_eq!(bank.balance(ani).await, 1_200);
        // It goes on alone, although the first process writes, too; for a while it does not ask again.
        for process in [&first, &second, &first, &second] {
            accepted(process.submit(pay(ani, 1, 100)).await);
        }
        assert_eq!(second.count(PASSED_ON), 0);
        assert_eq!(bank.balance(ani).await, 800);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn a_refusal_is_final_only_where_nobody_else_may_accept() {
    for bank in every_bank().await {
        let ani = bank.wallet(1, 100).await;
        let (first, second, link) = pair(&bank).await;
        meet(&first, &second, ani).await;
        let too_much = || {
            vec![Order {
                key: bank.key(),
                operation: pay(ani, 1, 5_000),
            }]
        };
        // The call arrived and its answer did not: the other process may yet accept it.
        link.lose_answers(1);
        assert_eq!(
            second.ledger.submit(too_much()).await,
            Err(LedgerError::Unavailable)
        );
        // Now it writes by itself.
        assert_eq!(
            second.ledger.submit(too_much()).await,
            Ok(vec![refused(Refusal::InsufficientBalance)])
        );
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn a_process_that_is_gone_is_done_without() {
    for bank in every_bank().await {
        let ani = bank.wallet(1, 100).await;
        // Nobody listens where the ledger's last writer says it does.
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let gone = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let last = TestBank::over(
            bank.backend,
            &bank.config,
            Arc::new(SqlStore::new(bank.database.clone()).written_by(&gone)),
            bank.database.clone(),
        );
        let keys = ServiceKeyConfig::from_secret(SECRET)
            .service_keys(Clock::system())
            .unwrap();
        let own_url = "http://a-name-that-sorts-last:5002";
        let process = TestBank::among(
            bank.backend,
            &bank.config,
            Arc::new(SqlStore::new(bank.database.clone()).written_by(own_url)),
            bank.database.clone(),
            Some(Peers::new(own_url, ServiceIdentity::new(SERVICE, keys))),
        );
        accepted(process.submit(top_up(ani, 1, 1)).await);
        accepted(last.submit(top_up(ani, 1, 1)).await);
        // It meets the moved head, and decides what it has; the next it tries to pass on.
        accepted(process.submit(top_up(ani, 1, 1)).await);
        assert_eq!(
            process.submit(pay(ani, 1, 5_000)).await,
            refused(Refusal::InsufficientBalance),
            "what was never sent is refused for good"
        );
        assert_eq!(process.count(NOT_ANSWERED), 1);
        accepted(process.submit(pay(ani, 1, 103)).await);
        assert_eq!(process.count(NOT_ANSWERED), 1);
        bank.assert_whole().await;
    }
}
