//! Limits: what a wallet may move in a day or a month, hold at most, and move at once.
//!
//! The limits in force are in the log, as everything that decisions depend on: the built-in ones until an entry sets others, which any
//! replica then knows. What a wallet has used of a limit is counted beside its balance, under the head, and only where a limit counts the
//! kind: other movements pay nothing. Days and months are those of [`UTC_OFFSET_S`], by the log's own time.
//!
//! What must hold: a movement that a limit does not allow is refused and counts nowhere; one that is allowed counts for each limit that counts
//! its kind, for the wallet on each side. The audit replays the counters entry by entry with this code; a naive model of a few lines,
//! which shares none of it, is what tests compare it with.

use ledger_api::{
    Counts, Direction, Exceeded, Kind, KindCode, LIMITS_MAX, Limit, LimitName, Measure, Tier,
    Window,
};
use money::Currency;

/// Days and months begin at midnight in Jakarta, which has no summer time.
pub const UTC_OFFSET_S: i64 = 7 * 3600;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// What a wallet has used of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// The limit.
    pub limit: LimitName,
    /// The day or the month that it is of, as [`period`] numbers them.
    pub period: i64,
    /// The sum of what was moved, in the currency's smallest unit.
    pub amount: i64,
    /// How many movements that were.
    pub count: i64,
    /// The number of the entry that was counted last: whoever follows the log counts none twice.
    pub last: i64,
}

/// An entry that may count for limits.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// Its number.
    pub seq: i64,
    /// When it is committed, in microseconds since 1970.
    pub at: i64,
}

/// What a wallet has used of all its limits, in the order of their names. Most wallets have used nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage(Option<Box<[Counter]>>);

impl Usage {
    /// What was used of these.
    pub fn new(mut counters: Vec<Counter>) -> Usage {
        counters.sort_unstable_by_key(|counter| (counter.limit, counter.period));
        Usage((!counters.is_empty()).then(|| counters.into_boxed_slice()))
    }

    /// True if nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Every counter.
    pub fn counters(&self) -> &[Counter] {
        self.0.as_deref().unwrap_or_default()
    }

    /// True if this entry, or one after it, is counted already.
    pub fn has_counted(&self, seq: i64) -> bool {
        self.counters().iter().any(|counter| counter.last >= seq)
    }

    /// The amount and the number of movements that count for a limit in this period.
    pub fn of(&self, limit: LimitName, period: i64) -> (i64, i64) {
        let counters = self.counters().iter();
        let mut of_it = counters.filter(|it| it.limit == limit && it.period == period);
        of_it.next().map_or((0, 0), |it| (it.amount, it.count))
    }
}

/// One side of a movement, as limits see it.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// Whether the wallet receives or spends.
    pub direction: Direction,
    /// The wallet's tier.
    pub tier: Tier,
    /// Its balance before.
    pub balance: i64,
    /// What it has used.
    pub usage: &'a Usage,
}

/// The limits in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    limits: Vec<Limit>,
    /// The kinds that some limit looks at, a bit each: for receiving, and for spending.
    kinds: [u128; 2],
}

impl Limits {
    /// These limits, if there are not too many.
    pub fn new(limits: Vec<Limit>) -> Option<Limits> {
        if limits.len() > LIMITS_MAX {
            return None;
        }
        let mut kinds = [0; 2];
        for limit in &limits {
            let mask = &mut kinds[side_of(limit.direction)];
            if limit.kinds.is_empty() {
                *mask = u128::MAX;
            }
            for kind in &limit.kinds {
                *mask |= bit(*kind);
            }
        }
        Some(Limits { limits, kinds })
    }

    /// Every limit.
    pub fn all(&self) -> &[Limit] {
        &self.limits
    }

    /// The limits of a wallet of this tier and currency at this moment: of several that share a name, the one that came into force last.
    pub fn of(&self, tier: Tier, currency: Currency, at: i64) -> impl Iterator<Item = &Limit> {
        let is_its = move |limit: &&Limit| {
            (limit.tiers.is_empty() || limit.tiers.contains(&tier))
                && limit.currency.is_none_or(|of| of == currency)
                && limit.valid_from.is_none_or(|from| from <= at)
        };
        let candidates = self.limits.iter().enumerate();
        candidates
            .filter(move |(index, limit)| {
                let is_newer = |(other_index, other): (usize, &Limit)| {
                    other.name == limit.name
                        && (other.valid_from, other_index) > (limit.valid_from, *index)
                };
                is_its(limit)
                    && !(self.limits.iter().enumerate())
                        .filter(|(_, other)| is_its(other))
                        .any(is_newer)
            })
            .map(|(_, limit)| limit)
    }

    /// What the wallet on one side has used after this movement; `None` where nothing counts it.
    pub fn admit(
        &self,
        kind: &Kind,
        side: Side<'_>,
        currency: Currency,
        amount: i64,
        At { seq, at }: At,
    ) -> Result<Option<Usage>, Exceeded> {
        let is_looked_at = self.kinds[side_of(side.direction)] & bit(kind.code) != 0;
        if !is_looked_at || !kind.is_limited() || !counts(kind.counts, side.direction) {
            return Ok(None);
        }
        let mut counted = Vec::new();
        for limit in self.of(side.tier, currency, at) {
            let is_of_kind = limit.kinds.is_empty() || limit.kinds.contains(&kind.code);
            if limit.direction != side.direction || !is_of_kind {
                continue;
            }
            let period = period(limit.window, at);
            let (used, moves) = match (limit.window, period) {
                (Window::Balance, _) => (side.balance, 0),
                (_, Some(period)) => side.usage.of(limit.name, period),
                (_, None) => (0, 0),
            };
            let exceeded = |measure, max, used, requested| Exceeded {
                limit: limit.name,
                window: limit.window,
                measure,
                max,
                used,
                requested,
                resets_at: resets_at(limit.window, at),
            };
            let after = used.saturating_add(amount);
            if let Some(max) = limit.max_amount.filter(|max| after > *max) {
                return Err(exceeded(Measure::Amount, max, used, amount));
            }
            let moves_after = moves.saturating_add(1);
            if let Some(max) = limit.max_count.filter(|max| moves_after > *max) {
                return Err(exceeded(Measure::Count, max, moves, 1));
            }
            if let Some(period) = period {
                counted.push(Counter {
                    limit: limit.name,
                    period,
                    amount: after,
                    count: moves_after,
                    last: seq,
                });
            }
        }
        Ok((!counted.is_empty()).then(|| after(side.usage, counted, at)))
    }
}

/// The counters after some were counted: those, and the others of this day and month.
fn after(usage: &Usage, mut counted: Vec<Counter>, at: i64) -> Usage {
    for old in usage.counters() {
        let is_same = |new: &Counter| (new.limit, new.period) == (old.limit, old.period);
        let is_current = |window| period(window, at) == Some(old.period);
        if !counted.iter().any(is_same) && [Window::Day, Window::Month].into_iter().any(is_current)
        {
            counted.push(*old);
        }
    }
    Usage::new(counted)
}

fn side_of(direction: Direction) -> usize {
    match direction {
        Direction::In => 0,
        Direction::Out => 1,
    }
}

/// Codes of kinds are 1 to 99.
fn bit(kind: KindCode) -> u128 {
    let shift = u32::try_from(kind.0).unwrap_or_default();
    1_u128.checked_shl(shift).unwrap_or_default()
}

fn counts(counts: Counts, direction: Direction) -> bool {
    match (counts, direction) {
        (Counts::Both, _) | (Counts::In, Direction::In) | (Counts::Out, Direction::Out) => true,
        (Counts::In, Direction::Out) | (Counts::Out, Direction::In) | (Counts::Neither, _) => false,
    }
}

/// The number of the day or the month that a moment is in, even for days and odd for months; `None` where a limit counts over no time.
pub fn period(window: Window, at: i64) -> Option<i64> {
    match window {
        Window::Transaction | Window::Balance => None,
        Window::Day => Some(day(at).saturating_mul(2)),
        Window::Month => Some(month_of(day(at)).0.saturating_mul(2).saturating_add(1)),
    }
}

/// When the day or the month ends that a moment is in, in microseconds since 1970.
pub fn resets_at(window: Window, at: i64) -> Option<i64> {
    let next_day = match window {
        Window::Transaction | Window::Balance => return None,
        Window::Day => day(at).saturating_add(1),
        Window::Month => month_of(day(at)).1,
    };
    let seconds = next_day
        .saturating_mul(SECONDS_PER_DAY)
        .saturating_sub(UTC_OFFSET_S);
    Some(seconds.saturating_mul(MICROS_PER_SECOND))
}

/// The number of the day, since 1970.
fn day(at: i64) -> i64 {
    let local = at
        .div_euclid(MICROS_PER_SECOND)
        .saturating_add(UTC_OFFSET_S);
    local.div_euclid(SECONDS_PER_DAY)
}

/// The number of the month that a day is in (twelve times the year, and the months before it), and the first day of the next.
fn month_of(day: i64) -> (i64, i64) {
    let date = time::OffsetDateTime::from_unix_timestamp(day.saturating_mul(SECONDS_PER_DAY));
    let Ok(date) = date.map(time::OffsetDateTime::date) else {
        return (0, i64::MAX);
    };
    let (year, month) = (i64::from(date.year()), i64::from(u8::from(date.month())));
    let left = i64::from(date.month().length(date.year())).saturating_sub(i64::from(date.day()));
    let number = year
        .saturating_mul(12)
        .saturating_add(month)
        .saturating_sub(1);
    (number, day.saturating_add(left).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Microseconds since 1970 of a moment in Jakarta.
    fn at(text: &str) -> i64 {
        let format = &time::format_description::well_known::Rfc3339;
        let moment = time::OffsetDateTime::parse(&format!("{text}+07:00"), format);
        moment.map_or(0, |moment| {
            moment.unix_timestamp().saturating_mul(MICROS_PER_SECOND)
        })
    }

    #[test]
    fn days_and_months_begin_at_midnight_in_jakarta() {
        for (one, other, is_same_day, is_same_month) in [
            ("2026-11-25T00:00:00", "2026-11-25T23:59:59", true, true),
            ("2026-11-25T23:59:59", "2026-11-26T00:00:00", false, true),
            ("2026-11-30T23:59:59", "2026-12-01T00:00:00", false, false),
            ("2026-12-31T23:59:59", "2027-01-01T00:00:00", false, false),
            ("2028-02-28T23:59:59", "2028-02-29T00:00:00", false, true),
            ("2028-02-29T23:59:59", "2028-03-01T00:00:00", false, false),
            ("2026-11-25T12:00:00", "2027-11-25T12:00:00", false, false),
        ] {
            let is_same = |window| period(window, at(one)) == period(window, at(other));
            assert_eq!(is_same(Window::Day), is_same_day, "{one} {other}");
            assert_eq!(is_same(Window::Month), is_same_month, "{one} {other}");
        }
        let noon = at("2028-02-11T12:00:00");
        assert_eq!(
            resets_at(Window::Day, noon),
            Some(at("2028-02-12T00:00:00"))
        );
        assert_eq!(
            resets_at(Window::Month, noon),
            Some(at("2028-03-01T00:00:00"))
        );
        assert_eq!(
            resets_at(Window::Month, at("2026-12-31T23:00:00")),
            Some(at("2027-01-01T00:00:00"))
        );
        assert_eq!(resets_at(Window::Balance, noon), None);
        // It is seven hours before midnight elsewhere.
        assert_ne!(
            period(Window::Day, at("2026-11-25T00:00:00") - 1),
            period(Window::Day, at("2026-11-25T00:00:00"))
        );
    }

    #[test]
    fn the_limit_that_came_into_force_last_takes_the_place_of_the_one_before() {
        let limit = |max, valid_from| Limit {
            max_amount: Some(max),
            valid_from,
            ..Limit::new("day", Direction::Out, Window::Day)
        };
        let limits = Limits::new(vec![
            limit(5, Some(100)),
            limit(3, None),
            limit(9, Some(200)),
        ]);
        let limits = limits.unwrap_or_default();
        for (at, max) in [(0, 3), (99, 3), (100, 5), (199, 5), (200, 9)] {
            let found: Vec<_> = limits.of(Tier::Registered, Currency::IDR, at).collect();
            assert_eq!(
                found
                    .iter()
                    .map(|limit| limit.max_amount)
                    .collect::<Vec<_>>(),
                [Some(max)]
            );
        }
    }
}
