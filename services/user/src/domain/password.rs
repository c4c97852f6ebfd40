//! Passwords that a user may choose (NIST SP 800-63B-4, section 3.1.1.2): long enough, and none that an attacker tries first. There are no
//! rules of what has to be in one, and none has to be changed after a time.
//!
//! The list beside this file has those of 8 characters and more among the 20,000 commonest of all breaches that Have I Been Pwned knew, as
//! Royce Williams put them together and Django 5.2 has them (BSD-3-Clause, `common-passwords.LICENSE`).

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, LazyLock};

use http_server::composed;

const PASSWORD_CHARS_MIN: usize = 8;
const PASSWORD_BYTES_MAX: usize = 1024;
/// Something of this many characters that is written again and again is as good as nothing.
const REPEATED_CHARS_MAX: usize = 3;
/// The service's own name, which is the first thing that somebody tries who attacks it.
const OWN_NAME: &str = "dompet";

/// The password of the demo users, which everybody knows.
pub(crate) const DEMO_PASSWORD: &str = "password123";

static COMMON: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("common-passwords.txt").lines().collect());

/// What may be chosen here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PasswordRules {
    /// Whether [`DEMO_PASSWORD`] may be chosen. Clients of the original system register with it, and in a demo everybody has it anyway.
    pub(crate) allow_demo_password: bool,
}

/// Who has the password, as far as somebody who guesses it may know.
#[derive(Clone, Copy)]
pub(crate) struct Owner<'a> {
    pub(crate) name: &'a str,
    pub(crate) email: &'a str,
    pub(crate) phone: &'a str,
}

/// Why a password cannot be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PasswordRefused {
    TooShort,
    TooLong,
    /// Among those that attackers try first.
    Common,
    /// The owner's name, address or number.
    Personal,
}

impl PasswordRefused {
    /// Returns whether it has the right length, but would be guessed.
    pub(crate) fn is_weak(self) -> bool {
        matches!(self, PasswordRefused::Common | PasswordRefused::Personal)
    }
}

impl fmt::Display for PasswordRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PasswordRefused::TooShort => write!(f, "has at least {PASSWORD_CHARS_MIN} characters"),
            PasswordRefused::TooLong => write!(f, "has at most {PASSWORD_BYTES_MAX} bytes"),
            PasswordRefused::Common => {
                write!(f, "is among those that attackers try first; choose another")
            }
            PasswordRefused::Personal => write!(
                f,
                "is the user's own name, address or number, or nearly; choose another"
            ),
        }
    }
}

/// A password. Deliberately without `Debug` and `Serialize`.
///
/// Keyboards write one letter down in two ways (`é` as one character or as two), so it is composed first (RFC 8265, section 4.2).
#[derive(Clone)]
pub(crate) struct Password {
    composed: Arc<str>,
    /// As it was typed, where that is something else: hashes of earlier may be of it.
    typed: Option<Arc<str>>,
}

impl Password {
    /// A password that its owner may choose.
    pub(crate) fn choose(
        value: &str,
        owner: Owner<'_>,
        rules: PasswordRules,
    ) -> Result<Password, PasswordRefused> {
        if value.chars().count() < PASSWORD_CHARS_MIN {
            return Err(PasswordRefused::TooShort);
        }
        let password = Self::attempt(value)?;
        let given = password.composed.to_lowercase();
        if rules.allow_demo_password && given == DEMO_PASSWORD {
            return Ok(password);
        }
        if COMMON.contains(given.trim()) || is_repeated(&given) || is_run(&given) {
            return Err(PasswordRefused::Common);
        }
        if is_personal(&given, owner) {
            return Err(PasswordRefused::Personal);
        }
        Ok(password)
    }

    /// A password that somebody tries: only its length is bounded.
    pub(crate) fn attempt(value: &str) -> Result<Password, PasswordRefused> {
        if value.len() > PASSWORD_BYTES_MAX {
            return Err(PasswordRefused::TooLong);
        }
        let composed = composed(value);
        Ok(Password {
            typed: (composed != value).then(|| Arc::from(value)),
            composed: Arc::from(composed),
        })
    }

    /// A password that stands in the code.
    pub(crate) fn demo(value: &'static str) -> Password {
        Password {
            composed: Arc::from(value),
            typed: None,
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.composed.as_bytes()
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.composed
    }

    /// The bytes as they were typed, where these are others.
    pub(crate) fn as_typed(&self) -> Option<&[u8]> {
        self.typed.as_deref().map(str::as_bytes)
    }
}

/// `aaaaaaaa`, `abababab`, `123123123`.
fn is_repeated(given: &str) -> bool {
    (1..=REPEATED_CHARS_MAX).any(|unit| {
        given
            .chars()
            .zip(given.chars().skip(unit))
            .all(|(a, b)| a == b)
    })
}

/// `abcdefgh`, `87654321`.
fn is_run(given: &str) -> bool {
    let steps = |by: i64| {
        let mut pairs = given.chars().zip(given.chars().skip(1));
        pairs.all(|(a, b)| i64::from(u32::from(b)) - i64::from(u32::from(a)) == by)
    };
    steps(1) || steps(-1)
}

/// Something about the owner, however it is written, also with digits or signs after it.
fn is_personal(given: &str, owner: Owner<'_>) -> bool {
    let given = letters_and_digits(given);
    let without_digits = given.trim_end_matches(|c: char| c.is_ascii_digit());
    let local = owner.email.split('@').next().unwrap_or_default();
    [owner.email, local, owner.name, owner.phone, OWN_NAME]
        .into_iter()
        .chain(owner.name.split_whitespace())
        .map(letters_and_digits)
        .any(|word| !word.is_empty() && (word == given || word == without_digits))
}

fn letters_and_digits(text: &str) -> String {
    let lower = text.to_lowercase();
    lower.chars().filter(|c| c.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: PasswordRules = PasswordRules {
        allow_demo_password: false,
    };
    const JOHN: Owner<'_> = Owner {
        name: "John Harrington",
        email: "j.harrington@example.com",
        phone: "+62 812-3456-7890",
    };

    fn refused(value: &str, rules: PasswordRules) -> Option<PasswordRefused> {
        Password::choose(value, JOHN, rules).err()
    }

    #[test]
    fn what_attackers_try_first_is_refused() {
        for common in [
            "password",
            "PassWord",
            "12345678",
            "87654321",
            "password123",
            "qwertyuiop",
            "iloveyou1",
            " password ",
            "zzzzzzzzzz",
            "abcabcabcabc",
            "ABCDEFGHIJ",
            "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}",
        ] {
            assert_eq!(
                refused(common, STRICT),
                Some(PasswordRefused::Common),
                "{common}"
            );
        }
        for good in [
            "correct horse",
            "a long password",
            "not-a-secret",
            "pa\u{df}w\u{f6}rt1",
            "x7Kq29vb",
        ] {
            assert_eq!(refused(good, STRICT), None, "{good}");
        }
    }

    #[test]
    fn what_is_known_of_the_owner_is_refused() {
        for personal in [
            "j.harrington@example.com",
            "J.Harrington",
            "jharrington2026",
            "John Harrington",
            "johnharrington!",
            "harrington1990",
            "6281234567890",
            "+62 812 3456 7890",
            "Dompet2026!",
        ] {
            assert_eq!(
                refused(personal, STRICT),
                Some(PasswordRefused::Personal),
                "{personal}"
            );
        }
        assert_eq!(refused("harrington and the horse", STRICT), None);
        let nobody = Owner {
            name: "",
            email: "",
            phone: "",
        };
        assert!(Password::choose("20261125aZ", nobody, STRICT).is_ok());
    }

    #[test]
    fn the_password_of_the_demo_is_for_demos() {
        let demo = PasswordRules {
            allow_demo_password: true,
        };
        assert_eq!(
            refused(DEMO_PASSWORD, STRICT),
            Some(PasswordRefused::Common)
        );
        assert_eq!(refused(DEMO_PASSWORD, demo), None);
        assert_eq!(refused("12345678", demo), Some(PasswordRefused::Common));
    }

    #[test]
    fn lengths_are_bounded() {
        assert_eq!(
            refused("\u{e4}\u{e4}x7Kq2", STRICT),
            Some(PasswordRefused::TooShort)
        );
        assert_eq!(
            refused(&"x7Kq".repeat(257), STRICT),
            Some(PasswordRefused::TooLong)
        );
    }
}
