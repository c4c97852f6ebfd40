//! Limits, as far as others see them: what they say, and which one refused an order, with its numbers.

use std::fmt;

use money::Currency;
use serde::{Deserialize, Serialize};

use crate::KindCode;

/// How long the name of a limit may be.
pub const LIMIT_NAME_BYTES_MAX: usize = 32;

/// The name of a limit: lower-case letters, digits, `-` and `_`. Kept in place, so that a refusal can be copied.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LimitName {
    bytes: [u8; LIMIT_NAME_BYTES_MAX],
    length: usize,
}

impl LimitName {
    /// The limit of every single movement.
    pub const MOVEMENT: LimitName = LimitName::of("movement");

    /// A name that is known when the program is compiled.
    ///
    /// # Panics
    /// If it is no name, which for a constant is while the program is compiled.
    const fn of(text: &str) -> LimitName {
        match LimitName::new(text) {
            Some(name) => name,
            None => panic!("not the name of a limit"),
        }
    }

    /// A name, if it is one.
    pub const fn new(text: &str) -> Option<LimitName> {
        let text = text.as_bytes();
        if text.is_empty() || text.len() > LIMIT_NAME_BYTES_MAX {
            return None;
        }
        let mut bytes = [0; LIMIT_NAME_BYTES_MAX];
        let mut index = 0;
        while index < text.len() {
            if !matches!(text[index], b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_') {
                return None;
            }
            bytes[index] = text[index];
            index += 1;
        }
        Some(LimitName {
            bytes,
            length: text.len(),
        })
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        // Only ASCII was taken in.
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Debug for LimitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for LimitName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for LimitName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        LimitName::new(&text).ok_or_else(|| serde::de::Error::custom("not the name of a limit"))
    }
}

/// The time that a limit counts over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// One movement by itself.
    Transaction,
    /// A calendar day.
    Day,
    /// A calendar month.
    Month,
    /// No time: what the wallet holds.
    Balance,
}

impl Window {
    /// Its word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Window::Transaction => "transaction",
            Window::Day => "day",
            Window::Month => "month",
            Window::Balance => "balance",
        }
    }
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Money, in the currency's smallest unit.
    Amount,
    /// Movements.
    Count,
}

impl Measure {
    /// Its word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Measure::Amount => "amount",
            Measure::Count => "count",
        }
    }
}

/// A limit that would be exceeded, with its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Exceeded {
    /// The limit.
    pub limit: LimitName,
    /// The time that it counts over.
    pub window: Window,
    /// What it counts.
    pub measure: Measure,
    /// The most that it allows.
    pub max: i64,
    /// The part of it that is used.
    pub used: i64,
    /// The part that was asked for.
    pub requested: i64,
    /// When nothing of it is used again, in microseconds since 1970; `None` where no time brings that.
    pub resets_at: Option<i64>,
}

/// How many limits a ledger has at most.
pub const LIMITS_MAX: usize = 64;

/// How well the owner of a wallet is known, which decides its limits.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Nobody has looked at who it is: every wallet begins so.
    #[default]
    Unregistered,
    /// The owner's identity was checked.
    Registered,
    /// A business.
    Merchant,
}

impl Tier {
    /// Every tier.
    pub const ALL: [Tier; 3] = [Tier::Unregistered, Tier::Registered, Tier::Merchant];

    /// Its word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Unregistered => "unregistered",
            Tier::Registered => "registered",
            Tier::Merchant => "merchant",
        }
    }

    /// Its number in the log.
    pub fn code(self) -> i16 {
        match self {
            Tier::Unregistered => 0,
            Tier::Registered => 1,
            Tier::Merchant => 2,
        }
    }

    /// The tier of such a number.
    pub fn from_code(code: i16) -> Option<Tier> {
        Tier::ALL.into_iter().find(|tier| tier.code() == code)
    }
}

/// The side of a wallet that a limit looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// What the wallet receives.
    In,
    /// What it spends.
    Out,
}

impl Direction {
    /// Its word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::In => "in",
            Direction::Out => "out",
        }
    }
}

/// One limit, for the wallets that it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Its name. What a wallet has used is counted by name, so that limits of several tiers that share one share the counter.
    pub name: LimitName,
    /// The tiers that it is for; all where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<Tier>,
    /// The currency that it is for; each by itself where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// The kinds that it counts; all that are limited where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<KindCode>,
    /// The side that it looks at.
    pub direction: Direction,
    /// The time that it counts over.
    pub window: Window,
    /// The most that is moved in that time, or held, in the currency's smallest unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_amount: Option<i64>,
    /// The most movements in that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_count: Option<i64>,
    /// From when on it is in force, in microseconds since 1970; it then takes the place of those of its name before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<i64>,
}

impl Limit {
    /// A limit of this name without a maximum, for every wallet and every kind.
    ///
    /// # Panics
    /// If it is no name, which for a constant is while the program is compiled.
    pub const fn new(name: &str, direction: Direction, window: Window) -> Limit {
        Limit {
            name: LimitName::of(name),
            tiers: Vec::new(),
            currency: None,
            kinds: Vec::new(),
            direction,
            window,
            max_amount: None,
            max_count: None,
            valid_from: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_was_written_and_what_is_none_is_refused() {
        let name = LimitName::new("transfer-day_2").unwrap_or(LimitName::MOVEMENT);
        let text = serde_json::to_string(&name).unwrap_or_default();
        assert_eq!(text, "\"transfer-day_2\"");
        assert_eq!(serde_json::from_str::<LimitName>(&text).ok(), Some(name));
        let long = "a".repeat(LIMIT_NAME_BYTES_MAX + 1);
        for wrong in ["", "Day", "a b", "é", &long] {
            assert_eq!(LimitName::new(wrong), None, "{wrong}");
        }
    }
}
