//! What the ledger's log says, replayed by rules of its own: plain ones, that share nothing with the code under test.

use std::collections::HashMap;

use ledger::domain::LogRow;
use ledger_api::{KindCode, Leg, Posting, Uuid, posting_key};
use wallet_api::{PAYMENT, TOPUP, TRANSFER};

use crate::record::Totals;

/// A position in the log: after so many entries.
pub type Position = usize;

/// A figure among a user's totals.
type Figure = fn(&mut Totals) -> &mut i64;

/// The figures that the API shows, by kind and by whether money came in. What is of another kind is only counted.
const FIGURES: [(KindCode, bool, Figure); 4] = [
    (TOPUP.code, true, |totals| &mut totals.topup),
    (PAYMENT.code, false, |totals| &mut totals.payment),
    (TRANSFER.code, false, |totals| &mut totals.sent),
    (TRANSFER.code, true, |totals| &mut totals.received),
];

/// The log, and what it means at each position.
#[derive(Debug, Default)]
pub struct Replay {
    /// The entries. The one at index i makes position i + 1.
    pub rows: Vec<LogRow>,
    /// For each entry the one that its order begins with: itself, or of an order with several postings the first. From 0.
    begins: Vec<usize>,
    /// The beginning of each order, by its key, and the number of entries that it became.
    orders: HashMap<Uuid, (usize, usize)>,
    /// The rest of each posting that was drawn on.
    remainders: HashMap<i64, i64>,
    balances: HashMap<i64, Steps<i64>>,
    totals: HashMap<i64, Steps<Totals>>,
    transactions: HashMap<i64, Vec<(Position, i64)>>,
    /// The id of the newest transaction of all users'.
    last_transaction_id: i64,
    payments: HashMap<i64, Vec<(Position, i64)>>,
    /// The faults of the log itself.
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
        let mut by_key: HashMap<Uuid, Position> = HashMap::new();
        for (index, row) in rows.iter().enumerate() {
            let position = index + 1;
            if usize::try_from(row.entry.seq) != Ok(position) {
                let seq = row.entry.seq;
                replay.flaw(position, &format!("its number is {seq}"));
            }
            if let Some(first) = by_key.insert(row.key, position) {
                replay.flaw(position, &format!("its key is that of entry {first}"));
            }
            replay.assign(&rows, index);
            if let Some(posting) = row.entry.event.as_posting() {
                replay.follow(position, posting);
                replay.draw(&rows, index, posting);
            }
        }
        replay.rows = rows;
        replay
    }

    /// The entries that the order of this key became.
    pub fn order(&self, key: &Uuid) -> Option<&[LogRow]> {
        let (begin, length) = self.orders.get(key)?;
        self.rows.get(*begin..begin + length)
    }

    /// The key of the order that the entry at this index belongs to.
    pub fn order_key(&self, index: usize) -> Uuid {
        self.rows[self.begins[index]].key
    }

    /// Every order that begins at this index or later, in the order of the log.
    pub fn orders_from(&self, index: usize) -> impl Iterator<Item = &[LogRow]> {
        let begins = self.begins.iter().enumerate().skip(index);
        let begins = begins.filter(|(index, begin)| index == *begin);
        begins.filter_map(|(index, _)| self.order(&self.rows[index].key))
    }

    /// Finds out which order an entry belongs to. The postings of one stand together, all under the number of the first, and their keys
    /// follow from its key.
    fn assign(&mut self, rows: &[LogRow], index: usize) {
        let row = &rows[index];
        let posting = row.entry.event.as_posting();
        let group = posting.and_then(|posting| posting.group);
        let group = group.and_then(|seq| usize::try_from(seq).ok()?.checked_sub(1));
        match group.filter(|begin| *begin != index) {
            None => {
                self.begins.push(index);
                self.orders.insert(row.key, (index, 1));
            }
            Some(begin) => {
                let key = rows.get(begin).map(|first| first.key);
                let order = key.and_then(|key| self.orders.get_mut(&key));
                let is_next = order.is_some_and(|(found, length)| {
                    let is_next = *found == begin && begin + *length == index;
                    *length += usize::from(is_next);
                    is_next
                });
                let number = index - begin.min(index);
                let is_its_key = key.is_some_and(|key| posting_key(key, number) == row.key);
                self.begins.push(if is_next { begin } else { index });
                if !is_next || !is_its_key {
                    let what = format!(
                        "it says that it belongs to entry {}, and does not",
                        begin + 1
                    );
                    self.flaw(index + 1, &what);
                }
            }
        }
    }

    /// Nothing is drawn on for more than it moved.
    fn draw(&mut self, rows: &[LogRow], index: usize, posting: &Posting) {
        let Some(drawn) = posting.draws_on else {
            return;
        };
        let at = usize::try_from(drawn).ok();
        let at = at.and_then(|drawn| drawn.checked_sub(1));
        let earlier = at.and_then(|at| rows[..index].get(at));
        let Some(earlier) = earlier.and_then(|row| row.entry.event.as_posting()) else {
            return self.flaw(
                index + 1,
                &format!("it draws on {drawn}, which is no posting before it"),
            );
        };
        let all = earlier.amount.units();
        let rest = self.remainders.entry(drawn).or_insert(all);
        *rest -= posting.amount.units();
        if *rest < 0 {
            let what = format!(
                "entry {drawn} moved {all}, and with this {} more is drawn",
                -*rest
            );
            self.flaw(index + 1, &what);
        }
    }

    fn flaw(&mut self, position: Position, what: &str) {
        self.flaws.push(format!("entry {position}: {what}"));
    }

    fn follow(&mut self, position: Position, posting: &Posting) {
        let amount = posting.amount.units();
        self.follow_leg(position, posting.debit, -amount);
        self.follow_leg(position, posting.credit, amount);
        for (leg, is_in) in [(posting.debit, false), (posting.credit, true)] {
            let Some(user_id) = leg.user_id else {
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
            for (kind, direction, figure) in FIGURES {
                if (posting.kind, is_in) == (kind, direction) {
                    *figure(&mut totals) += amount;
                }
            }
            steps.0.push((position, totals));
        }
        let payment = (posting.kind == PAYMENT.code).then_some(posting);
        let payment = payment.and_then(|it| Some((it.number?, it.debit.user_id?)));
        if let Some((payment_id, user_id)) = payment {
            self.payments
                .entry(user_id)
                .or_default()
                .push((position, payment_id));
        }
    }

    fn follow_leg(&mut self, position: Position, leg: Leg, change: i64) {
        let steps = self.balances.entry(leg.account).or_default();
        let balance = steps.last() + change;
        steps.0.push((position, balance));
        if balance != leg.balance {
            let (account, said) = (leg.account, leg.balance);
            self.flaw(
                position,
                &format!("account {account} is said to hold {said}, but the movements before add up to {balance}"),
            );
        }
        if leg.user_id.is_some() && balance < 0 {
            let account = leg.account;
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
