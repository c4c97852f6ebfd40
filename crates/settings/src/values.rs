//! The values that a setting may have. Each of these is a clap value parser; its error ends the sentence that begins with the variable's name.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use http::Uri;

/// A day: whoever sets more means milliseconds.
pub const SECONDS_MAX: f64 = 86_400.0;
/// A secret shorter than this many bytes is refused.
pub const SECRET_BYTES_MIN: usize = 32;
/// Characters that may differ between a word and what was meant: more are another word.
pub const DISTANCE_MAX: usize = 1;

/// A number of seconds, which may be none.
pub fn seconds(text: &str) -> Result<Duration, String> {
    const FORM: &str = "a number of seconds, such as 5 or 0.5";
    let seconds: f64 = text.trim().parse().map_err(|_| FORM)?;
    if seconds > SECONDS_MAX {
        return Err("at most 86400 seconds, which is a day".to_owned());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| FORM.to_owned())
}

/// A number of seconds above zero.
pub fn positive_seconds(text: &str) -> Result<Duration, String> {
    let seconds = seconds(text)?;
    if seconds.is_zero() {
        return Err("more than 0 seconds".to_owned());
    }
    Ok(seconds)
}

/// A whole number of seconds, which may be none.
pub fn whole_seconds(text: &str) -> Result<u64, String> {
    match text.trim().parse() {
        Ok(seconds) if Duration::from_secs(seconds).as_secs_f64() <= SECONDS_MAX => Ok(seconds),
        _ => Err(
            "a whole number of seconds, such as 60, and at most 86400, which is a day".to_owned(),
        ),
    }
}

/// A count of at least one.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("a whole number from 1 on".to_owned()),
    }
}

/// A port; 0 takes a free one.
pub fn port(text: &str) -> Result<u16, String> {
    text.trim()
        .parse()
        .map_err(|_| "a port is a number from 0 to 65535, such as 5000".to_owned())
}

/// An address to listen on, also as it stands in URLs.
pub fn bind_address(text: &str) -> Result<IpAddr, String> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    if let Ok(address) = bare.parse() {
        return Ok(address);
    }
    if text.parse::<std::net::SocketAddr>().is_ok() {
        return Err("an address without a port; ports have variables of their own".to_owned());
    }
    Err("an IP address of this machine, such as 127.0.0.1, 0.0.0.0 or ::1".to_owned())
}

/// Yes or no, in the words that people use.
pub fn yes_or_no(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "y" | "t" => Ok(true),
        "false" | "no" | "off" | "0" | "n" | "f" => Ok(false),
        _ => Err("true or false (also yes and no, on and off, 1 and 0)".to_owned()),
    }
}

/// A share, from 0 to 1.
pub fn ratio(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err("a number from 0 to 1, such as 0.1".to_owned()),
    }
}

/// A secret. Blanks around it, such as the newline at the end of a file, are not part of it.
pub fn secret(text: &str) -> Result<String, String> {
    let secret = text.trim();
    if secret.len() < SECRET_BYTES_MIN {
        return Err(format!(
            "a secret needs at least {SECRET_BYTES_MIN} bytes, and this one has {}; `openssl rand -hex 32` makes one",
            secret.len()
        ));
    }
    Ok(secret.to_owned())
}

/// Words of secrets that stand in documents, examples and other people's code.
const KNOWN_SECRETS: [&str; 9] = [
    "change-in-production",
    "change_in_production",
    "changeme",
    "change-me",
    "change_me",
    "development-only",
    "digital-wallet-secret",
    "your-secret-key",
    "your_secret_key",
];
/// A secret of 32 bytes that was drawn has more different ones than this: of hexadecimal digits it lacks half with one chance in 10^7.
const DIFFERENT_BYTES_MIN: usize = 8;

/// Why strangers could guess this secret, if they could. Those of tests and of demonstrations may be so.
pub fn guessable(secret: &str) -> Option<&'static str> {
    let lower = secret.trim().to_ascii_lowercase();
    if KNOWN_SECRETS.iter().any(|known| lower.contains(known)) {
        return Some("it is one that stands in documents and examples");
    }
    let bytes = lower.as_bytes();
    let different: std::collections::HashSet<u8> = bytes.iter().copied().collect();
    let repeats = |length: usize| bytes.chunks(length).all(|part| bytes.starts_with(part));
    let is_simple = different.len() < DIFFERENT_BYTES_MIN || (1..=bytes.len() / 2).any(repeats);
    is_simple.then_some("it is too simple")
}

/// The address of a service. Services talk plain HTTP to each other.
pub fn service_url(text: &str) -> Result<String, String> {
    const FORM: &str = "a URL such as http://localhost:5001";
    let text = text.trim();
    if text.starts_with("https://") {
        return Err(format!(
            "{FORM}: services talk plain HTTP to each other, and a mesh or network policy guards the link"
        ));
    }
    let Some(rest) = text.strip_prefix("http://") else {
        return Err(format!("{FORM}, with http:// in front"));
    };
    let uri: Uri = text.parse().map_err(|_| {
        if rest.matches(':').count() > 1 && !rest.starts_with('[') {
            format!("{FORM}; an IPv6 address stands in brackets, as in http://[::1]:5001")
        } else {
            FORM.to_owned()
        }
    })?;
    let authority = uri.authority().map(|it| it.as_str()).unwrap_or_default();
    let host = uri.host().filter(|host| !host.is_empty());
    let is_right = host
        .and_then(|host| authority.strip_prefix(host))
        .is_some_and(|rest| {
            let port = rest.strip_prefix(':').map(str::parse::<u16>);
            rest.is_empty() || port.is_some_and(|port| port.is_ok_and(|port| port > 0))
        });
    if !is_right {
        return Err(FORM.to_owned());
    }
    if uri.query().is_some() || text.contains('#') {
        return Err(format!("{FORM}, without a query"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// The origin whose pages may call: `*`, or an origin as browsers send it.
pub fn origin(text: &str) -> Result<String, String> {
    const FORM: &str = "an origin such as https://wallet.example.com, or * for all";
    let text = text.trim();
    if text == "*" || text == "null" {
        return Ok(text.to_owned());
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(format!(
            "{FORM}; this one lacks https:// or http:// in front"
        ));
    };
    let host = rest.trim_end_matches('/');
    if host.contains(['/', '?', '#']) {
        return Err(format!("{FORM}; an origin has no path"));
    }
    let origin = format!("{scheme}://{host}").to_ascii_lowercase();
    if host.is_empty() || host.contains(['*', '@', ' ']) || origin.parse::<Uri>().is_err() {
        return Err(FORM.to_owned());
    }
    if host.len() < rest.len() {
        return Err(format!(
            "{FORM}; browsers send it without a slash at its end: {origin}"
        ));
    }
    Ok(origin)
}

/// The word that was probably meant by this one.
pub fn text_is_close<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    words
        .map(|word| (strsim::osa_distance(text, word), word))
        .filter(|(distance, _)| *distance <= DISTANCE_MAX)
        .min()
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_bounds() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(seconds("0"), Ok(Duration::ZERO));
        assert_eq!(positive_seconds(" 5 "), Ok(Duration::from_secs(5)));
        for wrong in ["", "abc", "5s", "-1", "NaN", "inf", "1e300", "86401"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
        assert!(positive_seconds("0").is_err());
        assert!(positive_seconds("0.0").is_err());
        assert_eq!(whole_seconds(" 60 "), Ok(60));
        for wrong in ["", "1.5", "60s", "-1", "86401"] {
            assert!(whole_seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_and_ports_are_what_people_write() {
        for (given, address) in [
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("::", "::"),
            ("localhost", "127.0.0.1"),
        ] {
            assert_eq!(
                bind_address(given),
                Ok(address.parse().unwrap_or_else(|_| unreachable!()))
            );
        }
        for wrong in [
            "",
            "example.com",
            "127.0.0.1:5000",
            "[::1]:5000",
            "256.1.1.1",
            "*",
        ] {
            assert!(bind_address(wrong).is_err(), "{wrong}");
        }
        assert_eq!(port("0"), Ok(0));
        for wrong in ["", "abc", "-1", "65536", "5000.0", "tcp://10.0.0.1:5001"] {
            assert!(port(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn services_are_named_by_plain_urls() {
        for good in [
            "http://localhost:5001",
            "http://[::1]:5001",
            "http://host",
            "http://host/under/here",
        ] {
            assert_eq!(service_url(good).as_deref(), Ok(good));
        }
        assert_eq!(
            service_url("http://host:1/").as_deref(),
            Ok("http://host:1")
        );
        for wrong in [
            "",
            "localhost:5001",
            "https://host",
            "http://",
            "http://:5001",
            "http://::1:5001",
            "http://host:99999",
            "http://host:",
            "http://host?a=b",
            "http://host#a",
            "http://user:pw@host",
            "ftp://host",
            "http://ho st",
        ] {
            assert!(service_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn origins_are_what_browsers_send() {
        for good in [
            "*",
            "null",
            "https://a.example",
            "http://localhost:5173",
            "capacitor://localhost",
        ] {
            assert_eq!(origin(good).as_deref(), Ok(good));
        }
        assert_eq!(
            origin(" https://A.Example ").as_deref(),
            Ok("https://a.example")
        );
        for wrong in [
            "",
            "a.example",
            "https://",
            "https://a.example/",
            "https://a.example/page",
            "https://*.example",
            "https://a b",
        ] {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn words_shares_and_secrets() {
        for (text, answer) in [
            ("TRUE", true),
            ("yes", true),
            ("on", true),
            ("1", true),
            ("False", false),
            ("no", false),
            ("OFF", false),
            ("0", false),
        ] {
            assert_eq!(yes_or_no(text), Ok(answer));
        }
        for wrong in ["", "maybe", "2", "ja"] {
            assert!(yes_or_no(wrong).is_err(), "{wrong}");
        }
        assert_eq!(ratio("0.1"), Ok(0.1));
        for wrong in ["", "3", "-0.1", "NaN", "ten"] {
            assert!(ratio(wrong).is_err(), "{wrong}");
        }
        let long = "a secret of tests, longer than 32 bytes";
        assert_eq!(secret(&format!(" {long}\n")).as_deref(), Ok(long));
        let refused = secret("hunter2").err().unwrap_or_default();
        assert!(
            refused.contains("has 7") && !refused.contains("hunter2"),
            "{refused}"
        );
        for known in [
            "your-secret-key-change-in-production",
            "development-only-secret-key-0123456789",
            "digital-wallet-secret-key-2024-2024",
            "CHANGEME-CHANGEME-and-more-than-32-bytes",
            &"a".repeat(40),
            &"abcdefghij".repeat(4),
            "0101010011001010100101001010010101",
        ] {
            assert!(guessable(known).is_some(), "{known}");
        }
        for drawn in [
            "5f2b8c0d9e1a47636f0d2b9c8e7a1543",
            "2yJ0bX3m5rQk7Zt1vN8cW4hL6pD9sF0g",
            "correct horse battery staple, and more",
        ] {
            assert_eq!(guessable(drawn), None, "{drawn}");
        }
        assert!(at_least_one("0").is_err());
        assert_eq!(at_least_one("1"), Ok(1));
    }
}
