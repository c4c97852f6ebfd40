//! The values of `LOG_LEVEL`. A bare word that is no level would be a target's name to the filter: then nothing at all is logged, errors
//! neither.

use tracing_subscriber::EnvFilter;

/// The targets that Dompet logs under. Other targets are those of libraries.
const TARGETS: [&str; 15] = [
    "auth",
    "checker",
    "dompet",
    "feed_follower",
    "gateway",
    "http_server",
    "local",
    "payment",
    "service_client",
    "store",
    "telemetry",
    "transaction",
    "user",
    "user_api",
    "wallet",
];
const FORM: &str =
    "a level (off, error, warn, info, debug, trace), or a list such as info,wallet=debug";
/// The level of every target that a list does not name.
const UNNAMED: &str = "info";

/// Reads a level, or a list of levels for targets.
pub(crate) fn parse(text: &str) -> Result<String, String> {
    // The text of a filter by spans has commas and equal signs of its own.
    if text.contains('[') {
        return checked(text.trim().to_owned());
    }
    let mut directives = Vec::new();
    let mut names_a_level = false;
    for part in text.split(',').map(str::trim).filter(|it| !it.is_empty()) {
        let (target, word) = part
            .rsplit_once('=')
            .map_or((None, part), |(target, word)| (Some(target), word));
        let level = level(word.trim()).ok_or_else(|| refusal(word.trim()))?;
        match target.map(str::trim) {
            None => {
                names_a_level = true;
                directives.push(level.to_owned());
            }
            Some(target) if target.is_empty() || target.contains(char::is_whitespace) => {
                return Err(FORM.to_owned());
            }
            Some(target) => directives.push(format!("{target}={level}")),
        }
    }
    if directives.is_empty() {
        return Err(FORM.to_owned());
    }
    if !names_a_level {
        directives.insert(0, UNNAMED.to_owned());
    }
    checked(directives.join(","))
}

fn checked(text: String) -> Result<String, String> {
    match EnvFilter::try_new(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(format!("{FORM}: {error}")),
    }
}

fn refusal(word: &str) -> String {
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let word = word.to_ascii_lowercase();
    match settings::text_is_close(&word, levels.into_iter()) {
        Some(level) => format!("{FORM}; is {level} meant?"),
        None => FORM.to_owned(),
    }
}

/// The levels, and what other programs call them.
fn level(word: &str) -> Option<&'static str> {
    match word.to_ascii_lowercase().as_str() {
        "off" | "none" => Some("off"),
        "error" | "err" => Some("error"),
        "warn" | "warning" => Some("warn"),
        "info" => Some("info"),
        "debug" => Some("debug"),
        "trace" => Some("trace"),
        _ => None,
    }
}

/// A sentence for each target that is probably one of Dompet's mistyped.
pub(crate) fn hints(levels: &str) -> Vec<String> {
    levels
        .split(',')
        .filter_map(|part| part.split_once('='))
        .filter_map(|(target, _)| {
            let target = target.split("::").next()?;
            let meant = settings::text_is_close(target, TARGETS.into_iter())?;
            (meant != target)
                .then(|| format!("LOG_LEVEL: nothing is logged under {target}; is {meant} meant?"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_refused() {
        for (given, read) in [
            ("info", "info"),
            ("WARNING", "warn"),
            (" Error ", "error"),
            ("info,wallet=debug", "info,wallet=debug"),
            ("wallet=DEBUG", "info,wallet=debug"),
            ("off", "off"),
            ("warn, wallet::ledger=trace,", "warn,wallet::ledger=trace"),
        ] {
            assert_eq!(parse(given).as_deref(), Ok(read));
        }
        for wrong in [
            "",
            ",",
            "verbose",
            "foo",
            "wallet",
            "wallet=",
            "wallet=loud",
            "wallet=debgu",
            "info wallet=debug",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert!(parse("debgu").is_err_and(|said| said.ends_with("is debug meant?")));
    }

    #[test]
    fn a_mistyped_target_is_told() {
        assert_eq!(
            hints("info,walet=debug"),
            ["LOG_LEVEL: nothing is logged under walet; is wallet meant?"]
        );
        assert_eq!(hints("info,wallet=debug,sqlx=warn"), Vec::<String>::new());
    }
}
