//! What the local mode says when it is up: where everything is, and how to go on.

use std::path::Path;

use local::{Bank, Config, Home};

/// The text that says where everything is.
pub(crate) fn greeting(bank: &Bank, home: &Home, demo: bool, audit: &str) -> String {
    let [gateway, user, wallet, transaction, payment] = bank.urls();
    let probes = bank.probe_url();
    let home = home.describe();
    let demo = if demo {
        "
  Demo logins   john@example.com, jane@example.com, bob@example.com
                password123 for each; DEMO_DATA=false leaves them out
"
    } else {
        ""
    };
    format!(
        "Dompet is running ({home}).

  Pages         {gateway}
  API           {gateway}/api/v1
  Documents     {gateway}/docs
  Users         {user}
  Wallets       {wallet}
  Transactions  {transaction}
  Payments      {payment}
  Probes        {probes}/readyz, /livez, /metrics
{demo}
  Stop with Ctrl-C. Audit with: {audit}

"
    )
}

/// The command that audits what this process keeps, for a shell in the same folder.
pub(crate) fn audit_command(config: &Config) -> String {
    let program = if std::env::var_os("CARGO").is_some() {
        let profile = if cfg!(debug_assertions) {
            ""
        } else {
            " --release"
        };
        format!("cargo run{profile} --")
    } else {
        let program = std::env::args().next().unwrap_or_default();
        quoted(if program.is_empty() {
            "dompet"
        } else {
            &program
        })
    };
    if config.database_url.is_some() {
        // It has a password in it, and whoever started this knows it.
        return format!("DATABASE_URL=… {program} verify");
    }
    if config.data_dir == Path::new(Config::DATA_DIR) {
        return format!("{program} verify");
    }
    let folder = quoted(&config.data_dir.display().to_string());
    format!("{program} verify --data-dir {folder}")
}

/// As a shell reads it as one word.
fn quoted(word: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "/._-+,:@".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word_in_a_shell() {
        assert_eq!(quoted("./data"), "./data");
        assert_eq!(quoted("my data"), "'my data'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
