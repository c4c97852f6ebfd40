//! An error with its causes, in one line.
//!
//! Libraries do both: they say their cause's sentence as part of their own, and give the cause as their source. Said one after the other,
//! the same words come two or three times.

use std::error::Error;

/// The error's sentence, and those of its causes that it does not say itself.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let sentence = error.to_string();
        if !text.contains(&sentence) {
            text.push_str(": ");
            text.push_str(&sentence);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl std::fmt::Display for Layer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|layer| layer as _)
        }
    }

    #[test]
    fn no_cause_is_told_twice() {
        let refused = || Box::new(Layer("connection refused", None));
        let repeated = Layer("no connection: connection refused", Some(refused()));
        assert_eq!(with_causes(&repeated), "no connection: connection refused");
        let plain = Layer("no connection", Some(refused()));
        assert_eq!(with_causes(&plain), "no connection: connection refused");
    }
}
