//! Limits, as far as others see them: which one refused an order, and its numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

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

/// A limit that would be exceeded, with its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Exceeded {
    /// The limit.
    pub limit: LimitName,
    /// The time that it counts over.
    pub window: Window,
    /// The most that it allows: an amount in the currency's smallest unit, or a number of movements.
    pub max: i64,
    /// The part of it that is used.
    pub used: i64,
    /// The part that was asked for.
    pub requested: i64,
    /// When nothing of it is used again, in microseconds since 1970; `None` where no time brings that.
    pub resets_at: Option<i64>,
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
