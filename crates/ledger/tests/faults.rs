//! A database that fails before, during and after commits: what was accepted is there once, and what is uncertain is
//! looked up before anybody is answered.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use futures_util::future::join_all;
use ledger::LedgerError;
use ledger_api::{Order, Outcome};
use support::faulty::{Fault, faulty};
use support::{KINDS, accepted, every_bank, pay, top_up};

#[tokio::test]
async fn a_commit_that_nobody_heard_of_counts_once() {
    for fault in [Fault::Before, Fault::After] {
        for bank in every_bank().await {
            let ani = bank.wallet(1, 1_000).await;
            let faulty = faulty(&bank, fault, 2);
            for _ in 0..10 {
                accepted(faulty.submit(pay(ani, 1, 10)).await);
            }
            // Some of them at once, so that batches fail that hold many, with others writing in between.
            let calls =
                (0..40).map(|n| if n % 2 == 0 { &faulty } else { &bank }.submit(pay(ani, 1, 10)));
            join_all(calls)
                .await
                .into_iter()
                .for_each(|outcome| drop(accepted(outcome)));
            assert_eq!(bank.balance(ani).await, 500);
            bank.assert_whole().await;
        }
    }
}

#[tokio::test]
async fn what_could_not_be_cleared_up_is_unknown_and_a_repeat_clears_it() {
    for bank in every_bank().await {
        let ani = bank.wallet(1, 1_000).await;
        for fault in [Fault::Before, Fault::After] {
            let faulty = faulty(&bank, fault, 1);
            let order = Order {
                key: bank.key(),
                operation: pay(ani, 1, 100),
            };
            let outcome = faulty.ledger.submit(vec![order.clone()]).await;
            let repeat = bank.ledger.submit(vec![order]).await.unwrap().remove(0);
            match fault {
                Fault::Held => unreachable!("no commit is held here"),
                Fault::Before => {
                    assert_eq!(outcome, Err(LedgerError::Unavailable));
                    assert!(matches!(
                        repeat,
                        Outcome::Accepted {
                            replayed: false,
                            ..
                        }
                    ));
                }
                // It was found by its key, and answered.
                Fault::After => {
                    assert!(matches!(
                        outcome.unwrap()[0],
                        Outcome::Accepted { replayed: true, .. }
                    ));
                    assert!(matches!(repeat, Outcome::Accepted { replayed: true, .. }));
                }
            }
        }
        assert_eq!(bank.balance(ani).await, 800);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn the_logs_time_never_goes_back_although_the_clock_does() {
    for bank in every_bank().await {
        let clock = clock::Clock::manual(clock::Timestamp::from_micros(5_000_000));
        let workers = http_server::Workers::default();
        let metrics =
            ledger::LedgerMetrics::register(&http_server::Metrics::new().unwrap(), &KINDS).unwrap();
        let ledger = ledger::Ledger::start(
            bank.store.clone(),
            &KINDS,
            clock.clone(),
            clock::Entropy::system(),
            metrics,
            None,
            &workers,
        );
        let open = |user_id| Order {
            key: bank.key(),
            operation: ledger_api::Operation::OpenWallet {
                user_id,
                currency: money::Currency::IDR,
            },
        };
        accepted(ledger.submit(vec![open(1)]).await.unwrap().remove(0));
        clock.set(clock::Timestamp::from_micros(1_000_000));
        accepted(ledger.submit(vec![open(2)]).await.unwrap().remove(0));
        let top_up = Order {
            key: bank.key(),
            operation: top_up(1, 1, 5),
        };
        let entry = accepted(ledger.submit(vec![top_up]).await.unwrap().remove(0));
        assert_eq!(entry.at, 5_000_000);
        bank.assert_whole().await;
    }
}
