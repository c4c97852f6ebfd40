//! What is left of somebody's address and number for others to see.

/// `j***@example.com`. A name of one letter is hidden whole, since the letter would be all of it.
pub(super) fn email(address: &str) -> String {
    let (local, domain) = address.split_once('@').unwrap_or((address, ""));
    let mut letters = local.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(_)) => format!("{first}***@{domain}"),
        _ => format!("***@{domain}"),
    }
}

/// Stars, and the last four characters of a long number, two of a short one, none of a very short one.
pub(super) fn phone(number: &str) -> String {
    let length = number.chars().count();
    let shown = match length {
        0..4 => 0,
        4..8 => 2,
        _ => 4,
    };
    number
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
    fn masks_leave_little() {
        for (address, masked) in [
            ("john@example.com", "j***@example.com"),
            ("j@example.com", "***@example.com"),
            ("ää@ö", "ä***@ö"),
        ] {
            assert_eq!(email(address), masked);
        }
        for (number, masked) in [
            ("081234567890", "********7890"),
            ("12345", "***45"),
            ("123", "***"),
            ("", ""),
        ] {
            assert_eq!(phone(number), masked);
        }
    }
}
