//! Telephone numbers, which people write as they like.

/// The form that numbers are looked up by: without what stands between digits, and with 0 for Indonesia's +62. The migration that added the
/// column does the same.
pub(crate) fn phone_key(phone: &str) -> String {
    let bare: String = phone
        .chars()
        .filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')'))
        .collect();
    match bare.strip_prefix("+62") {
        Some(rest) => format!("0{rest}"),
        None => bare,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_has_one_form() {
        for written in [
            "081234567890",
            "+62 812-3456-7890",
            "(0812) 3456.7890",
            "+6281234567890",
        ] {
            assert_eq!(phone_key(written), "081234567890", "{written}");
        }
        assert_eq!(phone_key("+1 (555) 010-9999"), "+15550109999");
        assert_eq!(phone_key(" - "), "");
    }
}
