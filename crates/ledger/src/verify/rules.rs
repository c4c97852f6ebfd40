//! The invariants, and the findings that break them.

use std::collections::BTreeMap;

use super::Check;

/// An invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// For metrics.
    pub id: &'static str,
    /// For people.
    pub sentence: &'static str,
}

const fn rule(id: &'static str, sentence: &'static str) -> Rule {
    Rule { id, sentence }
}

pub(crate) const SUM: Rule = rule("sum", "the balances of each currency add up to zero");
pub(crate) const NEGATIVE: Rule = rule("negative", "no wallet is below zero");
pub(super) const GAPLESS: Rule = rule(
    "gapless",
    "the log is numbered without gaps, up to the head",
);
pub(super) const REPLAY: Rule = rule(
    "replay",
    "every movement's balances follow from the movements before it",
);
pub(crate) const BALANCES: Rule = rule("balances", "every account stands where the log leaves it");
pub(super) const TIME: Rule = rule("time", "the log's time never goes back");
pub(super) const NUMBERS: Rule = rule(
    "numbers",
    "wallets, payments and other numbered postings are numbered without gaps",
);
pub(super) const KINDS: Rule = rule(
    "kinds",
    "every posting is of a known kind, between accounts that its kind allows",
);
pub(super) const DRAWS: Rule = rule(
    "draws",
    "nothing is drawn on for more than it moved, nor after it expired",
);
pub(super) const LIMITS: Rule = rule(
    "limits",
    "no movement went beyond a limit, and what counts for limits is what the log says",
);
pub(super) const CHAIN: Rule = rule("chain", "the hash chain is whole");

/// Every invariant that an audit checks.
pub const ALL: [Rule; 11] = [
    SUM, NEGATIVE, GAPLESS, REPLAY, BALANCES, TIME, NUMBERS, KINDS, DRAWS, LIMITS, CHAIN,
];

/// The findings that break rules: the first thing for each.
#[derive(Debug, Default)]
pub(crate) struct Findings(BTreeMap<Rule, String>);

impl Findings {
    pub(crate) fn fail(&mut self, rule: Rule, why: impl FnOnce() -> String) {
        self.0.entry(rule).or_insert_with(why);
    }

    pub(super) fn checks(mut self) -> Vec<Check> {
        let check = |rule: Rule| Check {
            name: rule.sentence,
            failure: self.0.remove(&rule),
        };
        ALL.into_iter().map(check).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Rule, &str)> {
        self.0.iter().map(|(rule, why)| (*rule, why.as_str()))
    }

    pub(crate) fn has(&self, rule: Rule) -> bool {
        self.0.contains_key(&rule)
    }

    /// Adds what breaks rules that nothing broke before.
    pub(crate) fn add(&mut self, other: Findings) {
        for (rule, why) in other.0 {
            self.0.entry(rule).or_insert(why);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
