//! A database is closed on every way out: the service ends, cannot be built, or cannot be migrated.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, and says where"
)]

use std::time::Duration;

use anyhow::anyhow;
use auth::ServiceKeyConfig;
use axum::Router;
use clock::Clock;
use service::{Check, Scaffold, migrate};
use store::{Database, DatabaseConfig, Step};
use testing::{SECRET, TestDatabase, every_database, execute, wait_until};

const STEPS: &[Step] = &[Step {
    version: 1,
    name: "kept",
    postgres: "create table kept (id bigint)",
    sqlite: "create table kept (id integer)",
}];

fn scaffold() -> Scaffold {
    let keys = ServiceKeyConfig::from_secret(SECRET);
    Scaffold::new("test-service", &keys, Clock::system()).unwrap()
}

/// Whether nothing is connected to the database: SQLite takes its log away with the last connection, PostgreSQL lists connections.
async fn is_closed(database: &TestDatabase, config: &DatabaseConfig) -> bool {
    if database.backend == "sqlite" {
        let log = format!("{}-wal", config.url.strip_prefix("sqlite://").unwrap());
        return !std::path::Path::new(&log).exists();
    }
    let other = Database::open(config).await.unwrap();
    let others = "do $$ begin
        if exists (select from pg_stat_activity
                   where datname = current_database() and pid <> pg_backend_pid()) then
            raise exception 'somebody is connected';
        end if;
    end $$";
    let is_alone = execute(&other, others).await.is_ok();
    other.close().await;
    is_alone
}

async fn closes(database: &TestDatabase, config: &DatabaseConfig) {
    wait_until("the database is closed", || is_closed(database, config)).await;
}

#[tokio::test]
async fn a_service_that_ends_closes_its_database_after_its_workers() {
    for database in every_database().await {
        let config = database.config("ends");
        migrate(&config, STEPS).await.unwrap();
        let scaffold = scaffold();
        let opened = scaffold.database(&config, STEPS).await.unwrap();
        assert_eq!(opened.check(STEPS).await, Ok(()), "{}", database.backend);
        let used_to_the_end = opened.clone();
        scaffold.workers().spawn(|stop| async move {
            stop.cancelled().await;
            execute(&used_to_the_end, "insert into kept (id) values (1)")
                .await
                .unwrap();
        });
        let service = scaffold.into_service(Ok(Router::new())).await.unwrap();
        assert!(!is_closed(&database, &config).await, "{}", database.backend);
        service.workers.finish(Duration::from_secs(10)).await;
        closes(&database, &config).await;
        assert!(execute(&opened, "select 1").await.is_err());
    }
}

#[tokio::test]
async fn a_service_that_cannot_be_built_closes_its_database() {
    for database in every_database().await {
        let config = database.config("fails");
        migrate(&config, STEPS).await.unwrap();
        let scaffold = scaffold();
        let opened = scaffold.database(&config, STEPS).await.unwrap();
        assert_eq!(opened.check(STEPS).await, Ok(()), "{}", database.backend);
        let error = scaffold.into_service(Err(anyhow!("no routes"))).await;
        assert_eq!(error.err().unwrap().to_string(), "no routes");
        closes(&database, &config).await;
    }
}

#[tokio::test]
async fn a_migration_that_fails_closes_the_database() {
    const WRONG: &[Step] = &[Step {
        version: 1,
        name: "wrong",
        postgres: "create tables",
        sqlite: "create tables",
    }];
    for database in every_database().await {
        let config = database.config("wrong");
        migrate(&config, WRONG).await.unwrap_err();
        closes(&database, &config).await;
        // What failed left nothing behind.
        migrate(&config, STEPS).await.unwrap();
        closes(&database, &config).await;
    }
}

#[tokio::test]
async fn a_service_is_ready_only_when_its_checks_hold() {
    let database = every_database().await.swap_remove(0);
    let config = database.config("ready");
    let scaffold = scaffold();
    scaffold.database(&config, STEPS).await.unwrap();
    let nobody = "http://127.0.0.1:1";
    scaffold.verifier(None, nobody).unwrap();
    scaffold.require(Check::DemoData, || Ok(()));
    let service = scaffold.into_service(Ok(Router::new())).await.unwrap();
    assert_eq!(
        service.health.checks(),
        ["database", "signing_keys", "demo_data"]
    );
    let failures = service.health.failures().await;
    let failing: Vec<_> = failures.iter().map(|(name, _)| *name).collect();
    assert_eq!(failing, ["database", "signing_keys"], "{failures:?}");
    migrate(&config, STEPS).await.unwrap();
    let failures = service.health.failures().await;
    let failing: Vec<_> = failures.iter().map(|(name, _)| *name).collect();
    assert_eq!(failing, ["signing_keys"], "{failures:?}");
    service.workers.finish(Duration::from_secs(10)).await;
}
