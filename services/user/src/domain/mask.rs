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

/// `Jane S***`: the first word, and of each other its first letter. Of a name of one word, the first letter.
pub(super) fn name(name: &str) -> String {
    let initial = |word: &str| {
        word.chars()
            .take(1)
            .chain("***".chars())
            .collect::<String>()
    };
    let mut words = name.split_whitespace();
    let first = words.next().unwrap_or_default();
    let others: Vec<String> = words.map(initial).collect();
    if others.is_empty() {
        return initial(first);
    }
    format!("{first} {}", others.join(" "))
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
        for (whole, masked) in [
            ("Jane Smith", "Jane S***"),
            ("Budi Ahmad  Santoso", "Budi A*** S***"),
            ("Ani", "A***"),
            ("\u{738b}\u{5c0f}\u{660e}", "\u{738b}***"),
        ] {
            assert_eq!(name(whole), masked);
        }
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
