//! The judgement alone, on small histories written by hand: for each rule one that keeps it and one that breaks it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use checker::check::{Rule, check};
use checker::ledger::Replay;
use checker::record::{Call, Kind, Outcome, Shown, Told, Totals};
use ledger::domain::LogRow;
use ledger_api::{Entry, Event, Operation, Side, Transfer, TransferKind, Uuid};
use money::{Amount, Currency};

const WALLET: i64 = 1;
const USER: i64 = 7;

fn key(number: u8) -> Uuid {
    Uuid::from_bytes([number; 16])
}

fn top_up(amount: i64) -> Operation {
    Operation::TopUp {
        wallet_id: WALLET,
        user_id: USER,
        amount: Amount::new(amount).unwrap(),
    }
}

fn pay(amount: i64) -> Operation {
    Operation::Pay {
        wallet_id: WALLET,
        user_id: USER,
        merchant: "Tokopedia".to_owned(),
        amount: Amount::new(amount).unwrap(),
    }
}

/// A log in which each pair of a key and an operation is one entry.
fn log(operations: &[(u8, Operation)]) -> Vec<LogRow> {
    let (mut wallet, mut money_in, mut money_out, mut payments) = (0, 0, 0, 0);
    let rows = operations
        .iter()
        .zip(1..)
        .map(|((number, operation), seq)| {
            let own = |balance| Side {
                account: WALLET,
                user_id: Some(USER),
                balance,
            };
            let system = |account, balance| Side {
                account,
                user_id: None,
                balance,
            };
            let (kind, amount, debit, credit, payment_id, description) = match operation {
                Operation::TopUp { amount, .. } => {
                    wallet += amount.units();
                    money_in -= amount.units();
                    let sides = (system(-1, money_in), own(wallet));
                    (TransferKind::Topup, *amount, sides.0, sides.1, None, None)
                }
                Operation::Pay {
                    amount, merchant, ..
                } => {
                    wallet -= amount.units();
                    money_out += amount.units();
                    payments += 1;
                    let sides = (own(wallet), system(-2, money_out));
                    let merchant = Some(merchant.clone());
                    (
                        TransferKind::Payment,
                        *amount,
                        sides.0,
                        sides.1,
                        Some(payments),
                        merchant,
                    )
                }
                other => panic!("not in these tests: {other:?}"),
            };
            let transfer = Transfer {
                kind,
                debit,
                credit,
                amount,
                currency: Currency::IDR,
                payment_id,
                description,
            };
            LogRow {
                key: key(*number),
                entry: Entry {
                    seq,
                    at: seq,
                    event: Event::Transfer(transfer),
                },
            }
        });
    rows.collect()
}

fn write(start: u64, end: u64, number: u8, operation: Operation, outcome: Outcome) -> Call {
    Call {
        start,
        end,
        kind: Kind::Write {
            key: key(number),
            operation,
            outcome,
        },
    }
}

fn done(start: u64, end: u64, number: u8, operation: Operation) -> Call {
    write(
        start,
        end,
        number,
        operation,
        Outcome::Done(Told::default()),
    )
}

fn read(start: u64, end: u64, shown: Shown) -> Call {
    Call {
        start,
        end,
        kind: Kind::Read {
            shown,
            may_be_behind: false,
        },
    }
}

fn balance(start: u64, end: u64, balance: i64) -> Call {
    let shown = Shown::Balance {
        wallet_id: WALLET,
        balance,
    };
    read(start, end, shown)
}

#[track_caller]
fn assert_explained(calls: &[Call], log: &[LogRow]) {
    let verdict = check(calls, &Replay::of(log.to_vec()), 0);
    assert_eq!(verdict.violations, [], "{verdict}");
}

#[track_caller]
fn assert_broken(rule: Rule, calls: &[Call], log: &[LogRow]) {
    let verdict = check(calls, &Replay::of(log.to_vec()), 0);
    let rules: Vec<Rule> = verdict.violations.iter().map(|v| v.rule).collect();
    assert!(
        !rules.is_empty() && rules.iter().all(|found| *found == rule),
        "{rule:?} is wanted: {verdict}"
    );
}

#[test]
fn what_was_answered_as_done_is_there_and_as_told() {
    let calls = [done(0, 10, 1, top_up(5))];
    assert_explained(&calls, &log(&[(1, top_up(5))]));
    assert_broken(Rule::Lost, &calls, &[]);
    for (balance, payment_id) in [(Some(6), None), (Some(5), Some(1))] {
        let told = Outcome::Done(Told {
            balance,
            payment_id,
        });
        let calls = [write(0, 10, 1, top_up(5), told)];
        assert_broken(Rule::Lost, &calls, &log(&[(1, top_up(5))]));
    }
}

#[test]
fn what_is_there_was_asked_for() {
    let calls = [done(0, 10, 1, top_up(5))];
    let with_another = log(&[(1, top_up(5)), (2, top_up(5))]);
    assert_broken(Rule::Invented, &calls, &with_another);
    let unknown = [write(0, 10, 1, top_up(5), Outcome::Unknown)];
    assert_broken(Rule::Invented, &unknown, &log(&[(1, top_up(6))]));
}

#[test]
fn an_unknown_write_is_there_once_or_not_at_all() {
    let calls = [write(0, 10, 1, top_up(5), Outcome::Unknown)];
    assert_explained(&calls, &[]);
    assert_explained(&calls, &log(&[(1, top_up(5))]));
    assert_broken(Rule::Log, &calls, &log(&[(1, top_up(5)), (1, top_up(5))]));
}

#[test]
fn a_log_that_contradicts_itself_is_found() {
    let calls = [done(0, 10, 1, top_up(5)), done(0, 10, 2, pay(3))];
    let whole = log(&[(1, top_up(5)), (2, pay(3))]);
    assert_explained(&calls, &whole);
    let mut gap = whole.clone();
    gap[1].entry.seq = 3;
    assert_broken(Rule::Log, &calls, &gap);
    let mut wrong = whole;
    if let Event::Transfer(transfer) = &mut wrong[1].entry.event {
        transfer.debit.balance = 5;
    }
    assert_broken(Rule::Log, &calls, &wrong);
    assert_broken(Rule::Log, &[done(0, 10, 2, pay(3))], &log(&[(2, pay(3))]));
}

#[test]
fn the_order_of_the_log_is_that_of_the_calls() {
    let calls = [done(0, 10, 1, top_up(5)), done(11, 20, 2, top_up(6))];
    assert_explained(&calls, &log(&[(1, top_up(5)), (2, top_up(6))]));
    assert_broken(Rule::Order, &calls, &log(&[(2, top_up(6)), (1, top_up(5))]));
    // At the same time, either order is one.
    let at_once = [done(0, 12, 1, top_up(5)), done(11, 20, 2, top_up(6))];
    assert_explained(&at_once, &log(&[(2, top_up(6)), (1, top_up(5))]));
    // A repeat is answered by what its first try did.
    let repeat = [
        write(0, 5, 1, top_up(5), Outcome::Unknown),
        done(6, 10, 2, top_up(6)),
        done(11, 20, 1, top_up(5)),
    ];
    assert_explained(&repeat, &log(&[(1, top_up(5)), (2, top_up(6))]));
}

#[test]
fn a_refusal_has_its_reason() {
    let poor = write(11, 20, 2, pay(9), Outcome::Insufficient);
    let calls = [done(0, 10, 1, top_up(5)), poor.clone()];
    assert_explained(&calls, &log(&[(1, top_up(5))]));
    let rich = [done(0, 10, 1, top_up(9)), poor];
    assert_broken(Rule::Refusal, &rich, &log(&[(1, top_up(9))]));
    // It was refused, and carried out all the same.
    let later = [
        write(0, 5, 2, pay(9), Outcome::Insufficient),
        done(1, 10, 1, top_up(9)),
    ];
    assert_broken(Rule::Refusal, &later, &log(&[(1, top_up(9)), (2, pay(9))]));

    let reused = write(11, 20, 1, top_up(6), Outcome::KeyReused);
    let calls = [done(0, 10, 1, top_up(5)), reused.clone()];
    assert_explained(&calls, &log(&[(1, top_up(5))]));
    assert_broken(Rule::Refusal, &[reused], &[]);
}

#[test]
fn a_read_sees_what_was_finished_before_it_began() {
    let first = done(0, 10, 1, top_up(5));
    let log = log(&[(1, top_up(5))]);
    assert_explained(&[first.clone(), balance(5, 8, 0), balance(11, 12, 5)], &log);
    assert_broken(Rule::Read, &[first.clone(), balance(11, 12, 0)], &log);
    assert_broken(Rule::Read, &[first.clone(), balance(5, 12, 3)], &log);
    // Who said that it may be behind may be behind, and still shows no state that never was.
    let behind = |amount| {
        let mut call = balance(11, 12, amount);
        if let Kind::Read { may_be_behind, .. } = &mut call.kind {
            *may_be_behind = true;
        }
        call
    };
    assert_explained(&[first.clone(), behind(0)], &log);
    assert_broken(Rule::Read, &[first, behind(3)], &log);
}

#[test]
fn a_read_sees_nothing_older_than_a_read_before_it() {
    let open = write(0, 100, 1, top_up(5), Outcome::Unknown);
    let log = log(&[(1, top_up(5))]);
    assert_explained(&[open.clone(), balance(1, 2, 0), balance(3, 4, 5)], &log);
    let back = [open, balance(1, 2, 5), balance(3, 4, 0)];
    assert_broken(Rule::Read, &back, &log);
}

#[test]
fn lists_and_sums_are_those_of_one_state() {
    let calls = [
        done(0, 10, 1, top_up(9)),
        done(11, 20, 2, pay(3)),
        done(21, 30, 3, pay(4)),
    ];
    let log = log(&[(1, top_up(9)), (2, pay(3)), (3, pay(4))]);
    let explained = |start, shown| {
        let calls = [calls.to_vec(), vec![read(start, start + 1, shown)]].concat();
        check(&calls, &Replay::of(log.clone()), 0)
            .violations
            .is_empty()
    };
    let history = |ids: &[i64]| Shown::History {
        user_id: USER,
        limit: 2,
        ids: ids.to_vec(),
    };
    // Each entry moves the wallet's money once, so the transactions are numbered as the entries are.
    assert!(explained(31, history(&[3, 2])));
    assert!(explained(22, history(&[2, 1])));
    assert!(!explained(31, history(&[2, 1])));
    assert!(!explained(31, history(&[3, 1])));
    assert!(!explained(31, history(&[3])));
    assert!(!explained(31, history(&[])));
    let payments = |ids: &[i64]| Shown::Payments {
        user_id: USER,
        limit: 2,
        ids: ids.to_vec(),
    };
    assert!(explained(31, payments(&[2, 1])));
    assert!(!explained(31, payments(&[1])));
    let stats = |transactions, payment| Shown::Stats {
        user_id: USER,
        totals: Totals {
            transactions,
            topup: 9,
            payment,
            ..Totals::default()
        },
    };
    assert!(explained(31, stats(3, 7)));
    assert!(explained(12, stats(1, 0)));
    assert!(!explained(31, stats(2, 3)));
    assert!(!explained(31, stats(3, 3)));
}
