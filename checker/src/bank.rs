//! A bank of processes, with links between them that can be broken: on PostgreSQL two replicas of what writes and one each of
//! the rest, or the local mode's one process on SQLite.

mod layout;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use ledger::domain::LogRow;
use ledger::store::{LedgerStore as _, SqlStore};
use ledger_api::LOG_PAGE_MAX;
use local::Home;
use serde_json::json;
use store::Database;
use testing::{DurablePostgres, Link, TestClient};

use crate::clients::User;
use crate::disk::SmallDisk;
use crate::planted::Bug;
use crate::process::{BUG, Role};

/// The time that everything may take to be healthy, at the start and after the last fault.
const HEALTHY_WITHIN: Duration = Duration::from_secs(60);
/// The money that each user begins with.
const FIRST_TOP_UP: i64 = 1_000;
/// The variable that tells a process where others pass orders on to it.
const PEER_URL: &str = "PEER_URL";
const SECRET: &str = "a secret of the checker, longer than 32 bytes";

/// The kind of database that the money is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum StoreKind {
    /// Each service in processes of its own, on one PostgreSQL.
    Postgres,
    /// The local mode.
    Sqlite,
}

/// A process that can be killed and started again.
struct Server {
    name: &'static str,
    role: Role,
    port: u16,
    variables: Vec<(String, String)>,
    child: Option<Child>,
}

/// The running bank.
pub struct Bank {
    program: PathBuf,
    folder: tempfile::TempDir,
    postgres: Option<DurablePostgres>,
    servers: Vec<Server>,
    links: Vec<(&'static str, Link)>,
    disk: Option<SmallDisk>,
    home: Home,
}

impl Bank {
    /// Starts all processes; `program` has this crate's `serve`. `with_faults` makes the clocks of what writes jump, and puts the data on
    /// a disk that can be filled, where one can be mounted.
    pub async fn start(
        program: PathBuf,
        kind: StoreKind,
        bug: Option<Bug>,
        with_faults: bool,
    ) -> anyhow::Result<Bank> {
        let folder = tempfile::tempdir()?;
        let disk = match with_faults {
            true => SmallDisk::mount(&folder.path().join("disk"))?,
            false => None,
        };
        let mut bank = match kind {
            StoreKind::Postgres => Bank::on_postgres(program, folder, disk, with_faults).await?,
            StoreKind::Sqlite => Bank::on_sqlite(program, folder, disk, with_faults).await?,
        };
        if let Some(bug) = bug {
            bank.plant(bug).await?;
        }
        for index in 0..bank.servers.len() {
            bank.start_server(index)?;
        }
        bank.wait_until_healthy().await?;
        Ok(bank)
    }

    async fn plant(&mut self, bug: Bug) -> anyhow::Result<()> {
        for server in &mut self.servers {
            let variable = (BUG.to_owned(), bug.name().to_owned());
            server.variables.push(variable);
            // Each writes by itself: what is wrong with that is to be found.
            server.variables.retain(|(name, _)| name != PEER_URL);
            // And both write: by themselves the payment services may choose the same one.
            let wallet = match server.name {
                "payment a" => "wallet b to wallet a",
                "payment b" => "wallet a to wallet b",
                _ => continue,
            };
            let link = self.links.iter().find(|(name, _)| *name == wallet);
            let (_, link) = link.with_context(|| format!("no link {wallet}"))?;
            let variable = ("WALLET_SERVICE_URL".to_owned(), link.url());
            server.variables.push(variable);
        }
        if let Some(statement) = bug.schema() {
            match Database::open(&self.home.database("wallet")).await? {
                Database::Postgres(pool) => {
                    let mut session = pool.lend().await?;
                    store::sqlx::query(statement).execute(&mut *session).await?;
                    session.commit().await?;
                }
                Database::Sqlite(_) => anyhow::bail!("this bug is planted on PostgreSQL"),
            }
        }
        Ok(())
    }

    /// The number of processes that can be killed.
    pub fn servers(&self) -> usize {
        self.servers.len()
    }

    /// The name of a server.
    pub fn server_name(&self, index: usize) -> &'static str {
        self.servers[index].name
    }

    /// The processes that run: what they are called, and their numbers in the system.
    pub fn processes(&self) -> Vec<(&'static str, u32)> {
        let running = self.servers.iter();
        running
            .filter_map(|server| Some((server.name, server.child.as_ref()?.id())))
            .collect()
    }

    /// The links, by name.
    pub fn links(&self) -> &[(&'static str, Link)] {
        &self.links
    }

    /// The disk that can be filled, where it could be made.
    pub fn disk(&self) -> Option<&SmallDisk> {
        self.disk.as_ref()
    }

    /// The PostgreSQL, if there is one.
    pub fn postgres(&mut self) -> Option<&mut DurablePostgres> {
        self.postgres.as_mut()
    }

    /// The folder of the processes' own logs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Keeps the folder when everything ends, to be looked at.
    pub fn keep_folder(&mut self) {
        self.folder.disable_cleanup(true);
    }

    /// Ends a process as `kill -9` does.
    pub fn kill(&mut self, index: usize) -> anyhow::Result<()> {
        if let Some(mut child) = self.servers[index].child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Starts a process that is not running.
    pub fn start_server(&mut self, index: usize) -> anyhow::Result<()> {
        let server = &mut self.servers[index];
        if let Some(child) = &mut server.child {
            if child.try_wait()?.is_none() {
                return Ok(());
            }
            server.child = None;
        }
        let log = self.folder.path().join(format!("{}.log", server.name));
        let log = File::options().create(true).append(true).open(log)?;
        let child = Command::new(&self.program)
            .args(["serve", server.role.word()])
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("PORT", server.port.to_string())
            .env("BIND", "127.0.0.1")
            .env("SECRET_KEY", SECRET)
            .env("LOG_LEVEL", "warn")
            .env("TOPUP", "open")
            // All clients have one address, and send all there is.
            .env("RATE_LIMITS", "off")
            .env("PASSWORD_TRIES", "address=off,registrations=off")
            .envs(server.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} does not start", self.program.display()))?;
        server.child = Some(child);
        Ok(())
    }

    /// Waits until every server that is not behind a broken link answers that it is ready.
    pub async fn wait_until_healthy(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + HEALTHY_WITHIN;
        let http = reqwest::Client::new();
        for index in 0..self.servers.len() {
            let (name, port) = (self.servers[index].name, self.servers[index].port);
            let url = format!("http://127.0.0.1:{port}/readyz");
            loop {
                // Whoever ended by itself, because its database was away, is started again, as Kubernetes does.
                self.start_server(index)?;
                let answer = http.get(&url).timeout(Duration::from_secs(2)).send().await;
                let why = match answer {
                    Ok(answer) if answer.status().is_success() => break,
                    Ok(answer) => answer.text().await.unwrap_or_default(),
                    Err(_) => "it does not answer".to_owned(),
                };
                anyhow::ensure!(
                    Instant::now() < deadline,
                    "{name} is not ready: {why}; see {}",
                    self.folder.path().display()
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    /// The API as clients reach it.
    pub fn api(&self) -> TestClient {
        TestClient::new(format!("{}/api/v1", self.links[0].1.url()))
    }

    /// Users with wallets and some money.
    pub async fn users(&self, count: usize) -> anyhow::Result<Vec<User>> {
        let api = self.api();
        let mut users = Vec::with_capacity(count);
        for number in 0..count {
            let body = json!({
                "name": format!("User {number}"),
                "email": format!("user-{number}@example.com"),
                "phone": "081234567890",
                "password": "not-a-secret-of-anybody",
            });
            let registered = api.post("/auth/register", body).await.expect(201);
            let token = registered["token"].as_str().context("no token")?;
            let api = api.with_token(token);
            let wallet = api.post("/wallets", json!({})).await.expect(201);
            let wallet_id = wallet["wallet"]["id"].as_i64().context("no wallet")?;
            api.post(
                &format!("/wallets/{wallet_id}/topup"),
                json!({"amount": FIRST_TOP_UP}),
            )
            .await
            .expect(200);
            users.push(User {
                id: registered["user"]["id"].as_i64().context("no user")?,
                wallet_id,
                api,
            });
        }
        Ok(users)
    }

    /// The whole log, straight from the database.
    pub async fn log(&self) -> anyhow::Result<Vec<LogRow>> {
        let store = SqlStore::new(Database::open(&self.home.database("wallet")).await?);
        let mut rows: Vec<LogRow> = Vec::new();
        loop {
            let after = i64::try_from(rows.len())?;
            let page = store.log(after, LOG_PAGE_MAX).await?;
            if page.is_empty() {
                return Ok(rows);
            }
            rows.extend(page);
        }
    }

    /// The audit that people run: `false` when something is not whole, with its report.
    pub async fn audit(&self) -> anyhow::Result<(bool, String)> {
        let mut report = Vec::new();
        let is_whole = local::verify::verify(&self.home, None, &mut report).await?;
        Ok((is_whole, String::from_utf8_lossy(&report).into_owned()))
    }
}

impl Drop for Bank {
    fn drop(&mut self) {
        for index in 0..self.servers.len() {
            // What cannot be killed is gone already.
            let _ = self.kill(index);
        }
    }
}
