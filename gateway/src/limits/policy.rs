//! How much each client may do, as a person writes it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// In place of the policies: no limits.
const OFF: &str = "off";
const FORM: &str = "`off`, or policies such as address=200/s burst 1000, money=10/s burst 20 (a number for s, m or h; burst is how many at once)";
/// The largest number of a rate or a burst. Everything that is reckoned stays far below 2^53, which Redis counts to.
const NUMBER_MAX: u32 = 1_000_000;
/// The longest time in which a burst may come back, for the same reason.
const WINDOW_MAX: Duration = Duration::from_secs(30 * 86_400);

/// The policies that there are, in the order in which they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Name {
    /// Every request, by the client's address, before its token is looked at.
    Address,
    /// Requests without a token, by the client's address.
    Open,
    /// Every request with a token, by user.
    User,
    /// Requests that move money or open a wallet, by user.
    Money,
    /// Requests that look at users, by user.
    Directory,
}

impl Name {
    pub(crate) const ALL: [Name; 5] = [
        Name::Address,
        Name::Open,
        Name::User,
        Name::Money,
        Name::Directory,
    ];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Name::Address => "address",
            Name::Open => "open",
            Name::User => "user",
            Name::Money => "money",
            Name::Directory => "directory",
        }
    }
}

/// So many requests in so much time, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) name: Name,
    /// The requests of one period.
    count: u32,
    period: Period,
    /// The requests that may come at once.
    pub(crate) burst: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Period {
    Second,
    Minute,
    Hour,
}

impl Period {
    fn micros(self) -> i64 {
        match self {
            Period::Second => 1_000_000,
            Period::Minute => 60_000_000,
            Period::Hour => 3_600_000_000,
        }
    }

    fn letter(self) -> char {
        match self {
            Period::Second => 's',
            Period::Minute => 'm',
            Period::Hour => 'h',
        }
    }
}

impl Policy {
    /// The time that one request takes up, in microseconds.
    pub(crate) fn emission_us(&self) -> i64 {
        (self.period.micros() / i64::from(self.count.max(1))).max(1)
    }

    /// The time in which the whole burst comes back, in microseconds.
    pub(crate) fn tolerance_us(&self) -> i64 {
        self.emission_us().saturating_mul(i64::from(self.burst))
    }

    /// The same with this share of the rate and the burst: what one of several gateways may let in by itself.
    pub(crate) fn shared_by(&self, gateways: u32) -> Policy {
        let gateways = gateways.max(1);
        let micros = self.emission_us().saturating_mul(i64::from(gateways));
        // The rate as requests an hour, so that a small share is not rounded to nothing.
        let hourly = Period::Hour.micros() / micros.max(1);
        Policy {
            count: u32::try_from(hourly).unwrap_or(NUMBER_MAX).max(1),
            period: Period::Hour,
            burst: (self.burst / gateways).max(1),
            ..*self
        }
    }

    fn parse(text: &str) -> Result<Policy, String> {
        let wrong = || format!("{FORM}; {text:?} is none");
        let (name, rest) = text.split_once('=').ok_or_else(wrong)?;
        let name = Name::ALL
            .into_iter()
            .find(|known| known.word() == name.trim())
            .ok_or_else(|| {
                format!("policies named address, open, user, money or directory; {name:?} is none")
            })?;
        let mut words = rest.split_ascii_whitespace();
        let rate = words.next().ok_or_else(wrong)?;
        let (count, period) = rate.split_once('/').ok_or_else(wrong)?;
        let number = |text: &str| -> Option<u32> {
            let number = text.parse().ok()?;
            (1..=NUMBER_MAX).contains(&number).then_some(number)
        };
        let count = number(count).ok_or_else(wrong)?;
        let period = match period {
            "s" => Period::Second,
            "m" => Period::Minute,
            "h" => Period::Hour,
            _ => return Err(wrong()),
        };
        let burst = match (words.next(), words.next(), words.next()) {
            (None, ..) => count,
            (Some("burst"), Some(burst), None) => number(burst).ok_or_else(wrong)?,
            _ => return Err(wrong()),
        };
        let policy = Policy {
            name,
            count,
            period,
            burst,
        };
        let window =
            Duration::from_micros(u64::try_from(policy.tolerance_us()).unwrap_or(u64::MAX));
        if window > WINDOW_MAX {
            return Err(format!(
                "{FORM}; a burst comes back within 30 days, and this takes longer: {text:?}"
            ));
        }
        Ok(policy)
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, letter, burst) = (self.count, self.period.letter(), self.burst);
        write!(f, "{}={count}/{letter} burst {burst}", self.name.word())
    }
}

/// Every policy; none is no limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policies(Vec<Policy>);

impl Policies {
    /// No limits.
    pub const OFF: Policies = Policies(Vec::new());

    pub(crate) fn all(&self) -> &[Policy] {
        &self.0
    }

    pub(crate) fn of(&self, name: Name) -> Option<&Policy> {
        self.0.iter().find(|policy| policy.name == name)
    }

    pub(crate) fn shared_by(&self, gateways: u32) -> Policies {
        let share = |policy: &Policy| policy.shared_by(gateways);
        Policies(self.0.iter().map(share).collect())
    }
}

impl Default for Policies {
    /// For people: a page makes a handful of requests at once, and nobody pays ten times a second. An address may be an office's.
    fn default() -> Policies {
        let policy = |name, per_second, burst| Policy {
            name,
            count: per_second,
            period: Period::Second,
            burst,
        };
        Policies(vec![
            policy(Name::Address, 200, 1000),
            policy(Name::Open, 20, 40),
            policy(Name::User, 50, 200),
            policy(Name::Money, 10, 20),
            policy(Name::Directory, 5, 50),
        ])
    }
}

impl FromStr for Policies {
    type Err = String;

    fn from_str(text: &str) -> Result<Policies, String> {
        if text.trim() == OFF {
            return Ok(Policies::OFF);
        }
        let mut policies: Vec<Policy> = Vec::new();
        for part in text.split(',').map(str::trim).filter(|it| !it.is_empty()) {
            let policy = Policy::parse(part)?;
            if policies.iter().any(|other| other.name == policy.name) {
                return Err(format!(
                    "each policy once; {} is there twice",
                    policy.name.word()
                ));
            }
            policies.push(policy);
        }
        if policies.is_empty() {
            return Err(FORM.to_owned());
        }
        Ok(Policies(policies))
    }
}

impl fmt::Display for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(OFF);
        }
        for (index, policy) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{policy}")?;
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
        let default = "address=200/s burst 1000, open=20/s burst 40, user=50/s burst 200, money=10/s burst 20, directory=5/s burst 50";
        assert_eq!(Policies::default().to_string(), default);
        for text in [default, "off", "money=30/m burst 5", "user=5/h burst 5"] {
            let read: Policies = text.parse().unwrap();
            assert_eq!(read.to_string(), text);
        }
        let without_burst: Policies = " user=5/s ,".parse().unwrap();
        assert_eq!(without_burst.to_string(), "user=5/s burst 5");
    }

    #[test]
    fn what_is_none_is_refused() {
        for wrong in [
            "",
            "on",
            "user",
            "user=5",
            "user=0/s",
            "user=-1/s",
            "user=1.5/s",
            "user=5/d",
            "user=5/s burst",
            "user=5/s burst 0",
            "user=5/s burst 9 9",
            "user=5/s 9",
            "users=5/s",
            "user=1/h burst 1000",
            "user=5/s, user=6/s",
            "user=99999999/s",
        ] {
            assert!(wrong.parse::<Policies>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_share_is_a_share() {
        let policies: Policies = "money=10/s burst 20, user=1/h burst 1".parse().unwrap();
        let shares = policies.shared_by(4);
        let money = shares.of(Name::Money).unwrap();
        assert_eq!((money.emission_us(), money.burst), (400_000, 5));
        let user = shares.of(Name::User).unwrap();
        assert_eq!(user.burst, 1);
        assert_eq!(
            policies.shared_by(1).of(Name::Money).unwrap().emission_us(),
            100_000
        );
    }
}
