//! Settings as people write them: each mistake has its sentence, all of them come at once, and what is set to nothing is not set.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod process;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use process::{Running, command, healthy};
use rustix::process::{Pid, Signal, kill_process};

/// The words about a start with these variables, and the exit code. None of these starts may get as far as to serve.
fn refused(folder: &Path, variables: &[(&str, &str)]) -> (String, Option<i32>) {
    let mut dompet = dompet(folder);
    dompet.envs(variables.iter().copied());
    said(&mut dompet)
}

fn dompet(folder: &Path) -> Command {
    let mut dompet = command(folder, testing::free_ports());
    for name in ["SECRET_KEY", "LOG_LEVEL", "CARGO"] {
        dompet.env_remove(name);
    }
    dompet.current_dir(folder);
    dompet
}

fn said(dompet: &mut Command) -> (String, Option<i32>) {
    let output = dompet.stderr(Stdio::piped()).output().unwrap();
    (
        String::from_utf8_lossy(&output.stderr).into_owned(),
        output.status.code(),
    )
}

/// Variable, value, and what is said after the variable's name.
const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "GATEWAY_PORT",
        "abc",
        "a port is a number from 0 to 65535, such as 5000",
    ),
    (
        "GATEWAY_PORT",
        "99999",
        "a port is a number from 0 to 65535, such as 5000",
    ),
    (
        "USER_SERVICE_PORT",
        "tcp://10.0.0.1:5001",
        "a port is a number from 0 to 65535, such as 5000",
    ),
    (
        "BIND",
        "example.com",
        "an IP address of this machine, such as 127.0.0.1, 0.0.0.0 or ::1",
    ),
    (
        "BIND",
        "127.0.0.1:5000",
        "an address without a port; ports have variables of their own",
    ),
    (
        "PROBE_PORT",
        "abc",
        "a port is a number from 0 to 65535, such as 5000",
    ),
    (
        "MAX_CONNECTIONS_PER_ADDRESS",
        "0",
        "a whole number from 1 on",
    ),
    ("IDLE_TIMEOUT", "0", "more than 0 seconds"),
    ("REQUEST_TIMEOUT", "0", "more than 0 seconds"),
    (
        "REQUEST_TIMEOUT",
        "5s",
        "a number of seconds, such as 5 or 0.5",
    ),
    ("SERVER_TIMEOUT", "0", "more than 0 seconds"),
    (
        "HEADER_TIMEOUT",
        "-1",
        "a number of seconds, such as 5 or 0.5",
    ),
    ("SHUTDOWN_TIMEOUT", "0.0", "more than 0 seconds"),
    (
        "SHUTDOWN_DELAY",
        "1e300",
        "at most 86400 seconds, which is a day",
    ),
    ("MAX_CONNECTIONS", "0", "a whole number from 1 on"),
    (
        "DEMO_DATA",
        "maybe",
        "true or false (also yes and no, on and off, 1 and 0)",
    ),
    (
        "LOG_LEVEL",
        "verbose",
        "a level (off, error, warn, info, debug, trace), or a list such as info,wallet=debug",
    ),
    (
        "LOG_LEVEL",
        "wallet=loud",
        "a level (off, error, warn, info, debug, trace), or a list such as info,wallet=debug",
    ),
    ("LOG_FORMAT", "xml", "one of json, text"),
    (
        "OTEL_TRACES_SAMPLER_ARG",
        "3",
        "a number from 0 to 1, such as 0.1",
    ),
    (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "collector:4318",
        "a URL of plain HTTP, such as http://collector:4318, the port of OTLP over HTTP",
    ),
    (
        "CORS_ORIGINS",
        "a.example",
        "an origin such as https://wallet.example.com, or * for all; this one lacks https:// or http:// in front",
    ),
    (
        "CORS_ORIGINS",
        "https://a.example/",
        "an origin such as https://wallet.example.com, or * for all; browsers send it without a slash at its end: https://a.example",
    ),
    (
        "CORS_ORIGINS",
        "https://a.example/page",
        "an origin such as https://wallet.example.com, or * for all; an origin has no path",
    ),
];

#[test]
fn each_mistake_has_its_sentence_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for (variable, value, sentence) in MISTAKES {
        let mut dompet = dompet(folder.path());
        dompet.env("DATA_DIR", &data).env(variable, value);
        let (said, code) = said(&mut dompet);
        assert_eq!(said, format!("dompet: {variable}={value}: {sentence}\n"));
        assert_eq!(code, Some(2));
    }
    assert!(!data.exists());
}

#[test]
fn secrets_are_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    for (variable, value, expected) in [
        (
            "SECRET_KEY",
            "digital-wallet-secret-key-2024",
            "has 30; `openssl rand -hex 32` makes one. Unset it, and the local mode draws",
        ),
        (
            "DATABASE_URL",
            "mysql://user:hunter2@host/db",
            "postgres://user:password@host/database; without it SQLite is used, in DATA_DIR",
        ),
        (
            "DATABASE_URL",
            "sqlite:///hunter2.db",
            "the local mode keeps SQLite in DATA_DIR",
        ),
    ] {
        let (said, code) = refused(folder.path(), &[(variable, value)]);
        assert!(said.contains(&format!("dompet: {variable}: ")), "{said}");
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains(value) && !said.contains("hunter2"), "{said}");
        assert_eq!(code, Some(2));
    }
}

#[test]
fn every_mistake_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (said, code) = refused(
        folder.path(),
        &[
            ("GATEWAY_PORT", "abc"),
            ("USER_SERVICE_PORT", "7400"),
            ("WALLET_SERVICE_PORT", "7400"),
            ("LOG_LEVEL", "verbose"),
            ("SECRET_KEY", "short"),
            ("REQUEST_TIMEOUT", "0"),
            ("ADMIN_EMAIL", "admin@example.com"),
            ("CORS_ORIGINS", "a.example"),
            ("DATABASE_URL", "postgres://user:hunter2@host:port/database"),
            ("DATABASE_WAIT", "1m"),
        ],
    );
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.starts_with("dompet: 9 settings cannot be used:\n  "),
        "{said}"
    );
    for line in [
        "  GATEWAY_PORT=abc: ",
        "  WALLET_SERVICE_PORT=7400: USER_SERVICE_PORT is the same port",
        "  LOG_LEVEL=verbose: ",
        "  SECRET_KEY: ",
        "  REQUEST_TIMEOUT=0: ",
        "  ADMIN_PASSWORD must be set, too: ",
        "  CORS_ORIGINS=a.example: ",
        "  DATABASE_URL: a URL such as postgres://",
        "  DATABASE_WAIT=1m: a whole number of seconds",
    ] {
        assert!(said.contains(line), "{line} is not in {said}");
    }
}

#[test]
fn options_are_named_as_options_and_values_that_are_no_text_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (first, code) = said(dompet(folder.path()).args(["--bind", "nowhere", "--log-level=loud"]));
    assert_eq!(code, Some(2), "{first}");
    assert!(
        first.contains("  --bind=nowhere: ") && first.contains("  --log-level=loud: "),
        "{first}"
    );
    let no_text = OsString::from_vec(vec![b'/', 0xff]);
    let (second, code) = said(dompet(folder.path()).env("DATA_DIR", no_text));
    assert_eq!(
        (second.as_str(), code),
        ("dompet: DATA_DIR: not UTF-8\n", Some(2))
    );
}

#[test]
fn ports_that_cannot_be_had_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (said, code) = refused(folder.path(), &[("GATEWAY_PORT", &port)]);
    assert_eq!(code, Some(1));
    assert_eq!(
        said,
        format!(
            "dompet: port {port} for the gateway is taken; stop what uses it, or set GATEWAY_PORT to another port\n"
        )
    );
    // An address of the range for documentation (RFC 5737), which no machine has.
    let (said, code) = refused(folder.path(), &[("BIND", "192.0.2.1")]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("this machine has no such address; set BIND to one that it has"),
        "{said}"
    );
    assert!(!said.contains("taken"), "{said}");
}

/// Its words until it is healthy, and then ended in order.
async fn started(variables: &[(&str, &str)], words: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let ports = testing::free_ports();
    let mut dompet = command(folder.path(), ports);
    dompet.env_remove("CARGO");
    dompet.envs(variables.iter().copied()).args(words);
    let child = Running::spawn(dompet.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let is_elsewhere = variables
        .iter()
        .any(|(name, value)| *name == "BIND" && !value.trim().is_empty());
    if is_elsewhere {
        let address = format!("[::1]:{}", ports[0]);
        testing::wait_until("it listens", || async {
            tokio::net::TcpStream::connect(&address).await.is_ok()
        })
        .await;
    } else {
        healthy(ports).await;
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let output = child.output();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    said
}

#[tokio::test]
async fn what_is_set_to_nothing_is_not_set() {
    let given = [
        "DATA_DIR",
        "GATEWAY_PORT",
        "USER_SERVICE_PORT",
        "WALLET_SERVICE_PORT",
        "TRANSACTION_SERVICE_PORT",
        "PAYMENT_SERVICE_PORT",
    ];
    let libraries = [
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_BSP_SCHEDULE_DELAY",
        "PGPORT",
        "PGSSLROOTCERT",
        "PGUSER",
    ];
    for nothing in ["", "  "] {
        let variables: Vec<(&str, &str)> = settings::VARIABLES
            .iter()
            .copied()
            .filter(|name| !given.contains(name))
            .chain(libraries)
            .map(|name| (name, nothing))
            .collect();
        let said = started(&variables, &[]).await;
        assert!(said.contains("Dompet is running (SQLite in "), "{said}");
        assert!(!said.contains("WARN"), "{said}");
    }
}

#[tokio::test]
async fn what_people_mean_is_understood() {
    let said = started(
        &[
            ("LOG_LEVEL", "WARNING"),
            ("LOG_FORMAT", "JSON"),
            ("DEMO_DATA", "no"),
            ("CORS_ORIGINS", "https://a.example, http://localhost:5173"),
        ],
        &["serve"],
    )
    .await;
    assert!(!said.contains("Demo logins"), "{said}");
    let said = started(&[], &["--no-demo-data", "--log-level", "info", "serve"]).await;
    assert!(!said.contains("Demo logins"), "{said}");
    let said = started(&[], &["serve", "--demo-data=false"]).await;
    assert!(!said.contains("Demo logins"), "{said}");
    for address in ["::1", "[::1]", "::"] {
        let said = started(&[("BIND", address), ("DEMO_DATA", "false")], &[]).await;
        assert!(said.contains("http://localhost:"), "{said}");
    }
}

#[tokio::test]
async fn what_is_probably_not_meant_is_told_in_a_line_each() {
    let said = started(
        &[
            ("GATEWAY_PROT", "6000"),
            ("LOGLEVEL", "debug"),
            ("PORT", "8080"),
            ("SERVICE_KEY", "a secret of services, which are not there"),
            ("REQUEST_TIMEOUT", "30"),
            ("LOG_LEVEL", "info,walet=debug"),
        ],
        &[],
    )
    .await;
    for line in [
        "GATEWAY_PROT is set, and nothing reads it; is GATEWAY_PORT meant?",
        "LOGLEVEL is set, and nothing reads it; is LOG_LEVEL meant?",
        "not heeded by the local mode: PORT, SERVICE_KEY",
        "REQUEST_TIMEOUT (30 s) is not below SERVER_TIMEOUT (15 s)",
        "nothing is logged under walet; is wallet meant?",
    ] {
        assert_eq!(
            said.matches(line).count(),
            1,
            "{line} is not once in {said}"
        );
    }
    let said = started(&[("BIND", "::")], &[]).await;
    assert!(
        said.contains("BIND=::: other machines reach the demo users"),
        "{said}"
    );
}

#[tokio::test]
async fn the_audit_is_named_as_it_can_be_run() {
    let said = started(&[], &[]).await;
    let hint = said
        .lines()
        .find_map(|line| line.split_once("Audit with: "))
        .unwrap()
        .1;
    assert!(hint.contains("verify --data-dir "), "{hint}");
    // The folder is gone: the command runs, and says so.
    let output = Command::new("sh").args(["-c", hint]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("there is no ledger"), "{said}");
}

#[test]
fn help_begins_with_what_happens_without_a_command() {
    let folder = tempfile::tempdir().unwrap();
    for option in ["--help", "-h"] {
        let mut dompet = dompet(folder.path());
        let output = dompet.arg(option).stdout(Stdio::piped()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            text.starts_with("Without a command it starts the whole wallet"),
            "{text}"
        );
    }
    for words in [&["--version"][..], &["-V"], &["verify", "--version"]] {
        let mut dompet = dompet(folder.path());
        let output = dompet.args(words).stdout(Stdio::piped()).output().unwrap();
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains(env!("CARGO_PKG_VERSION")));
    }
    let elsewhere = folder.path().join("else where");
    for words in [["verify", "--data-dir"], ["--data-dir", "verify"]] {
        let mut dompet = dompet(folder.path());
        dompet.env_remove("DATA_DIR");
        // The option's value goes after the option, wherever that stands.
        for word in words {
            dompet.arg(word);
            if word == "--data-dir" {
                dompet.arg(&elsewhere);
            }
        }
        let (said, code) = said(&mut dompet);
        assert!(said.contains(&format!("{}", elsewhere.display())), "{said}");
        assert_eq!(code, Some(1));
    }
}

#[test]
fn a_secret_that_strangers_could_guess_is_for_the_demo_only() {
    let folder = tempfile::tempdir().unwrap();
    for (secret, why) in [
        (
            "your-secret-key-change-in-production",
            "it is one that stands in documents and examples",
        ),
        (
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "it is too simple",
        ),
    ] {
        let variables = [("SECRET_KEY", secret), ("DEMO_DATA", "false")];
        let (said, code) = refused(folder.path(), &variables);
        assert!(
            said.starts_with(&format!("dompet: SECRET_KEY: {why}; ")),
            "{said}"
        );
        assert!(!said.contains(secret), "{said}");
        assert_eq!(code, Some(2));
    }
}
