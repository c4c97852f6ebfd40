//! Batches that are decided and written while the one before them is committed: nobody hears of them before it is, and when it
//! comes to nothing, so do they.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use ledger::store::LedgerStore as _;
use ledger_api::{Operation, Order, Outcome, Refusal, Uuid};
use support::faulty::{ALL, Fault, Faulty, over};
use support::{TestBank, accepted, every_bank, freeze, pay, refused, top_up};
use testing::wait_until;
use tokio::task::JoinHandle;

/// Orders that are enough for a batch to be sent on its way while another is.
const MANY: usize = 128;

/// A process whose commits wait to be let through.
struct Held {
    store: Arc<Faulty>,
    process: TestBank,
}

impl Held {
    /// One that knows where the log ends, and whose wallet this is.
    async fn over(bank: &TestBank, wallet: i64) -> Held {
        let store = Arc::new(Faulty::over(bank, Fault::Held, 1));
        let process = over(bank, store.clone());
        let held = Held { store, process };
        held.store.let_through(1);
        accepted(held.submit(top_up(wallet, 1, 1)).await.unwrap());
        held.store.held.store(0, Ordering::SeqCst);
        held
    }

    fn submit_with(&self, key: Uuid, operation: Operation) -> JoinHandle<Outcome> {
        let ledger = self.process.ledger.clone();
        tokio::spawn(async move {
            let outcomes = ledger.submit(vec![Order { key, operation }]).await;
            outcomes.unwrap().remove(0)
        })
    }

    fn submit(&self, operation: Operation) -> JoinHandle<Outcome> {
        self.submit_with(self.process.key(), operation)
    }

    /// The same for an order that comes with so many for another wallet that they do not wait for what is under way.
    fn submit_with_many(&self, operation: Operation, other_wallet: i64) -> JoinHandle<Outcome> {
        let others = (0..MANY).map(|_| top_up(other_wallet, 2, 1));
        let orders = std::iter::once(operation).chain(others);
        let orders = orders.map(|operation| Order {
            key: self.process.key(),
            operation,
        });
        let (ledger, orders) = (self.process.ledger.clone(), orders.collect());
        tokio::spawn(async move { ledger.submit(orders).await.unwrap().remove(0) })
    }

    /// Waits until so many commits have come to the gate.
    async fn until_held(&self, count: usize) {
        self.until("commits wait", &self.store.held, count).await;
    }

    /// Waits until so many batches are staged, where the store can do that.
    async fn until_staged(&self, count: usize) {
        if self.store.overlaps() {
            self.until("batches are staged", &self.store.staged, count)
                .await;
        }
    }

    async fn until(&self, what: &str, counter: &AtomicUsize, count: usize) {
        wait_until(what, async || counter.load(Ordering::SeqCst) >= count).await;
    }
}

#[tokio::test]
async fn the_next_batch_is_written_while_the_one_before_is_committed() {
    for bank in every_bank().await {
        let (ani, budi) = (bank.wallet(1, 999).await, bank.wallet(2, 0).await);
        let held = Held::over(&bank, ani).await;
        let first = held.submit(pay(ani, 1, 100));
        held.until_held(1).await;
        let second = held.submit_with_many(pay(ani, 1, 200), budi);
        held.until_staged(1).await;
        // What is staged is not there for anybody, and nobody is answered.
        assert_eq!(bank.balance(ani).await, 1_000);
        assert!(!first.is_finished() && !second.is_finished());
        held.store.let_through(1);
        let first = accepted(first.await.unwrap());
        assert!(!second.is_finished(), "its own commit is still to come");
        held.store.let_through(1);
        let second = accepted(second.await.unwrap());
        assert_eq!(second.seq, first.seq + 1);
        assert_eq!(bank.balance(ani).await, 700);
        assert_eq!(bank.balance(budi).await, i64::try_from(MANY).unwrap());
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn what_was_decided_on_a_batch_that_came_to_nothing_is_decided_again() {
    for bank in every_bank().await {
        let (ani, budi) = (bank.wallet(1, 99).await, bank.wallet(2, 0).await);
        let held = Held::over(&bank, ani).await;
        let top_up = held.submit(top_up(ani, 1, 100));
        held.until_held(1).await;
        // It is more than there is without the top-up.
        let spend = held.submit_with_many(pay(ani, 1, 150), budi);
        held.until_staged(1).await;
        accepted(bank.submit(freeze(ani)).await);
        held.store.let_through(ALL);
        for order in [top_up, spend] {
            assert_eq!(order.await.unwrap(), refused(Refusal::WalletNotActive));
        }
        assert_eq!(bank.balance(ani).await, 100);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn a_refusal_waits_for_what_it_was_decided_on() {
    for bank in every_bank().await {
        let (ani, budi) = (bank.wallet(1, 99).await, bank.wallet(2, 0).await);
        let held = Held::over(&bank, ani).await;
        let all = held.submit(pay(ani, 1, 100));
        held.until_held(1).await;
        // With what is under way there is nothing left; before it there is.
        let more = held.submit_with_many(pay(ani, 1, 1), budi);
        held.until_staged(1).await;
        // Another process puts something in, so the payment under way is decided again, and then there is enough for both.
        accepted(bank.submit(top_up(ani, 1, 1)).await);
        assert!(!more.is_finished());
        held.store.let_through(ALL);
        accepted(all.await.unwrap());
        accepted(more.await.unwrap());
        assert_eq!(
            held.submit(pay(ani, 1, 1)).await.unwrap(),
            refused(Refusal::InsufficientBalance)
        );
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn a_key_that_is_under_way_is_not_done_twice() {
    for bank in every_bank().await {
        let ani = bank.wallet(1, 99).await;
        let held = Held::over(&bank, ani).await;
        let key = bank.key();
        let first = held.submit_with(key, pay(ani, 1, 30));
        held.until_held(1).await;
        let again = held.submit_with(key, pay(ani, 1, 30));
        let other = held.submit_with(key, pay(ani, 1, 31));
        held.store.let_through(ALL);
        let entry = accepted(first.await.unwrap());
        assert_eq!(
            again.await.unwrap(),
            Outcome::Accepted {
                entries: vec![entry],
                replayed: true
            }
        );
        assert_eq!(other.await.unwrap(), Outcome::KeyReused);
        assert_eq!(bank.balance(ani).await, 70);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn a_batch_that_fails_takes_those_after_it_along_and_nothing_is_lost_or_doubled() {
    for fault in [Fault::Before, Fault::After] {
        for bank in every_bank().await {
            let ani = bank.wallet(1, 10_000).await;
            let store = Arc::new(Faulty::over(&bank, fault, 5));
            let process = over(&bank, store.clone());
            let callers = (0..20).map(|_| async {
                for _ in 0..5 {
                    let orders = (0..MANY / 2).map(|_| Order {
                        key: bank.key(),
                        operation: pay(ani, 1, 1),
                    });
                    let outcomes = process.ledger.submit(orders.collect()).await.unwrap();
                    outcomes.into_iter().map(accepted).for_each(drop);
                }
            });
            join_all(callers).await;
            if store.overlaps() {
                assert!(store.staged.load(Ordering::SeqCst) > 0);
            }
            assert_eq!(bank.balance(ani).await, 10_000 - 20 * 5 * 64);
            bank.assert_whole().await;
        }
    }
}

#[tokio::test]
async fn under_load_every_order_has_its_own_outcome() {
    for bank in every_bank().await {
        let wallets = join_all((1..=10).map(|user| bank.wallet(user, 1_000))).await;
        // Half of the orders are more than there is; some keys come twice.
        let calls = (0..400_usize).map(|n| {
            let user = n % 10;
            let amount = if n % 2 == 0 { 1 } else { 5_000 };
            let key = if n % 40 < 20 {
                Uuid::from_u128(n as u128 % 20 + 1)
            } else {
                bank.key()
            };
            let (bank, wallet) = (&bank, wallets[user]);
            let operation = pay(wallet, i64::try_from(user).unwrap() + 1, amount);
            async move { (n, bank.submit_with(key, operation).await) }
        });
        let mut paid = 0;
        for (n, outcome) in join_all(calls).await {
            match outcome {
                Outcome::Accepted { replayed, .. } => {
                    assert_eq!(n % 2, 0, "more than there is");
                    paid += i64::from(!replayed);
                }
                Outcome::Refused { reason } => {
                    assert_eq!((n % 2, reason), (1, Refusal::InsufficientBalance));
                }
                Outcome::KeyReused => panic!("every key has one body"),
            }
        }
        let mut left = 0;
        for wallet in wallets {
            left += bank.balance(wallet).await;
        }
        assert_eq!(left, 10_000 - paid);
        assert_eq!(
            paid,
            10 + 100,
            "ten keys that came often, and a hundred that came once"
        );
        bank.assert_whole().await;
    }
}
