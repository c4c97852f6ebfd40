//! The order in which passwords get their turn. No I/O: whoever waits is a value that is given back.
//!
//! There are several lines, and the first of each has its turn one line after the other. In a line each caller has a share: callers take
//! turns, however many each has waiting. What must hold: a line has a limit, and nobody fills it alone: who has less waiting than another
//! finds a place in a full line, at the cost of who has most there.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// One line for each kind of work, and its callers by `K`.
pub(crate) struct Queue<K, W, const LINES: usize> {
    lines: [Line<K, W>; LINES],
    /// The line that has its turn next.
    next_line: usize,
    line_max: usize,
}

/// What became of one who came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Joined<W> {
    /// It waits.
    Waits,
    /// It waits, and this one had to go for it.
    Instead(W),
    /// The line is full, and nobody in it has more than the caller.
    LineIsFull,
}

struct Line<K, W> {
    callers: HashMap<K, VecDeque<W>>,
    /// Everybody who has something waiting, in the order of their turns.
    turns: VecDeque<K>,
    waiting: usize,
}

impl<K: Copy + Eq + Hash, W, const LINES: usize> Queue<K, W, LINES> {
    /// A queue with at most `line_max` waiting in each line.
    pub(crate) fn new(line_max: usize) -> Self {
        Queue {
            lines: std::array::from_fn(|_| Line {
                callers: HashMap::new(),
                turns: VecDeque::new(),
                waiting: 0,
            }),
            next_line: 0,
            line_max,
        }
    }

    /// Lets one wait in a line.
    pub(crate) fn join(&mut self, line: usize, caller: K, waiter: W) -> Joined<W> {
        let Some(line) = self.lines.get_mut(line) else {
            return Joined::LineIsFull;
        };
        let has = line.callers.get(&caller).map_or(0, VecDeque::len);
        let mut instead = None;
        if line.waiting >= self.line_max {
            instead = line.remove_from_longest(has.saturating_add(1));
            if instead.is_none() {
                return Joined::LineIsFull;
            }
        }
        line.push(caller, waiter);
        instead.map_or(Joined::Waits, Joined::Instead)
    }

    /// The one whose turn it is, if anybody waits.
    pub(crate) fn next(&mut self) -> Option<W> {
        for _ in 0..LINES {
            let line = self.next_line;
            self.next_line = (line + 1) % LINES;
            if let Some(waiter) = self.lines.get_mut(line).and_then(Line::pop) {
                return Some(waiter);
            }
        }
        None
    }

    /// Forgets those of a line who do not want their turn any more.
    pub(crate) fn retain(&mut self, line: usize, wants: impl Fn(&W) -> bool) {
        if let Some(line) = self.lines.get_mut(line) {
            line.callers.retain(|_, waiters| {
                waiters.retain(&wants);
                !waiters.is_empty()
            });
            line.turns
                .retain(|caller| line.callers.contains_key(caller));
            line.waiting = line.callers.values().map(VecDeque::len).sum();
        }
    }

    /// The number that wait in a line.
    #[cfg(test)]
    fn waiting(&self, line: usize) -> usize {
        self.lines.get(line).map_or(0, |line| line.waiting)
    }
}

impl<K: Copy + Eq + Hash, W> Line<K, W> {
    fn push(&mut self, caller: K, waiter: W) {
        let waiters = self.callers.entry(caller).or_default();
        if waiters.is_empty() {
            self.turns.push_back(caller);
        }
        waiters.push_back(waiter);
        self.waiting = self.waiting.saturating_add(1);
    }

    fn pop(&mut self) -> Option<W> {
        let caller = self.turns.pop_front()?;
        let waiters = self.callers.get_mut(&caller)?;
        let waiter = waiters.pop_front();
        if waiters.is_empty() {
            self.callers.remove(&caller);
        } else {
            self.turns.push_back(caller);
        }
        self.waiting = self.waiting.saturating_sub(1);
        waiter
    }

    /// Takes the newest of whoever has most waiting, if that is more than `has`.
    fn remove_from_longest(&mut self, has: usize) -> Option<W> {
        let (caller, waiters) = self
            .callers
            .iter_mut()
            .max_by_key(|(_, waiters)| waiters.len())
            .filter(|(_, waiters)| waiters.len() > has)?;
        let waiter = waiters.pop_back();
        if waiters.is_empty() {
            let gone = *caller;
            self.callers.remove(&gone);
            self.turns.retain(|caller| *caller != gone);
        }
        self.waiting = self.waiting.saturating_sub(1);
        waiter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type TestQueue = Queue<char, u32, 2>;

    fn queue() -> TestQueue {
        Queue::new(6)
    }

    fn order(queue: &mut TestQueue) -> Vec<u32> {
        std::iter::from_fn(|| queue.next()).collect()
    }

    #[test]
    fn callers_take_turns_however_many_each_has_waiting() {
        let mut queue = queue();
        for n in 1..=4 {
            assert_eq!(queue.join(0, 'a', n), Joined::Waits);
        }
        assert_eq!(queue.join(0, 'b', 11), Joined::Waits);
        assert_eq!(queue.join(0, 'b', 12), Joined::Waits);
        assert_eq!(order(&mut queue), [1, 11, 2, 12, 3, 4]);
        assert_eq!(queue.waiting(0), 0);
    }

    #[test]
    fn who_fills_a_line_waits_for_no_more_than_fits() {
        let mut queue = queue();
        for n in 1..=6 {
            assert_eq!(queue.join(0, 'a', n), Joined::Waits);
        }
        assert_eq!(queue.join(0, 'a', 7), Joined::LineIsFull);
        assert_eq!(queue.join(1, 'a', 8), Joined::Waits);
    }

    #[test]
    fn lines_take_turns() {
        let mut queue = queue();
        for n in 1..=4 {
            queue.join(0, 'a', n);
        }
        queue.join(1, 'b', 11);
        queue.join(1, 'c', 12);
        assert_eq!(order(&mut queue), [1, 11, 2, 12, 3, 4]);
    }

    #[test]
    fn a_full_line_has_a_place_for_who_has_less_there() {
        let mut queue = queue();
        for n in 1..=4 {
            queue.join(0, 'a', n);
        }
        queue.join(0, 'b', 11);
        queue.join(0, 'b', 12);
        // The newest of who has most goes.
        assert_eq!(queue.join(0, 'c', 21), Joined::Instead(4));
        assert_eq!(queue.join(0, 'c', 22), Joined::Instead(3));
        // Now each has two, which is an equal share.
        assert_eq!(queue.join(0, 'c', 23), Joined::LineIsFull);
        // One who has nothing there gets in; which of the equals has to go is the map's affair.
        assert!(matches!(queue.join(0, 'd', 31), Joined::Instead(_)));
        assert_eq!(queue.waiting(0), 6);
    }

    #[test]
    fn who_went_away_takes_no_place() {
        let mut queue = queue();
        for n in 1..=4 {
            queue.join(0, 'a', n);
        }
        queue.join(0, 'b', 11);
        queue.retain(0, |n| *n == 3);
        assert_eq!(queue.waiting(0), 1);
        assert_eq!(order(&mut queue), [3]);
    }
}
