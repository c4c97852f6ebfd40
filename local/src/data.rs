//! The data folder: the databases, the secret, and the lock that keeps a second process out.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use clock::Entropy;
use store::DatabaseConfig;

use crate::{Config, ServiceDatabases};

/// Connections of each service to PostgreSQL.
const CONNECTIONS: u32 = 5;

/// Where the data is.
#[derive(Clone)]
pub struct Home {
    folder: PathBuf,
    database_url: Option<String>,
    apart: ServiceDatabases,
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
            apart: ServiceDatabases::default(),
        }
    }

    /// The same, where services have databases of their own: for an audit. A service whose database is not named is looked for
    /// where DATABASE_URL says, and nowhere when that is not set either.
    #[must_use]
    pub fn with(mut self, apart: ServiceDatabases) -> Home {
        self.apart = apart;
        self
    }

    /// Whether it is known where a service's database would be.
    pub fn knows(&self, service: &str) -> bool {
        !self.apart.is_any()
            || self.database_url.is_some()
            || self.apart.database(service).is_some()
    }

    /// Whether a service's database is named by itself, so that its tables must be there.
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
                ..DatabaseConfig::at(url).in_schema(service)
            },
            None => DatabaseConfig::at(format!(
                "sqlite://{}",
                self.folder.join(format!("{service}.db")).display()
            )),
        }
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

    /// Whether there is anything to audit.
    pub fn exists(&self) -> bool {
        if self.apart.is_any() || self.database_url.is_some() {
            return self.knows("wallet");
        }
        self.folder.join("wallet.db").exists()
    }

    /// Makes the folder if need be, and claims it for this process.
    pub fn lock(&self) -> anyhow::Result<Lock> {
        let folder = self.folder.display();
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .with_context(|| {
                format!("cannot make the data folder {folder}; set DATA_DIR to another")
            })?;
        let path = self.folder.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| {
                format!("cannot write to the data folder {folder}; set DATA_DIR to another")
            })?;
        match file.try_lock() {
            Ok(()) => Ok(Lock(file)),
            Err(TryLockError::WouldBlock) => {
                anyhow::bail!(
                    "the data folder {folder} is in use by another dompet; stop it, or set DATA_DIR to another"
                )
            }
            Err(TryLockError::Error(error)) => Err(error).context("cannot lock the data folder"),
        }
    }

    /// The folder's own secret; drawn the first time.
    pub fn secret(&self, entropy: &Entropy) -> anyhow::Result<String> {
        let path = self.folder.join("secret.key");
        match read_secret(&path) {
            Ok(secret) => return Ok(secret),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        }
        let mut bytes = [0; 48];
        entropy.fill(&mut bytes);
        let secret = STANDARD_NO_PAD.encode(bytes);
        // Written beside and renamed, so that a kill leaves no half secret.
        let draft = self.folder.join("secret.key.new");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&draft)
            .with_context(|| format!("cannot write {}", draft.display()))?;
        file.write_all(secret.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&draft, &path)?;
        File::open(&self.folder)?.sync_all()?;
        Ok(secret)
    }
}

fn read_secret(path: &Path) -> std::io::Result<String> {
    let mut secret = String::new();
    File::open(path)?.take(4096).read_to_string(&mut secret)?;
    Ok(secret.trim().to_owned())
}
