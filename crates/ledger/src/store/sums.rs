//! The sums of all accounts, read a part at a time.

use std::collections::BTreeMap;

use money::Currency;

use super::StoreError;
use super::rows::currency;

/// The accounts of one currency in a part of all: the sums of the upper and lower halves of their balances, how many wallets are below
/// zero, how many accounts that was, and the highest id.
pub(super) type SumColumns = (i16, i64, i64, i64, i64, i64);

/// The sums of accounts, part by part.
#[derive(Default)]
pub(super) struct Sums {
    sums: BTreeMap<i16, (Currency, i128)>,
    negative: i64,
    /// The number of accounts in the last part, and its last id.
    last: Option<(i64, i64)>,
}

impl Sums {
    /// Behind which id the next part of so many begins; `None` when all are there.
    pub(super) fn after(&self, limit: i64) -> Option<i64> {
        match self.last {
            None => Some(i64::MIN),
            Some((count, id)) => (count == limit).then_some(id),
        }
    }

    /// Adds a part.
    pub(super) fn add(&mut self, rows: Vec<SumColumns>) -> Result<(), StoreError> {
        let (mut all, mut last) = (0_i64, i64::MIN);
        for (code, upper, lower, below_zero, count, id) in rows {
            let currency = currency(i64::from(code))?;
            let sum = (i128::from(upper) << 32).saturating_add(i128::from(lower));
            let (_, total) = self.sums.entry(code).or_insert((currency, 0));
            *total = total.saturating_add(sum);
            self.negative = self.negative.saturating_add(below_zero);
            all = all.saturating_add(count);
            last = last.max(id);
        }
        self.last = Some((all, last));
        Ok(())
    }

    /// The sum of each currency, and how many wallets are below zero.
    pub(super) fn finish(self) -> (Vec<(Currency, i128)>, i64) {
        (self.sums.into_values().collect(), self.negative)
    }
}
