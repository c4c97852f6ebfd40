//! Backups of single databases of a bank, and their restoring, behind the bank's back.

use std::collections::BTreeMap;
use std::path::PathBuf;

use local::{Config, Home};
use store::{Database, DatabaseConfig, sqlx};
use testing::execute;

pub(crate) const SERVICES: [&str; 4] = ["user", "wallet", "transaction", "payment"];

/// The place of backups: files beside SQLite's, schemas beside PostgreSQL's.
pub(crate) struct Snapshots {
    pub(crate) home: Home,
    folder: PathBuf,
}

impl Snapshots {
    pub(crate) fn of(config: &Config) -> Snapshots {
        Snapshots {
            home: Home::new(config),
            folder: config.data_dir.clone(),
        }
    }

    fn file(&self, service: &str) -> PathBuf {
        self.folder.join(format!("{service}.db"))
    }

    fn kept(&self, service: &str, name: &str) -> PathBuf {
        self.folder.join(format!("{service}.{name}"))
    }

    /// Backs all four databases up.
    pub(crate) async fn take(&self, name: &str) {
        for service in SERVICES {
            let config = self.home.database(service);
            let database = Database::open(&config).await.unwrap();
            if let Database::Sqlite(_) = database {
                let kept = self.kept(service, name);
                let _ = std::fs::remove_file(&kept);
                run(&database, &format!("vacuum into '{}'", kept.display())).await;
                continue;
            }
            run(&database, &format!("create schema {service}_{name}")).await;
            for table in tables(&database, service).await {
                let copy = format!(
                    "create table {service}_{name}.\"{table}\" as table \"{service}\".\"{table}\""
                );
                run(&database, &copy).await;
            }
            if service == "user" {
                let sequence = "as select last_value, is_called from \"user\".users_id_seq";
                run(
                    &database,
                    &format!("create table user_{name}.ids {sequence}"),
                )
                .await;
            }
        }
    }

    /// Puts one database back as it was.
    pub(crate) async fn restore(&self, service: &str, name: &str) {
        self.remove(service).await;
        let config = self.home.database(service);
        if config.url.starts_with("sqlite") {
            std::fs::copy(self.kept(service, name), self.file(service)).unwrap();
            return;
        }
        migrate(service, &config).await;
        let database = Database::open(&config).await.unwrap();
        let mut statements = vec!["set session_replication_role = replica".to_owned()];
        for table in tables(&database, service).await {
            statements.push(format!("delete from \"{service}\".\"{table}\""));
            statements.push(format!(
                "insert into \"{service}\".\"{table}\" select * from {service}_{name}.\"{table}\""
            ));
        }
        if service == "user" {
            statements.push(format!(
                "select setval('\"user\".users_id_seq', last_value, is_called) from user_{name}.ids"
            ));
            // A dump has the counters of all tables; of this one the rows say as much.
            statements.push(
                "select setval('\"user\".audit_log_id_seq', coalesce(max(id), 0) + 1, false) from \"user\".audit_log".to_owned(),
            );
        }
        statements.push("set session_replication_role = default".to_owned());
        run(&database, &statements.join(";")).await;
        database.close().await;
    }

    /// Takes one database away.
    pub(crate) async fn remove(&self, service: &str) {
        let config = self.home.database(service);
        if config.url.starts_with("sqlite") {
            for end in ["", "-wal", "-shm"] {
                let file = format!("{}{end}", self.file(service).display());
                let _ = std::fs::remove_file(file);
            }
            return;
        }
        let database = Database::open(&config).await.unwrap();
        run(
            &database,
            &format!("drop schema if exists \"{service}\" cascade"),
        )
        .await;
        database.close().await;
    }

    /// Puts a database in one's place that nobody has used.
    pub(crate) async fn renew(&self, service: &str) {
        self.remove(service).await;
        migrate(service, &self.home.database(service)).await;
    }

    /// Every row of every database that is there.
    pub(crate) async fn rows(&self) -> BTreeMap<String, String> {
        let mut rows = BTreeMap::new();
        for service in SERVICES {
            let config = self.home.database(service);
            if config.url.starts_with("sqlite") && !self.file(service).exists() {
                continue;
            }
            let database = Database::open(&config).await.unwrap();
            for table in tables(&database, service).await {
                let text = text(&database, service, &table).await;
                rows.insert(format!("{service}.{table}"), text);
            }
            database.close().await;
        }
        rows
    }
}

async fn migrate(service: &str, config: &DatabaseConfig) {
    let migrated = match service {
        "user" => user::migrate(config).await,
        "wallet" => wallet::migrate(config).await,
        "transaction" => transaction::migrate(config).await,
        _ => payment::migrate(config).await,
    };
    migrated.unwrap();
}

async fn run(database: &Database, statement: &str) {
    execute(database, statement).await.unwrap();
}

async fn tables(database: &Database, service: &str) -> Vec<String> {
    match database {
        Database::Postgres(pool) => sqlx::query_scalar(
            "select table_name::text from information_schema.tables where table_schema = $1",
        )
        .bind(service)
        .fetch_all(&mut *pool.lend().await.unwrap())
        .await
        .unwrap(),
        Database::Sqlite(pools) => {
            sqlx::query_scalar("select name from sqlite_master where type = 'table'")
                .fetch_all(&pools.read)
                .await
                .unwrap()
        }
    }
}

async fn text(database: &Database, service: &str, table: &str) -> String {
    let sql = |text: String| sqlx::AssertSqlSafe(text);
    match database {
        Database::Postgres(pool) => {
            let query = format!(
                "select coalesce(string_agg(t::text, ' ' order by t::text), '') from \"{service}\".\"{table}\" t"
            );
            sqlx::query_scalar(sql(query))
                .fetch_one(&mut *pool.lend().await.unwrap())
                .await
                .unwrap()
        }
        Database::Sqlite(pools) => {
            let columns: Vec<String> =
                sqlx::query_scalar("select 'quote(\"' || name || '\")' from pragma_table_info($1)")
                    .bind(table)
                    .fetch_all(&pools.read)
                    .await
                    .unwrap();
            let columns = columns.join(" || ',' || ");
            let query =
                format!("select coalesce(group_concat({columns}, ' '), '') from \"{table}\"");
            sqlx::query_scalar(sql(query))
                .fetch_one(&pools.read)
                .await
                .unwrap()
        }
    }
}
