//! Amounts of money, and nothing else: what a client may send as an amount, and which currencies there are.
//!
//! An [`Amount`] counts the smallest unit that a currency uses here (IDR counts whole rupiah). It is always positive and
//! never more than [`Amount::MAX`], so that every client, JavaScript's included, reads it exactly. There are no floats
//! and no operators: whoever adds amounts says what happens when the sum does not fit.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic
)]

mod currencies;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A positive amount in the smallest unit of its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Amount(i64);

/// The reason that a number is not an [`Amount`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an amount is a whole number from 1 to {max}", max = Amount::MAX.units())]
pub struct InvalidAmount;

impl Amount {
    /// The largest amount of one movement, and the most that one wallet holds: 2^53 - 1, the largest integer that every
    /// JSON reader keeps exactly (RFC 8259, section 6).
    pub const MAX: Amount = Amount(9_007_199_254_740_991);

    /// An amount of `units`, if that is from 1 to [`Amount::MAX`].
    pub fn new(units: i64) -> Result<Amount, InvalidAmount> {
        if (1..=Self::MAX.0).contains(&units) {
            Ok(Amount(units))
        } else {
            Err(InvalidAmount)
        }
    }

    /// The number of smallest units.
    pub const fn units(self) -> i64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Amount::new(i64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A currency of ISO 4217, kept as its code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// A code that is not a currency of ISO 4217.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an ISO 4217 currency code")]
pub struct UnknownCurrency;

impl Currency {
    /// The Indonesian rupiah: what a wallet holds unless another currency is named.
    pub const IDR: Currency = Currency(*b"IDR");

    /// The three letters.
    pub fn code(&self) -> &str {
        // The bytes come from an ASCII code that was checked when this was made.
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }

    /// The number that ISO 4217 gives this currency (360 for IDR).
    pub fn numeric(self) -> u16 {
        self.row().map_or(0, |row| row.numeric)
    }

    /// The currency with this ISO 4217 number.
    pub fn from_numeric(number: u16) -> Result<Currency, UnknownCurrency> {
        currencies::numbered(number).map(|row| Currency(row.code))
    }
}

impl FromStr for Currency {
    type Err = UnknownCurrency;

    /// Reads a code in either case.
    fn from_str(code: &str) -> Result<Self, Self::Err> {
        let letters: [u8; 3] = code
            .to_ascii_uppercase()
            .as_bytes()
            .try_into()
            .map_err(|_| UnknownCurrency)?;
        let row = currencies::find(letters).ok_or(UnknownCurrency)?;
        Ok(Currency(row.code))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        code.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_positive_and_exact_in_every_json_reader() {
        assert_eq!(Amount::new(1).map(Amount::units), Ok(1));
        assert_eq!(Amount::new(Amount::MAX.units()), Ok(Amount::MAX));
        for bad in [0, -1, i64::MIN, i64::MAX, 1 << 53] {
            assert_eq!(Amount::new(bad), Err(InvalidAmount), "{bad}");
        }
    }

    #[test]
    fn currencies_are_those_of_iso_4217_in_either_case() {
        assert_eq!("idr".parse(), Ok(Currency::IDR));
        assert_eq!(Currency::IDR.numeric(), 360);
        assert_eq!(Currency::from_numeric(360), Ok(Currency::IDR));
        for bad in ["", "ID", "IDRR", "ZZZ", "€", "ﬁ"] {
            assert_eq!(bad.parse::<Currency>(), Err(UnknownCurrency), "{bad}");
        }
    }
}
