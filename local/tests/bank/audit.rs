//! The audit of what follows the ledger, and of receipts.

use serde_json::json;
use store::{Database, DatabaseConfig};

use crate::support::{TestBank, every_bank};

async fn verify(bank: &TestBank, receipt: Option<&std::path::Path>) -> (bool, String) {
    let mut report = Vec::new();
    let home = local::Home::new(&bank.config);
    let whole = local::verify::verify(&home, receipt, &mut report).await;
    (whole.unwrap(), String::from_utf8(report).unwrap())
}

async fn execute(config: &DatabaseConfig, statement: &str) {
    let database = Database::open(config).await.unwrap();
    testing::execute(&database, statement).await.unwrap();
}

#[tokio::test]
async fn what_follows_the_ledger_is_compared_with_it() {
    // The service, a change behind its back, and what the audit says of it.
    let changes = [
        (
            "transaction",
            "update history set amount = amount + 1 where id = (select min(id) from history)",
            "BROKEN  history",
        ),
        (
            "transaction",
            "update history set description = 'x' where id = (select max(id) from history)",
            "BROKEN  history",
        ),
        (
            "transaction",
            "delete from history where id = (select min(id) from history)",
            "is missing",
        ),
        (
            "transaction",
            "update history set id = id + 1 where id = (select min(id) from history where kind = 2)",
            "or not what the log says",
        ),
        (
            "transaction",
            "update totals set topup = topup + 1 where user_id = 1",
            "the sums of user 1",
        ),
        (
            "transaction",
            "delete from totals where user_id = 1",
            "the sums of user 1",
        ),
        (
            "transaction",
            "insert into totals values (77, 'IDR', 1, 1, 0, 0, 0, 0)",
            "sums of user 77",
        ),
        (
            "payment",
            "update payments set merchant = 'Shopee' where id = 1",
            "BROKEN  the payments",
        ),
        (
            "payment",
            "delete from payments where id = 1",
            "payment 1 is missing",
        ),
    ];
    for (service, change, said) in changes {
        for bank in every_bank().await {
            let ani = bank.customer("ani", 100).await;
            ani.client
                .post("/payments/pay", ani.pay(1))
                .await
                .expect(201);
            // A read brings both models to the ledger's head.
            ani.list("/transactions", "transactions").await;
            ani.list("/payments", "payments").await;
            bank.assert_whole().await;
            execute(&local::Home::new(&bank.config).database(service), change).await;
            let (whole, report) = verify(&bank, None).await;
            assert!(!whole && report.contains(said), "{change}: {report}");
        }
    }
}

#[tokio::test]
async fn sums_that_have_reached_the_end_are_compared_too() {
    for bank in every_bank().await {
        let database = local::Home::new(&bank.config).database("transaction");
        // Recorded by services: three of 2^62, which together are more than 63 bits, and one withdrawal.
        execute(
            &database,
            "insert into history (id, user_id, wallet_id, kind, amount, currency, description, created_at)
             values (4503599627370496, 77, 7, 1, 4611686018427387904, 'IDR', 'x', 0),
                    (4503599627370497, 77, 7, 1, 4611686018427387904, 'IDR', 'x', 0),
                    (4503599627370498, 77, 7, 1, 4611686018427387904, 'IDR', 'x', 0),
                    (4503599627370499, 77, 7, 5, 5000000000, 'IDR', 'x', 0)",
        )
        .await;
        let kept =
            "insert into totals values (77, 'IDR', 4, 9223372036854775807, 0, 0, 0, 5000000000)";
        execute(&database, kept).await;
        bank.assert_whole().await;
        let changed = "update totals set topup = topup - 1 where user_id = 77";
        execute(&database, changed).await;
        let (whole, report) = verify(&bank, None).await;
        assert!(!whole && report.contains("the sums of user 77"), "{report}");
    }
}

#[tokio::test]
async fn a_receipt_belongs_to_the_ledger_that_gave_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("receipt.json");
    let mut foreign = None;
    for bank in every_bank().await {
        let ani = bank.customer("ani", 100).await;
        ani.client
            .post("/payments/pay", ani.pay(1))
            .await
            .expect(201);
        let id = ani.list("/transactions", "transactions").await[0]["id"].clone();
        let path = format!("/transactions/{id}/receipt");
        let mut body = ani.client.get(&path).await.expect(200);
        std::fs::write(&file, body.to_string()).unwrap();
        let (whole, report) = verify(&bank, Some(&file)).await;
        assert!(whole && report.contains("holds   the receipt"), "{report}");

        if let Some(foreign) = foreign.replace(body.clone()) {
            let foreign: serde_json::Value = foreign;
            std::fs::write(&file, foreign.to_string()).unwrap();
            let (whole, report) = verify(&bank, Some(&file)).await;
            assert!(!whole && report.contains("no such entry"), "{report}");
        }
        body["receipt"]["first_entry"] = json!(1);
        std::fs::write(&file, body["receipt"].to_string()).unwrap();
        let (whole, report) = verify(&bank, Some(&file)).await;
        assert!(
            !whole && report.contains("something in it was changed"),
            "{report}"
        );
    }
}
