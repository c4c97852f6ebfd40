//! What a judgement finds.

use std::fmt;

/// The findings.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Calls that were judged.
    pub calls: usize,
    /// Writes that were answered as done.
    pub done: usize,
    /// Writes that were refused.
    pub refused: usize,
    /// Writes that nobody heard of.
    pub unknown: usize,
    /// Of those, the ones that the ledger has.
    pub unknown_but_done: usize,
    /// Reads.
    pub reads: usize,
    /// Reads that said of themselves that they may be behind.
    pub behind: usize,
    /// The observations that the ledger does not explain: all of the log's own, and of the others the first ones.
    pub violations: Vec<Violation>,
}

/// The kinds of what must never be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The log contradicts itself: numbers, keys, balances.
    Log,
    /// An entry that no client asked for, or that is not what was asked for.
    Invented,
    /// A client was told that it is done, and it is not, or not so.
    Lost,
    /// An entry is older than one that was answered before it was asked for.
    Order,
    /// A refusal that no state explains.
    Refusal,
    /// An answer that shows no state that there was.
    Read,
}

/// One thing that must never be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// The observation.
    pub what: String,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} calls: {} done, {} refused, {} unknown (of which {} are done), {} reads ({} said that they may be behind)",
            self.calls,
            self.done,
            self.refused,
            self.unknown,
            self.unknown_but_done,
            self.reads,
            self.behind
        )?;
        for Violation { rule, what } in &self.violations {
            write!(f, "\n  BROKEN  {rule:?}: {what}")?;
        }
        Ok(())
    }
}
