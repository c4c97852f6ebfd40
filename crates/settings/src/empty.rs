//! A variable that is set to nothing is not set: compose files, charts and `.env` files write those that nobody filled in that way, and
//! OpenTelemetry's specification says the same of its own.
//!
//! Variables cannot be taken out of a running process safely, and libraries (OpenTelemetry, PostgreSQL's client) read theirs by
//! themselves. So the process starts itself again without them: the same process, with the same arguments.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::VARIABLES;

/// The prefixes of variables that libraries read.
const READ_BY_LIBRARIES: [&str; 3] = ["OTEL_", "PG", "RUST_"];

/// Call it first in `main`.
pub fn without_empty_variables() {
    let empty: Vec<OsString> = std::env::vars_os()
        .filter(|(name, value)| is_ours(name) && is_blank(value))
        .map(|(name, _)| name)
        .collect();
    if empty.is_empty() {
        return;
    }
    let again = std::env::current_exe().map(|program| {
        let mut words = std::env::args_os();
        let mut command = Command::new(program);
        if let Some(name) = words.next() {
            command.arg0(name);
        }
        command.args(words);
        for name in &empty {
            command.env_remove(name);
        }
        command.exec()
    });
    // Only where that failed. It goes on with them, and whoever reads one says what is wrong with it.
    let (Ok(error) | Err(error)) = again;
    let _ = writeln!(
        std::io::stderr(),
        "variables that are set to nothing cannot be left out: {error}"
    );
}

fn is_ours(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| {
        VARIABLES.contains(&name)
            || READ_BY_LIBRARIES
                .iter()
                .any(|start| name.starts_with(start))
    })
}

fn is_blank(value: &OsStr) -> bool {
    value.to_str().is_some_and(|value| value.trim().is_empty())
}
