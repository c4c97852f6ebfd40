//! The number of tries that are free, as a person writes it.

use std::fmt;
use std::str::FromStr;

/// In place of a number: no limit.
const OFF: &str = "off";

/// The tries that cost no wait. `u32::MAX` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordTries {
    /// Of one account, from an address that it has been logged in from.
    pub known: u32,
    /// Of one account, from another address.
    pub strange: u32,
    /// Of one account, from all other addresses together; beyond, each of them has one.
    pub account: u32,
    /// From one address, of all accounts that have not been logged in from there.
    pub address: u32,
    /// Registrations of addresses that are taken, from one address.
    pub registrations: u32,
}

impl Default for PasswordTries {
    fn default() -> PasswordTries {
        PasswordTries {
            known: 10,
            strange: 5,
            account: 20,
            address: 60,
            registrations: 30,
        }
    }
}

impl PasswordTries {
    /// Without limits by address: everybody on this machine has the same one.
    pub const ON_ONE_MACHINE: PasswordTries = PasswordTries {
        known: 10,
        strange: 5,
        account: 20,
        address: u32::MAX,
        registrations: u32::MAX,
    };

    fn among(&mut self, name: &str) -> Option<&mut u32> {
        match name {
            "known" => Some(&mut self.known),
            "strange" => Some(&mut self.strange),
            "account" => Some(&mut self.account),
            "address" => Some(&mut self.address),
            "registrations" => Some(&mut self.registrations),
            _ => None,
        }
    }
}

impl FromStr for PasswordTries {
    type Err = String;

    fn from_str(text: &str) -> Result<PasswordTries, String> {
        const FORM: &str = "pairs such as known=10,strange=5,account=20,address=60,registrations=30, each a number from 1 on or `off`";
        let mut tries = PasswordTries::default();
        for pair in text.split(',').map(str::trim).filter(|it| !it.is_empty()) {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| format!("{FORM}; {pair:?} is none"))?;
            let free = tries
                .among(name.trim())
                .ok_or_else(|| format!("{FORM}; {name:?} is none of them"))?;
            *free = match value.trim() {
                OFF => u32::MAX,
                value => value
                    .parse()
                    .ok()
                    .filter(|free| *free > 0)
                    .ok_or_else(|| format!("{FORM}; {value:?} is neither"))?,
            };
        }
        Ok(tries)
    }
}

impl fmt::Display for PasswordTries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = [
            ("known", self.known),
            ("strange", self.strange),
            ("account", self.account),
            ("address", self.address),
            ("registrations", self.registrations),
        ];
        for (index, (name, free)) in pairs.into_iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match free {
                u32::MAX => write!(f, "{comma}{name}={OFF}")?,
                free => write!(f, "{comma}{name}={free}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        for tries in [PasswordTries::default(), PasswordTries::ON_ONE_MACHINE] {
            assert_eq!(tries.to_string().parse(), Ok(tries));
        }
        let read: PasswordTries = " known=3, address=off ".parse().unwrap();
        let expected = PasswordTries {
            known: 3,
            address: u32::MAX,
            ..PasswordTries::default()
        };
        assert_eq!(read, expected);
        for wrong in [
            "known",
            "known=0",
            "known=-1",
            "known=many",
            "unknown=3",
            "known:3",
        ] {
            assert!(wrong.parse::<PasswordTries>().is_err(), "{wrong}");
        }
    }
}
