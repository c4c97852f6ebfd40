//! Servers on which everything works.

use store::{Database, DatabaseConfig, on_read, sqlx};
use testing::{PgBouncer, PoolMode, own_postgres};

use super::support::{prepare, start};

/// Defaults of a role or a database, one row each.
const DEFAULTS: &[(&str, &[&str])] = &[
    ("nothing special", &[]),
    (
        "commits that do not wait",
        &["alter role {r} set synchronous_commit = off"],
    ),
    (
        "serializable transactions",
        &["alter database {d} set default_transaction_isolation = 'serializable'"],
    ),
    (
        "statements of a millisecond at most",
        &["alter role {r} set statement_timeout = '1ms'"],
    ),
    (
        "no patience with locks and open transactions",
        &[
            "alter role {r} set lock_timeout = '1ms'",
            "alter role {r} set idle_in_transaction_session_timeout = '1ms'",
        ],
    ),
    (
        "times, bytes and texts written in other ways",
        &[
            "alter role {r} set timezone = 'America/St_Johns'",
            "alter role {r} set datestyle = 'German, DMY'",
            "alter role {r} set bytea_output = 'escape'",
            "alter role {r} set client_encoding = 'LATIN1'",
            "alter role {r} set standard_conforming_strings = off",
        ],
    ),
    (
        "a search path of its own, and policies",
        &[
            "create schema elsewhere",
            "alter role {r} set search_path = elsewhere, pg_temp",
            "alter role {r} set row_security = on",
        ],
    ),
    (
        "schemas that somebody made for a role that may make none",
        &[
            "alter database {d} owner to postgres",
            "revoke all on database {d} from public",
            "grant connect on database {d} to {r}",
            "create schema \"user\" authorization {r}",
            "create schema wallet authorization {r}",
            "create schema transaction authorization {r}",
            "create schema payment authorization {r}",
        ],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_whatever_the_defaults_are() {
    let Some(server) = own_postgres("").await else {
        return;
    };
    for (what, set_up) in DEFAULTS {
        eprintln!("with {what}");
        let database = prepare(&server, "", set_up).await;
        let running = start(&database.url(server.port())).await.unwrap();
        running.assert_works().await;
        running.bank.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_behind_a_pooler_in_session_and_in_transaction_mode() {
    let Some(server) = own_postgres("").await else {
        return;
    };
    let ignoring = "ignore_startup_parameters = extra_float_digits,options";
    for (mode, settings) in [
        (PoolMode::Session, ""),
        (PoolMode::Session, ignoring),
        (PoolMode::Transaction, ""),
        // As CloudNativePG's pooler has it.
        (PoolMode::Transaction, ignoring),
    ] {
        let Some(pooler) = PgBouncer::start(server.port(), mode, settings) else {
            return;
        };
        eprintln!("in {mode:?} mode, {settings}");
        let database = prepare(
            &server,
            "",
            &["alter database {d} set synchronous_commit = off"],
        )
        .await;
        let url = format!(
            "postgres://postgres@127.0.0.1:{}/{}",
            pooler.port(),
            database.name
        );
        let running = start(&url).await.unwrap();
        running.assert_works().await;
        running.bank.stop().await;
        // And once more: nothing that the first start left on the pooler's connections is in the way.
        start(&url).await.unwrap().bank.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_wait_for_the_disk_whatever_the_default_is_and_behind_a_pooler_too() {
    let Some(server) = own_postgres("-c synchronous_commit=off").await else {
        return;
    };
    let pooler = PgBouncer::start(server.port(), PoolMode::Transaction, "");
    let off = ["alter role postgres set synchronous_commit = off"];
    let database = prepare(&server, "", &off).await;
    let ports = [Some(server.port()), pooler.as_ref().map(PgBouncer::port)];
    for port in ports.into_iter().flatten() {
        let url = format!("postgres://postgres@127.0.0.1:{port}/{}", database.name);
        let opened = Database::open(&DatabaseConfig::at(url)).await.unwrap();
        let shown: String = on_read!(&opened, pool => {
            sqlx::query_scalar("select current_setting('synchronous_commit')").fetch_one(pool).await
        })
        .unwrap();
        assert_eq!(shown, "on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_ipv6_and_a_password_with_any_sign_are_understood() {
    let Some(server) = own_postgres("-c listen_addresses=*").await else {
        return;
    };
    let set_up = ["alter role {r} password 'p@ss/w#rd?'"];
    let database = prepare(&server, "", &set_up).await;
    let url = format!(
        "postgres://{}:p%40ss%2Fw%23rd%3F@[::1]:{}/{}",
        database.role,
        server.port(),
        database.name
    );
    let running = start(&url).await.unwrap();
    running.assert_works().await;
    running.bank.stop().await;
}
