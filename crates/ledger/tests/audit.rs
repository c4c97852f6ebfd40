//! The audit finds what was changed behind the ledger's back, and history cannot be changed by plain SQL.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use ledger_api::Operation;
use store::on_read;
use store::sqlx;
use support::{TestBank, accepted, every_bank, pay, top_up, transfer};
use testing::execute;

/// Takes the guard away that stops honest people.
async fn disarm(bank: &TestBank, table: &str) {
    let statements = match bank.backend {
        "sqlite" => vec![
            format!("drop trigger {table}_no_update"),
            format!("drop trigger {table}_no_delete"),
        ],
        _ if table == "postings" => vec![
            "drop trigger append_only on postings".to_owned(),
            "drop trigger append_only_but_notes on postings".to_owned(),
        ],
        _ => vec![format!("drop trigger append_only on {table}")],
    };
    for statement in statements {
        execute(&bank.database, &statement).await.unwrap();
    }
}

#[tokio::test]
async fn history_is_append_only_by_sql_too() {
    for bank in every_bank().await {
        bank.wallet(1, 100).await;
        for table in ["postings", "account_events", "batches"] {
            let key = if table == "batches" {
                "last_seq"
            } else {
                "seq"
            };
            for statement in [
                format!("update {table} set {key} = {key}"),
                format!("delete from {table}"),
            ] {
                let error = execute(&bank.database, &statement)
                    .await
                    .unwrap_err()
                    .to_string();
                assert!(error.contains("append-only"), "{statement}: {error}");
            }
        }
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn the_audit_names_what_was_tampered_with() {
    // A change, the table whose guard it takes away first, and the check that must find it.
    let changes: &[(&str, Option<&str>, &str)] = &[
        (
            "update accounts set balance = balance + 1 where id = 1",
            None,
            "add up to zero",
        ),
        (
            "update accounts set balance = balance + case when id = 1 then 1 else -1 end where id in (1, 2)",
            None,
            "where the log leaves it",
        ),
        (
            "update accounts set status = 1 where id = 1",
            None,
            "where the log leaves it",
        ),
        (
            "delete from accounts where id = 2",
            None,
            "where the log leaves it",
        ),
        (
            "update postings set amount = amount + 1 where seq = 5",
            Some("postings"),
            "follow from the movements before",
        ),
        (
            "update postings set note = 'Shopee' where seq = 5",
            Some("postings"),
            "hash chain",
        ),
        (
            "update postings set at = at - 86400000000 where seq = 5",
            Some("postings"),
            "never goes back",
        ),
        (
            "delete from postings where seq = 5",
            Some("postings"),
            "without gaps",
        ),
        (
            "update postings set number = 7 where seq = 5",
            Some("postings"),
            "other numbered postings",
        ),
        (
            "update postings set kind = 77 where seq = 5",
            Some("postings"),
            "of a known kind",
        ),
        (
            "update postings set by_actor = 7 where seq = 5",
            Some("postings"),
            "hash chain",
        ),
        // Each currency for itself: what one lacks the other does not make up for.
        (
            "update accounts set balance = balance + case when currency = 360 then 1 else -1 end where id in (1, 3)",
            None,
            "add up to zero",
        ),
        (
            "delete from batches where last_seq = 3",
            Some("batches"),
            "hash chain",
        ),
        (
            "update ledger_head set seq = seq + 1",
            None,
            "up to the head",
        ),
    ];
    for (change, guarded, check) in changes {
        for bank in every_bank().await {
            let ani = bank.wallet(1, 1_000).await;
            let _budi = bank.wallet(2, 1_000).await;
            accepted(bank.submit(pay(ani, 1, 10)).await);
            accepted(bank.submit(transfer(ani, 1, 2, 10)).await);
            let usd = "USD".parse().unwrap();
            let open = Operation::OpenWallet {
                user_id: 1,
                currency: usd,
            };
            accepted(bank.submit(open).await);
            accepted(bank.submit(top_up(3, 1, 50)).await);
            bank.assert_whole().await;
            if let Some(table) = guarded {
                disarm(&bank, table).await;
            }
            execute(&bank.database, change).await.unwrap();
            let report = bank.audit().await;
            let found = report
                .checks
                .iter()
                .find(|found| found.name.contains(check))
                .unwrap();
            assert!(
                found.failure.is_some(),
                "{} {change}: {report:#?}",
                bank.backend
            );
        }
    }
}

#[tokio::test]
async fn the_audit_runs_while_the_ledger_is_written() {
    for bank in every_bank().await {
        let ani = bank.wallet(1, 0).await;
        let writing = async {
            for _ in 0..200 {
                accepted(bank.submit(top_up(ani, 1, 1)).await);
            }
        };
        let auditing = async {
            for _ in 0..10 {
                bank.assert_whole().await;
            }
        };
        tokio::join!(writing, auditing);
        assert_eq!(bank.balance(ani).await, 200);
    }
}

#[tokio::test]
async fn a_wallet_below_zero_is_refused_by_the_database_itself() {
    for bank in every_bank().await {
        bank.wallet(1, 10).await;
        assert!(
            execute(
                &bank.database,
                "update accounts set balance = -1 where id = 1"
            )
            .await
            .is_err()
        );
        let count: i64 = on_read!(&bank.database, pool => {
            sqlx::query_scalar("select count(*) from accounts where balance = 10").fetch_one(pool).await
        })
        .unwrap();
        assert_eq!(count, 1);
    }
}
