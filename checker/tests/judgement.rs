//! The judgement alone, on small histories written by hand: for each rule one that keeps it and one that breaks it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::HashMap;

use checker::check::{Rule, check};
use checker::ledger::Replay;
use checker::record::{Call, Kind, Outcome, Shown, Told, Totals};
use ledger::domain::LogRow;
use ledger_api::{Entry, Event, KindCode, Leg, Operation, Party, Posting, Role, Uuid, posting_key};
use money::{Amount, Currency};

const WALLET: i64 = 1;
const USER: i64 = 7;
/// A kind that nobody but this test has.
const REFUND: KindCode = KindCode(70);

fn key(number: u8) -> Uuid {
    Uuid::from_bytes([number; 16])
}

fn top_up(amount: i64) -> Operation {
    wallet_api::top_up(WALLET, USER, Amount::new(amount).unwrap())
}

fn pay(amount: i64) -> Operation {
    wallet_api::pay(WALLET, USER, "Tokopedia", Amount::new(amount).unwrap())
}

/// Both at once, or neither.
fn together(operations: &[Operation]) -> Operation {
    let postings = operations.iter().flat_map(|operation| match operation {
        Operation::Post(postings) => postings.clone(),
        other => panic!("not in these tests: {other:?}"),
    });
    Operation::Post(postings.collect())
}

/// Gives back what the entry `drawn` paid.
fn refund(amount: i64, drawn: i64) -> Operation {
    let Operation::Post(mut postings) = top_up(amount) else {
        unreachable!("a top-up is a posting");
    };
    postings[0].kind = REFUND;
    postings[0].debit = Party::System(Role::Out);
    postings[0].draws_on = Some(drawn);
    Operation::Post(postings)
}

/// A log in which each pair of a key and an operation is one order.
fn log(operations: &[(u8, Operation)]) -> Vec<LogRow> {
    let mut balances: HashMap<i64, i64> = HashMap::new();
    let (mut rows, mut payments) = (Vec::new(), 0);
    for (number, operation) in operations {
        let Operation::Post(postings) = operation else {
            panic!("not in these tests: {operation:?}");
        };
        let first = i64::try_from(rows.len()).unwrap() + 1;
        for (index, asked) in postings.iter().enumerate() {
            let mut leg = |party: Party, change: i64| {
                let (account, user_id) = match party {
                    Party::Wallet(id) => (id, Some(USER)),
                    Party::System(role) => (-role.code(), None),
                    Party::WalletOf(_) => panic!("not in these tests: {party:?}"),
                };
                let balance = balances.entry(account).or_default();
                *balance += change;
                Leg {
                    account,
                    user_id,
                    balance: *balance,
                }
            };
            let amount = asked.amount.unwrap();
            let is_payment = asked.kind == wallet_api::PAYMENT.code;
            payments += i64::from(is_payment);
            let posting = Posting {
                kind: asked.kind,
                debit: leg(asked.debit, -amount.units()),
                credit: leg(asked.credit, amount.units()),
                amount,
                currency: Currency::IDR,
                number: is_payment.then_some(payments),
                by: asked.by,
                draws_on: asked.draws_on,
                group: (postings.len() > 1).then_some(first),
                expires_at: None,
                note: asked.note.clone(),
            };
            let seq = i64::try_from(rows.len()).unwrap() + 1;
            rows.push(LogRow {
                key: posting_key(key(*number), index),
                entry: Entry {
                    seq,
                    at: seq,
                    event: Event::Posted(posting),
                },
                erased_note: None,
            });
        }
    }
    rows
}

fn posting(row: &mut LogRow) -> &mut Posting {
    match &mut row.entry.event {
        Event::Posted(posting) => posting,
        other => panic!("no posting: {other:?}"),
    }
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
    posting(&mut wrong[1]).debit.balance = 5;
    assert_broken(Rule::Log, &calls, &wrong);
    assert_broken(Rule::Log, &[done(0, 10, 2, pay(3))], &log(&[(2, pay(3))]));
}

#[test]
fn what_happens_together_is_one_order() {
    let both = together(&[top_up(5), pay(3)]);
    let calls = [done(0, 10, 1, both.clone())];
    let whole = log(&[(1, both.clone())]);
    assert_explained(&calls, &whole);
    assert_explained(&[write(0, 10, 1, both.clone(), Outcome::Unknown)], &whole);
    // Half of it is not it.
    assert_broken(Rule::Lost, &calls, &[]);
    let half = check(&calls, &Replay::of(whole[..1].to_vec()), 0);
    assert!(!half.violations.is_empty());
    for (index, change) in [
        (
            1,
            (|posting| posting.note = Some("Shopee".to_owned())) as fn(&mut Posting),
        ),
        (0, |posting| posting.by = ledger_api::Actor::User(USER + 1)),
    ] {
        let mut wrong = whole.clone();
        change(posting(&mut wrong[index]));
        let verdict = check(&calls, &Replay::of(wrong), 0);
        let rules: Vec<Rule> = verdict.violations.iter().map(|it| it.rule).collect();
        assert_eq!(rules, [Rule::Invented, Rule::Lost]);
    }
    // What it takes from the wallet it may bring itself.
    let poor = |needs: Operation| write(11, 20, 2, needs, Outcome::Insufficient);
    let refused = [
        done(0, 10, 1, top_up(5)),
        poor(together(&[top_up(2), pay(8)])),
    ];
    assert_explained(&refused, &log(&[(1, top_up(5))]));
    let enough = [
        done(0, 10, 1, top_up(5)),
        poor(together(&[top_up(3), pay(8)])),
    ];
    assert_broken(Rule::Refusal, &enough, &log(&[(1, top_up(5))]));

    // Entries that belong to no order before them.
    let mut foreign = whole.clone();
    foreign[1].key = key(9);
    assert!(!Replay::of(foreign).flaws.is_empty());
    let mut of_none = whole;
    posting(&mut of_none[1]).group = Some(7);
    assert!(!Replay::of(of_none).flaws.is_empty());
}

#[test]
fn nothing_is_drawn_twice() {
    let calls = [
        done(0, 10, 1, top_up(9)),
        done(11, 20, 2, pay(6)),
        done(21, 30, 3, refund(4, 2)),
        done(31, 40, 4, refund(2, 2)),
    ];
    let operations = [
        (1, top_up(9)),
        (2, pay(6)),
        (3, refund(4, 2)),
        (4, refund(2, 2)),
    ];
    assert_explained(&calls, &log(&operations));
    let more = done(41, 50, 5, refund(1, 2));
    let (calls, operations) = (
        [&calls[..], &[more]].concat(),
        [&operations[..], &[(5, refund(1, 2))]].concat(),
    );
    assert_broken(Rule::Log, &calls, &log(&operations));
    let ahead = [done(0, 10, 1, top_up(9)), done(11, 20, 2, refund(1, 3))];
    assert_broken(
        Rule::Log,
        &ahead,
        &log(&[(1, top_up(9)), (2, refund(1, 3))]),
    );
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
