//! Writing to standard error and standard output without waiting for whoever reads them.
//!
//! A terminal that was stopped with Ctrl-S, and a pipe that is open and not read, take nothing: a write waits, and it may wait for ever.
//! No request, no start, and no signal may wait with it. So one thread for each output writes, and everybody else hands text over. What
//! must hold: handing over never blocks; what waits is bounded; text that finds no place is dropped, counted, and told of afterwards in
//! one line; at the end of the process what waits has a moment to be written, and no more.
//!
//! tracing-appender's `NonBlocking` is nearly this. But its guard writes to standard output when its own queue is full, which then waits
//! again (or panics, where the output is closed); it can be flushed only by ending it; and it counts lines, which have no bounded length.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes that may wait for an output. A line has 300 or so, so these are some 3,000.
pub const WAITING_BYTES_MAX: usize = 1024 * 1024;
/// The time that the end of a process waits for its last lines to be written.
pub const FLUSH_MAX: Duration = Duration::from_secs(1);

static DROPPED: AtomicU64 = AtomicU64::new(0);
static STDERR: OnceLock<Output> = OnceLock::new();
static STDOUT: OnceLock<Output> = OnceLock::new();

/// The number of lines of this process that found no place so far.
pub fn dropped_lines() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// The process's standard error.
pub fn stderr() -> &'static Output {
    STDERR.get_or_init(|| Output::new("stderr", std::io::stderr))
}

/// The process's standard output, for a server. A command whose result is its output writes to it directly, and waits for its reader.
pub fn stdout() -> &'static Output {
    STDOUT.get_or_init(|| Output::new("stdout", std::io::stdout))
}

/// Waits until what was handed over is written, or until [`FLUSH_MAX`] is over for each output.
pub(crate) fn flush() {
    for output in [&STDERR, &STDOUT] {
        if let Some(output) = output.get() {
            output.flush(FLUSH_MAX);
        }
    }
}

type DirectWrite = dyn Fn(&[u8]) + Send + Sync;

/// An output with a thread that writes to it.
pub struct Output {
    queue: Arc<Queue>,
    /// True if there is a thread. Where none could be started, the process is about to say why it cannot start, and may wait.
    has_thread: bool,
    direct: Box<DirectWrite>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    is_writing: bool,
    /// Since it was told last.
    dropped: u64,
}

impl Output {
    /// `open` gives what is written to. `name` says which output it is.
    fn new<W: Write>(name: &'static str, open: impl Fn() -> W + Send + Sync + 'static) -> Output {
        let queue = Arc::new(Queue::default());
        let open = Arc::new(open);
        let (thread_queue, thread_open) = (queue.clone(), open.clone());
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || thread_queue.write_for_ever(name, thread_open()));
        Output {
            queue,
            has_thread: thread.is_ok(),
            direct: Box::new(move |text| write(&mut open(), text)),
        }
    }

    /// Hands over whole lines, and never waits.
    pub fn say(&self, lines: &str) {
        if !self.has_thread {
            (self.direct)(lines.as_bytes());
            return;
        }
        let mut state = self.queue.lock();
        if state.waiting.len().saturating_add(lines.len()) > WAITING_BYTES_MAX {
            state.dropped = state.dropped.saturating_add(1);
            DROPPED.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.waiting.extend_from_slice(lines.as_bytes());
        drop(state);
        self.queue.changed.notify_all();
    }

    /// The last words of a process: waits a moment for them to be written.
    pub fn say_last(&self, lines: &str) {
        self.say(lines);
        self.flush(FLUSH_MAX);
    }

    /// Waits until everything that was handed over is written, but no longer than this. Says whether it is.
    pub fn flush(&self, within: Duration) -> bool {
        let is_open = |state: &mut State| state.is_writing || !state.waiting.is_empty();
        let state = self.queue.lock();
        let waited = self
            .queue
            .changed
            .wait_timeout_while(state, within, is_open);
        let (_state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        !waited.timed_out()
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_for_ever(&self, name: &str, mut output: impl Write) {
        loop {
            let (text, dropped) = self.next();
            if dropped > 0 {
                // A line as any other. There is place for it: what waited was just taken.
                tracing::warn!(
                    lines = dropped,
                    "lines are missing here: nobody read {name}"
                );
            }
            write(&mut output, &text);
        }
    }

    /// Waits for text, and takes all that waits. Whatever was taken before is written by now.
    fn next(&self) -> (Vec<u8>, u64) {
        let mut state = self.lock();
        state.is_writing = false;
        self.changed.notify_all();
        let is_idle = |state: &mut State| state.waiting.is_empty();
        let waited = self.changed.wait_while(state, is_idle);
        state = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_writing = true;
        (
            std::mem::take(&mut state.waiting),
            std::mem::take(&mut state.dropped),
        )
    }
}

/// An output that cannot be written to cannot say so.
fn write(output: &mut impl Write, text: &[u8]) {
    let _ = output.write_all(text).and_then(|()| output.flush());
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, pipe};

    use super::*;

    #[test]
    #[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
    fn what_nobody_reads_is_bounded_and_what_was_dropped_is_counted() {
        let (mut reader, writer) = pipe().unwrap();
        let output = Output::new("test", move || writer.try_clone().unwrap());
        let line = format!("{}\n", "a".repeat(1023));
        let said = 4 * WAITING_BYTES_MAX / line.len();
        let before = dropped_lines();
        for _ in 0..said {
            output.say(&line);
        }
        assert!(!output.flush(Duration::from_millis(10)), "nobody reads");
        let dropped = dropped_lines() - before;
        let kept = said - usize::try_from(dropped).unwrap();
        assert!(dropped > 0 && kept * line.len() <= 3 * WAITING_BYTES_MAX);
        let reading = thread::spawn(move || {
            let mut text = vec![0; kept * 1024];
            reader.read_exact(&mut text).unwrap();
            text
        });
        assert!(output.flush(Duration::from_secs(10)));
        let text = reading.join().unwrap();
        assert_eq!(text, line.repeat(kept).into_bytes());
    }
}
