//! The web pages have a table of how many digits each currency has behind the separator. It is made from the server's own
//! table, so that no page shows an amount a hundred times too large.
//!
//! After a change: `UPDATE_DOCUMENTS=1 cargo test -p money --test currencies`, then `npm run build` in `web/`.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::BTreeMap;
use std::path::Path;

use money::Currency;

#[test]
fn the_table_of_the_web_pages_is_what_the_code_says() {
    let table: BTreeMap<String, u8> = Currency::all()
        .map(|currency| (currency.to_string(), currency.exponent()))
        .collect();
    assert!(table.len() > 150, "{table:?}");
    let made = format!("{}\n", serde_json::to_string_pretty(&table).unwrap());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/src/money/currencies.json");
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), made);
}
