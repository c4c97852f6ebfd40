//! A service's program, run with a command as an operator runs it.

use std::process::{Command, Stdio};

use store::DatabaseConfig;

/// The end of a command, and what it said on both of its streams.
#[derive(Debug)]
pub struct Said {
    /// The exit code.
    pub code: Option<i32>,
    /// The words.
    pub text: String,
}

/// Runs a program to its end on this database. Tasks of the test go on meanwhile.
///
/// # Panics
/// When the program cannot be run.
pub async fn run_command(
    program: &str,
    words: &[&str],
    database: &DatabaseConfig,
    variables: &[(&str, &str)],
) -> Said {
    let mut command = Command::new(program);
    command
        .args(words)
        .env("DATABASE_URL", &database.url)
        .env_remove("DATABASE_SCHEMA")
        .envs(variables.iter().copied())
        .stdin(Stdio::null());
    if let Some(schema) = &database.schema {
        command.env("DATABASE_SCHEMA", schema);
    }
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output
        .unwrap_or_else(|error| panic!("{program}: {error}"))
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Said {
        code: output.status.code(),
        text,
    }
}

impl Said {
    /// Fails unless it ended so, and said all of this.
    ///
    /// # Panics
    /// When that is not so.
    #[track_caller]
    pub fn expect(&self, code: i32, parts: &[&str]) -> &Said {
        assert_eq!(self.code, Some(code), "{}", self.text);
        for part in parts {
            assert!(self.text.contains(part), "{}\nlacks\n{part}", self.text);
        }
        self
    }
}
