//! How a process is told to end, and what it does not take for that.
//!
//! SIGTERM and Ctrl-C end in order; a second one ends at once. SIGHUP comes for three reasons: the terminal is gone, and then the
//! process ends in order, because nobody could stop it any more; somebody wants settings to be read again, or a log to be
//! reopened, and then it is ignored, as SIGUSR1 and SIGUSR2 are: their default would be to die in the midst of requests.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long an end at once waits for its last line to be written.
const FAREWELL_MAX: Duration = Duration::from_millis(100);
/// The exit code of a process that a signal ended at once is this and the signal's number, as shells have it.
const SIGNALLED: i32 = 128;

/// Cancelled when the process should end in order. From then on another SIGTERM or Ctrl-C ends it at once.
pub fn stop_signal() -> anyhow::Result<CancellationToken> {
    let signals = Signals::listen()?;
    let stop = CancellationToken::new();
    tokio::spawn(signals.watch(stop.clone()));
    Ok(stop)
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    user_1: Signal,
    user_2: Signal,
    had_terminal: bool,
}

/// The meaning of a signal.
enum Told {
    /// To end, by the signal of this number.
    End(SignalKind),
    /// Something that is ignored.
    Nothing(&'static str),
}

impl Signals {
    fn listen() -> anyhow::Result<Signals> {
        let listen = |kind: SignalKind, name: &str| {
            signal(kind).with_context(|| format!("cannot listen for {name}"))
        };
        Ok(Signals {
            terminate: listen(SignalKind::terminate(), "SIGTERM")?,
            interrupt: listen(SignalKind::interrupt(), "Ctrl-C")?,
            hang_up: listen(SignalKind::hangup(), "SIGHUP")?,
            user_1: listen(SignalKind::user_defined1(), "SIGUSR1")?,
            user_2: listen(SignalKind::user_defined2(), "SIGUSR2")?,
            had_terminal: has_terminal(),
        })
    }

    async fn watch(mut self, stop: CancellationToken) {
        loop {
            match self.next().await {
                Told::Nothing(signal) => {
                    tracing::info!(signal, "ignored: settings are read at the start only");
                }
                Told::End(_) if !stop.is_cancelled() => stop.cancel(),
                // The terminal is gone, and the process was told to end before: that goes on.
                Told::End(kind) if kind == SignalKind::hangup() => {}
                Told::End(kind) => {
                    let stderr = telemetry::stderr();
                    stderr.say("Ended at once: requests that were open get no answer.\n");
                    // Here it does not matter whether it is written.
                    let _ = stderr.flush(FAREWELL_MAX);
                    std::process::exit(SIGNALLED.saturating_add(kind.as_raw_value()));
                }
            }
        }
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::End(SignalKind::terminate()),
            _ = self.interrupt.recv() => Told::End(SignalKind::interrupt()),
            _ = self.hang_up.recv() => {
                // Under `nohup`, and where there never was one, no terminal can be gone.
                if self.had_terminal && !has_terminal() {
                    Told::End(SignalKind::hangup())
                } else {
                    Told::Nothing("SIGHUP")
                }
            }
            _ = self.user_1.recv() => Told::Nothing("SIGUSR1"),
            _ = self.user_2.recv() => Told::Nothing("SIGUSR2"),
        }
    }
}

/// Returns whether a terminal is at one of the three ends. One that was closed is none any more.
fn has_terminal() -> bool {
    std::io::stdin().is_terminal()
        || std::io::stdout().is_terminal()
        || std::io::stderr().is_terminal()
}
