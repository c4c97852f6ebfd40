//! A service's settings as people write them: every mistake at once, for each of its commands, and nothing is shown that is secret.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::Command;

fn refused(words: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_user-service"));
    command.args(words).env_clear();
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
    said
}

#[test]
fn a_database_that_cannot_be_is_told_with_every_other_mistake() {
    let variables = [
        ("DATABASE_URL", "postgres://user:hunter2@host:port/database"),
        ("DATABASE_SCHEMA", "User"),
        ("DATABASE_WAIT", "1m"),
        ("LOG_LEVEL", "verbose"),
        ("SECRET_KEY", "short"),
    ];
    for (words, others) in [
        (&["serve"][..], &["SECRET_KEY: a secret needs "][..]),
        (&["migrate"], &[]),
        (&["adopt"], &[]),
        (
            &["--database-connections", "0", "serve"],
            &["--database-connections=0: "],
        ),
    ] {
        let said = refused(words, &variables);
        let common = [
            "DATABASE_URL: a URL such as postgres://user:password@host/database: ",
            "DATABASE_SCHEMA=User: a name of lower-case letters, digits and _ only",
            "DATABASE_WAIT=1m: a whole number of seconds",
            "LOG_LEVEL=verbose: a level ",
        ];
        for line in common.iter().chain(others) {
            assert_eq!(
                said.matches(line).count(),
                1,
                "{words:?}: {line} is not once in {said}"
            );
        }
        assert!(!said.contains("hunter2"), "{said}");
    }
}
