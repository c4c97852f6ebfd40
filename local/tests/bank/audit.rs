//! The audit of what follows the ledger, and of receipts.

use local::{Home, ServiceDatabases};
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
            "update history set number = number + 7 where number = (select max(number) from history)",
            "is missing",
        ),
        (
            "transaction",
            "insert into history (number, id, user_id, wallet_id, kind, amount, currency, description, created_at)
             select number + 7, id, user_id, wallet_id, kind, amount, currency, description, created_at
             from history where number = 1",
            "is not in the log",
        ),
        (
            "transaction",
            "update totals set amount = amount + 1 where user_id = 1",
            "the sums of user 1",
        ),
        (
            "transaction",
            "delete from totals where user_id = 1",
            "the sums of user 1",
        ),
        (
            "transaction",
            "insert into totals (user_id, currency, kind, is_in, entries, amount) values (77, 'IDR', 1, true, 1, 1)",
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
            "insert into history (number, id, user_id, wallet_id, kind, amount, currency, description, created_at)
             values (4503599627370496, 4503599627370496, 77, 7, 1, 4611686018427387904, 'IDR', 'x', 0),
                    (4503599627370497, 4503599627370497, 77, 7, 1, 4611686018427387904, 'IDR', 'x', 0),
                    (4503599627370498, 4503599627370498, 77, 7, 1, 4611686018427387904, 'IDR', 'x', 0),
                    (4503599627370499, 4503599627370499, 77, 7, 4, 5000000000, 'IDR', 'x', 0)",
        )
        .await;
        let kept = "insert into totals (user_id, currency, kind, is_in, entries, amount)
                    values (77, 'IDR', 1, true, 3, 9223372036854775807), (77, 'IDR', 4, false, 1, 5000000000)";
        execute(&database, kept).await;
        bank.assert_whole().await;
        let changed = "update totals set amount = amount - 1 where user_id = 77 and kind = 1";
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

#[tokio::test]
async fn an_error_answer_in_the_place_of_a_receipt_is_called_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("receipt.json");
    let bank = every_bank().await.remove(0);
    let john = bank.login("john@example.com", "password123").await;
    let said = |text: &[u8]| {
        std::fs::write(&file, text).unwrap();
        let home = Home::new(&bank.config);
        let file = file.clone();
        async move {
            let mut report = Vec::new();
            let error = local::verify::verify(&home, Some(&file), &mut report).await;
            format!("{:#}", error.unwrap_err())
        }
    };
    let answer = john.get("/transactions/999999/receipt").await;
    answer.expect_error(404, "Transaction not found");
    let error = said(&answer.bytes).await;
    assert_eq!(error, "this file is an error answer: Transaction not found");
    let error = said(b"{}").await;
    assert!(error.starts_with("the receipt lacks something"), "{error}");
    let error = said(b"").await;
    assert!(error.starts_with("the receipt is not JSON"), "{error}");
}

/// The audit of a bank whose services have a database each, of those that are named.
async fn verify_apart(bank: &TestBank, named: &[&str]) -> anyhow::Result<(bool, String)> {
    let url = bank.config.database_url.as_deref();
    let url = |service: &str| {
        let url = match url {
            Some(url) => url.to_owned(),
            None => Home::new(&bank.config).database(service).url,
        };
        named.contains(&service).then_some(url)
    };
    let apart = ServiceDatabases {
        wallet_database_url: url("wallet"),
        transaction_database_url: url("transaction"),
        payment_database_url: url("payment"),
        user_database_url: url("user"),
        database_schema: None,
    };
    let mut nowhere = bank.config.clone();
    nowhere.database_url = None;
    nowhere.data_dir = "/nonexistent".into();
    let mut report = Vec::new();
    let home = Home::new(&nowhere).with(apart);
    let whole = local::verify::verify(&home, None, &mut report).await?;
    Ok((whole, String::from_utf8(report)?))
}

#[tokio::test]
async fn followers_in_databases_of_their_own_are_compared_and_only_unnamed_ones_are_left_out() {
    for bank in every_bank().await {
        let ani = bank.customer("ani", 100).await;
        let paid = ani.client.post("/payments/pay", ani.pay(1)).await;
        paid.expect(201);
        ani.list("/transactions", "transactions").await;
        ani.list("/payments", "payments").await;

        let all = ["wallet", "transaction", "payment", "user"];
        let (whole, report) = verify_apart(&bank, &all).await.unwrap();
        assert!(whole && !report.contains("left "), "{report}");
        assert!(report.contains("holds   history"), "{report}");
        assert!(report.contains("holds   the payments"), "{report}");

        let (whole, report) = verify_apart(&bank, &["wallet", "payment"]).await.unwrap();
        assert!(whole && report.contains("left    history"), "{report}");
        assert!(report.contains("TRANSACTION_DATABASE_URL"), "{report}");

        let without = verify_apart(&bank, &["transaction"]).await.unwrap_err();
        assert!(
            without
                .to_string()
                .contains("WALLET_DATABASE_URL is not set")
        );

        let database = Home::new(&bank.config).database("payment");
        execute(&database, "delete from payments where id = 1").await;
        let (whole, report) = verify_apart(&bank, &all).await.unwrap();
        assert!(
            !whole && report.contains("payment 1 is missing"),
            "{report}"
        );
    }
}

#[tokio::test]
async fn a_named_database_without_the_services_tables_is_a_failure() {
    for bank in every_bank().await {
        let home = Home::new(&bank.config);
        let empty = match bank.config.database_url.clone() {
            // There is nothing of the transaction service in the payment service's schema.
            Some(url) => {
                let database = home.database("transaction");
                execute(&database, "drop schema transaction cascade").await;
                url
            }
            None => format!("{}.not-there", home.database("transaction").url),
        };
        let apart = ServiceDatabases {
            wallet_database_url: Some(home.database("wallet").url),
            transaction_database_url: Some(empty),
            ..ServiceDatabases::default()
        };
        let mut report = Vec::new();
        let home = Home::new(&bank.config).with(apart);
        let whole = local::verify::verify(&home, None, &mut report)
            .await
            .unwrap();
        let report = String::from_utf8(report).unwrap();
        assert!(!whole && report.contains("BROKEN  history"), "{report}");
        assert!(report.contains("TRANSACTION_DATABASE_URL"), "{report}");
    }
}
