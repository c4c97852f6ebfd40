//! The auditor that never sleeps: quiet over a whole ledger, and loud about each kind of fault.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use http_server::Metrics;
use ledger::auditor::Auditor;
use support::{KINDS, TestBank, accepted, every_bank, pay, top_up, transfer};

struct Audited {
    auditor: Auditor,
    metrics: Metrics,
}

impl Audited {
    fn over(bank: &TestBank) -> Audited {
        let metrics = Metrics::new().unwrap();
        Audited {
            auditor: Auditor::new(bank.store.clone(), &KINDS, bank.clock.clone(), &metrics)
                .unwrap(),
            metrics,
        }
    }

    /// The value of a metric, by its name and labels.
    fn value(&self, series: &str) -> f64 {
        let text = self.metrics.text().unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in {text}"))
            .parse()
            .unwrap()
    }

    fn failed(&self, check: &str) -> bool {
        self.value(&format!("ledger_audit_failed{{check=\"{check}\"}}")) > 0.0
    }

    fn nothing_failed(&self) -> bool {
        ledger::verify::ALL
            .iter()
            .all(|check| !self.failed(check.id))
    }
}

async fn execute(bank: &TestBank, statement: &str) {
    testing::execute(&bank.database, statement).await.unwrap();
}

/// Takes the guard away that stops honest people.
async fn disarm(bank: &TestBank) {
    match bank.backend {
        "sqlite" => execute(bank, "drop trigger postings_no_update").await,
        _ => execute(bank, "drop trigger append_only_but_notes on postings").await,
    }
}

#[tokio::test]
async fn a_whole_ledger_is_followed_and_found_whole() {
    for bank in every_bank().await {
        let mut audited = Audited::over(&bank);
        let ani = bank.wallet(1, 1_000).await;
        // From here on what is committed is new to it, also what touches accounts that it never met.
        audited.auditor.audit_end().await.unwrap();
        let _budi = bank.wallet(2, 1_000).await;
        for _ in 0..20 {
            accepted(bank.submit(pay(ani, 1, 10)).await);
            accepted(bank.submit(transfer(ani, 1, 2, 10)).await);
            audited.auditor.audit_end().await.unwrap();
        }
        audited.auditor.audit_accounts().await.unwrap();
        // One page, then its end, then anew.
        for _ in 0..4 {
            audited.auditor.audit_whole().await.unwrap();
        }
        assert!(audited.nothing_failed());
        let head = bank.store.head().await.unwrap().seq;
        assert_eq!(audited.value("ledger_audit_seq"), head as f64);
        assert_eq!(audited.value("ledger_audit_whole_seq"), head as f64);
        assert_eq!(audited.value("ledger_audit_sum{currency=\"IDR\"}"), 0.0);
        assert_eq!(audited.value("ledger_audit_negative_wallets"), 0.0);
        assert!(audited.value("ledger_audit_last_success_timestamp_seconds") > 1.7e9);
    }
}

#[tokio::test]
async fn it_is_never_wrong_about_a_ledger_that_is_being_written() {
    for bank in every_bank().await {
        let mut audited = Audited::over(&bank);
        let ani = bank.wallet(1, 0).await;
        let writing = async {
            for _ in 0..300 {
                accepted(bank.submit(top_up(ani, 1, 1)).await);
            }
        };
        let auditing = async {
            for _ in 0..60 {
                audited.auditor.audit_end().await.unwrap();
                audited.auditor.audit_accounts().await.unwrap();
                audited.auditor.audit_whole().await.unwrap();
            }
        };
        tokio::join!(writing, auditing);
        assert!(audited.nothing_failed());
    }
}

#[tokio::test]
async fn money_from_nowhere_is_found() {
    for bank in every_bank().await {
        bank.wallet(1, 1_000).await;
        let mut audited = Audited::over(&bank);
        execute(
            &bank,
            "update accounts set balance = balance + 1 where id = 1",
        )
        .await;
        audited.auditor.audit_accounts().await.unwrap();
        assert_eq!(audited.value("ledger_audit_sum{currency=\"IDR\"}"), 1.0);
        assert!(audited.failed("sum"));
        // What was found once is not forgotten, and the time of the last success stands still.
        execute(
            &bank,
            "update accounts set balance = balance - 1 where id = 1",
        )
        .await;
        audited.auditor.audit_accounts().await.unwrap();
        audited.auditor.audit_end().await.unwrap();
        assert!(audited.failed("sum"));
        assert_eq!(
            audited.value("ledger_audit_last_success_timestamp_seconds"),
            0.0
        );
    }
}

#[tokio::test]
async fn a_touched_account_that_stands_elsewhere_than_the_log_is_found() {
    for bank in every_bank().await {
        let ani = bank.wallet(1, 1_000).await;
        let mut audited = Audited::over(&bank);
        audited.auditor.audit_end().await.unwrap();
        accepted(bank.submit(pay(ani, 1, 10)).await);
        execute(
            &bank,
            "update accounts set balance = balance + case when id = 1 then 5 else -5 end where balance <> 0 and id in (1, -3602)",
        )
        .await;
        audited.auditor.audit_end().await.unwrap();
        assert!(audited.failed("balances"));
        assert!(!audited.failed("chain"));
    }
}

#[tokio::test]
async fn of_many_touched_accounts_the_last_is_compared_too() {
    for bank in every_bank().await {
        let mut audited = Audited::over(&bank);
        audited.auditor.audit_end().await.unwrap();
        let mut last = 0;
        for user in 1..=300 {
            last = bank.wallet(user, 1_000).await;
        }
        let tamper = format!("update accounts set balance = balance + 1 where id = {last}");
        execute(&bank, &tamper).await;
        audited.auditor.audit_end().await.unwrap();
        assert!(audited.failed("balances"));
    }
}

#[tokio::test]
async fn a_change_of_old_rows_is_found_by_the_walk_over_the_whole() {
    for bank in every_bank().await {
        let ani = bank.wallet(1, 1_000).await;
        accepted(bank.submit(pay(ani, 1, 10)).await);
        let mut audited = Audited::over(&bank);
        audited.auditor.audit_end().await.unwrap();
        disarm(&bank).await;
        execute(
            &bank,
            "update postings set note = 'Shopee' where number = 1",
        )
        .await;
        audited.auditor.audit_end().await.unwrap();
        assert!(!audited.failed("chain"), "the end was audited before");
        audited.auditor.audit_whole().await.unwrap();
        assert!(audited.failed("chain"));
    }
}
