//! Texts that people read: names, merchants, descriptions. What looks like nothing is nothing, and two texts that look alike
//! because of what cannot be seen are not both accepted: a payer picks the receiver by what the screen shows.
//!
//! What must hold: a text is in Unicode's composed form (NFC), has something to see in it, no control characters, and none that
//! are invisible or turn the direction of what follows. Where writing needs an invisible character (emoji that are joined, Persian,
//! the scripts of India), it stays.

use api_error::ApiError;
// Both are part of the lock anyway (PostgreSQL's passwords are prepared with them), and their tables are Unicode's own.
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::canonical_combining_class;
use unicode_properties::{
    GeneralCategory, GeneralCategoryGroup, UnicodeEmoji as _, UnicodeGeneralCategory as _,
};

/// The longest text that a client may give for a name, a merchant or a description, in characters.
pub const FIELD_CHARS_MAX: usize = 200;

const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';
/// Unicode's class of the sign that takes a consonant's vowel away.
const VIRAMA: u8 = 9;

/// Text of 1 to `chars_max` characters, trimmed and composed. `name` is the field that an error names.
pub fn text(value: &str, name: &'static str, chars_max: usize) -> Result<String, ApiError> {
    let wrong = |code, message: String| {
        ApiError::bad_request("Invalid field", code)
            .field(name)
            .message(message)
    };
    // Bounded before it is looked at: composing may only shorten it by a few times.
    if value.chars().count() > chars_max.saturating_mul(4) {
        return Err(wrong(
            "invalid_field",
            format!("{name} has at most {chars_max} characters"),
        ));
    }
    if value.chars().any(char::is_control) {
        let value = value.trim();
        if value.chars().any(char::is_control) {
            return Err(wrong(
                "invalid_field",
                format!("{name} has a control character"),
            ));
        }
    }
    let value = composed(value);
    let value = value.trim();
    if let Some(found) = hidden(value) {
        let code_point = u32::from(found);
        return Err(wrong(
            "invisible_character",
            format!("{name} has a character that cannot be seen: U+{code_point:04X}"),
        ));
    }
    if !value.chars().any(is_visible) {
        return Err(wrong("invalid_field", format!("{name} is empty")));
    }
    if value.chars().count() > chars_max {
        return Err(wrong(
            "invalid_field",
            format!("{name} has at most {chars_max} characters"),
        ));
    }
    Ok(value.to_owned())
}

/// The composed form, in which every kind of space is the plain one: what passwords and addresses are compared in, too (RFC 8265,
/// section 4.2).
pub fn composed(value: &str) -> String {
    if value.is_ascii() {
        return value.to_owned();
    }
    let plain = |c: char| match c.general_category() {
        GeneralCategory::SpaceSeparator => ' ',
        _ => c,
    };
    value.chars().map(plain).nfc().collect()
}

/// The first character that cannot be seen and that no writing needs at its place.
pub fn hidden(value: &str) -> Option<char> {
    if value.is_ascii() {
        return None;
    }
    let mut before = None;
    let mut characters = value.chars().peekable();
    while let Some(c) = characters.next() {
        if is_invisible(c) && !is_needed(before, c, characters.peek().copied()) {
            return Some(c);
        }
        before = Some(c);
    }
    None
}

fn is_invisible(c: char) -> bool {
    use GeneralCategory::{
        Format, LineSeparator, ParagraphSeparator, PrivateUse, Surrogate, Unassigned,
    };
    let category = matches!(
        c.general_category(),
        Format | LineSeparator | ParagraphSeparator | PrivateUse | Surrogate | Unassigned
    );
    // Letters, marks and symbols that have no shape: Hangul fillers, Khmer's inherent vowels, joiners, variation selectors, the
    // empty Braille pattern.
    category
        || matches!(c,
            '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2800}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{fffc}' | '\u{e0100}'..='\u{e01ef}')
}

/// Returns whether writing needs an invisible character between these two.
fn is_needed(before: Option<char>, c: char, after: Option<char>) -> bool {
    let Some(before) = before else {
        return false;
    };
    let is_emoji = |c: char| c.is_emoji_char() && !c.is_ascii_digit();
    match c {
        // A symbol as text or as a picture.
        '\u{fe0e}' | '\u{fe0f}' => before.is_emoji_char(),
        ZERO_WIDTH_JOINER => {
            let joins_emoji =
                (is_emoji(before) || before == '\u{fe0f}') && after.is_some_and(is_emoji);
            joins_emoji || canonical_combining_class(before) == VIRAMA
        }
        ZERO_WIDTH_NON_JOINER => {
            canonical_combining_class(before) == VIRAMA
                || (is_arabic(before) && after.is_some_and(is_arabic))
        }
        _ => false,
    }
}

/// Letters of the script in which letters join (RFC 5892, appendix A.1, in short).
fn is_arabic(c: char) -> bool {
    matches!(c, '\u{620}'..='\u{64a}' | '\u{66e}'..='\u{6d3}' | '\u{6fa}'..='\u{6ff}' | '\u{750}'..='\u{77f}' | '\u{8a0}'..='\u{8c9}')
}

/// Returns whether it can be seen by itself: no space, and no mark without a letter.
fn is_visible(c: char) -> bool {
    matches!(
        c.general_category_group(),
        GeneralCategoryGroup::Letter
            | GeneralCategoryGroup::Number
            | GeneralCategoryGroup::Punctuation
            | GeneralCategoryGroup::Symbol
    ) && !is_invisible(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(value: &str) -> Option<String> {
        let error = text(value, "merchant", 10).err()?;
        Some(error.body.code.into_owned())
    }

    #[test]
    fn text_is_trimmed_bounded_and_composed() {
        for (given, kept) in [
            ("  Tokopedia ", "Tokopedia"),
            ("\u{a0}A\u{a0}B\u{3000}", "A B"),
            ("e\u{301}", "\u{e9}"),
            ("0123456789", "0123456789"),
            ("e\u{301}23456789\u{1f600}", "\u{e9}23456789\u{1f600}"),
        ] {
            assert_eq!(text(given, "merchant", 10).ok().as_deref(), Some(kept));
        }
        for bad in [
            "",
            "   ",
            "\u{a0}\u{2003}",
            "a\u{7}b",
            "a\u{85}b",
            "12345678901",
            "\u{301}",
        ] {
            assert_eq!(code(bad).as_deref(), Some("invalid_field"), "{bad:?}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_refused() {
        for bad in [
            "\u{200b}",
            "John\u{200b} Doe",
            "\u{feff}John",
            "John\u{202e}eoD",
            "a\u{2066}b\u{2069}",
            "a\u{200e}b",
            "so\u{ad}ft",
            "a\u{2060}b",
            "a\u{200d}b",
            "a\u{200c}b",
            "a\u{fe0f}b",
            "a\u{e0041}b",
            "a\u{2028}b",
            "\u{3164}",
            "\u{2800}",
            "\u{115f}a",
            "a\u{34f}b",
            "a\u{e000}b",
        ] {
            assert_eq!(code(bad).as_deref(), Some("invisible_character"), "{bad:?}");
        }
    }

    #[test]
    fn what_writing_needs_stays() {
        for good in [
            // A hot beverage as a picture, a family, a flag, a dark thumb.
            "Kopi \u{2615}\u{fe0f}",
            "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
            "\u{1f3f3}\u{fe0f}\u{200d}\u{1f308}",
            "\u{1f1ee}\u{1f1e9}",
            "\u{1f44d}\u{1f3ff}",
            // Persian and Sinhala.
            "\u{645}\u{6cc}\u{200c}\u{62e}",
            "\u{0dc1}\u{0dca}\u{200d}\u{0dbb}",
            "Śrī & Sö",
            "王小明",
        ] {
            assert_eq!(text(good, "merchant", 10).ok().as_deref(), Some(good));
        }
    }
}
