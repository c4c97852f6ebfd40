//! Addresses: what one is, and which two are the same.

use http_server::{composed, hidden};

/// RFC 5321, section 4.5.3.1.3, less the angle brackets.
const EMAIL_BYTES_MAX: usize = 254;

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
}
