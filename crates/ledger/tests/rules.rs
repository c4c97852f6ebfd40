//! The rules against a naive model, with any orders in any order: what the one accepts the other accepts, and the
//! invariants hold after each.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::collections::HashMap;

use ledger::domain::limits::Usage;
use ledger::domain::{Account, Batch, Books, Draft, Policy, Remainder, User, system_account};
use ledger_api::{
    Actor, Direction, Event, Holder, Limit, Measure, NewPosting, Operation, Order, Party, Refusal,
    Role, Tier, Uuid, WalletStatus, Window,
};
use money::Currency;
use proptest::prelude::*;
use support::kinds::{self, KINDS};
use support::naive::Naive;

const USERS: i64 = 4;

fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![6 => 1_i64..1_000, 1 => Just(9_007_199_254_740_991), 1 => Just(9_007_199_254_740_000)]
}

fn currency() -> impl Strategy<Value = Currency> {
    prop_oneof![3 => Just(Currency::IDR), 1 => Just(usd())]
}

fn usd() -> Currency {
    "USD".parse().unwrap()
}

/// A posting of any kind. Most are such that the table allows them and the user owns the wallet.
fn posting() -> impl Strategy<Value = NewPosting> {
    let kind = (0..KINDS.all().len()).prop_map(|index| KINDS.all()[index]);
    let ids = (1..=2 * USERS, 1..=USERS, 1..=USERS, 1_i64..40);
    let rare = (0..20_u8, 0..20_u8);
    (kind, ids, amount(), rare, 1..4_u32).prop_map(|(kind, ids, amount, rare, seconds)| {
        let (wallet, owner, other, drawn) = ids;
        let party = |holder: Holder, is_debit: bool| match holder {
            Holder::System(role) => Party::System(role),
            Holder::Wallet if is_debit || kind.debit != Holder::Wallet => Party::Wallet(wallet),
            Holder::Wallet if rare.1 < 5 => Party::Wallet(other + 2),
            Holder::Wallet => Party::WalletOf(other),
        };
        let is_odd = rare.0 == 0;
        NewPosting {
            draws_on: (kind.draws.is_some() != is_odd).then_some(drawn),
            expires_in: (kind.expires && rare.1 < 15).then_some(seconds),
            // All that is left.
            amount: (kind.draws.is_none() || rare.0 < 15 || rare.1 == 1)
                .then(|| support::idr(amount)),
            ..kinds::posting(
                kind,
                if rare.1 == 0 {
                    Party::System(Role::Fees)
                } else {
                    party(kind.debit, true)
                },
                party(kind.credit, false),
                amount,
                // In the beginning user n has the wallets n and n + 3.
                if rare.0 < 3 {
                    Actor::User(owner)
                } else if rare.0 < 12 {
                    Actor::User((wallet - 1) % (USERS - 1) + 1)
                } else {
                    kinds::SERVICE
                },
            )
        }
    })
}

/// Limits of which no two that share a name are for one wallet. Some are so low that they refuse now and then.
fn limits() -> impl Strategy<Value = Vec<Limit>> {
    let kinds = prop_oneof![
        2 => Just(Vec::new()),
        1 => Just(vec![kinds::TOPUP.code]),
        1 => Just(vec![kinds::TRANSFER.code, kinds::PAYMENT.code]),
    ];
    let window = prop_oneof![
        Just(Window::Transaction),
        Just(Window::Day),
        Just(Window::Month),
        Just(Window::Balance)
    ];
    let names = prop_oneof![Just("one"), Just("two"), Just("three")];
    let maxima = (
        prop::option::of(0_i64..4_000),
        prop::option::of(0_i64..6),
        prop::option::of(currency()),
    );
    let limit = (names, kinds, any::<bool>(), window, maxima, any::<bool>());
    let limit = limit.prop_map(|(name, kinds, is_in, window, maxima, is_of_registered)| {
        let is_in = is_in || window == Window::Balance;
        Limit {
            kinds,
            tiers: if is_of_registered {
                vec![Tier::Registered, Tier::Merchant]
            } else {
                Vec::new()
            },
            currency: maxima.2,
            max_amount: maxima.0.or(Some(3_000)),
            max_count: maxima.1.filter(|_| window != Window::Balance),
            ..Limit::new(
                name,
                if is_in { Direction::In } else { Direction::Out },
                window,
            )
        }
    });
    prop::collection::vec(limit, 0..4).prop_map(|mut limits| {
        limits.sort_by_key(|limit| limit.name);
        limits.dedup_by_key(|limit| limit.name);
        limits
    })
}

fn of_limits() -> impl Strategy<Value = Operation> {
    let tiers = prop_oneof![Just(Tier::Unregistered), Just(Tier::Registered)];
    prop_oneof![
        1 => limits().prop_map(|limits| Operation::SetLimits { limits, by: kinds::SERVICE }),
        2 => (1..=2 * USERS, tiers).prop_map(|(wallet_id, tier)| Operation::SetTier {
            wallet_id,
            tier,
            reason: "seen".to_owned(),
            by: Actor::User(support::ADMIN),
        }),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let id = || 1..=USERS;
    let wallet = || 1..=2 * USERS;
    prop_oneof![
        6 => (wallet(), amount()).prop_map(|(id, amount)| kinds::top_up(id, (id - 1) % (USERS - 1) + 1, amount)),
        4 => (wallet(), id(), amount()).prop_map(|(id, to, amount)| kinds::transfer(id, (id - 1) % (USERS - 1) + 1, to, amount)),
        12 => posting().prop_map(Operation::from),
        4 => prop::collection::vec(posting(), 0..5).prop_map(Operation::Post),
        2 => (id(), currency()).prop_map(|(user_id, currency)| Operation::OpenWallet { user_id, currency }),
        1 => (wallet(), any::<bool>()).prop_map(|(wallet_id, frozen)| Operation::SetStatus {
            wallet_id,
            status: if frozen { WalletStatus::Frozen } else { WalletStatus::Active },
            by: Actor::User(support::ADMIN),
        }),
        1 => id().prop_map(|user_id| Operation::CloseUser { user_id, by: Actor::User(user_id) }),
    ]
}

/// The same, and now and then other limits, or another tier.
fn limited_operation() -> impl Strategy<Value = Operation> {
    prop_oneof![20 => operation(), 1 => of_limits()]
}

fn order(number: usize, operation: Operation) -> Order {
    Order {
        key: Uuid::from_u128(number as u128),
        operation,
    }
}

/// Books that know everybody, with two wallets for each user but the last.
fn begin() -> (Books, Naive) {
    let (mut books, mut naive) = (Books::default(), Naive::default());
    for user in 1..=USERS {
        books.learn_user(user, User::default());
    }
    let mut draft = Draft::new(&books, &KINDS, 0);
    for currency in [Currency::IDR, usd()] {
        for user_id in 1..USERS {
            let operation = Operation::OpenWallet { user_id, currency };
            naive.decide(&operation, 0, 0).unwrap();
            draft.decide(&order(0, operation)).unwrap();
        }
    }
    let batch = draft.finish([7; 16]).unwrap();
    books.merge(&batch);
    (books, naive)
}

/// These operations, with those that draw aimed at what is there to be drawn on.
fn aim(naive: &Naive, operations: &[Operation]) -> Vec<Operation> {
    let committed = naive.seq();
    let mut operations = operations.to_vec();
    for operation in &mut operations {
        if let Operation::Post(postings) = operation {
            let all = postings.iter_mut();
            all.for_each(|posting| naive.aim(posting, committed));
        }
    }
    operations
}

/// Looks up what these operations draw on, as a writer does before it decides them.
fn look_up(books: &mut Books, posted: &HashMap<i64, Remainder>, operations: &[Operation]) {
    for operation in operations {
        if let Operation::Post(postings) = operation {
            for seq in postings.iter().filter_map(|posting| posting.draws_on) {
                if let (None, Some(remainder)) = (books.remainder(seq), posted.get(&seq)) {
                    books.learn_remainder(remainder.clone());
                }
            }
        }
    }
}

/// What a store would find of the postings in a batch.
fn note_posted(posted: &mut HashMap<i64, Remainder>, batch: &Batch) {
    for row in &batch.rows {
        if let Event::Posted(posting) = &row.entry.event {
            let remainder = Remainder {
                seq: row.entry.seq,
                kind: posting.kind,
                origin: (posting.draws_on.and_then(|drawn| posted.get(&drawn)))
                    .map_or(posting.debit.account, |drawn| drawn.origin),
                credit: posting.credit.account,
                currency: posting.currency,
                amount: posting.amount.units(),
                used: 0,
                last_draw: 0,
                expires_at: posting.expires_at,
            };
            posted.insert(row.entry.seq, remainder);
        }
    }
    posted.extend(batch.remainders.iter().map(|(seq, r)| (*seq, r.clone())));
}

const SECOND: i64 = 1_000_000;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_are_those_of_the_naive_model(operations in prop::collection::vec(operation(), 1..120), batch_size in 1_usize..20) {
        let (mut books, mut naive) = begin();
        let mut posted = HashMap::new();
        let mut balances: HashMap<i64, (Currency, i64)> = HashMap::new();
        for (number, batch) in (0_i64..).zip(operations.chunks(batch_size)) {
            let before = books.head.clone();
            let batch = &aim(&naive, batch);
            look_up(&mut books, &posted, batch);
            let mut draft = Draft::new(&books, &KINDS, number * SECOND);
            let mut accepted = 0;
            for (index, operation) in batch.iter().enumerate() {
                let expected = naive.decide(operation, before.seq, number * SECOND);
                let decided = draft.decide(&order(index, operation.clone())).map(|rows| rows.len());
                prop_assert_eq!(decided, expected, "{:?}", operation);
                accepted += expected.unwrap_or(0);
            }
            let Some(batch) = draft.finish([7; 16]) else {
                prop_assert_eq!(accepted, 0);
                continue;
            };
            prop_assert_eq!(batch.rows.len(), accepted);
            let mut seq = before.seq;
            for row in &batch.rows {
                seq += 1;
                prop_assert_eq!(row.entry.seq, seq);
                if let Event::Posted(posting) = &row.entry.event {
                    let amount = posting.amount.units();
                    for (leg, change) in [(posting.debit, -amount), (posting.credit, amount)] {
                        let (of, balance) = balances.entry(leg.account).or_insert((posting.currency, 0));
                        *balance += change;
                        prop_assert_eq!((*of, *balance), (posting.currency, leg.balance));
                    }
                }
            }
            for currency in [Currency::IDR, usd()] {
                let of_currency = balances.values().filter(|(of, _)| *of == currency);
                prop_assert_eq!(of_currency.map(|(_, balance)| i128::from(*balance)).sum::<i128>(), 0);
            }
            prop_assert!(batch.head.hash != before.hash);
            note_posted(&mut posted, &batch);
            books.merge(&batch);
            prop_assert_eq!(books.head.seq, seq);
        }
        for (account, expected) in naive.balances() {
            prop_assert_eq!(i128::from(balances.get(&account).map_or(0, |(_, balance)| *balance)), expected);
            prop_assert!(account < 0 || expected >= 0);
        }
        for (seq, used) in naive.used() {
            prop_assert_eq!(posted[&seq].used, used);
            prop_assert!(used <= posted[&seq].amount);
        }
    }

    #[test]
    fn limits_are_those_of_the_naive_model_from_day_to_day(
        set in limits(),
        operations in prop::collection::vec(limited_operation(), 1..110),
    ) {
        // With a batch each nine hours this is January and a part of February.
        const STEP: i64 = 9 * 3600 * SECOND;
        let (mut books, mut naive) = begin();
        let mut follower = books.clone();
        let policy = Policy::from(&KINDS);
        let mut posted = HashMap::new();
        let set = Operation::SetLimits { limits: set, by: kinds::SERVICE };
        for (number, operation) in (0_i64..).zip(std::iter::once(set).chain(operations)) {
            let (now, committed) = (number * STEP, naive.seq());
            let operation = aim(&naive, &[operation]).remove(0);
            look_up(&mut books, &posted, std::slice::from_ref(&operation));
            look_up(&mut follower, &posted, std::slice::from_ref(&operation));
            let mut draft = Draft::new(&books, &KINDS, now);
            let expected = naive.decide(&operation, committed, now);
            let decided = draft.decide(&order(0, operation.clone())).map(|rows| rows.len());
            prop_assert_eq!(decided, expected, "{:?}", operation);
            let Some(batch) = draft.finish([7; 16]) else {
                continue;
            };
            note_posted(&mut posted, &batch);
            books.merge(&batch);
            for row in &batch.rows {
                follower.follow(&row.entry, &policy);
            }
            for id in 1..=2 * USERS {
                prop_assert_eq!(follower.account(id), books.account(id));
            }
        }
    }

    #[test]
    fn a_draft_that_is_dropped_leaves_no_trace(operations in prop::collection::vec(limited_operation(), 1..40)) {
        let (books, _) = begin();
        let decide_all = || {
            let mut draft = Draft::new(&books, &KINDS, 7);
            let outcomes: Vec<_> = operations.iter().enumerate().map(|(n, o)| draft.decide(&order(n, o.clone()))).collect();
            (outcomes, draft.finish([7; 16]).map(|batch| batch.head))
        };
        prop_assert_eq!(decide_all(), decide_all());
    }

    #[test]
    fn an_order_of_several_postings_happens_whole_or_not_at_all(operations in prop::collection::vec(operation(), 1..40), postings in prop::collection::vec(posting(), 2..6)) {
        let (books, _) = begin();
        let batch = |group: Option<Operation>| {
            let mut draft = Draft::new(&books, &KINDS, 7);
            for (number, operation) in operations.iter().enumerate() {
                let _ = draft.decide(&order(number, operation.clone()));
            }
            let decided = group.map(|group| draft.decide(&order(1_000, group)).map(|rows| rows.len()));
            (decided, draft.finish([7; 16]).map(|batch| (batch.head.hash, batch.rows.len(), batch.accounts, batch.remainders)))
        };
        let count = postings.len();
        let sure = postings.iter().filter(|posting| posting.amount.is_some()).count();
        let without = batch(None).1;
        match batch(Some(Operation::Post(postings))) {
            (Some(Ok(rows)), _) => prop_assert!((sure..=count).contains(&rows)),
            (_, with) => prop_assert_eq!(with, without),
        }
    }

    #[test]
    fn batches_that_come_to_nothing_leave_the_books_as_they_were(operations in prop::collection::vec(limited_operation(), 1..60), batch_size in 1_usize..20) {
        let (mut books, _) = begin();
        let mut before = Vec::new();
        for (number, batch) in (0_i64..).zip(operations.chunks(batch_size)) {
            let mut draft = Draft::new(&books, &KINDS, number);
            for (index, operation) in batch.iter().enumerate() {
                let _ = draft.decide(&order(index, operation.clone()));
            }
            if let Some(batch) = draft.finish([7; 16]) {
                let as_they_were = books.clone();
                before.push((as_they_were, books.merge(&batch)));
            }
        }
        for (as_they_were, undo) in before.into_iter().rev() {
            books.undo(undo);
            prop_assert_eq!(&books, &as_they_were);
        }
    }

    #[test]
    fn a_follower_of_the_log_knows_what_the_writer_knows(operations in prop::collection::vec(limited_operation(), 1..60)) {
        let (mut books, _) = begin();
        let mut follower = books.clone();
        let policy = Policy::from(&KINDS);
        let mut posted = HashMap::new();
        // In two batches, so that the second draws on the first.
        for operations in operations.chunks(30) {
            look_up(&mut books, &posted, operations);
            look_up(&mut follower, &posted, operations);
            let mut draft = Draft::new(&books, &KINDS, 7);
            for (number, operation) in operations.iter().enumerate() {
                let _ = draft.decide(&order(number, operation.clone()));
            }
            if let Some(batch) = draft.finish([7; 16]) {
                batch.rows.iter().for_each(|row| follower.follow(&row.entry, &policy));
                follower.head = batch.head.clone();
                // A writer looks up the system accounts that it does not know.
                for id in &batch.opened {
                    if *id < 0 {
                        follower.learn_account(batch.accounts[id].clone());
                    }
                }
                note_posted(&mut posted, &batch);
                books.merge(&batch);
            }
        }
        // Both decide whatever comes next alike.
        look_up(&mut books, &posted, &operations);
        look_up(&mut follower, &posted, &operations);
        for operation in &operations {
            let decide = |books: &Books| {
                let mut draft = Draft::new(books, &KINDS, 8);
                let decided = draft.decide(&order(0, operation.clone()));
                (decided, draft.rows().to_vec())
            };
            prop_assert_eq!(decide(&books), decide(&follower), "{:?}", operation);
        }
    }
}

/// What the properties above are shown is worth something only if every kind is accepted now and then, and draws are refused for each
/// reason.
#[test]
fn the_orders_that_are_drawn_reach_every_kind_and_every_refusal_of_a_draw() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let (mut accepted, mut refused) = (HashMap::new(), HashMap::new());
    let mut runner = TestRunner::deterministic();
    for _ in 0..600 {
        let operations = prop::collection::vec(operation(), 1..120);
        let operations = operations.new_tree(&mut runner).unwrap().current();
        let (_, mut naive) = begin();
        for (now, operation) in (0_i64..).zip(operations) {
            let operation = aim(&naive, &[operation]).remove(0);
            let decided = naive.decide(&operation, i64::MAX, now * SECOND / 10);
            match (decided, operation) {
                (Ok(_), Operation::Post(postings)) => {
                    let is_group = postings.len() > 1;
                    for posting in postings {
                        *accepted.entry((posting.kind, is_group)).or_insert(0) += 1;
                    }
                }
                (Err(reason), _) => *refused.entry(reason).or_insert(0) += 1,
                _ => {}
            }
        }
    }
    for kind in KINDS.all() {
        let alone = accepted.get(&(kind.code, false)).copied();
        assert!(alone > Some(20), "{}: {accepted:?}", kind.name);
    }
    let in_groups = accepted.iter().filter(|((_, is_group), _)| *is_group);
    assert!(in_groups.map(|(_, count)| count).sum::<i32>() > 50);
    for reason in [
        Refusal::NothingToDraw,
        Refusal::RemainderExceeded,
        Refusal::RemainderExpired,
        Refusal::RemainderNotExpired,
        Refusal::CurrencyMismatch,
        Refusal::KindNotAllowed,
    ] {
        assert!(
            refused.get(&reason).copied() > Some(5),
            "{reason:?}: {refused:?}"
        );
    }
}

/// The same for limits: each window and measure refuses now and then, and orders that are counted are accepted.
#[test]
fn the_limits_that_are_drawn_refuse_for_each_reason() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut refused: HashMap<(Window, Measure), i32> = HashMap::new();
    let mut runner = TestRunner::deterministic();
    for _ in 0..1_000 {
        let drawn = (limits(), prop::collection::vec(operation(), 1..110));
        let (limits, operations) = drawn.new_tree(&mut runner).unwrap().current();
        let (_, mut naive) = begin();
        let by = kinds::SERVICE;
        naive
            .decide(&Operation::SetLimits { limits, by }, 0, 0)
            .unwrap();
        for (now, operation) in (0_i64..).zip(operations) {
            let decided = naive.decide(&operation, i64::MAX, now * 9 * 3600 * SECOND);
            if let Err(Refusal::LimitExceeded(exceeded)) = decided {
                *refused
                    .entry((exceeded.window, exceeded.measure))
                    .or_default() += 1;
            }
        }
    }
    for (window, measure) in [
        (Window::Transaction, Measure::Amount),
        (Window::Day, Measure::Amount),
        (Window::Day, Measure::Count),
        (Window::Month, Measure::Amount),
        (Window::Month, Measure::Count),
        (Window::Balance, Measure::Amount),
    ] {
        let count = refused.get(&(window, measure)).copied();
        assert!(count > Some(5), "{window:?} {measure:?}: {refused:?}");
    }
}

#[test]
fn who_is_remembered_is_remembered_with_all_wallets() {
    let mut books = Books::default();
    let account = |id, user_id, currency| Account {
        id,
        user_id: Some(user_id),
        currency,
        status: WalletStatus::Active,
        balance: 5,
        tier: Tier::default(),
        usage: Usage::default(),
    };
    let users = 1..=400;
    for id in users.clone() {
        let (idr, usd) = (Currency::IDR, "USD".parse().unwrap());
        let mut wallets = vec![(idr, id)];
        books.learn_account(account(id, id, idr));
        if id % 32 == 0 {
            wallets.push((usd, 1000 + id));
            books.learn_account(account(1000 + id, id, usd));
        }
        let closed = id % 50 == 0;
        books.learn_user(id, User { closed, wallets });
    }
    let known = |books: &Books| {
        let known = users.clone().filter(|id| books.knows_user(*id));
        known.collect::<Vec<i64>>()
    };
    assert_eq!(known(&books).len(), 400);
    books.forget_beyond(500);
    assert_eq!(known(&books).len(), 400, "there was room");

    books.forget_beyond(320);
    let known = known(&books);
    assert!(
        (100..320).contains(&known.len()),
        "{} are left",
        known.len()
    );
    for id in known {
        let user = books.user(id).unwrap();
        assert_eq!(user.wallets.len(), if id % 32 == 0 { 2 } else { 1 });
        for (currency, wallet_id) in user.wallets {
            assert_eq!(
                books.account(wallet_id),
                Some(account(wallet_id, id, currency))
            );
        }
        assert_eq!(user.closed, id % 50 == 0);
    }
}

#[test]
fn at_the_limits_of_64_bits_the_ledger_refuses_and_wraps_nothing() {
    let mut books = Books::default();
    let idr = Currency::IDR;
    let account = |id, user_id, balance| Account {
        id,
        user_id,
        currency: idr,
        status: WalletStatus::Active,
        balance,
        tier: Tier::default(),
        usage: Usage::default(),
    };
    books.learn_account(account(1, Some(1), 10));
    books.learn_account(account(system_account(idr, Role::In), None, i64::MIN + 5));
    books.learn_account(account(system_account(idr, Role::Out), None, i64::MAX - 5));
    let decide = |operation| {
        Draft::new(&books, &KINDS, 0)
            .decide(&order(0, operation))
            .map(drop)
    };
    let top_up = |units| decide(kinds::top_up(1, 1, units));
    let pay = |units| decide(kinds::pay(1, 1, units));
    assert_eq!((top_up(5), top_up(6)), (Ok(()), Err(Refusal::LedgerLimit)));
    assert_eq!((pay(5), pay(6)), (Ok(()), Err(Refusal::LedgerLimit)));
}
