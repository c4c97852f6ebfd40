//! The data folder: the databases, the secret, and the lock that keeps a second process out.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clock::Entropy;
use store::{Database, DatabaseConfig, on_read, sqlx};

use crate::secret::{self, Secret};
use crate::{Config, ServiceDatabases};

/// Connections of each service to PostgreSQL.
const CONNECTIONS: u32 = 5;

/// The services that have a database, in the order in which they are locked together.
pub(crate) const SERVICES: [&str; 4] = ["user", "wallet", "transaction", "payment"];
/// The file of the secret that was drawn.
pub(crate) const SECRET_FILE: &str = "secret.key";
/// The file whose lock keeps other processes out.
const LOCK_FILE: &str = "lock";
/// The folder that a restore is made in, until it is whole.
pub(crate) const RESTORING: &str = "restoring";
/// Nobody else reads or writes.
const OWNER_ONLY: u32 = 0o600;
/// Nobody else looks into a folder.
const OWNER_ONLY_FOLDER: u32 = 0o700;

/// The file of a service's database.
pub(crate) fn file_of(service: &str) -> String {
    format!("{service}.db")
}

/// The log beside a database's file.
pub(crate) fn log_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// The place of the data.
#[derive(Clone)]
pub struct Home {
    folder: PathBuf,
    database_url: Option<String>,
    database_wait_s: u64,
    apart: ServiceDatabases,
    read_only: bool,
}

/// While it lives, no other process uses the folder.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

impl Home {
    /// The folder and database of this configuration.
    pub fn new(config: &Config) -> Home {
        Home {
            folder: config.data_dir.clone(),
            database_url: config.database_url.clone(),
            database_wait_s: config.database_wait_s,
            apart: ServiceDatabases::default(),
            read_only: false,
        }
    }

    /// SQLite in this folder.
    pub(crate) fn at(folder: impl Into<PathBuf>) -> Home {
        Home {
            folder: folder.into(),
            database_url: None,
            database_wait_s: 0,
            apart: ServiceDatabases::default(),
            read_only: false,
        }
    }

    /// The same, to be read only: nothing is made in the folder.
    #[must_use]
    pub fn to_read(mut self) -> Home {
        self.read_only = true;
        self
    }

    /// Returns whether files are opened without changing or making any.
    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// The folder, where the databases are in it.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.database_url.is_none().then_some(self.folder.as_path())
    }

    /// The same, where services have databases of their own: for an audit. A service whose database is not named is looked for
    /// where DATABASE_URL says, and nowhere when that is not set either.
    #[must_use]
    pub fn with(mut self, apart: ServiceDatabases) -> Home {
        self.apart = apart;
        self
    }

    /// Returns whether it is known where a service's database would be.
    pub fn knows(&self, service: &str) -> bool {
        !self.apart.is_any()
            || self.database_url.is_some()
            || self.apart.database(service).is_some()
    }

    /// Returns whether a service's database is named by itself, so that its tables must be there.
    pub fn names(&self, service: &str) -> bool {
        self.apart.database(service).is_some()
    }

    /// The database of one service.
    pub fn database(&self, service: &str) -> DatabaseConfig {
        if let Some(database) = self.apart.database(service) {
            return database;
        }
        match &self.database_url {
            Some(url) => DatabaseConfig {
                max_connections: CONNECTIONS,
                wait_s: self.database_wait_s,
                ..DatabaseConfig::at(url).in_schema(service)
            },
            None => DatabaseConfig {
                read_only: self.read_only,
                ..DatabaseConfig::at(format!("sqlite://{}", self.path(service).display()))
            },
        }
    }

    /// The file that a service's database is in, where it is in one.
    pub(crate) fn file(&self, service: &str) -> Option<PathBuf> {
        let is_file = !self.apart.is_any() && self.database_url.is_none();
        is_file.then(|| self.path(service))
    }

    fn path(&self, service: &str) -> PathBuf {
        self.folder.join(file_of(service))
    }

    /// For people: what the data is in.
    pub fn describe(&self) -> String {
        if self.apart.is_any() {
            return "the services' own databases".to_owned();
        }
        match &self.database_url {
            Some(_) => "PostgreSQL".to_owned(),
            None => format!("SQLite in {}", self.folder.display()),
        }
    }

    /// For people: one service's database.
    pub(crate) fn name(&self, service: &str) -> String {
        match &self.database_url {
            Some(_) => format!("the schema {service} in PostgreSQL"),
            None => self
                .folder
                .join(format!("{service}.db"))
                .display()
                .to_string(),
        }
    }

    /// Returns whether a service's database would be a file, and that is not there or has nothing in it.
    pub(crate) fn has_no_file_of(&self, service: &str) -> bool {
        let file = self.folder.join(format!("{service}.db"));
        let is_file = self.database_url.is_none() && !self.apart.is_any();
        is_file && std::fs::metadata(file).map_or(true, |file| file.len() == 0)
    }

    /// Returns whether there is anything to audit.
    pub fn exists(&self) -> bool {
        if self.apart.is_any() || self.database_url.is_some() {
            return self.knows("wallet");
        }
        self.folder.join("wallet.db").exists()
    }

    /// Makes the folder if need be, claims it for this process, and keeps others from reading what is in it.
    pub fn lock(&self) -> anyhow::Result<Lock> {
        let (lock, there) = Lock::claim(&self.folder)?;
        let folder = self.folder.display();
        anyhow::ensure!(
            !there.iter().any(|path| path.ends_with(RESTORING)),
            "a restore into {folder} was interrupted; run `dompet restore` again, or set DATA_DIR to another"
        );
        for path in there.iter().filter(|path| path.is_file()) {
            restrict(path, OWNER_ONLY)?;
        }
        // A folder that has other things in it, such as a home, is somebody else's to close.
        if there.iter().all(|path| is_ours(path)) {
            restrict(&self.folder, OWNER_ONLY_FOLDER)?;
        }
        Ok(lock)
    }

    /// Leaves each database as one file that can be copied, after the services have ended.
    pub(crate) async fn empty_logs(&self) {
        let Some(folder) = self.folder() else {
            return;
        };
        for service in SERVICES {
            let path = folder.join(file_of(service));
            if let Err(error) = crate::backup::empty_log(&path).await {
                // Nothing is lost: the next start reads the log.
                tracing::info!(
                    service,
                    error = format!("{error:#}"),
                    "the database keeps a log beside it"
                );
            }
        }
    }

    /// The folder's own secret; drawn the first time.
    pub(crate) fn secret(&self, entropy: &Entropy) -> anyhow::Result<Secret> {
        secret::of(&self.folder, entropy)
    }

    /// Says what a secret that was drawn now means where the users are in PostgreSQL, and not in the folder with it.
    pub(crate) async fn tell_of_new_secret(&self) {
        if self.database_url.is_none() {
            return;
        }
        let file = self.folder.join(SECRET_FILE);
        let file = file.display();
        if self.has_users().await {
            tracing::warn!(
                "{file} was drawn now, and PostgreSQL has users of before: their sessions end, and another dompet on the same database does not know tokens of this one; set SECRET_KEY, or bring the secret.key of before"
            );
        } else {
            tracing::info!(
                "{file} has the secret that tokens are signed with, and PostgreSQL has the users: keep both, or set SECRET_KEY"
            );
        }
    }

    /// Returns whether somebody has registered; not where that cannot be read, because then nobody can log in either.
    async fn has_users(&self) -> bool {
        let Ok(database) = Database::open(&self.database("user")).await else {
            return false;
        };
        let users: Result<i64, sqlx::Error> = on_read!(&database, pool => {
            sqlx::query_scalar("select coalesce(max(id), 0) from users").fetch_one(pool).await
        });
        database.close().await;
        users.is_ok_and(|highest| highest > 0)
    }
}

impl Lock {
    /// Makes the folder if need be, and claims it. Also gives the paths of what else is in it.
    pub(crate) fn claim(path: &Path) -> anyhow::Result<(Lock, Vec<PathBuf>)> {
        // Whatever this process makes from here on is for its user alone: also the databases, and the logs beside them.
        rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
        let folder = path.display();
        anyhow::ensure!(
            !path.is_file(),
            "the data folder {folder} is a file; set DATA_DIR to another"
        );
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| {
                format!("cannot make the data folder {folder}; set DATA_DIR to another")
            })?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK_FILE))
            .with_context(|| {
                format!("cannot write to the data folder {folder}; set DATA_DIR to another")
            })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                anyhow::bail!(
                    "the data folder {folder} is in use by another dompet; stop it, or set DATA_DIR to another"
                )
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).context("cannot lock the data folder");
            }
        }
        let mut there = Vec::new();
        for entry in fs::read_dir(path).with_context(|| format!("cannot read {folder}"))? {
            let path = entry?.path();
            if !path.ends_with(LOCK_FILE) {
                there.push(path);
            }
        }
        Ok((Lock(file), there))
    }

    /// Takes the lock's file away, for a folder that is about to be renamed.
    pub(crate) fn remove(self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(LOCK_FILE);
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
    }
}

/// Nobody but the owner may read a file: there are password hashes in it, and who has how much.
fn restrict(path: &Path, allowed: u32) -> anyhow::Result<()> {
    let cannot = || format!("cannot keep others from reading {}", path.display());
    let mode = fs::metadata(path)
        .with_context(cannot)?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(mode & allowed)).with_context(cannot)?;
    }
    Ok(())
}

/// Returns whether a dompet made it.
fn is_ours(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_database = |service| name.starts_with(&file_of(service));
    name.starts_with(SECRET_FILE)
        || name.starts_with(crate::restore::BEFORE)
        || SERVICES.into_iter().any(is_database)
}
