//! Postings that draw on earlier ones, orders of several postings, notes that are erased: on every store, each story ending on the
//! invariants. The kinds are made up here; the library has none of its own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use futures_util::future::join_all;
use ledger::domain::system_account;
use ledger_api::{Actor, NewPosting, Operation, Order, Outcome, Party, Refusal, Role};
use money::Currency;
use support::kinds::{
    BOUGHT, FEE, SERVICE, SOLD, TRANSFER, capture, from_wallet, hold, into_wallet, pay_to, posting,
    refund, release,
};
use support::{
    TestBank, accepted, all_accepted, every_bank, freeze, moved, pay, refused, top_up, transfer,
};
use testing::execute;

const DAY: u32 = 86_400;

fn held() -> i64 {
    system_account(Currency::IDR, Role::Held)
}

#[tokio::test]
async fn a_hold_is_captured_in_parts_and_the_rest_is_released() {
    for bank in every_bank().await {
        let ani = bank.wallet(1, 1_000).await;
        let held_at = accepted(bank.submit(hold(ani, 1, 700, DAY).into()).await).seq;
        assert_eq!(
            (bank.balance(ani).await, bank.balance(held()).await),
            (300, 700)
        );
        let first = moved(bank.submit(capture(held_at, 200).into()).await);
        assert_eq!((first.draws_on, first.number), (Some(held_at), Some(1)));
        let too_much = bank.submit(capture(held_at, 501).into()).await;
        assert_eq!(too_much, refused(Refusal::RemainderExceeded));
        // What is left goes back, also to a wallet that was frozen meanwhile.
        accepted(bank.submit(freeze(ani)).await);
        let somebody_else = bank.wallet(2, 0).await;
        let wrong_wallet = bank
            .submit(release(held_at, somebody_else, 500).into())
            .await;
        assert_eq!(wrong_wallet, refused(Refusal::KindNotAllowed));
        accepted(bank.submit(release(held_at, ani, 500).into()).await);
        let nothing_left = bank.submit(capture(held_at, 1).into()).await;
        assert_eq!(nothing_left, refused(Refusal::RemainderExceeded));
        assert_eq!(
            (bank.balance(ani).await, bank.balance(held()).await),
            (800, 0)
        );
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn of_captures_and_releases_at_once_no_more_happens_than_was_held() {
    for bank in every_bank().await {
        let ani = bank.wallet(1, 1_000).await;
        let replica = bank.replica().await;
        let held_at = accepted(bank.submit(hold(ani, 1, 1_000, DAY).into()).await).seq;
        let calls = (0..60).map(|n| {
            let draw = if n % 3 == 0 {
                release(held_at, ani, 70)
            } else {
                capture(held_at, 70)
            };
            if n % 2 == 0 { &bank } else { &replica }.submit(draw.into())
        });
        let outcomes = join_all(calls).await;
        let done = outcomes
            .iter()
            .filter(|outcome| !outcome.is_refused())
            .count();
        assert_eq!(done, 14, "{}: 14 times 70 are 980", bank.backend);
        assert_eq!(bank.balance(held()).await, 20);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn an_expired_hold_is_released_and_not_captured_by_the_logs_time() {
    for bank in every_bank().await {
        let clock = clock::Clock::manual(clock::Timestamp::from_micros(0));
        let bank = bank.with_clock(clock.clone());
        let ani = bank.wallet(1, 1_000).await;
        let held_at = accepted(bank.submit(hold(ani, 1, 700, 60).into()).await).seq;
        clock.set(clock::Timestamp::from_micros(59_999_999));
        accepted(bank.submit(capture(held_at, 100).into()).await);
        clock.set(clock::Timestamp::from_micros(60_000_000));
        let late = bank.submit(capture(held_at, 100).into()).await;
        assert_eq!(late, refused(Refusal::RemainderExpired));
        // A clock that goes back does not bring it back: the log's time decides.
        accepted(bank.submit(top_up(ani, 1, 1)).await);
        clock.set(clock::Timestamp::from_micros(1_000_000));
        let late = bank.submit(capture(held_at, 100).into()).await;
        assert_eq!(late, refused(Refusal::RemainderExpired));
        accepted(bank.submit(release(held_at, ani, 600).into()).await);
        assert_eq!(bank.balance(ani).await, 901);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn a_payment_is_refunded_in_parts_and_never_for_more() {
    for bank in every_bank().await {
        let ani = bank.wallet(1, 1_000).await;
        let paid = accepted(bank.submit(pay(ani, 1, 900)).await).seq;
        accepted(bank.submit(refund(paid, ani, 400).into()).await);
        let calls = (0..20).map(|_| bank.submit(refund(paid, ani, 300).into()));
        let outcomes = join_all(calls).await;
        let done = outcomes
            .iter()
            .filter(|outcome| !outcome.is_refused())
            .count();
        assert_eq!(done, 1, "{}", bank.backend);
        // Not everything can be drawn on: a top-up, an entry that is not there, or one of another kind.
        for seq in [1, 2, 99] {
            let outcome = bank.submit(refund(seq, ani, 1).into()).await;
            assert_eq!(outcome, refused(Refusal::NothingToDraw), "{seq}");
        }
        assert_eq!(bank.balance(ani).await, 800);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn a_repeated_draw_has_one_outcome_also_when_nothing_is_left() {
    for bank in every_bank().await {
        let ani = bank.wallet(1, 1_000).await;
        let held_at = accepted(bank.submit(hold(ani, 1, 700, DAY).into()).await).seq;
        let key = bank.key();
        let first = accepted(bank.submit_with(key, capture(held_at, 700).into()).await);
        for bank in [&bank, &bank.replica().await] {
            let again = bank.submit_with(key, capture(held_at, 700).into()).await;
            assert_eq!(accepted(again), first);
            let other = bank.submit_with(key, capture(held_at, 699).into()).await;
            assert_eq!(other, Outcome::KeyReused);
        }
        // The interval is a part of what was asked.
        let key = bank.key();
        accepted(bank.submit_with(key, hold(ani, 1, 10, 60).into()).await);
        let again = bank.submit_with(key, hold(ani, 1, 10, 60).into()).await;
        assert!(matches!(again, Outcome::Accepted { replayed: true, .. }));
        let other = bank.submit_with(key, hold(ani, 1, 10, 61).into()).await;
        assert_eq!(other, Outcome::KeyReused);
        bank.assert_whole().await;
    }
}

/// A payment with a fee, and a part of it for somebody else.
fn split(ani: i64, amounts: [i64; 3]) -> Vec<NewPosting> {
    let [fee, shared, paid] = amounts;
    let Operation::Post(paid) = pay_to(ani, 1, "Tokopedia", paid) else {
        unreachable!("a payment is a posting")
    };
    let (debit, credit) = (Party::Wallet(ani), Party::WalletOf(2));
    let shared = posting(TRANSFER, debit, credit, shared, Actor::User(1));
    [vec![from_wallet(FEE, ani, 1, fee), shared], paid].concat()
}

#[tokio::test]
async fn an_order_of_several_postings_happens_together_and_is_repeated_as_one() {
    for bank in every_bank().await {
        let (ani, budi) = (bank.wallet(1, 1_000).await, bank.wallet(2, 0).await);
        // The last of them is more than there is then: nothing happens.
        let head = bank.store.head().await.unwrap();
        let outcome = bank
            .submit(Operation::Post(split(ani, [10, 90, 901])))
            .await;
        assert_eq!(outcome, refused(Refusal::InsufficientBalance));
        assert_eq!(bank.store.head().await.unwrap(), head);
        let key = bank.key();
        let order = Operation::Post(split(ani, [10, 90, 900]));
        let entries = all_accepted(bank.submit_with(key, order.clone()).await);
        let seqs: Vec<i64> = entries.iter().map(|entry| entry.seq).collect();
        assert_eq!(seqs, [head.seq + 1, head.seq + 2, head.seq + 3]);
        for entry in &entries {
            let posting = entry.event.as_posting().unwrap();
            assert_eq!((posting.group, entry.at), (Some(seqs[0]), entries[0].at));
        }
        let fees = system_account(Currency::IDR, Role::Fees);
        assert_eq!(
            (
                bank.balance(ani).await,
                bank.balance(budi).await,
                bank.balance(fees).await
            ),
            (0, 90, 10)
        );
        for bank in [&bank, &bank.replica().await] {
            let again = bank.submit_with(key, order.clone()).await;
            assert_eq!(all_accepted(again), entries);
            // Another amount, one posting less, one more, another order of them: each is another order.
            let mut shorter = split(ani, [10, 90, 900]);
            let last = shorter.pop().unwrap();
            let mut longer = split(ani, [10, 90, 900]);
            longer.push(last);
            let mut turned = split(ani, [10, 90, 900]);
            turned.reverse();
            let single = split(ani, [10, 90, 900]).remove(0);
            for other in [
                split(ani, [10, 91, 899]),
                shorter,
                longer,
                turned,
                vec![single],
            ] {
                let outcome = bank.submit_with(key, Operation::Post(other)).await;
                assert_eq!(outcome, Outcome::KeyReused);
            }
        }
        let too_many = vec![from_wallet(FEE, ani, 1, 1); 17];
        for postings in [Vec::new(), too_many] {
            let outcome = bank.submit(Operation::Post(postings)).await;
            assert_eq!(outcome, refused(Refusal::KindNotAllowed));
        }
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn an_exchange_is_two_postings_and_each_currency_adds_up_for_itself() {
    for bank in every_bank().await {
        let rupiah = bank.wallet(1, 160_000).await;
        let usd: Currency = "USD".parse().unwrap();
        let open = Operation::OpenWallet {
            user_id: 1,
            currency: usd,
        };
        accepted(bank.submit(open).await);
        let dollars = rupiah + 1;
        let order = Operation::Post(vec![
            from_wallet(SOLD, rupiah, 1, 160_000),
            into_wallet(BOUGHT, dollars, 1, 1_000),
        ]);
        all_accepted(bank.submit(order).await);
        assert_eq!(
            (bank.balance(rupiah).await, bank.balance(dollars).await),
            (0, 1_000)
        );
        let position = |currency| system_account(currency, Role::Exchange);
        assert_eq!(bank.balance(position(Currency::IDR)).await, 160_000);
        assert_eq!(bank.balance(position(usd)).await, -1_000);
        // Two wallets of different currencies are no two sides of one posting.
        let (debit, credit) = (Party::Wallet(dollars), Party::Wallet(rupiah));
        let mixed = posting(TRANSFER, debit, credit, 5, SERVICE);
        let outcome = bank.submit(mixed.into()).await;
        assert_eq!(outcome, refused(Refusal::CurrencyMismatch));
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn the_audit_finds_a_posting_that_is_drawn_on_twice() {
    for bank in every_bank().await {
        let ani = bank.wallet(1, 1_000).await;
        let paid = accepted(bank.submit(pay(ani, 1, 900)).await).seq;
        accepted(bank.submit(pay(ani, 1, 100)).await);
        accepted(bank.submit(refund(paid, ani, 900).into()).await);
        bank.assert_whole().await;
        // As by a process that forgot what was drawn.
        let forget = "update remainders set used = 0, last_draw = 0";
        execute(&bank.database, forget).await.unwrap();
        let replica = bank.replica().await;
        accepted(replica.submit(refund(paid, ani, 100).into()).await);
        let report = bank.audit().await;
        let failed = report.checks.iter().filter(|check| check.failure.is_some());
        let names: Vec<&str> = failed.map(|check| check.name).collect();
        assert_eq!(
            names,
            ["nothing is drawn on for more than it moved, nor after it expired"]
        );
    }
}

#[tokio::test]
async fn an_erased_note_is_gone_and_the_chain_is_whole() {
    for bank in every_bank().await {
        let ani = bank.wallet(1, 1_000).await;
        let key = bank.key();
        let order = pay_to(ani, 1, "a name that is to be forgotten", 10);
        let paid = accepted(bank.submit_with(key, order.clone()).await).seq;
        let receipt = ledger::receipts::of(&*bank.store, paid)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            receipt.note.as_deref(),
            Some("a name that is to be forgotten")
        );
        let change = format!("update postings set note = null where seq = {paid}");
        let error = execute(&bank.database, &change)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("append-only"), "{error}");
        assert!(bank.store.erase_note(paid).await.unwrap());
        assert!(!bank.store.erase_note(paid).await.unwrap(), "it is gone");
        assert!(!bank.store.erase_note(1).await.unwrap(), "it has none");
        let rows = bank.store.log(paid - 1, 1).await.unwrap();
        assert_eq!(rows[0].entry.event.as_posting().unwrap().note, None);
        let report = bank.audit().await;
        assert!(report.is_whole(), "{report:#?}");
        assert_eq!(report.erased_notes, 1);
        // The receipt from before still proves the entry, and so does a new one, without the text.
        ledger::receipts::check(&receipt).unwrap();
        let without = ledger::receipts::of(&*bank.store, paid)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (without.note.as_ref(), &without.leaf),
            (None, &receipt.leaf)
        );
        ledger::receipts::check(&without).unwrap();
        let again = bank.replica().await.submit_with(key, order).await;
        assert!(matches!(again, Outcome::Accepted { replayed: true, .. }));
    }
}

/// Somebody with a receipt knows the hashes of the neighbours in its batch. Who can guess everything that a neighbour's entry says, its
/// key included, must not be able to tell whether the guess is right.
#[tokio::test]
async fn a_receipt_gives_no_neighbour_away_although_its_key_is_guessed() {
    use ledger::domain::{chain, merkle};
    for bank in every_bank().await {
        let (ani, budi) = (bank.wallet(1, 1_000).await, bank.wallet(2, 1_000).await);
        let order = |operation| Order {
            key: bank.key(),
            operation,
        };
        let both = vec![order(pay(ani, 1, 847)), order(transfer(budi, 2, 1, 1))];
        let outcomes = bank.ledger.submit(both).await.unwrap();
        let mine = accepted(outcomes[1].clone()).seq;
        let receipt = ledger::receipts::of(&*bank.store, mine)
            .await
            .unwrap()
            .unwrap();
        ledger::receipts::check(&receipt).unwrap();
        // The best guess there is: the neighbour's row as it is in the database.
        let neighbour = &bank.store.log(mine - 2, 1).await.unwrap()[0];
        let blind = bank.store.batches(mine - 1, 1).await.unwrap()[0].blind;
        let truth = merkle::leaf(&chain::leaf_bytes(&blind, neighbour));
        assert_eq!(receipt.path, [hex::encode(truth)], "it is in the path");
        let salted = chain::leaf_bytes(&blind, neighbour);
        let own_salt = hex::decode(&receipt.leaf[..32]).unwrap();
        for salt in [Vec::new(), vec![0; 16], own_salt] {
            let guess = [salt.as_slice(), &salted[16..]].concat();
            assert_ne!(merkle::leaf(&guess), truth);
        }
        assert_ne!(&salted[..16], &blind, "the blind stays in the database");
    }
}

#[tokio::test]
async fn a_text_that_is_too_long_and_a_kind_that_is_not_there_are_refused() {
    for bank in every_bank().await {
        let ani = bank.wallet(1, 1_000).await;
        let long = pay_to(ani, 1, &"x".repeat(2_049), 1);
        assert_eq!(bank.submit(long).await, refused(Refusal::NotStorable));
        let unknown = NewPosting {
            kind: ledger_api::KindCode(98),
            ..from_wallet(FEE, ani, 1, 1)
        };
        assert_eq!(
            bank.submit(unknown.into()).await,
            refused(Refusal::KindNotAllowed)
        );
        let expiring = NewPosting {
            expires_in: Some(5),
            ..from_wallet(FEE, ani, 1, 1)
        };
        assert_eq!(
            bank.submit(expiring.into()).await,
            refused(Refusal::KindNotAllowed)
        );
        bank.assert_whole().await;
    }
}

impl TestBank {
    /// A process on the same database with another clock.
    fn with_clock(&self, clock: clock::Clock) -> TestBank {
        TestBank::at(
            self.backend,
            &self.config,
            self.store.clone(),
            self.database.clone(),
            None,
            clock,
        )
    }
}
