//! A PostgreSQL for tests, and one with default durability for benchmarks.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use store::sqlx::{self, Connection as _, Executor as _};
use tokio::sync::OnceCell;

/// The server's URL without a database at the end.
static SERVER: OnceCell<Option<Server>> = OnceCell::const_new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

struct Server {
    base_url: String,
    /// Its standard input is a pipe from this process: when that closes, however this process ends, the server ends.
    watchdog: Option<Child>,
}

/// The URL of a new database, if there is a server.
pub(crate) async fn fresh_database() -> Option<String> {
    let server = SERVER.get_or_init(find_server).await.as_ref()?;
    let number = DATABASES.fetch_add(1, Ordering::SeqCst);
    let name = format!("dompet_test_{}_{number}", std::process::id());
    let admin = format!("{}/postgres", server.base_url);
    let mut connection = connect(&admin).await;
    for statement in [
        format!("drop database if exists {name} with (force)"),
        format!("create database {name}"),
    ] {
        connection
            .execute(sqlx::AssertSqlSafe(statement))
            .await
            .unwrap_or_else(|error| panic!("no database for the test: {error}"));
    }
    Some(format!("{}/{name}", server.base_url))
}

/// A server that listens may still be starting up.
async fn connect(url: &str) -> sqlx::PgConnection {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match sqlx::PgConnection::connect(url).await {
            Ok(connection) => return connection,
            Err(error) if Instant::now() > deadline => {
                panic!("the PostgreSQL for tests does not answer: {error}")
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn find_server() -> Option<Server> {
    if let Ok(url) = std::env::var("TEST_DATABASE_URL") {
        let base = url.rsplit_once('/').map_or(url.as_str(), |(base, _)| base);
        return Some(Server {
            base_url: base.to_owned(),
            watchdog: None,
        });
    }
    let server = binaries().map(|folder| start(&folder, &std::env::temp_dir(), FAST));
    match server {
        Some(Ok(server)) => Some(server),
        Some(Err(error)) => panic!("the PostgreSQL for tests did not start: {error:#}"),
        None if std::env::var_os("REQUIRE_POSTGRES").is_some() => {
            panic!(
                "REQUIRE_POSTGRES is set, but there is neither TEST_DATABASE_URL nor a PostgreSQL on this machine"
            )
        }
        None => {
            leave_out("tests on PostgreSQL; set TEST_DATABASE_URL or install PostgreSQL");
            None
        }
    }
}

/// The folder of the newest PostgreSQL's programs.
fn binaries() -> Option<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = debian.collect();
    folders.sort();
    folders
        .into_iter()
        .rev()
        .chain(std::env::split_paths(&path))
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}

/// A server of its own, with these settings for its command line, where the machine has PostgreSQL or `REQUIRE_POSTGRES` is set.
pub async fn own_postgres(settings: &str) -> Option<DurablePostgres> {
    if binaries().is_none() && std::env::var_os("REQUIRE_POSTGRES").is_none() {
        leave_out("tests with a PostgreSQL of their own; install PostgreSQL");
        return None;
    }
    let server = DurablePostgres::start_with(settings).await;
    Some(
        server
            .unwrap_or_else(|error| panic!("the PostgreSQL of the test did not start: {error:#}")),
    )
}

/// Says what is left out, past the test harness's capture, so that it is seen.
pub(crate) fn leave_out(what: &str) {
    let note = format!("LEFT OUT: {what}\n");
    let _ = std::io::stderr().write_all(note.as_bytes());
}

/// A server of its own with PostgreSQL's default settings, and so default durability; ended with this value, however this process
/// ends.
pub struct DurablePostgres {
    server: Server,
    programs: PathBuf,
}

impl DurablePostgres {
    /// Starts one from the machine's programs.
    pub async fn start() -> anyhow::Result<DurablePostgres> {
        DurablePostgres::start_in(&std::env::temp_dir()).await
    }

    /// The same, with its data in a new folder in this one.
    pub async fn start_in(parent: &Path) -> anyhow::Result<DurablePostgres> {
        DurablePostgres::start_as(parent, "").await
    }

    /// The same, with settings for its command line.
    pub async fn start_with(settings: &str) -> anyhow::Result<DurablePostgres> {
        DurablePostgres::start_as(&std::env::temp_dir(), settings).await
    }

    async fn start_as(parent: &Path, settings: &str) -> anyhow::Result<DurablePostgres> {
        let programs = binaries().context("no PostgreSQL on this machine")?;
        let server = start(&programs, parent, settings)?;
        drop(connect(&format!("{}/postgres", server.base_url)).await);
        Ok(DurablePostgres { server, programs })
    }

    /// The URL of its database.
    pub fn url(&self) -> String {
        format!("{}/postgres", self.server.base_url)
    }

    /// The address it listens on.
    pub fn port(&self) -> u16 {
        let port = self.server.base_url.rsplit(':').next();
        port.and_then(|port| port.parse().ok()).unwrap_or_default()
    }

    /// Kills every process of it at once, as a power cut would, and starts it again on the same data: it recovers from its log.
    pub fn crash(&mut self) -> anyhow::Result<()> {
        let watchdog = self.server.watchdog.as_mut();
        let orders = watchdog.and_then(|watchdog| watchdog.stdin.as_mut());
        Ok(orders
            .context("the server is not ours")?
            .write_all(b"crash\n")?)
    }

    /// One of PostgreSQL's programs, such as `pgbench`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }
}

/// Settings without durability, which tests do not need: nothing of theirs outlives the machine.
const FAST: &str = "-c fsync=off -c full_page_writes=off";

fn start(programs: &Path, parent: &Path, settings: &str) -> anyhow::Result<Server> {
    let folder = tempfile::Builder::new()
        .prefix("dompet-postgres-")
        .tempdir_in(parent)?
        .keep();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700))?;
    let user = server_user();
    if let Some((uid, gid)) = user {
        chown(&folder, Some(uid), Some(gid))?;
    }
    let [port] = crate::free_ports();
    let script = r#"
        "$1/initdb" -D "$2/data" -U postgres -A trust -E UTF8 --no-sync >"$2/log" 2>&1 || { cat "$2/log" >&2; rm -rf "$2"; exit 1; }
        serve() {
            "$1/postgres" -D "$2/data" -p "$3" -k "$2" -c listen_addresses=127.0.0.1 -c max_connections=300 $4 >>"$2/log" 2>&1 &
            server=$!
        }
        serve "$@"
        echo started
        exec 2>>"$2/log"
        while read -r order; do
            processes="$server"
            for stat in /proc/[0-9]*/stat; do
                read -r pid name state parent rest 2>/dev/null <"$stat" && [ "$parent" = "$server" ] && processes="$processes $pid"
            done
            kill -KILL $processes; wait $server
            # It does not start while one of its old processes is still there.
            until serve "$@"; sleep 0.2; kill -0 $server 2>/dev/null; do :; done
        done
        kill -QUIT $server; wait $server; rm -rf "$2"
    "#;
    let mut command = Command::new("sh");
    command
        .args(["-c", script, "sh"])
        .arg(programs)
        .arg(&folder)
        .arg(port.to_string())
        .arg(settings)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0);
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    let mut watchdog = command.spawn()?;
    let mut said = [0; 7];
    if let Some(mut output) = watchdog.stdout.take() {
        output.read_exact(&mut said)?;
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        anyhow::ensure!(Instant::now() < deadline, "it does not listen");
        std::thread::yield_now();
    }
    Ok(Server {
        base_url: format!("postgres://postgres@127.0.0.1:{port}"),
        watchdog: Some(watchdog),
    })
}

/// PostgreSQL and PgBouncer refuse to run as root: then they run as PostgreSQL's own user, or as nobody.
pub(crate) fn server_user() -> Option<(u32, u32)> {
    is_root()
        .then(|| user_id("postgres").or_else(|| user_id("nobody")))
        .flatten()
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn user_id(name: &str) -> Option<(u32, u32)> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let fields: Vec<&str> = users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields[0] == name)?;
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}
