//! The rules against a naive model, with any orders in any order: what the one accepts the other accepts, and the
//! invariants hold after each.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::HashMap;

use ledger::domain::{Account, Books, Draft, User, money_in, money_out};
use ledger_api::{Event, Operation, Order, Refusal, Uuid, WalletStatus};
use money::{Amount, Currency};
use proptest::prelude::*;

const MAX: i128 = 9_007_199_254_740_991;
const USERS: i64 = 4;

/// Balances as anybody would keep them: a map, with numbers that cannot overflow.
#[derive(Clone, Debug, Default, PartialEq)]
struct Naive {
    wallets: HashMap<i64, (i64, i128, WalletStatus)>,
    outside: i128,
    closed: Vec<i64>,
}

impl Naive {
    fn own(&self, id: i64, user: i64) -> Result<i128, Refusal> {
        let (owner, balance, status) = self.wallets.get(&id).ok_or(Refusal::WalletNotFound)?;
        match (*owner == user, status) {
            (false, _) => Err(Refusal::NotOwner),
            (true, WalletStatus::Active) => Ok(*balance),
            (true, _) => Err(Refusal::WalletNotActive),
        }
    }

    fn take(&mut self, id: i64, amount: i128) {
        self.wallets.get_mut(&id).unwrap().1 -= amount;
    }

    fn decide(&mut self, operation: &Operation) -> Result<(), Refusal> {
        match operation {
            Operation::TopUp {
                wallet_id,
                user_id,
                amount,
            } => {
                let (balance, amount) =
                    (self.own(*wallet_id, *user_id)?, i128::from(amount.units()));
                if self.outside - amount < i128::from(i64::MIN) {
                    return Err(Refusal::LedgerLimit);
                }
                if balance + amount > MAX {
                    return Err(Refusal::BalanceLimit);
                }
                self.outside -= amount;
                self.take(*wallet_id, -amount);
            }
            Operation::Pay {
                wallet_id,
                user_id,
                amount,
                ..
            } => {
                let (balance, amount) =
                    (self.own(*wallet_id, *user_id)?, i128::from(amount.units()));
                if balance < amount {
                    return Err(Refusal::InsufficientBalance);
                }
                self.outside += amount;
                self.take(*wallet_id, amount);
            }
            Operation::Transfer {
                from_wallet_id,
                user_id,
                to_user_id,
                amount,
            } => {
                let (balance, amount) = (
                    self.own(*from_wallet_id, *user_id)?,
                    i128::from(amount.units()),
                );
                let found = self
                    .wallets
                    .iter()
                    .find(|(_, wallet)| wallet.0 == *to_user_id);
                let (to, (_, held, status)) = found
                    .map(|(id, wallet)| (*id, *wallet))
                    .ok_or(Refusal::DestinationNotFound)?;
                if status != WalletStatus::Active {
                    return Err(Refusal::DestinationNotActive);
                }
                if to == *from_wallet_id {
                    return Err(Refusal::SameWallet);
                }
                if balance < amount {
                    return Err(Refusal::InsufficientBalance);
                }
                if held + amount > MAX {
                    return Err(Refusal::BalanceLimit);
                }
                self.take(*from_wallet_id, amount);
                self.take(to, -amount);
            }
            Operation::OpenWallet { user_id, .. } => {
                if self.closed.contains(user_id) {
                    return Err(Refusal::UserClosed);
                }
                if self.wallets.values().any(|wallet| wallet.0 == *user_id) {
                    return Err(Refusal::WalletExists);
                }
                let id = i64::try_from(self.wallets.len()).unwrap() + 1;
                self.wallets.insert(id, (*user_id, 0, WalletStatus::Active));
            }
            Operation::SetStatus { wallet_id, status } => {
                let wallet = self
                    .wallets
                    .get_mut(wallet_id)
                    .ok_or(Refusal::WalletNotFound)?;
                if wallet.2 == WalletStatus::Closed {
                    return Err(Refusal::WalletNotActive);
                }
                wallet.2 = *status;
            }
            Operation::CloseUser { user_id } => {
                self.closed.push(*user_id);
                for wallet in self
                    .wallets
                    .values_mut()
                    .filter(|wallet| wallet.0 == *user_id)
                {
                    wallet.2 = WalletStatus::Closed;
                }
            }
            Operation::Deduct { .. } => unreachable!("not drawn"),
        }
        Ok(())
    }
}

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![6 => 1_i64..1_000, 1 => Just(9_007_199_254_740_991), 1 => Just(9_007_199_254_740_000)]
        .prop_map(|units| Amount::new(units).unwrap())
}

fn operation() -> impl Strategy<Value = Operation> {
    let id = || 1..=USERS;
    prop_oneof![
        4 => (id(), id(), amount()).prop_map(|(wallet_id, user_id, amount)| Operation::TopUp { wallet_id, user_id, amount }),
        4 => (id(), amount()).prop_map(|(id, amount)| Operation::TopUp { wallet_id: id, user_id: id, amount }),
        4 => (id(), id(), amount()).prop_map(|(wallet_id, user_id, amount)| {
            Operation::Pay { wallet_id, user_id, merchant: "Shop".to_owned(), amount }
        }),
        8 => (id(), id(), amount()).prop_map(|(id, to_user_id, amount)| {
            Operation::Transfer { from_wallet_id: id, user_id: id, to_user_id, amount }
        }),
        2 => id().prop_map(|user_id| Operation::OpenWallet { user_id, currency: Currency::IDR }),
        1 => (id(), any::<bool>()).prop_map(|(wallet_id, frozen)| Operation::SetStatus {
            wallet_id,
            status: if frozen { WalletStatus::Frozen } else { WalletStatus::Active },
        }),
        1 => id().prop_map(|user_id| Operation::CloseUser { user_id }),
    ]
}

fn order(number: usize, operation: &Operation) -> Order {
    Order {
        key: Uuid::from_u128(number as u128),
        operation: operation.clone(),
    }
}

/// Books that know everybody, with a wallet for each user but the last.
fn begin() -> (Books, Naive) {
    let (mut books, mut naive) = (Books::default(), Naive::default());
    for user in 1..=USERS {
        books.learn_user(user, User::default());
    }
    let mut draft = Draft::new(&books, 0);
    for user_id in 1..USERS {
        let operation = Operation::OpenWallet {
            user_id,
            currency: Currency::IDR,
        };
        draft.decide(&order(0, &operation)).unwrap();
        naive.decide(&operation).unwrap();
    }
    let batch = draft.finish([7; 16]).unwrap();
    books.merge(&batch);
    (books, naive)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_are_those_of_the_naive_model(operations in prop::collection::vec(operation(), 1..120), batch_size in 1_usize..20) {
        let (mut books, mut naive) = begin();
        let mut balances: HashMap<i64, i64> = HashMap::new();
        for (number, batch) in operations.chunks(batch_size).enumerate() {
            let before = books.head.clone();
            let mut draft = Draft::new(&books, i64::try_from(number).unwrap());
            let mut accepted = 0;
            for (index, operation) in batch.iter().enumerate() {
                let expected = naive.decide(operation);
                let decided = draft.decide(&order(index, operation)).map(drop);
                prop_assert_eq!(decided, expected, "{:?}", operation);
                accepted += usize::from(expected.is_ok());
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
                if let Event::Transfer(transfer) = &row.entry.event {
                    for (side, change) in [(transfer.debit, -transfer.amount.units()), (transfer.credit, transfer.amount.units())] {
                        let balance = balances.entry(side.account).or_default();
                        *balance += change;
                        prop_assert_eq!(*balance, side.balance);
                    }
                }
            }
            prop_assert_eq!(balances.values().map(|balance| i128::from(*balance)).sum::<i128>(), 0);
            prop_assert!(batch.head.hash != before.hash);
            books.merge(&batch);
            prop_assert_eq!(books.head.seq, seq);
        }
        for (id, (_, balance, _)) in &naive.wallets {
            prop_assert_eq!(i128::from(balances.get(id).copied().unwrap_or_default()), *balance);
            prop_assert!(*balance >= 0);
        }
    }

    #[test]
    fn a_draft_that_is_dropped_leaves_no_trace(operations in prop::collection::vec(operation(), 1..40)) {
        let (books, _) = begin();
        let decide_all = || {
            let mut draft = Draft::new(&books, 7);
            let outcomes: Vec<_> = operations.iter().enumerate().map(|(n, o)| draft.decide(&order(n, o)).cloned()).collect();
            (outcomes, draft.finish([7; 16]).map(|batch| batch.head))
        };
        prop_assert_eq!(decide_all(), decide_all());
    }

    #[test]
    fn batches_that_come_to_nothing_leave_the_books_as_they_were(operations in prop::collection::vec(operation(), 1..60), batch_size in 1_usize..20) {
        let (mut books, _) = begin();
        let mut before = Vec::new();
        for (number, batch) in operations.chunks(batch_size).enumerate() {
            let mut draft = Draft::new(&books, i64::try_from(number).unwrap());
            for (index, operation) in batch.iter().enumerate() {
                let _ = draft.decide(&order(index, operation));
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
    fn who_follows_the_log_knows_what_the_writer_knows(operations in prop::collection::vec(operation(), 1..60)) {
        let (mut books, _) = begin();
        let mut follower = books.clone();
        let mut draft = Draft::new(&books, 7);
        for (number, operation) in operations.iter().enumerate() {
            let _ = draft.decide(&order(number, operation));
        }
        if let Some(batch) = draft.finish([7; 16]) {
            batch.rows.iter().for_each(|row| follower.follow(&row.entry));
            follower.head = batch.head.clone();
            books.merge(&batch);
        }
        // Both decide whatever comes next alike.
        for operation in &operations {
            let decide = |books: &Books| Draft::new(books, 8).decide(&order(0, operation)).cloned();
            prop_assert_eq!(decide(&books), decide(&follower), "{:?}", operation);
        }
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
    };
    books.learn_account(account(1, Some(1), 10));
    books.learn_account(account(money_in(idr), None, i64::MIN + 5));
    books.learn_account(account(money_out(idr), None, i64::MAX - 5));
    let amount = |units| Amount::new(units).unwrap();
    let decide = |operation| {
        Draft::new(&books, 0)
            .decide(&order(0, &operation))
            .map(drop)
    };
    let top_up = |units| {
        decide(Operation::TopUp {
            wallet_id: 1,
            user_id: 1,
            amount: amount(units),
        })
    };
    let pay = |units| {
        decide(Operation::Pay {
            wallet_id: 1,
            user_id: 1,
            merchant: "Shop".to_owned(),
            amount: amount(units),
        })
    };
    assert_eq!((top_up(5), top_up(6)), (Ok(()), Err(Refusal::LedgerLimit)));
    assert_eq!((pay(5), pay(6)), (Ok(()), Err(Refusal::LedgerLimit)));
}
