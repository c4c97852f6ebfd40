//! The judgement: whether the ledger explains every answer.
//!
//! The log has an order, and the clients' clock has another; both must fit. Entry i was committed after the first call with its key
//! began, and after every entry before it; and before the first answer that tells of it ended, and before every entry after it.
//! That gives each entry an earliest and a latest moment. A call that saw a state (a read, a refusal) saw one between two entries
//! that could be the newest at some moment of the call; and no later call saw an older one. With the order of the writes given
//! by the log, this is linearizability (Herlihy and Wing, 1990), decided in one pass.

mod asked;
mod verdict;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use ledger::domain::LogRow;
use ledger_api::{Operation, Uuid};
pub use verdict::{Rule, Verdict, Violation};

use self::asked::{is_what_was_asked, named_wallet, needed};
use crate::ledger::{Position, Replay};
use crate::record::{Call, Kind, Moment, Outcome, Shown, Told};

/// The number of violations that a verdict names.
const NAMED_MAX: usize = 20;

/// Judges the calls of a run by the log as it was at its end. The first `before` entries were there when the run began.
pub fn check(calls: &[Call], replay: &Replay, before: Position) -> Verdict {
    let mut judge = Judge {
        replay,
        verdict: Verdict {
            calls: calls.len(),
            ..Verdict::default()
        },
    };
    for flaw in &replay.flaws {
        judge.violation(Rule::Log, flaw.clone());
    }
    let asked = Asked::of(calls);
    judge.entries(&asked, before);
    let span = judge.span(&asked, before);
    judge.writes(calls, &asked);
    judge.sights(calls, &span);
    judge.verdict
}

/// The requests and answers of clients under one key.
#[derive(Debug, Default)]
struct Asked<'a>(HashMap<Uuid, Asks<'a>>);

#[derive(Debug)]
struct Asks<'a> {
    /// The beginning of the first call.
    first_start: Moment,
    /// The end of the first answer that told of the entry.
    first_told: Option<Moment>,
    /// True if the entry may be there: an answer said so, or left it open.
    may_be_done: bool,
    operations: Vec<&'a Operation>,
}

impl<'a> Asked<'a> {
    fn of(calls: &'a [Call]) -> Asked<'a> {
        let mut asked = Asked::default();
        for call in calls {
            let Some((key, operation, outcome)) = call.as_write() else {
                continue;
            };
            let asks = asked.0.entry(*key).or_insert(Asks {
                first_start: call.start,
                first_told: None,
                may_be_done: false,
                operations: Vec::new(),
            });
            asks.first_start = asks.first_start.min(call.start);
            asks.operations.push(operation);
            asks.may_be_done |= matches!(outcome, Outcome::Done(_) | Outcome::Unknown);
            if matches!(outcome, Outcome::Done(_) | Outcome::KeyReused) {
                asks.first_told = Some(asks.first_told.unwrap_or(Moment::MAX).min(call.end));
            }
        }
        asked
    }
}

/// The earliest and the latest moment of each entry; both never fall from one entry to the next.
struct Span {
    earliest: Vec<Moment>,
    latest: Vec<Moment>,
}

impl Span {
    /// The positions that could be the newest at some moment of a call.
    fn of(&self, call: &Call) -> (Position, Position) {
        (
            self.latest.partition_point(|latest| *latest < call.start),
            self.earliest
                .partition_point(|earliest| *earliest <= call.end),
        )
    }
}

struct Judge<'a> {
    replay: &'a Replay,
    verdict: Verdict,
}

impl Judge<'_> {
    fn violation(&mut self, rule: Rule, what: String) {
        let same = |violation: &&Violation| violation.rule == rule;
        if rule == Rule::Log || self.verdict.violations.iter().filter(same).count() < NAMED_MAX {
            self.verdict.violations.push(Violation { rule, what });
        }
    }

    /// Everything since the run began was asked for, and is what was asked for.
    fn entries(&mut self, asked: &Asked<'_>, before: Position) {
        let replay = self.replay;
        for rows in replay.orders_from(before) {
            let seq = rows[0].entry.seq;
            let Some(asks) = asked.0.get(&rows[0].key) else {
                self.violation(Rule::Invented, format!("entry {seq}: nobody asked for it"));
                continue;
            };
            if !asks
                .operations
                .iter()
                .any(|operation| is_what_was_asked(operation, rows))
            {
                let what = format!(
                    "entry {seq} is not what was asked for: {:?}",
                    asks.operations
                );
                self.violation(Rule::Invented, what);
            }
            if !asks.may_be_done {
                let what = format!(
                    "entry {seq} is there, but every call with its key was refused: {:?}",
                    asks.operations
                );
                self.violation(Rule::Refusal, what);
            }
        }
    }

    fn span(&mut self, asked: &Asked<'_>, before: Position) -> Span {
        let replay = self.replay;
        let bounds = (0..replay.rows.len()).map(|index| {
            if index < before {
                return (0, 0);
            }
            let asks = asked.0.get(&replay.order_key(index));
            (
                asks.map_or(0, |asks| asks.first_start),
                asks.and_then(|asks| asks.first_told).unwrap_or(Moment::MAX),
            )
        });
        let (mut earliest, mut latest): (Vec<Moment>, Vec<Moment>) = bounds.unzip();
        let own_earliest = earliest.clone();
        for index in 1..earliest.len() {
            earliest[index] = earliest[index].max(earliest[index - 1]);
        }
        for index in (1..latest.len()).rev() {
            latest[index - 1] = latest[index - 1].min(latest[index]);
        }
        for (index, (start, latest)) in own_earliest.iter().zip(&latest).enumerate() {
            if start > latest {
                let seq = index + 1;
                let what = format!(
                    "entry {seq} was asked for at {start} us, but an answer that tells of it or of a later one ended at {latest} us"
                );
                self.violation(Rule::Order, what);
            }
        }
        Span { earliest, latest }
    }

    /// Checks that a client was told of its own write what the ledger has.
    fn writes(&mut self, calls: &[Call], asked: &Asked<'_>) {
        for call in calls {
            let Some((key, operation, outcome)) = call.as_write() else {
                continue;
            };
            let rows = self.replay.order(key);
            match outcome {
                Outcome::Done(told) => {
                    self.verdict.done += 1;
                    self.done(operation, *told, rows);
                }
                Outcome::KeyReused => {
                    self.verdict.refused += 1;
                    let differs = rows.is_some_and(|rows| !is_what_was_asked(operation, rows));
                    let was_asked = asked
                        .0
                        .get(key)
                        .is_some_and(|asks| asks.first_start < call.end);
                    if !differs || !was_asked {
                        let what = format!(
                            "{operation:?}: the key was called another's, and is not ({rows:?})"
                        );
                        self.violation(Rule::Refusal, what);
                    }
                }
                Outcome::Insufficient => self.verdict.refused += 1,
                Outcome::Unknown => {
                    self.verdict.unknown += 1;
                    self.verdict.unknown_but_done += usize::from(rows.is_some());
                }
            }
        }
    }

    fn done(&mut self, operation: &Operation, told: Told, rows: Option<&[LogRow]>) {
        let Some(rows) = rows else {
            let what = format!("{operation:?} was answered as done, and is not in the ledger");
            return self.violation(Rule::Lost, what);
        };
        let own = named_wallet(operation);
        let postings = || rows.iter().filter_map(|row| row.entry.event.as_posting());
        let mut legs = postings().flat_map(|posting| [posting.debit, posting.credit]);
        let balance = legs.rfind(|leg| Some(leg.account) == own);
        let number = postings().find_map(|posting| posting.number);
        let is_as_told = told
            .balance
            .is_none_or(|told| balance.is_some_and(|leg| leg.balance == told))
            && (told.payment_id.is_none() || told.payment_id == number);
        if !is_as_told || !is_what_was_asked(operation, rows) {
            let what =
                format!("{operation:?} was answered with {told:?}, and the ledger has {rows:?}");
            self.violation(Rule::Lost, what);
        }
    }

    /// Each call that saw a state saw one that there was, and none older than what was seen before it began.
    fn sights(&mut self, calls: &[Call], span: &Span) {
        let mut by_start: Vec<&Call> = calls.iter().filter(|call| sees(call)).collect();
        by_start.sort_by_key(|call| call.start);
        // What earlier calls saw, the first to end first; and the newest of what was seen by those that ended before this one began.
        let mut seen: BinaryHeap<Reverse<(Moment, Position)>> = BinaryHeap::new();
        let mut floor = 0;
        for call in by_start {
            while let Some(Reverse((end, position))) = seen.peek().copied()
                && end < call.start
            {
                seen.pop();
                floor = floor.max(position);
            }
            let (from, to) = span.of(call);
            let may_be_behind = matches!(
                call.kind,
                Kind::Read {
                    may_be_behind: true,
                    ..
                }
            );
            if matches!(call.kind, Kind::Read { .. }) {
                self.verdict.reads += 1;
                self.verdict.behind += usize::from(may_be_behind);
            }
            let range = (if may_be_behind { 0 } else { from.max(floor) }, to);
            match self.first_sight(call, range) {
                Some(position) if !may_be_behind => {
                    seen.push(Reverse((call.end, position)));
                }
                Some(_) => {}
                None => {
                    let rule = match call.kind {
                        Kind::Read { .. } => Rule::Read,
                        Kind::Write { .. } => Rule::Refusal,
                    };
                    let what = format!(
                        "no state of entries {} to {} explains {call:?}",
                        range.0, range.1
                    );
                    self.violation(rule, what);
                }
            }
        }
    }

    /// The first position in the range at which the call's answer is right.
    fn first_sight(&self, call: &Call, range: (Position, Position)) -> Option<Position> {
        let (from, to) = range;
        if from > to {
            return None;
        }
        match &call.kind {
            Kind::Write { operation, .. } => {
                let wallet_id = named_wallet(operation)?;
                let needed = needed(operation, wallet_id)?;
                self.replay
                    .first_balance(wallet_id, range, |balance| balance < needed)
            }
            Kind::Read { shown, .. } => match shown {
                Shown::Balance { wallet_id, balance } => {
                    self.replay
                        .first_balance(*wallet_id, range, |held| held == *balance)
                }
                Shown::History {
                    user_id,
                    limit,
                    ids,
                } => self.replay.first_history(*user_id, range, *limit, ids),
                Shown::Payments {
                    user_id,
                    limit,
                    ids,
                } => self.replay.first_payments(*user_id, range, *limit, ids),
                Shown::Stats { user_id, totals } => {
                    self.replay.first_totals(*user_id, range, *totals)
                }
            },
        }
    }
}

/// Returns whether the answer tells of a state.
fn sees(call: &Call) -> bool {
    matches!(
        call.kind,
        Kind::Read { .. }
            | Kind::Write {
                outcome: Outcome::Insufficient,
                ..
            }
    )
}
