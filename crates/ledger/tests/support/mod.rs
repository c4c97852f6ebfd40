//! A ledger in a fresh database, without HTTP in front.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "a module of each test binary, which uses a part of it"
)]

pub mod faulty;
pub mod kinds;
pub mod naive;

use std::sync::Arc;

use clock::{Clock, Entropy};
use http_server::{Metrics, Workers};
pub use kinds::{KINDS, pay, top_up, transfer};
use ledger::store::{LedgerStore, STEPS, SqlStore};
use ledger::verify::{Report, verify};
use ledger::{Ledger, LedgerMetrics, Peers};
use ledger_api::{
    Actor, Entry, Event, Operation, Order, Outcome, Posting, Refusal, Uuid, WalletStatus,
};
use money::{Amount, Currency};
use store::{Database, DatabaseConfig};
use testing::TestDatabase;

pub struct TestBank {
    pub backend: &'static str,
    pub config: DatabaseConfig,
    pub database: Database,
    pub store: Arc<dyn LedgerStore>,
    pub ledger: Ledger,
    pub clock: Clock,
    pub metrics: Metrics,
    entropy: Entropy,
    _workers: Workers,
    _home: Option<TestDatabase>,
}

/// One empty bank in each kind of database.
pub async fn every_bank() -> Vec<TestBank> {
    let mut banks = Vec::new();
    for home in testing::every_database().await {
        let config = home.config("wallet");
        let database = Database::open(&config).await.unwrap();
        database.migrate(&config, STEPS).await.unwrap();
        let mut bank = TestBank::over(
            home.backend,
            &config,
            Arc::new(SqlStore::new(database.clone())),
            database,
        );
        bank._home = Some(home);
        banks.push(bank);
    }
    banks
}

impl TestBank {
    pub fn over(
        backend: &'static str,
        config: &DatabaseConfig,
        store: Arc<dyn LedgerStore>,
        database: Database,
    ) -> TestBank {
        TestBank::among(backend, config, store, database, None)
    }

    /// The same for one of several processes.
    pub fn among(
        backend: &'static str,
        config: &DatabaseConfig,
        store: Arc<dyn LedgerStore>,
        database: Database,
        peers: Option<Peers>,
    ) -> TestBank {
        TestBank::at(backend, config, store, database, peers, Clock::system())
    }

    /// The same with a clock of its own.
    pub fn at(
        backend: &'static str,
        config: &DatabaseConfig,
        store: Arc<dyn LedgerStore>,
        database: Database,
        peers: Option<Peers>,
        clock: Clock,
    ) -> TestBank {
        let workers = Workers::default();
        let metrics = Metrics::new().unwrap();
        let ledger = Ledger::start(
            store.clone(),
            &KINDS,
            clock.clone(),
            Entropy::system(),
            LedgerMetrics::register(&metrics, &KINDS).unwrap(),
            peers,
            &workers,
        );
        TestBank {
            backend,
            config: config.clone(),
            database,
            store,
            ledger,
            clock,
            metrics,
            entropy: Entropy::system(),
            _workers: workers,
            _home: None,
        }
    }

    /// A second process on the same database.
    pub async fn replica(&self) -> TestBank {
        let database = Database::open(&self.config).await.unwrap();
        TestBank::over(
            self.backend,
            &self.config,
            Arc::new(SqlStore::new(database.clone())),
            database,
        )
    }

    /// What a counter of this process stands at.
    pub fn count(&self, counter: &str) -> u64 {
        let text = self.metrics.text().unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(counter));
        line.unwrap().trim().parse().unwrap()
    }

    pub fn key(&self) -> Uuid {
        self.entropy.uuid_v7(self.clock.now())
    }

    pub async fn submit(&self, operation: Operation) -> Outcome {
        self.submit_with(self.key(), operation).await
    }

    pub async fn submit_with(&self, key: Uuid, operation: Operation) -> Outcome {
        self.ledger
            .submit(vec![Order { key, operation }])
            .await
            .unwrap()
            .remove(0)
    }

    /// A user with a wallet that holds this much.
    pub async fn wallet(&self, user_id: i64, balance: i64) -> i64 {
        let opened = self
            .submit(Operation::OpenWallet {
                user_id,
                currency: Currency::IDR,
            })
            .await;
        let Event::WalletOpened { wallet_id, .. } = accepted(opened).event else {
            panic!("no wallet")
        };
        if balance > 0 {
            accepted(self.submit(top_up(wallet_id, user_id, balance)).await);
        }
        wallet_id
    }

    pub async fn balance(&self, wallet_id: i64) -> i64 {
        self.store.accounts(&[wallet_id]).await.unwrap()[0].balance
    }

    pub async fn audit(&self) -> Report {
        verify(&*self.store, &KINDS, &|_, _| ()).await.unwrap()
    }

    pub async fn assert_whole(&self) {
        let report = self.audit().await;
        assert!(report.is_whole(), "{}: {report:#?}", self.backend);
    }
}

pub fn idr(units: i64) -> Amount {
    Amount::new(units).unwrap()
}

/// An administrator freezes a wallet.
pub fn freeze(wallet_id: i64) -> Operation {
    Operation::SetStatus {
        wallet_id,
        status: WalletStatus::Frozen,
        by: Actor::User(ADMIN),
    }
}

/// Who freezes wallets.
pub const ADMIN: i64 = 900;

#[track_caller]
pub fn accepted(outcome: Outcome) -> Entry {
    match outcome {
        Outcome::Accepted { mut entries, .. } if entries.len() == 1 => entries.remove(0),
        other => panic!("not accepted: {other:?}"),
    }
}

#[track_caller]
pub fn all_accepted(outcome: Outcome) -> Vec<Entry> {
    match outcome {
        Outcome::Accepted { entries, .. } => entries,
        other => panic!("not accepted: {other:?}"),
    }
}

#[track_caller]
pub fn moved(outcome: Outcome) -> Posting {
    match accepted(outcome).event {
        Event::Posted(posting) => posting,
        other => panic!("no posting: {other:?}"),
    }
}

pub fn refused(reason: Refusal) -> Outcome {
    Outcome::Refused { reason }
}
