//! Runs of the checker against real processes: things break, and every answer is explained; a bug is planted, and it is found.
//! Longer ones are a command: `cargo run --release -p checker -- run --help`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::PathBuf;
use std::time::Duration;

use checker::bank::StoreKind;
use checker::check::Rule;
use checker::planted::Bug;
use checker::run::{Plan, Report, run};

async fn carry_out(store: StoreKind, seconds: u64, with_faults: bool) -> Report {
    run(&plan(store, seconds, with_faults, None)).await.unwrap()
}

fn plan(store: StoreKind, seconds: u64, with_faults: bool, bug: Option<Bug>) -> Plan {
    Plan {
        program: PathBuf::from(env!("CARGO_BIN_EXE_checker")),
        store,
        lasts: Duration::from_secs(seconds),
        seed: 20_261_123,
        with_faults,
        bug,
    }
}

/// Everything is explained, and there was something to explain.
fn assert_good(report: &Report) {
    assert!(
        report.is_good(),
        "{}\n{:?}\nthe logs are in {}",
        report.verdict,
        report.audit,
        report.logs.display()
    );
    let verdict = &report.verdict;
    for (what, count) in [
        ("done", verdict.done),
        ("refused", verdict.refused),
        ("unknown", verdict.unknown),
        ("unknown but done", verdict.unknown_but_done),
        ("read", verdict.reads),
    ] {
        assert!(count > 20, "too few were {what}: {verdict}");
    }
    assert!(
        report.faults.values().sum::<usize>() > 5,
        "{:?}",
        report.faults
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_explains_every_answer_while_processes_postgres_links_and_disks_fail() {
    assert_good(&carry_out(StoreKind::Postgres, 60, true).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_explains_every_answer_of_the_local_mode_while_it_fails() {
    assert_good(&carry_out(StoreKind::Sqlite, 20, true).await);
}

/// Runs of a few seconds in which a bug may show: it takes two processes that meet at the wrong moment.
const ATTEMPTS_MAX: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_planted_bug_is_found() {
    for (bug, rule) in [
        (Bug::AnswerBeforeCommit, Rule::Lost),
        (Bug::KeyCheckedOutside, Rule::Log),
        (Bug::BalanceWithoutHead, Rule::Log),
    ] {
        let mut seen = Vec::new();
        for _ in 0..ATTEMPTS_MAX {
            match run(&plan(StoreKind::Postgres, 4, false, Some(bug))).await {
                Ok(report) => {
                    let found = &report.verdict.violations;
                    if found.iter().any(|violation| violation.rule == rule) {
                        seen.clear();
                        break;
                    }
                    seen.push(report.verdict.to_string());
                }
                // A service that follows the ledger may find it first: what it applied is not in the log any more.
                Err(error) => {
                    let error = format!("{error:#}");
                    assert!(error.contains("does not go with the ledger"), "{error}");
                    seen.clear();
                    break;
                }
            }
        }
        assert!(seen.is_empty(), "{bug:?} was not found: {seen:?}");
    }
}
