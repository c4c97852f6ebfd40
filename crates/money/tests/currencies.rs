//! The web pages have a table of how many digits each currency has behind the separator. It is made from the crate that reads currencies
//! here, so that no page shows an amount a hundred times too large.
//!
//! After a change: `UPDATE_DOCUMENTS=1 cargo test -p money --test currencies`, then `npm run build` in `web/`.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::BTreeMap;
use std::path::Path;

use money::Currency;

/// ISO 4217 gives IDR two digits; here it counts whole rupiah.
const IDR_DIGITS: u16 = 0;
/// Numbers of ISO 4217 have three digits.
const NUMBER_MAX: u16 = 999;

#[test]
fn the_table_of_the_web_pages_is_what_the_code_says() {
    let table: BTreeMap<String, u16> = (0..=NUMBER_MAX)
        .filter_map(|number| Currency::from_numeric(number).ok())
        .map(|currency| (currency.to_string(), digits(currency)))
        .collect();
    assert!(table.len() > 150, "{table:?}");
    let made = format!("{}\n", serde_json::to_string_pretty(&table).unwrap());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/src/money/currencies.json");
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), made);
}

fn digits(currency: Currency) -> u16 {
    if currency == Currency::IDR {
        return IDR_DIGITS;
    }
    let known = iso_currency::Currency::from_code(currency.code()).unwrap();
    known.exponent().unwrap_or(0)
}
