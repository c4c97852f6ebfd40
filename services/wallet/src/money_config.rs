//! What the operator decides about money: who brings it in, and how much moves at once.
//!
//! The local mode and the service read the same settings. They differ in one default: with demo money, which is worth nothing, every
//! user may top up; elsewhere only the operator's services may, because they know who paid for it.

use clap::ValueEnum;
use money::Amount;

/// The most that one movement moves unless the operator says otherwise: a trillion. A wallet holds 9,007 times as much, and the range of
/// a system account is more than nine million times as wide.
const MOVEMENT_MAX: &str = "1000000000000";

/// The settings about money.
#[derive(Clone, Debug, clap::Args)]
pub struct MoneyConfig {
    /// Who brings money in: `open`: every user tops up; `services`: the operator's services do, each time with a reference of its own; `off`: nobody.
    /// Unless set, `open` in the local mode and with demo data, `services` otherwise
    #[arg(long, env = "TOPUP", ignore_case = true)]
    pub topup: Option<TopUp>,
    /// The most that one movement moves, in the currency's smallest unit; refunds and releases are exempt
    #[arg(long, env = "MOVEMENT_MAX", default_value = MOVEMENT_MAX, value_parser = amount)]
    pub movement_max: Amount,
}

/// Who brings money in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TopUp {
    /// Every user tops up their own wallets, from nothing.
    Open,
    /// Services of the operator do, with a reference from outside.
    Services,
    /// Nobody does.
    Off,
}

impl MoneyConfig {
    /// Demo money: every user tops up.
    pub fn open() -> MoneyConfig {
        MoneyConfig {
            topup: Some(TopUp::Open),
            movement_max: amount(MOVEMENT_MAX).unwrap_or(Amount::MAX),
        }
    }

    /// Who brings money in, where this is the default.
    pub(crate) fn topup_or(&self, default: TopUp) -> TopUp {
        self.topup.unwrap_or(default)
    }

    /// The same settings, with this default for who brings money in.
    #[must_use]
    pub fn with_topup(mut self, default: TopUp) -> MoneyConfig {
        self.topup = Some(self.topup_or(default));
        self
    }
}

fn amount(text: &str) -> Result<Amount, String> {
    let units = text.trim().parse().map_err(|_| money::InvalidAmount);
    units
        .and_then(Amount::new)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_whole_and_within_what_a_wallet_holds() {
        assert_eq!(amount(" 5 ").map(Amount::units), Ok(5));
        for wrong in ["", "0", "-1", "1e12", "1.5", "9007199254740992", "Rp 5"] {
            assert!(amount(wrong).is_err(), "{wrong}");
        }
        assert_eq!(MoneyConfig::open().movement_max.units(), 1_000_000_000_000);
    }

    #[test]
    fn what_is_set_is_not_a_default() {
        let unset = MoneyConfig {
            topup: None,
            ..MoneyConfig::open()
        };
        let services = unset.clone().with_topup(TopUp::Services);
        assert_eq!(services.topup, Some(TopUp::Services));
        assert_eq!(
            services.with_topup(TopUp::Open).topup,
            Some(TopUp::Services)
        );
    }
}
