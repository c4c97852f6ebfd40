//! Stories of the ledger on every store, each ending on the invariants.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use futures_util::future::join_all;
use ledger_api::{Actor, Event, Operation, Order, Outcome, Refusal};
use money::{Amount, Currency};
use support::kinds::{pay_to, withdraw};
use support::{accepted, every_bank, freeze, moved, pay, refused, top_up, transfer};
use testing::execute;

#[tokio::test]
async fn money_comes_in_moves_and_goes_out() {
    for bank in every_bank().await {
        let (ani, budi) = (bank.wallet(1, 1_000).await, bank.wallet(2, 0).await);
        let paid = moved(bank.submit(pay(ani, 1, 300)).await);
        assert_eq!((paid.number, paid.debit.balance), (Some(1), 700));
        let sent = moved(bank.submit(transfer(ani, 1, 2, 200)).await);
        assert_eq!(
            (sent.debit.balance, sent.credit.balance, sent.credit.user_id),
            (500, 200, Some(2))
        );
        let taken = moved(bank.submit(withdraw(budi, 50)).await);
        assert_eq!(taken.debit.balance, 150);
        assert_eq!(
            (bank.balance(ani).await, bank.balance(budi).await),
            (500, 150)
        );
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn an_order_that_the_database_does_not_take_is_refused_alone_and_at_once() {
    for bank in every_bank().await {
        let ani = bank.wallet(1, 1_000).await;
        // As a text that the encoding lacks, or a check of the schema.
        let planted: &[&str] = match bank.database.backend() {
            "postgres" => &[
                "create function refuse() returns trigger language plpgsql as
                 $$ begin raise exception using errcode = '22P05', message = 'no equivalent in encoding'; end $$",
                "create trigger refuse before insert on postings for each row when (new.note like '%bad%') execute function refuse()",
            ],
            _ => &["create trigger refuse before insert on postings when new.note like '%bad%' begin select raise(abort, 'refused'); end"],
        };
        for sql in planted {
            execute(&bank.database, sql).await.unwrap();
        }
        let merchant = |n: usize| if n % 17 == 3 { "bad" } else { "good" };
        let orders = (0..60).map(|n| Order {
            key: bank.key(),
            operation: pay_to(ani, 1, merchant(n), 1),
        });
        let began = std::time::Instant::now();
        let outcomes = bank.ledger.submit(orders.collect()).await.unwrap();
        for (n, outcome) in outcomes.into_iter().enumerate() {
            match merchant(n) {
                "bad" => assert_eq!(outcome, refused(Refusal::NotStorable)),
                _ => drop(accepted(outcome)),
            }
        }
        // Nobody waited for it to pass.
        assert!(began.elapsed() < std::time::Duration::from_secs(2));
        assert_eq!(bank.balance(ani).await, 1_000 - 56);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn what_is_refused_leaves_no_trace() {
    for bank in every_bank().await {
        let (ani, _budi) = (bank.wallet(1, 100).await, bank.wallet(2, 0).await);
        let frozen = bank.wallet(3, 100).await;
        accepted(bank.submit(freeze(frozen)).await);
        let before = bank.store.head().await.unwrap();
        let max = Amount::MAX.units();
        for (operation, reason) in [
            (pay(ani, 1, 101), Refusal::InsufficientBalance),
            (pay(ani, 2, 1), Refusal::NotOwner),
            (pay(999, 1, 1), Refusal::WalletNotFound),
            (pay(-3601, 1, 1), Refusal::WalletNotFound),
            (top_up(ani, 1, max), Refusal::BalanceLimit),
            (transfer(ani, 1, 1, 1), Refusal::SameWallet),
            (transfer(ani, 1, 9, 1), Refusal::DestinationNotFound),
            (transfer(ani, 1, 3, 1), Refusal::DestinationNotFound),
            (pay(frozen, 3, 1), Refusal::WalletNotActive),
            (top_up(frozen, 3, 1), Refusal::WalletNotActive),
            (
                Operation::OpenWallet {
                    user_id: 1,
                    currency: Currency::IDR,
                },
                Refusal::WalletExists,
            ),
        ] {
            assert_eq!(
                bank.submit(operation.clone()).await,
                refused(reason),
                "{operation:?}"
            );
        }
        assert_eq!(bank.store.head().await.unwrap(), before);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn a_key_has_one_outcome_forever() {
    for bank in every_bank().await {
        let ani = bank.wallet(1, 100).await;
        let key = bank.key();
        let first = accepted(bank.submit_with(key, pay(ani, 1, 100)).await);
        // By now the wallet is empty: the repeat is answered all the same, also by another process.
        for again in [&bank, &bank.replica().await] {
            let repeat = again.submit_with(key, pay(ani, 1, 100)).await;
            assert_eq!(
                repeat,
                Outcome::Accepted {
                    entries: vec![first.clone()],
                    replayed: true
                }
            );
            assert_eq!(
                again.submit_with(key, pay(ani, 1, 99)).await,
                Outcome::KeyReused
            );
        }
        // A refused order did not use its key up.
        let key = bank.key();
        assert_eq!(
            bank.submit_with(key, pay(ani, 1, 5)).await,
            refused(Refusal::InsufficientBalance)
        );
        accepted(bank.submit(top_up(ani, 1, 5)).await);
        accepted(bank.submit_with(key, pay(ani, 1, 5)).await);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn a_key_that_comes_often_at_once_moves_money_once() {
    for bank in every_bank().await {
        let ani = bank.wallet(1, 1_000).await;
        let replica = bank.replica().await;
        let key = bank.key();
        let calls = (0..50).map(|n| {
            let bank = if n % 2 == 0 { &bank } else { &replica };
            bank.submit_with(key, pay(ani, 1, 700))
        });
        let outcomes = join_all(calls).await;
        let first = accepted(outcomes[0].clone());
        assert!(
            outcomes
                .into_iter()
                .all(|outcome| accepted(outcome) == first)
        );
        // In one call, too.
        let key = bank.key();
        let order = |amount| Order {
            key,
            operation: pay(ani, 1, amount),
        };
        let outcomes = bank
            .ledger
            .submit(vec![order(100), order(100), order(101)])
            .await
            .unwrap();
        assert!(matches!(
            outcomes[..],
            [
                Outcome::Accepted {
                    replayed: false,
                    ..
                },
                Outcome::Accepted { replayed: true, .. },
                Outcome::KeyReused,
            ]
        ));
        assert_eq!(bank.balance(ani).await, 200);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn opposite_transfers_keep_the_total() {
    for bank in every_bank().await {
        let (ani, budi) = (bank.wallet(1, 1_000).await, bank.wallet(2, 1_000).await);
        let replica = bank.replica().await;
        let calls = (0..200).map(|n| {
            let bank = if n % 4 < 2 { &bank } else { &replica };
            let operation = if n % 2 == 0 {
                transfer(ani, 1, 2, 7)
            } else {
                transfer(budi, 2, 1, 7)
            };
            bank.submit(operation)
        });
        join_all(calls)
            .await
            .into_iter()
            .for_each(|outcome| drop(accepted(outcome)));
        assert_eq!(
            (bank.balance(ani).await, bank.balance(budi).await),
            (1_000, 1_000)
        );
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn of_many_payments_of_more_than_half_one_succeeds() {
    for bank in every_bank().await {
        let ani = bank.wallet(1, 1_000).await;
        let replica = bank.replica().await;
        let calls =
            (0..200).map(|n| if n % 2 == 0 { &bank } else { &replica }.submit(pay(ani, 1, 501)));
        let outcomes = join_all(calls).await;
        let accepted = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Outcome::Accepted { .. }))
            .count();
        assert_eq!(accepted, 1, "{}", bank.backend);
        assert_eq!(bank.balance(ani).await, 499);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn a_replica_never_decides_on_what_it_remembers_wrongly() {
    for bank in every_bank().await {
        let ani = bank.wallet(1, 100).await;
        let replica = bank.replica().await;
        // The replica now remembers 100.
        assert_eq!(
            replica.submit(pay(ani, 1, 101)).await,
            refused(Refusal::InsufficientBalance)
        );
        accepted(bank.submit(top_up(ani, 1, 50)).await);
        // An accepted write is seen by everything that starts after it, refusals too.
        accepted(replica.submit(pay(ani, 1, 150)).await);
        assert_eq!(
            bank.submit(pay(ani, 1, 1)).await,
            refused(Refusal::InsufficientBalance)
        );
        accepted(replica.submit(freeze(ani)).await);
        assert_eq!(
            bank.submit(top_up(ani, 1, 1)).await,
            refused(Refusal::WalletNotActive)
        );
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn a_user_who_is_gone_keeps_money_and_history_but_moves_nothing() {
    for bank in every_bank().await {
        let (ani, budi) = (bank.wallet(1, 100).await, bank.wallet(2, 100).await);
        let replica = bank.replica().await;
        accepted(replica.submit(transfer(budi, 2, 1, 1)).await);
        let close = Operation::CloseUser {
            user_id: 1,
            by: Actor::User(1),
        };
        accepted(bank.submit(close.clone()).await);
        accepted(bank.submit(close).await);
        assert_eq!(
            replica.submit(pay(ani, 1, 1)).await,
            refused(Refusal::WalletNotActive)
        );
        assert_eq!(
            replica.submit(transfer(budi, 2, 1, 1)).await,
            refused(Refusal::DestinationNotFound)
        );
        let open = Operation::OpenWallet {
            user_id: 1,
            currency: "USD".parse().unwrap(),
        };
        assert_eq!(replica.submit(open).await, refused(Refusal::UserClosed));
        assert_eq!(bank.balance(ani).await, 101);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn currencies_do_not_mix() {
    for bank in every_bank().await {
        let usd: Currency = "USD".parse().unwrap();
        let ani = bank.wallet(1, 100).await;
        let opened = accepted(
            bank.submit(Operation::OpenWallet {
                user_id: 2,
                currency: usd,
            })
            .await,
        );
        let Event::WalletOpened { wallet_id, .. } = opened.event else {
            panic!("no wallet")
        };
        accepted(bank.submit(top_up(wallet_id, 2, 70)).await);
        assert_eq!(
            bank.submit(transfer(ani, 1, 2, 1)).await,
            refused(Refusal::DestinationNotFound)
        );
        accepted(bank.submit(pay(wallet_id, 2, 70)).await);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn many_wallets_are_opened_at_once_and_numbered_without_gaps() {
    for bank in every_bank().await {
        let replica = bank.replica().await;
        let calls = (0..100).map(|n| {
            let operation = Operation::OpenWallet {
                user_id: 1 + n / 2,
                currency: Currency::IDR,
            };
            if n % 2 == 0 { &bank } else { &replica }.submit(operation)
        });
        let outcomes = join_all(calls).await;
        let opened = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Outcome::Accepted { .. }))
            .count();
        assert_eq!(opened, 50);
        assert_eq!(bank.store.head().await.unwrap().wallets, 50);
        bank.assert_whole().await;
    }
}
