//! Settings from outside: what a variable may say, and what is said about one that cannot be used.
//!
//! clap ends at the first mistake. Whoever has several would start the process once for each, so here every mistake is gathered, with
//! the name of its variable, before anything is opened: [`read`]. What must hold: a variable that is set to nothing is not set
//! ([`without_empty_variables`]), and no secret is ever part of a sentence.

mod empty;
mod misspelt;
mod read;
mod values;

pub use empty::without_empty_variables;
pub use misspelt::{VARIABLES, hints};
pub use read::{NotUsable, read};
pub use values::{
    DISTANCE_MAX, SECONDS_MAX, SECRET_BYTES_MIN, at_least_one, bind_address, guessable, origin,
    port, positive_seconds, ratio, seconds, secret, service_url, text_is_close, whole_seconds,
    yes_or_no,
};

use std::time::Duration;

/// Settings that were read one by one, and that may not go together.
pub trait Settings {
    /// Adds what cannot work, and what is worth a word.
    fn check(&self, _found: &mut Findings) {}

    /// The variable, and the time, that a request is given here to be answered from elsewhere.
    fn call_timeout(&self) -> Option<(&'static str, Duration)> {
        None
    }
}

/// The findings about settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Mistakes that cannot work, a sentence each, with the variable's name.
    pub mistakes: Vec<String>,
    /// Settings that work, and are probably not meant.
    pub hints: Vec<String>,
}

impl Findings {
    /// Something that cannot work.
    pub fn mistake(&mut self, sentence: impl Into<String>) {
        self.mistakes.push(sentence.into());
    }

    /// Refuses a secret that strangers could guess. It is not part of the sentence.
    pub fn check_secret(&mut self, variable: &str, secret: &str) {
        if let Some(why) = guessable(secret) {
            self.mistake(format!(
                "{variable}: {why}; `openssl rand -hex 32` makes one (DEMO_DATA=true takes it, for trying out)"
            ));
        }
    }

    /// Something that works, and is probably not meant.
    pub fn hint(&mut self, sentence: impl Into<String>) {
        self.hints.push(sentence.into());
    }
}
