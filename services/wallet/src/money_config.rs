//! What the operator decides about money: who brings it in, and how much moves at once.
//!
//! The local mode and the service read the same settings. They differ in one default: with demo money, which is worth nothing, every
//! user may top up; elsewhere only the operator's services may, because they know who paid for it.

use std::str::FromStr;

use clap::ValueEnum;
use money::{Amount, Currency};

use crate::limits::ChosenLimits;

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
    /// The currencies that wallets may be opened in, by their codes, separated by commas (`IDR,USD`); without it every currency that people can spend.
    /// Wallets that are there already go on
    #[arg(long, env = "CURRENCIES", value_parser = clap::value_parser!(Currencies))]
    pub currencies: Option<Currencies>,
    /// The limits of wallets by tier: `off`, `indonesia` (the figures of electronic money there, as far as they were found; no promise that they are the law),
    /// or a file. They are set at the start, as an entry of the ledger; without it those stay that are in force
    #[arg(long, env = "LIMITS", value_parser = clap::value_parser!(ChosenLimits))]
    pub limits: Option<ChosenLimits>,
}

/// The currencies that wallets may be opened in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Currencies(Vec<Currency>);

impl Currencies {
    /// True if wallets may be opened in this one.
    pub(crate) fn offers(&self, currency: Currency) -> bool {
        self.0.contains(&currency)
    }

    /// Each, by code.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Currency> {
        self.0.iter().copied()
    }
}

impl Default for Currencies {
    fn default() -> Currencies {
        Currencies(Currency::spent().collect())
    }
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
            currencies: None,
            limits: None,
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

impl FromStr for Currencies {
    type Err = String;

    fn from_str(text: &str) -> Result<Currencies, String> {
        let mut listed = Vec::new();
        for code in text.split(',').map(str::trim) {
            let currency: Currency = code
                .parse()
                .map_err(|_| format!("{code:?} is no code of ISO 4217"))?;
            if !currency.is_spent() {
                return Err(format!(
                    "{currency} is {}, which nobody can spend",
                    currency.name()
                ));
            }
            listed.push(currency);
        }
        listed.sort_unstable();
        listed.dedup();
        Ok(Currencies(listed))
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
    fn currencies_are_a_list_of_what_people_can_spend() {
        let listed = " usd, IDR,usd".parse::<Currencies>().unwrap_or_default();
        let codes: Vec<String> = listed.iter().map(|of| of.to_string()).collect();
        assert_eq!(codes, ["IDR", "USD"]);
        for wrong in [
            "", "IDR,", "IDR;USD", "rupiah", "XXX", "IDR,XAU", "XTS", "CLF",
        ] {
            assert!(wrong.parse::<Currencies>().is_err(), "{wrong}");
        }
        let all = Currencies::default();
        assert!(all.offers(Currency::IDR) && all.iter().count() > 150);
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
