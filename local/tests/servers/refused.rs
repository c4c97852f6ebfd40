//! Servers that cannot be used: the start ends with one sentence, which has the place and the cause once, and no password.

use std::time::{Duration, Instant};

use testing::{DurablePostgres, PgBouncer, PoolMode, own_postgres};

use super::support::{as_superuser, prepare, start, url};

async fn why_not(url: &str) -> String {
    match start(url).await {
        Ok(_) => panic!("{url} was not refused"),
        Err(error) => format!("{error:#}"),
    }
}

/// The making of a database, what is done to it, and what is said of it.
const REFUSED: &[(&str, &[&str], &str)] = &[
    (
        "encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0",
        &[],
        "cannot be used: its encoding is LATIN1, which cannot keep every text",
    ),
    (
        "encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0",
        &[],
        "cannot be used: its encoding is SQL_ASCII, which cannot keep every text",
    ),
    (
        "",
        &["alter role {r} set default_transaction_read_only = on"],
        "cannot be used: default_transaction_read_only is on, for the role, the database or the server",
    ),
    (
        "",
        &[
            "alter database {d} owner to postgres",
            "revoke all on database {d} from public",
            "grant connect on database {d} to {r}",
        ],
        "cannot be migrated: the schema \"user\" is missing, and the role \"{r}\" cannot make it; make it with: \
         create schema \"user\" authorization \"{r}\": permission denied for database {d}",
    ),
    (
        "",
        &["create schema \"user\" authorization postgres"],
        "cannot be migrated: the schema \"user\" belongs to somebody else, and the role \"{r}\" may not use it",
    ),
    (
        "",
        &[
            "create schema \"user\" authorization postgres",
            "grant usage on schema \"user\" to {r}",
        ],
        "cannot be migrated: the tables cannot be made: permission denied for schema user",
    ),
    (
        "",
        &[
            "create schema \"user\" authorization {r}",
            "create table \"user\"._sqlx_migrations (version bigint primary key, success boolean, checksum bytea)",
        ],
        "cannot be migrated: the tables cannot be read: permission denied for table _sqlx_migrations",
    ),
    (
        "",
        &["alter role {r} connection limit 0"],
        "too many connections for role \"{r}\"",
    ),
    (
        "",
        &["alter role {r} nologin"],
        "role \"{r}\" is not permitted to log in",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_is_refused_with_one_sentence() {
    let Some(server) = own_postgres("").await else {
        return;
    };
    for (options, set_up, sentence) in REFUSED {
        let database = prepare(&server, options, set_up).await;
        let said = why_not(&database.url(server.port())).await;
        let sentence = sentence
            .replace("{d}", &database.name)
            .replace("{r}", &database.role);
        assert!(said.contains(&sentence), "{said}\nlacks\n{sentence}");
        let place = format!("127.0.0.1:{}", server.port());
        assert_eq!(said.matches(&place).count(), 1, "{said}");
        assert!(!said.contains("at line"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_reached_is_named_with_its_cause_once_and_at_once() {
    let Some(server) = own_postgres("").await else {
        return;
    };
    let [closed] = testing::free_ports();
    ask_for_passwords(&server).await;
    let port = server.port();
    let at = |port: u16, database: &str| {
        format!(
            "cannot connect to PostgreSQL at 127.0.0.1:{port} (DATABASE_URL, database \"{database}\"): "
        )
    };
    for (url, sentence) in [
        (url(closed, "postgres", "x"), at(closed, "x") + "connection refused"),
        (
            format!("postgres://x@[::1]:{closed}/x"),
            format!("cannot connect to PostgreSQL at [::1]:{closed} (DATABASE_URL, database \"x\"): connection refused"),
        ),
        (url(port, "postgres", "nodb"), at(port, "nodb") + "database \"nodb\" does not exist"),
        (
            url(port, "asked:not-the-password", "postgres"),
            at(port, "postgres") + "password authentication failed for user \"asked\"",
        ),
        (
            url(port, "postgres", "postgres") + "?sslmode=require",
            at(port, "postgres") + "TLS failed: server does not support TLS",
        ),
        (
            "postgres://x@no-such-host.invalid/x".to_owned(),
            "cannot connect to PostgreSQL at no-such-host.invalid:5432 (DATABASE_URL, database \"x\"): the host name is not known".to_owned(),
        ),
    ] {
        let began = Instant::now();
        let said = why_not(&url).await;
        assert!(said.starts_with(&sentence), "{said}\nis not\n{sentence}");
        assert!(!said.contains("not-the-password"), "{said}");
        let (_, cause) = said.split_once("): ").unwrap();
        assert_eq!(said.matches(cause).count(), 1, "{said}");
        assert!(began.elapsed() < Duration::from_secs(5), "{said} took {:?}", began.elapsed());
    }
}

/// A role whose password is asked for; all others are trusted.
async fn ask_for_passwords(server: &DurablePostgres) {
    let statements = [
        "create role asked login password 'the right one'",
        "do $$ begin execute format('copy (select unnest(array[''host all asked all scram-sha-256'', ''host all all all trust''])) to %L',
            current_setting('hba_file')); end $$",
        "select pg_reload_conf()",
    ];
    as_superuser(server, "postgres", &statements.map(str::to_owned)).await;
    let wrong = url(server.port(), "asked:wrong", "postgres");
    testing::wait_until("passwords are asked for", || async {
        use store::sqlx::Connection as _;
        store::sqlx::PgConnection::connect(&wrong).await.is_err()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_in_statement_mode_is_refused() {
    let Some(server) = own_postgres("").await else {
        return;
    };
    let Some(pooler) = PgBouncer::start(server.port(), PoolMode::Statement, "") else {
        return;
    };
    let said = why_not(&url(pooler.port(), "postgres", "postgres")).await;
    assert!(
        said.contains("the connection pooler is in statement mode, which has no transactions; set its pool_mode to transaction or session"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_refused() {
    let Some(mut server) = own_postgres("").await else {
        return;
    };
    let standby = "do $$ begin execute format('copy (select '''') to %L', current_setting('data_directory') || '/standby.signal'); end $$";
    as_superuser(&server, "postgres", &[standby.to_owned()]).await;
    server.crash().unwrap();
    let url = url(server.port(), "postgres", "postgres");
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let said = why_not(&url).await;
        if said.contains("it is a standby, which can only be read; connect to the primary") {
            return;
        }
        assert!(Instant::now() < deadline, "{said}");
        tokio::task::yield_now().await;
    }
}
