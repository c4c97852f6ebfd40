//! The yardstick: pgbench running one server-side function a transfer. The function does what a careful team would write by hand:
//! a guarded debit, a credit, a transfer row with a unique key, two entries; durable.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use store::sqlx::{self, AssertSqlSafe, Connection as _, Executor as _};
use testing::DurablePostgres;

use crate::Load;

/// The better of these counts of clients is the yardstick.
const CLIENTS: [u32; 2] = [8, 64];

const SCHEMA: &str = "
    create schema yardstick;
    create table yardstick.accounts (id bigint primary key, balance bigint not null check (balance >= 0)) with (fillfactor = 50);
    create table yardstick.transfers (id bigserial primary key, key uuid not null unique, debit bigint not null, credit bigint not null,
        amount bigint not null, created_at timestamptz not null default now());
    create table yardstick.entries (id bigserial primary key, transfer bigint not null, account bigint not null, amount bigint not null);
    create function yardstick.transfer(k uuid, d bigint, c bigint, a bigint) returns bigint language plpgsql as $$
    declare t bigint;
    begin
        if d < c then
            update yardstick.accounts set balance = balance - a where id = d and balance >= a;
            if not found then raise exception 'insufficient balance'; end if;
            update yardstick.accounts set balance = balance + a where id = c;
        else
            update yardstick.accounts set balance = balance + a where id = c;
            update yardstick.accounts set balance = balance - a where id = d and balance >= a;
            if not found then raise exception 'insufficient balance'; end if;
        end if;
        insert into yardstick.transfers (key, debit, credit, amount) values (k, d, c, a) returning id into t;
        insert into yardstick.entries (transfer, account, amount) values (t, d, -a), (t, c, a);
        return t;
    end $$";

/// pgbench, ready to run.
pub(crate) struct Yardstick {
    program: PathBuf,
    url: String,
    accounts: i64,
    scripts: tempfile::TempDir,
}

impl Yardstick {
    pub(crate) async fn prepare(
        postgres: &DurablePostgres,
        accounts: i64,
    ) -> anyhow::Result<Yardstick> {
        let mut connection = sqlx::PgConnection::connect(&postgres.url()).await?;
        connection.execute(SCHEMA).await?;
        let fill = format!(
            "insert into yardstick.accounts select id, 1000000000 from generate_series(1, {accounts}) id"
        );
        connection.execute(AssertSqlSafe(fill)).await?;
        connection
            .execute("vacuum analyze yardstick.accounts")
            .await?;
        Ok(Yardstick {
            program: postgres.program("pgbench"),
            url: postgres.url(),
            accounts,
            scripts: tempfile::tempdir()?,
        })
    }

    /// Transfers a second, of the better count of clients.
    pub(crate) fn best(&self, load: Load, span: Duration) -> anyhow::Result<f64> {
        let mut best = 0.0_f64;
        for clients in CLIENTS {
            best = best.max(self.run(load, clients, span)?);
        }
        Ok(best)
    }

    fn run(&self, load: Load, clients: u32, span: Duration) -> anyhow::Result<f64> {
        let text = self.output(load, clients, span, &[])?;
        text.lines()
            .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
            .with_context(|| format!("pgbench gave no rate: {text}"))
    }

    /// The time that each transfer took from when it was due, at so many a second.
    pub(crate) fn latencies(&self, rate: f64, span: Duration) -> anyhow::Result<Vec<Duration>> {
        let prefix = self.scripts.path().join("log");
        let prefix = prefix.to_string_lossy();
        let rate = format!("--rate={rate}");
        let log = format!("--log-prefix={prefix}");
        self.output(Load::Uniform, CLIENTS[0], span, &[&rate, "--log", &log])?;
        let mut took = Vec::new();
        for entry in std::fs::read_dir(self.scripts.path())? {
            let path = entry?.path();
            if !path.to_string_lossy().starts_with(&*prefix) {
                continue;
            }
            // client, transaction, microseconds, …
            for line in std::fs::read_to_string(&path)?.lines() {
                let micros = line.split(' ').nth(2).context("pgbench's log is short")?;
                took.push(Duration::from_micros(micros.parse()?));
            }
            std::fs::remove_file(path)?;
        }
        Ok(took)
    }

    /// Runs pgbench, with these arguments besides its own, and gives what it prints.
    fn output(
        &self,
        load: Load,
        clients: u32,
        span: Duration,
        arguments: &[&str],
    ) -> anyhow::Result<String> {
        let accounts = self.accounts;
        let credit = match load {
            Load::Uniform => format!("\\set c random(1, {accounts})\n"),
            Load::Hot => format!(
                "\\set p random(1, 10)\n\\if :p > 1\n\\set c 1\n\\else\n\\set c random(1, {accounts})\n\\endif\n"
            ),
        };
        // A transfer to oneself moves nothing; the next account gets it.
        let script = format!(
            "\\set d random(2, {accounts})\n{credit}\\if :c = :d\n\\set c :d - 1\n\\endif\n\
             select yardstick.transfer(gen_random_uuid(), :d, :c, 1);\n"
        );
        let file = self.scripts.path().join("transfer.sql");
        std::fs::write(&file, script)?;
        let output = Command::new(&self.program)
            .args([
                "-n",
                "-M",
                "prepared",
                "-j",
                "2",
                "-c",
                &clients.to_string(),
            ])
            .args(["-T", &span.as_secs().max(1).to_string()])
            .args(arguments)
            .arg("-f")
            .arg(&file)
            .arg(&self.url)
            .output()
            .context("pgbench did not start")?;
        anyhow::ensure!(
            output.status.success(),
            "pgbench failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
