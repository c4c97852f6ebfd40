//! How far long work is, for a person at a terminal; nothing where nobody looks.

use std::io::{self, IsTerminal as _, Read, Write as _};

/// Shows how much of a known amount is done.
pub(crate) struct Progress {
    what: &'static str,
    done: u64,
    all: u64,
    is_shown: bool,
}

impl Progress {
    /// Of so much in all.
    pub(crate) fn new(what: &'static str, all: u64) -> Progress {
        Progress {
            what,
            done: 0,
            all,
            is_shown: io::stderr().is_terminal(),
        }
    }

    /// Shown to nobody: for what is quick.
    pub(crate) fn hidden() -> Progress {
        Progress {
            what: "",
            done: 0,
            all: 0,
            is_shown: false,
        }
    }

    /// A reader whose bytes count.
    pub(crate) fn reading<R: Read>(&mut self, from: R) -> Counted<'_, R> {
        Counted {
            progress: self,
            from,
        }
    }

    fn add(&mut self, done: usize) {
        self.done = self
            .done
            .saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
        if self.is_shown {
            let Progress {
                what, done, all, ..
            } = self;
            // Progress that cannot be shown is no reason to stop.
            let _ = write!(io::stderr(), "\r  {done} of {all} {what}\x1b[K\r");
        }
    }
}

/// See [`Progress::reading`].
pub(crate) struct Counted<'a, R> {
    progress: &'a mut Progress,
    from: R,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(to)?;
        self.progress.add(read);
        Ok(read)
    }
}
