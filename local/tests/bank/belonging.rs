//! Databases that do not belong together never mix: every pairing in which one is older, missing, new or of another installation.

use clock::{Clock, Entropy};
use local::{Bank, Config};
use serde_json::json;
use tempfile::TempDir;
use testing::{SECRET, TestClient, TestDatabase};

use crate::snapshots::{SERVICES, Snapshots};

/// A bank that can be stopped, and started again on databases that somebody has exchanged.
struct Installation {
    config: Config,
    snapshots: Snapshots,
    _folder: TempDir,
    _database: TestDatabase,
}

/// Somebody with a wallet.
struct Person {
    client: TestClient,
    token: String,
    id: i64,
    wallet: i64,
}

async fn every_installation() -> Vec<Installation> {
    let mut installations = Vec::new();
    for database in testing::every_database().await {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            database_url: (database.backend == "postgres").then(|| database.config("any").url),
            demo_data: true,
            admin_email: Some("admin@example.com".to_owned()),
            admin_password: Some("a long password".to_owned()),
            ..Config::on_free_ports(folder.path().join("data"), SECRET)
        };
        installations.push(Installation {
            snapshots: Snapshots::of(&config),
            config,
            _folder: folder,
            _database: database,
        });
    }
    installations
}

async fn register(bank: &Bank, name: &str) -> Person {
    let api = TestClient::new(format!("{}/api/v1", bank.gateway_url()));
    let body = json!({"name": name, "email": format!("{name}@example.org"), "phone": "1", "password": "a long password"});
    let answer = api.post("/auth/register", body).await.expect(201);
    let token = answer["token"].as_str().unwrap().to_owned();
    let client = api.with_token(&token);
    let opened = client.post("/wallets", json!({})).await.expect(201);
    let wallet = opened["wallet"]["id"].as_i64().unwrap();
    let topup = format!("/wallets/{wallet}/topup");
    client
        .post(&topup, json!({"amount": 5_000}))
        .await
        .expect(200);
    let payment = json!({"wallet_id": wallet, "merchant": "Tokopedia", "amount": 1_000});
    client.post("/payments/pay", payment).await.expect(201);
    client.get("/transactions").await.expect(200);
    client.get("/payments").await.expect(200);
    Person {
        client,
        token,
        id: answer["user"]["id"].as_i64().unwrap(),
        wallet,
    }
}

impl Installation {
    async fn start(&self) -> anyhow::Result<Bank> {
        Bank::start(self.config.clone(), Clock::system(), Entropy::system()).await
    }

    /// The bank does not start, says why, and changes nothing.
    async fn refuses(&self, what: &str, why: &str) {
        let before = self.snapshots.rows().await;
        let error = self.start().await.err();
        let error = error.unwrap_or_else(|| panic!("{what}: it starts"));
        let error = format!("{error:#}");
        assert!(error.contains(why), "{what}: {error}");
        assert!(error.contains("After a restore"), "{what}: {error}");
        assert_eq!(self.snapshots.rows().await, before, "{what}: rows changed");
    }

    async fn verify(&self) -> Result<String, String> {
        let mut report = Vec::new();
        let whole = local::verify::verify(&self.snapshots.home, None, &mut report).await;
        let report = String::from_utf8(report).unwrap();
        match whole {
            Ok(true) => Ok(report),
            Ok(false) => Err(report),
            Err(error) => Err(format!("{error:#}")),
        }
    }

    async fn repair(&self, yes: bool) -> Result<String, String> {
        let mut report = Vec::new();
        let done = local::repair::repair(&self.snapshots.home, yes, &mut report).await;
        let report = String::from_utf8(report).unwrap();
        match done {
            Ok(true) => Ok(report),
            Ok(false) => Err(report),
            Err(error) => Err(format!("{error:#}")),
        }
    }

    /// Backups `other` of another installation, then `yesterday` and `today` of this one.
    async fn with_backups(&self) {
        let bank = self.start().await.unwrap();
        for name in ["ada", "bob", "cy", "dee", "eve", "flo"] {
            register(&bank, name).await;
        }
        bank.stop().await;
        self.snapshots.take("other").await;
        for service in SERVICES {
            self.snapshots.remove(service).await;
        }
        let bank = self.start().await.unwrap();
        register(&bank, "ani").await;
        bank.stop().await;
        self.snapshots.take("yesterday").await;
        let bank = self.start().await.unwrap();
        register(&bank, "budi").await;
        bank.stop().await;
        self.snapshots.take("today").await;
    }

    async fn restore_today(&self) {
        for service in SERVICES {
            self.snapshots.restore(service, "today").await;
        }
    }
}

#[tokio::test]
async fn one_database_that_does_not_belong_stops_the_start_and_nothing_is_changed() {
    // The database, what it is exchanged for, and what is said: by the start, and by the audit.
    let pairings = [
        (
            "user",
            "yesterday",
            "older than the ledger",
            "older than the ledger",
        ),
        (
            "user",
            "gone",
            "the ledger knows users up to 6",
            "user.db is missing",
        ),
        (
            "user",
            "new",
            "is empty, and the ledger knows",
            "is empty, and the ledger knows",
        ),
        ("user", "other", "another ledger", "another ledger"),
        (
            "wallet",
            "yesterday",
            "older: its log ends",
            "older: its log ends",
        ),
        (
            "wallet",
            "gone",
            "is missing, and there are users and history",
            "is missing, and the ledger is in it",
        ),
        ("wallet", "new", "another ledger", "another ledger"),
        ("wallet", "other", "another ledger", "another ledger"),
        ("transaction", "other", "another ledger", "another ledger"),
        ("payment", "other", "another ledger", "another ledger"),
    ];
    for installation in every_installation().await {
        installation.with_backups().await;
        for (service, state, start_says, audit_says) in pairings {
            let what = format!("{service} {state}");
            installation.restore_today().await;
            match state {
                "gone" => installation.snapshots.remove(service).await,
                "new" => installation.snapshots.renew(service).await,
                backup => installation.snapshots.restore(service, backup).await,
            }
            installation.refuses(&what, start_says).await;
            if state != "gone" || installation.config.database_url.is_none() {
                let report = installation.verify().await.unwrap_err();
                assert!(report.contains(audit_says), "{what}: {report}");
            }
            installation.refuses(&what, start_says).await;
        }
        installation.restore_today().await;
        installation.start().await.unwrap().stop().await;
    }
}

#[tokio::test]
async fn what_follows_the_ledger_catches_up_when_it_is_older_or_gone() {
    for installation in every_installation().await {
        installation.with_backups().await;
        for service in ["transaction", "payment"] {
            for state in ["yesterday", "gone", "new"] {
                installation.restore_today().await;
                match state {
                    "gone" => installation.snapshots.remove(service).await,
                    "new" => installation.snapshots.renew(service).await,
                    backup => installation.snapshots.restore(service, backup).await,
                }
                let bank = installation.start().await.unwrap();
                let cici = register(&bank, "cici").await;
                let list = cici.client.get("/transactions").await.expect(200);
                assert_eq!(list["transactions"].as_array().unwrap().len(), 2);
                bank.stop().await;
                let report = installation.verify().await;
                report.unwrap_or_else(|report| panic!("{service} {state}: {report}"));
            }
        }
    }
}

#[tokio::test]
async fn a_stranger_never_gets_the_id_of_somebody_that_the_ledger_knows() {
    for installation in every_installation().await {
        let bank = installation.start().await.unwrap();
        bank.stop().await;
        installation.snapshots.take("before").await;
        let bank = installation.start().await.unwrap();
        let victim = register(&bank, "victim").await;
        bank.stop().await;
        installation.snapshots.restore("user", "before").await;
        installation
            .refuses("users of before", "older than the ledger")
            .await;

        // What would be done is said first, and changes nothing.
        let before = installation.snapshots.rows().await;
        let plan = installation.repair(false).await.unwrap_err();
        assert!(
            plan.contains(&format!("have no account: {}.", victim.id)),
            "{plan}"
        );
        assert!(plan.contains("Nothing was changed"), "{plan}");
        assert_eq!(installation.snapshots.rows().await, before);
        installation.repair(true).await.unwrap();

        let bank = installation.start().await.unwrap();
        let stranger = register(&bank, "stranger").await;
        assert!(stranger.id > victim.id);
        let path = format!("/wallets/{}", victim.wallet);
        stranger
            .client
            .get(&path)
            .await
            .expect_error(403, "Unauthorized");
        let body = json!({"wallet_id": victim.wallet, "merchant": "spends it", "amount": 1});
        stranger
            .client
            .post("/payments/pay", body)
            .await
            .expect(400);
        let api = TestClient::new(format!("{}/api/v1", bank.gateway_url()));
        let seen = api.with_token(&victim.token).get("/users/verify").await;
        seen.expect_error(404, "User not found");
        bank.stop().await;
        let report = installation.verify().await;
        report.unwrap_or_else(|report| panic!("{report}"));
    }
}

#[tokio::test]
async fn a_deletion_is_not_undone_by_users_of_before() {
    for installation in every_installation().await {
        let bank = installation.start().await.unwrap();
        let victim = register(&bank, "victim").await;
        let neighbour = register(&bank, "neighbour").await;
        bank.stop().await;
        installation.snapshots.take("before").await;
        let bank = installation.start().await.unwrap();
        let api = TestClient::new(format!("{}/api/v1", bank.gateway_url()));
        let victims = api.with_token(&victim.token);
        let path = format!("/users/{}", victim.id);
        victims.delete(&path).await.expect(200);
        let neighbours = api.with_token(&neighbour.token);
        let gift =
            json!({"from_wallet_id": neighbour.wallet, "to_wallet_id": victim.wallet, "amount": 1});
        testing::wait_until("the wallets are closed", async || {
            let refused = neighbours.post("/payments/transfer", gift.clone()).await;
            refused.status == 400
        })
        .await;
        bank.stop().await;
        installation.snapshots.restore("user", "before").await;
        let report = installation.verify().await.unwrap_err();
        let says = format!("user {} was deleted, as the ledger knows", victim.id);
        assert!(report.contains(&says), "{report}");

        let bank = installation.start().await.unwrap();
        let api = TestClient::new(format!("{}/api/v1", bank.gateway_url()));
        let login = json!({"email": "victim@example.org", "password": "a long password"});
        let refused = api.post("/auth/login", login).await;
        refused.expect_error(401, "Invalid credentials");
        let victims = api.with_token(&victim.token);
        victims.get("/wallets").await.expect(401);
        neighbours_can_go_on(&bank, &neighbour).await;
        // The address is free again, and the id is not.
        let namesake = register(&bank, "victim").await;
        assert!(namesake.id > neighbour.id);
        bank.stop().await;
        let report = installation.verify().await;
        report.unwrap_or_else(|report| panic!("{report}"));
    }
}

async fn neighbours_can_go_on(bank: &Bank, neighbour: &Person) {
    let api = TestClient::new(format!("{}/api/v1", bank.gateway_url()));
    let client = api.with_token(&neighbour.token);
    let payment = json!({"wallet_id": neighbour.wallet, "merchant": "Gojek", "amount": 1});
    client.post("/payments/pay", payment).await.expect(201);
}

#[tokio::test]
async fn a_ledger_that_was_restored_and_written_further_is_noticed_and_what_follows_it_is_built_anew()
 {
    for installation in every_installation().await {
        installation.with_backups().await;
        // Yesterday's ledger, with yesterday's everything, goes on: further than today's.
        for service in SERVICES {
            installation.snapshots.restore(service, "yesterday").await;
        }
        let bank = installation.start().await.unwrap();
        for name in ["dodo", "edo", "fifi"] {
            register(&bank, name).await;
        }
        bank.stop().await;
        installation.snapshots.take("branch").await;
        for (service, others) in [("transaction", "history"), ("payment", "payments")] {
            for name in ["user", "wallet", "transaction", "payment"] {
                installation.snapshots.restore(name, "branch").await;
            }
            installation.snapshots.restore(service, "today").await;
            installation.refuses(service, "written further").await;
            let report = installation.verify().await.unwrap_err();
            assert!(report.contains("written further"), "{report}");
            let done = installation.repair(true).await.unwrap();
            assert!(done.contains(others), "{done}");
            let bank = installation.start().await.unwrap();
            register(&bank, "gigi").await;
            bank.stop().await;
            let report = installation.verify().await;
            report.unwrap_or_else(|report| panic!("{report}"));
        }
    }
}

#[tokio::test]
async fn users_of_another_installation_are_not_put_beside_this_ones_wallets() {
    for installation in every_installation().await {
        installation.with_backups().await;
        installation.snapshots.restore("user", "other").await;
        let before = installation.snapshots.rows().await;
        let refused = installation.repair(true).await.unwrap_err();
        assert!(refused.contains("stand for other people"), "{refused}");
        assert_eq!(installation.snapshots.rows().await, before);
        // An empty one may be: then everybody is given up.
        installation.snapshots.remove("user").await;
        let plan = installation.repair(false).await.unwrap_err();
        assert!(plan.contains("begins an empty one"), "{plan}");
        installation.repair(true).await.unwrap();
        let bank = installation.start().await.unwrap();
        let ani = register(&bank, "ani").await;
        assert!(ani.id > 6, "{}", ani.id);
        bank.stop().await;
    }
}
