//! Settings of each service as a process: what is set to nothing is not set, every mistake is said at once, and each has a version.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::Command;

const ROLES: [&str; 5] = ["gateway", "user", "wallet", "transaction", "payment"];

fn service(role: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_checker"));
    command.args(["serve", role]);
    for variable in settings::VARIABLES {
        command.env_remove(variable);
    }
    command
}

/// Its words, and its exit code. None of these starts may get as far as to serve.
fn said(command: &mut Command) -> (String, Option<i32>) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (text, output.status.code())
}

#[test]
fn every_variable_that_is_set_to_nothing_is_not_set() {
    for role in ROLES {
        let unset = said(&mut service(role));
        assert_eq!(unset.1, Some(2), "{role}: {}", unset.0);
        assert!(
            unset.0.contains("SECRET_KEY must be set"),
            "{role}: {}",
            unset.0
        );
        let mut empty = service(role);
        for variable in settings::VARIABLES {
            empty.env(variable, "");
        }
        assert_eq!(said(&mut empty), unset, "{role}");
    }
}

#[test]
fn every_mistake_of_a_service_is_said_at_once() {
    let mistakes = [
        ("USER_SERVICE_URL", "localhost:5001"),
        ("WALLET_SERVICE_URL", "https://wallet"),
        ("SECRET_KEY", "short"),
        ("SHUTDOWN_TIMEOUT", "0"),
        ("LOG_LEVEL", "verbose"),
        ("BIND", "nowhere"),
    ];
    for role in ["gateway", "payment", "transaction"] {
        let (text, code) = said(service(role).envs(mistakes));
        assert_eq!(code, Some(2), "{role}: {text}");
        for (variable, _) in mistakes {
            assert!(
                text.contains(&format!("\n  {variable}")),
                "{role}: {variable} is not in {text}"
            );
        }
        assert!(!text.contains("short"), "{text}");
    }
    let (text, _) = said(service("user").envs([
        ("ARGON2_PASSES", "0"),
        ("DATABASE_CONNECTIONS", "0"),
        ("ADMIN_PASSWORD", "a long password"),
        ("USER_SERVICE_PORT", "tcp://10.0.0.1:5001"),
        ("SECRET_KEY", testing::SECRET),
    ]));
    for line in [
        "DATABASE_URL must be set: ",
        "ARGON2_PASSES=0: ",
        "DATABASE_CONNECTIONS=0: ",
        "ADMIN_EMAIL must be set, too: ",
        "USER_SERVICE_PORT=tcp://10.0.0.1:5001: a port is a number",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}
