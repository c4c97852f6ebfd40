//! What the ledger's log says, replayed by rules of its own: plain ones, that share nothing with the code under test.

use std::collections::HashMap;

use ledger::domain::LogRow;
use ledger_api::{Event, Side, Transfer, TransferKind, Uuid};

use crate::record::Totals;

/// A position in the log: after so many entries.
pub type Position = usize;

/// The log, and what it means at each position.
#[derive(Debug, Default)]
pub struct Replay {
    /// The entries. The one at index i makes position i + 1.
    pub rows: Vec<LogRow>,
    /// Where each key is.
    pub by_key: HashMap<Uuid, Position>,
    balances: HashMap<i64, Steps<i64>>,
    totals: HashMap<i64, Steps<Totals>>,
    transactions: HashMap<i64, Vec<(Position, i64)>>,
    /// The id of the newest transaction of all users'.
    last_transaction_id: i64,
    payments: HashMap<i64, Vec<(Position, i64)>>,
    /// What is wrong with the log itself.
    pub flaws: Vec<String>,
}

/// A value that changes at some positions, in their order.
#[derive(Debug)]
struct Steps<T>(Vec<(Position, T)>);

impl<T> Default for Steps<T> {
    fn default() -> Self {
        Steps(Vec::new())
    }
}

impl<T: Copy + Default> Steps<T> {
    fn last(&self) -> T {
        self.0.last().map(|step| step.1).unwrap_or_default()
    }

    /// The first position from `from` to `to` where the value is as wanted.
    fn first(
        &self,
        from: Position,
        to: Position,
        is_wanted: impl Fn(T) -> bool,
    ) -> Option<Position> {
        let next = self.0.partition_point(|(position, _)| *position <= from);
        let here = next.checked_sub(1).map(|index| self.0[index].1);
        if is_wanted(here.unwrap_or_default()) {
            return Some(from);
        }
        self.0[next..]
            .iter()
            .take_while(|(position, _)| *position <= to)
            .find(|(_, value)| is_wanted(*value))
            .map(|(position, _)| *position)
    }
}

impl Replay {
    /// Replays a log.
    pub fn of(rows: Vec<LogRow>) -> Replay {
        let mut replay = Replay::default();
        for (index, row) in rows.iter().enumerate() {
            let position = index + 1;
            if usize::try_from(row.entry.seq) != Ok(position) {
                let seq = row.entry.seq;
                replay.flaw(position, &format!("its number is {seq}"));
            }
            if let Some(first) = replay.by_key.insert(row.key, position) {
                replay.flaw(position, &format!("its key is that of entry {first}"));
            }
            if let Event::Transfer(transfer) = &row.entry.event {
                replay.follow(position, transfer);
            }
        }
        replay.rows = rows;
        replay
    }

    fn flaw(&mut self, position: Position, what: &str) {
        self.flaws.push(format!("entry {position}: {what}"));
    }

    fn follow(&mut self, position: Position, transfer: &Transfer) {
        let amount = transfer.amount.units();
        self.follow_side(position, transfer.debit, -amount);
        self.follow_side(position, transfer.credit, amount);
        for side in [transfer.debit, transfer.credit] {
            let Some(user_id) = side.user_id else {
                continue;
            };
            // The history's ids count the sides of users.
            self.last_transaction_id += 1;
            let id = self.last_transaction_id;
            self.transactions
                .entry(user_id)
                .or_default()
                .push((position, id));
            let steps = self.totals.entry(user_id).or_default();
            let mut totals = steps.last();
            totals.transactions += 1;
            match (transfer.kind, side == transfer.credit) {
                (TransferKind::Topup, _) => totals.topup += amount,
                (TransferKind::Payment, _) => totals.payment += amount,
                (TransferKind::Transfer, false) => totals.sent += amount,
                (TransferKind::Transfer, true) => totals.received += amount,
                (TransferKind::Withdrawal, _) => {}
            }
            steps.0.push((position, totals));
        }
        if let (Some(payment_id), Some(user_id)) = (transfer.payment_id, transfer.debit.user_id) {
            self.payments
                .entry(user_id)
                .or_default()
                .push((position, payment_id));
        }
    }

    fn follow_side(&mut self, position: Position, side: Side, change: i64) {
        let steps = self.balances.entry(side.account).or_default();
        let balance = steps.last() + change;
        steps.0.push((position, balance));
        if balance != side.balance {
            let (account, said) = (side.account, side.balance);
            self.flaw(
                position,
                &format!("account {account} is said to hold {said}, but the movements before add up to {balance}"),
            );
        }
        if side.user_id.is_some() && balance < 0 {
            let account = side.account;
            self.flaw(position, &format!("wallet {account} holds {balance}"));
        }
    }

    /// The first position in a range where a wallet's balance is as wanted.
    pub fn first_balance(
        &self,
        wallet_id: i64,
        (from, to): (Position, Position),
        is_wanted: impl Fn(i64) -> bool,
    ) -> Option<Position> {
        match self.balances.get(&wallet_id) {
            Some(steps) => steps.first(from, to, is_wanted),
            None => is_wanted(0).then_some(from),
        }
    }

    /// The first position in a range where a user has these figures.
    pub fn first_totals(
        &self,
        user_id: i64,
        (from, to): (Position, Position),
        wanted: Totals,
    ) -> Option<Position> {
        match self.totals.get(&user_id) {
            Some(steps) => steps.first(from, to, |totals| totals == wanted),
            None => (wanted == Totals::default()).then_some(from),
        }
    }

    /// The first position in a range where these are the user's newest transactions.
    pub fn first_history(
        &self,
        user_id: i64,
        range: (Position, Position),
        limit: usize,
        ids: &[i64],
    ) -> Option<Position> {
        first_page(self.transactions.get(&user_id), range, limit, ids)
    }

    /// The first position in a range where these are the user's newest payments.
    pub fn first_payments(
        &self,
        user_id: i64,
        range: (Position, Position),
        limit: usize,
        ids: &[i64],
    ) -> Option<Position> {
        first_page(self.payments.get(&user_id), range, limit, ids)
    }
}

fn first_page(
    all: Option<&Vec<(Position, i64)>>,
    (from, to): (Position, Position),
    limit: usize,
    ids: &[i64],
) -> Option<Position> {
    let all = all.map_or(&[][..], Vec::as_slice);
    // How many there were when these were the newest.
    let count = match ids.first() {
        Some(newest) => all.iter().position(|(_, id)| id == newest)? + 1,
        None => 0,
    };
    let page = all[..count].iter().rev().take(limit).map(|(_, id)| id);
    if !page.eq(ids.iter()) {
        return None;
    }
    let since = count.checked_sub(1).map_or(0, |index| all[index].0);
    let until = all.get(count).map_or(to, |(position, _)| position - 1);
    let first = since.max(from);
    (first <= to.min(until)).then_some(first)
}
