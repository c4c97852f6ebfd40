//! Documents that are made from the code are committed, and are what the code says now.
//!
//! After a change: `UPDATE_DOCUMENTS=1 cargo test -p local --test bank documents`.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Args, Command};

#[test]
fn the_openapi_document_is_what_the_code_says() {
    let services = vec![
        user::openapi(),
        wallet::openapi(),
        transaction::openapi(),
        payment::openapi(),
    ];
    let document = gateway::openapi(services).to_pretty_json().unwrap();
    check("docs/openapi.json", &format!("{document}\n"));
}

/// The part of docs/CLIENTS.md between these is made from the table of codes.
const TABLE_BEGINS: &str = "<!-- The table is made from crates/api-error/src/codes.rs. -->\n";
const TABLE_ENDS: &str = "<!-- The end of the table. -->\n";

#[test]
fn the_table_of_codes_is_what_the_code_says() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/CLIENTS.md");
    let text = std::fs::read_to_string(file).unwrap();
    let (before, rest) = text.split_once(TABLE_BEGINS).unwrap();
    let (_, after) = rest.split_once(TABLE_ENDS).unwrap();
    let table = api_error::table();
    check(
        "docs/CLIENTS.md",
        &format!("{before}{TABLE_BEGINS}\n{table}\n{TABLE_ENDS}{after}"),
    );
}

#[test]
fn the_configuration_document_is_what_the_code_says() {
    let mut text = String::from(
        "# Configuration\n\nMade from the code; `UPDATE_DOCUMENTS=1 cargo test -p local --test bank documents` writes it anew.\n\
         Every setting is an environment variable, and most are options of the command line too (`--help`). A service has the\n\
         subcommands `serve`, `migrate` (where it has a database) and `healthcheck`; options stand before or after them.\n\n\
         A variable that is set to nothing is not set. Mistakes are said all at once, with the variable's name, and before anything is opened;\n\
         so is, as a warning, a variable that nothing reads and whose name is close to one of these.\n",
    );
    section(
        &mut text,
        "The local mode (`dompet`)",
        with::<local::Config>(),
    );
    section(
        &mut text,
        "The audit, where each service has a database of its own (`dompet verify`)",
        with::<local::ServiceDatabases>(),
    );
    section(
        &mut text,
        "The gateway (`gateway serve`)",
        with::<gateway::Config>(),
    );
    section(
        &mut text,
        "The user service (`user-service serve`)",
        with::<user::Config>(),
    );
    section(
        &mut text,
        "The wallet service (`wallet-service serve`)",
        with::<wallet::Config>(),
    );
    section(
        &mut text,
        "The transaction service (`transaction-service serve`)",
        with::<transaction::Config>(),
    );
    section(
        &mut text,
        "The payment service (`payment-service serve`)",
        with::<payment::Config>(),
    );
    section(
        &mut text,
        "Every service: how it listens and ends",
        http_server::HttpConfig::augment_args(with::<http_server::ListenConfig>()),
    );
    section(
        &mut text,
        "Everything: logs and traces",
        with::<telemetry::TelemetryConfig>(),
    );
    text.push_str(
        "\n## Ports\n\nA service listens on `PORT`; without it on the variable of its own, and without that on the contract's port.\n\n\
         | service | variable | port |\n|---|---|---|\n",
    );
    for program in [
        gateway::PROGRAM,
        user::PROGRAM,
        wallet::PROGRAM,
        transaction::PROGRAM,
        payment::PROGRAM,
    ] {
        let _ = writeln!(
            text,
            "| {} | `{}` | {} |",
            program.name, program.port_variable, program.default_port
        );
    }
    text.push_str(THE_END);
    check("docs/CONFIGURATION.md", &text);
}

const THE_END: &str = "
## How a process ends

SIGTERM and Ctrl-C end it in order: it is no longer ready, waits for `SHUTDOWN_DELAY`, takes no new connections, and finishes the requests that
it has, within `SHUTDOWN_TIMEOUT`. A request of which only half of the headers has come is dropped after 3 seconds. The local mode ends the gateway
first, then payments and transactions, then the wallets, then the users. A second SIGTERM or Ctrl-C ends at once, and open requests get no answer.

SIGHUP ends it in the same order where the terminal that it was started on is gone. Otherwise SIGHUP, SIGUSR1 and SIGUSR2 are ignored: settings are
read at the start only. That nobody reads its output, or that the output cannot be written, neither ends it nor keeps it from starting.

| exit code | what it says |
|---|---|
| 0 | it did what it was told, and ended in order |
| 1 | it could not start or go on, or `verify` found something; the reason is on the standard error |
| 2 | the command line or a setting is not understood; every mistake has a line of its own |
| 130, 143 | it was ended at once, by a second Ctrl-C or SIGTERM |
";

/// This list knows the settings that are set to nothing, mistyped, or not heeded.
#[test]
fn every_variable_is_on_the_list() {
    let mut variables: Vec<String> = [
        with::<local::Config>(),
        with::<local::ServiceDatabases>(),
        with::<gateway::Config>(),
        with::<user::Config>(),
        with::<wallet::Config>(),
        with::<transaction::Config>(),
        with::<payment::Config>(),
        with::<http_server::HttpConfig>(),
        with::<http_server::ListenConfig>(),
        with::<telemetry::TelemetryConfig>(),
    ]
    .iter()
    .flat_map(|command| command.get_arguments())
    .filter_map(|argument| argument.get_env())
    .map(|variable| variable.to_string_lossy().into_owned())
    .collect();
    variables.sort();
    variables.dedup();
    assert_eq!(
        settings::VARIABLES,
        variables,
        "crates/settings/src/misspelt.rs has the list"
    );
}

fn with<C: Args>() -> Command {
    C::augment_args(Command::new("settings"))
}

fn section(text: &mut String, title: &str, command: Command) {
    let _ = write!(
        text,
        "\n## {title}\n\n| variable | default | what it is |\n|---|---|---|\n"
    );
    for argument in command.get_arguments() {
        let Some(variable) = argument.get_env() else {
            continue;
        };
        let defaults: Vec<_> = argument
            .get_default_values()
            .iter()
            .map(|value| value.to_string_lossy())
            .collect();
        let default = if defaults.is_empty() {
            String::new()
        } else {
            format!("`{}`", defaults.join(","))
        };
        let help = argument
            .get_long_help()
            .or(argument.get_help())
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(!help.is_empty(), "{variable:?} has no help");
        let _ = writeln!(
            text,
            "| `{}` | {default} | {} |",
            variable.to_string_lossy(),
            help.replace('\n', " ")
        );
    }
}

fn check(path: &str, expected: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        std::fs::write(&file, expected).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == expected,
        "{path} is not what the code says; UPDATE_DOCUMENTS=1 writes it anew"
    );
}
