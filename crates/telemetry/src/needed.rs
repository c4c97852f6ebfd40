//! Something that a process needs and does not have in its hands: another service, a collector of traces.
//!
//! Whoever asks for it again and again would log each failure; what a person wants to read is one line when it went away, with why, and
//! one when it came back. At a start everything comes up at about the same time, so that what was never there is waited for in peace.

use std::error::Error;
use std::time::{Duration, Instant};

use crate::with_causes;

/// The time that something that was never there may stay away before that is worth a warning.
const PATIENCE: Duration = Duration::from_secs(15);

/// Logs when something goes away, and when it is there again.
#[derive(Debug)]
pub struct Needed {
    name: &'static str,
    patience: Duration,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// It was never there, and nobody minds yet.
    Awaited {
        since: Option<Instant>,
    },
    There,
    /// It was told that it is away.
    Away {
        since: Instant,
    },
}

impl Needed {
    /// Something that is not there yet. `name` begins a sentence, as in "the user service is away".
    pub fn new(name: &'static str) -> Needed {
        Needed {
            name,
            patience: PATIENCE,
            state: State::Awaited { since: None },
        }
    }

    /// It did what it was asked for.
    pub fn is_there(&mut self) {
        if let State::Away { since } = self.state {
            let seconds = since.elapsed().as_secs();
            tracing::info!(seconds, "{} is back", self.name);
        }
        self.state = State::There;
    }

    /// It did not.
    pub fn is_away(&mut self, why: &(dyn Error + 'static)) {
        let now = Instant::now();
        let since = match self.state {
            State::Away { .. } => return,
            State::Awaited { since: None } => {
                self.state = State::Awaited { since: Some(now) };
                tracing::debug!(why = with_causes(why), "{} is not there yet", self.name);
                return;
            }
            State::Awaited { since: Some(since) } if since.elapsed() < self.patience => return,
            State::Awaited { since: Some(since) } => since,
            State::There => now,
        };
        self.state = State::Away { since };
        tracing::warn!(why = with_causes(why), "{} is away", self.name);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, Write};
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            log.write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Gives the lines that are logged while something is away (`-`) and there (`+`), one after the other.
    fn logged(patience: Duration, what: &str) -> Vec<String> {
        let log = Log::default();
        let writer = log.clone();
        let lines = tracing_subscriber::fmt()
            .without_time()
            .with_target(false)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(lines, || {
            let mut needed = Needed::new("the user service");
            needed.patience = patience;
            for is_there in what.chars().map(|it| it == '+') {
                if is_there {
                    needed.is_there();
                } else {
                    needed.is_away(&Error::other("connection refused"));
                }
            }
        });
        let log = log.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&log);
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

    #[test]
    fn it_is_told_once_that_something_is_away_and_once_that_it_is_back() {
        let (away, back) = (
            "WARN the user service is away why=\"connection refused\"",
            "INFO the user service is back seconds=0",
        );
        assert_eq!(logged(PATIENCE, "+---++--+"), [away, back, away, back]);
        assert_eq!(
            logged(PATIENCE, "----+"),
            [""; 0],
            "a start that had to wait"
        );
        assert_eq!(logged(Duration::ZERO, "----+"), [away, back], "for long");
    }
}
