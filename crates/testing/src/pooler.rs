//! A real PgBouncer between a test and its PostgreSQL.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::postgres::{leave_out, server_user};

/// The moment at which a client gives its server's connection back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// At the end of its session.
    Session,
    /// After each transaction.
    Transaction,
    /// After each statement.
    Statement,
}

/// PgBouncer, ended with this value, or with the test's process.
pub struct PgBouncer {
    port: u16,
    _folder: tempfile::TempDir,
    /// Its standard input is a pipe from this process: when that closes, PgBouncer ends.
    _watchdog: Child,
}

impl PgBouncer {
    /// One in front of the server on this port, with more lines for its section `[pgbouncer]`. `None`, with a note, where the machine has
    /// none and `REQUIRE_POSTGRES` is not set.
    pub fn start(server_port: u16, mode: PoolMode, settings: &str) -> Option<PgBouncer> {
        let Some(program) = program() else {
            assert!(
                std::env::var_os("REQUIRE_POSTGRES").is_none(),
                "REQUIRE_POSTGRES is set, and there is no pgbouncer on this machine"
            );
            leave_out("tests behind PgBouncer; install pgbouncer");
            return None;
        };
        let bouncer = run(program, server_port, mode, settings);
        Some(bouncer.unwrap_or_else(|error| panic!("PgBouncer did not start: {error}")))
    }

    /// The address it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    let mut programs = folders.map(|folder| folder.join("pgbouncer"));
    programs.find(|program| program.exists())
}

fn run(
    program: PathBuf,
    server_port: u16,
    mode: PoolMode,
    settings: &str,
) -> std::io::Result<PgBouncer> {
    let folder = tempfile::Builder::new()
        .prefix("dompet-pgbouncer-")
        .tempdir()?;
    let [port] = crate::free_ports();
    let (users, ini) = (
        folder.path().join("users"),
        folder.path().join("pgbouncer.ini"),
    );
    std::fs::write(&users, "\"postgres\" \"\"\n")?;
    let mode = match mode {
        PoolMode::Session => "session",
        PoolMode::Transaction => "transaction",
        PoolMode::Statement => "statement",
    };
    // Few connections, so that clients share them all the time.
    std::fs::write(
        &ini,
        format!(
            "[databases]\n* = host=127.0.0.1 port={server_port}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\n\
             auth_file = {}\npool_mode = {mode}\ndefault_pool_size = {}\nmax_client_conn = 200\n{settings}\n",
            users.display(),
            if mode == "session" { 40 } else { 3 },
        ),
    )?;
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            r#""$1" -q "$2" & server=$!; read -r _; kill -INT $server; wait $server"#,
            "sh",
        ])
        .arg(program)
        .arg(&ini)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    if let Some((uid, gid)) = server_user() {
        for path in [folder.path(), &users, &ini] {
            chown(path, Some(uid), Some(gid))?;
        }
        command.uid(uid).gid(gid);
    }
    let watchdog = command.spawn()?;
    let deadline = Instant::now() + Duration::from_secs(30);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > deadline {
            return Err(std::io::Error::other("it does not listen"));
        }
        std::thread::yield_now();
    }
    Ok(PgBouncer {
        port,
        _folder: folder,
        _watchdog: watchdog,
    })
}
