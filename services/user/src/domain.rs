//! The rules about users: what a registration may say, and who sees what of whom. Pure: no I/O, no clock.
//!
//! What must hold: others never get more of a user's address and number than the masks leave, and a [`Password`] has no
//! `Debug`, so that it cannot end up in a log.

use std::sync::Arc;

use api_error::ApiError;
use auth::{Role, UserId};
use http_server::{FIELD_CHARS_MAX, Field, composed, hidden, text};
use serde::Serialize;

/// RFC 5321, section 4.5.3.1.3, less the angle brackets.
const EMAIL_BYTES_MAX: usize = 254;
const PHONE_CHARS_MAX: usize = 32;
const PASSWORD_CHARS_MIN: usize = 8;
const PASSWORD_BYTES_MAX: usize = 1024;

/// An address as its owner writes it. Two addresses that differ only in case, or in how Unicode writes the same letters down, are the
/// same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Email(String);

impl Email {
    /// Something with one `@` between two parts, no longer than mail allows. Whether it exists only a mail can tell.
    pub(crate) fn parse(value: &str) -> Option<Email> {
        let value = value.trim();
        if value.len() > EMAIL_BYTES_MAX {
            return None;
        }
        let value = composed(value);
        let (local, domain) = value.split_once('@')?;
        let plain = |c: char| !c.is_control() && !c.is_whitespace() && c != '@';
        let good = !local.is_empty()
            && !domain.is_empty()
            && local.chars().all(plain)
            && domain.chars().all(plain)
            && hidden(&value).is_none()
            && ascii_domain(domain).is_some();
        good.then_some(Email(value))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that addresses are compared by: the name before the `@` without its case, and the domain as the domain name system has it.
    pub(crate) fn key(&self) -> String {
        let (local, domain) = self.0.split_once('@').unwrap_or((&self.0, ""));
        let domain = ascii_domain(domain).unwrap_or_else(|| domain.to_lowercase());
        // Lower case may be a letter with a mark beside it.
        format!("{}@{domain}", composed(&local.to_lowercase()))
    }

    /// The form that an address was compared by before domains were, where it is another. Users of then have it still.
    pub(crate) fn former_key(&self) -> Option<String> {
        let former = self.0.to_lowercase();
        (former != self.key()).then_some(former)
    }
}

/// The domain as the domain name system has it (`bücher.example` is `xn--bcher-kva.example`); `None` where it cannot have one.
fn ascii_domain(domain: &str) -> Option<String> {
    if domain.is_ascii() && !domain.to_ascii_lowercase().contains("xn--") {
        // No rules for names that only a local network has.
        return Some(domain.to_ascii_lowercase());
    }
    idna::domain_to_ascii(domain).ok()
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
    /// A password that a user may choose.
    pub(crate) fn choose(value: &str) -> Result<Password, ApiError> {
        if value.chars().count() < PASSWORD_CHARS_MIN {
            let message = format!("password has at least {PASSWORD_CHARS_MIN} characters");
            return Err(invalid("password", message));
        }
        Self::attempt(value)
    }

    /// A password that somebody tries: only its length is bounded.
    pub(crate) fn attempt(value: &str) -> Result<Password, ApiError> {
        if value.len() > PASSWORD_BYTES_MAX {
            let message = format!("password has at most {PASSWORD_BYTES_MAX} bytes");
            return Err(invalid("password", message));
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

/// The fields of a registration.
#[derive(Clone)]
pub(crate) struct Registration {
    pub(crate) name: String,
    pub(crate) email: Email,
    pub(crate) phone: String,
    pub(crate) password: Password,
}

impl Registration {
    /// Checks the four fields of a request: first that all are there, then each.
    pub(crate) fn parse(
        name: Field<String>,
        email: Field<String>,
        phone: Field<String>,
        password: Field<String>,
    ) -> Result<Registration, ApiError> {
        let required = [
            ("name", &name),
            ("email", &email),
            ("phone", &phone),
            ("password", &password),
        ];
        for (field, value) in required {
            if is_blank(value) {
                return Err(
                    ApiError::bad_request("All fields required", "missing_fields").field(field),
                );
            }
        }
        Ok(Registration {
            name: parse_name(&given("name", name)?)?,
            email: Email::parse(&given("email", email)?).ok_or_else(|| {
                invalid(
                    "email",
                    "email is an address such as ani@example.com".into(),
                )
            })?,
            phone: parse_phone(&given("phone", phone)?)?,
            password: Password::choose(&given("password", password)?)?,
        })
    }
}

/// The fields of a log-in. An address that none can be is kept as `None`: it fails like an unknown one.
pub(crate) struct Credentials {
    pub(crate) email: Option<Email>,
    pub(crate) password: Password,
}

impl Credentials {
    pub(crate) fn parse(
        email: Field<String>,
        password: Field<String>,
    ) -> Result<Credentials, ApiError> {
        if is_blank(&email) || is_blank(&password) {
            return Err(ApiError::bad_request(
                "Email and password required",
                "missing_fields",
            ));
        }
        Ok(Credentials {
            email: Email::parse(&given("email", email)?),
            password: Password::attempt(&given("password", password)?)?,
        })
    }
}

/// A change of a user's own data; `None` stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) name: Option<String>,
    pub(crate) phone: Option<String>,
}

impl Change {
    pub(crate) fn parse(name: Field<String>, phone: Field<String>) -> Result<Change, ApiError> {
        let changed = |field, value: Field<String>, parse: fn(&str) -> Result<String, ApiError>| {
            let value = value.optional(|| invalid(field, format!("{field} is a text")))?;
            value.map(|value| parse(&value)).transpose()
        };
        Ok(Change {
            name: changed("name", name, parse_name)?,
            phone: changed("phone", phone, parse_phone)?,
        })
    }
}

fn parse_name(value: &str) -> Result<String, ApiError> {
    text(value, "name", FIELD_CHARS_MAX)
}

fn parse_phone(value: &str) -> Result<String, ApiError> {
    text(value, "phone", PHONE_CHARS_MAX)
}

/// Missing, null, or nothing but spaces.
fn is_blank(value: &Field<String>) -> bool {
    match value {
        Field::Missing | Field::Null => true,
        Field::Wrong => false,
        Field::Given(value) => value.trim().is_empty(),
    }
}

fn given(field: &'static str, value: Field<String>) -> Result<String, ApiError> {
    let wrong = || invalid(field, format!("{field} is a text"));
    value.or_errors(wrong, wrong)
}

fn invalid(field: &'static str, message: String) -> ApiError {
    ApiError::bad_request("Invalid field", "invalid_field")
        .field(field)
        .message(message)
}

/// A user who was not deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) phone: String,
    pub(crate) role: Role,
}

/// The user who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Viewer {
    pub(crate) user_id: UserId,
    pub(crate) is_admin: bool,
}

impl Viewer {
    /// Returns whether this is somebody who may see and change everything about that user.
    pub(crate) fn may_manage(&self, user_id: i64) -> bool {
        self.is_admin || self.user_id.0 == user_id
    }
}

/// A user, as the caller may see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = User, example = json!({"id": 1, "name": "John Doe", "email": "john@example.com", "phone": "081234567890", "role": "user"}))]
pub(crate) struct UserView {
    /// The id.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    pub(crate) id: i64,
    /// The full name.
    pub(crate) name: String,
    /// The address; of others only the first letter and the domain.
    pub(crate) email: String,
    /// The number; of others only the last digits.
    pub(crate) phone: String,
    /// The user's rights. Not shown of others.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Role, required = false)]
    pub(crate) role: Option<Role>,
}

impl User {
    /// Everything: for the user themselves and for administrators.
    pub(crate) fn in_full(self) -> UserView {
        UserView {
            id: self.id,
            name: self.name,
            email: self.email,
            phone: self.phone,
            role: Some(self.role),
        }
    }

    /// The user as `viewer` may see them.
    pub(crate) fn seen_by(self, viewer: Viewer) -> UserView {
        if viewer.may_manage(self.id) {
            return self.in_full();
        }
        UserView {
            id: self.id,
            email: mask_email(&self.email),
            phone: mask_phone(&self.phone),
            name: self.name,
            role: None,
        }
    }
}

/// `j***@example.com`. A name of one letter is hidden whole, since the letter would be all of it.
fn mask_email(email: &str) -> String {
    let (local, domain) = email.split_once('@').unwrap_or((email, ""));
    let mut letters = local.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(_)) => format!("{first}***@{domain}"),
        _ => format!("***@{domain}"),
    }
}

/// Stars, and the last four characters of a long number, two of a short one, none of a very short one.
fn mask_phone(phone: &str) -> String {
    let length = phone.chars().count();
    let shown = match length {
        0..4 => 0,
        4..8 => 2,
        _ => 4,
    };
    phone
        .chars()
        .enumerate()
        .map(|(at, c)| {
            if length.saturating_sub(at) <= shown {
                c
            } else {
                '*'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_at_and_no_spaces() {
        for good in [
            "a@b",
            "Ani.Putri@Example.com",
            " ani@example.com ",
            "ä@ö.id",
        ] {
            assert!(Email::parse(good).is_some(), "{good}");
        }
        let long = format!("{}@example.com", "a".repeat(243));
        for bad in [
            "joh\u{200b}n@example.com",
            "john@exam\u{ad}ple.com",
            "\u{202e}john@example.com",
            "a@xn--\u{e4}",
            "",
            "@",
            "a@",
            "@b",
            "ab",
            "a@b@c",
            "a b@c",
            "a@b c",
            "a\0@b",
            "a@b\n.c",
            &long,
        ] {
            assert!(Email::parse(bad).is_none(), "{bad:?}");
        }
        let key = |value: &str| Email::parse(value).map(|email| email.key());
        for (one, other) in [
            ("Ani@Example.com", "ani@example.com"),
            ("jose\u{301}@example.com", "JOS\u{c9}@example.com"),
            ("a@B\u{fc}cher.example", "a@xn--bcher-kva.example"),
            ("a@bu\u{308}cher.example", "A@XN--BCHER-KVA.EXAMPLE"),
            ("\u{212a}@x.com", "k@x.com"),
        ] {
            assert!(key(one).is_some(), "{one}");
            assert_eq!(key(one), key(other), "{one}");
        }
        let email = Email::parse(" Ani@Example.com").map(|email| (email.key(), email.0));
        let parts = ("ani@example.com".to_owned(), "Ani@Example.com".to_owned());
        assert_eq!(email, Some(parts));
    }

    #[test]
    fn masks_leave_little() {
        for (email, masked) in [
            ("john@example.com", "j***@example.com"),
            ("j@example.com", "***@example.com"),
            ("ää@ö", "ä***@ö"),
        ] {
            assert_eq!(mask_email(email), masked);
        }
        for (phone, masked) in [
            ("081234567890", "********7890"),
            ("12345", "***45"),
            ("123", "***"),
            ("", ""),
        ] {
            assert_eq!(mask_phone(phone), masked);
        }
    }

    #[test]
    fn only_the_user_and_administrators_see_all() {
        let john = User {
            id: 1,
            name: "John Doe".to_owned(),
            email: "john@example.com".to_owned(),
            phone: "081234567890".to_owned(),
            role: Role::User,
        };
        let viewer = |user_id, is_admin| Viewer {
            user_id: UserId(user_id),
            is_admin,
        };
        assert_eq!(john.clone().seen_by(viewer(1, false)).email, john.email);
        assert_eq!(john.clone().seen_by(viewer(2, true)).phone, john.phone);
        let seen = john.seen_by(viewer(2, false));
        assert_eq!(
            (seen.email.as_str(), seen.phone.as_str(), seen.role),
            ("j***@example.com", "********7890", None)
        );
    }
}
