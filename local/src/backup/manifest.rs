//! What a backup consists of: the list that says whether it is complete and unchanged.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::sync;
use crate::data::{SECRET_FILE, SERVICES, file_of};
use crate::progress::Progress;

/// The list's file.
const FILE: &str = "manifest.json";
/// The version of what is written here. A program refuses a newer one.
const FORMAT: u32 = 1;
/// The largest list that is read.
const BYTES_MAX: u64 = 64 * 1024;
/// The number of bytes that are hashed at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// The list of a backup's files, and what it is a backup of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The version of this format.
    pub(crate) format: u32,
    /// The version of the program that made it.
    pub(crate) dompet: String,
    /// The time at which it was made, as RFC 3339.
    pub(crate) created_at: String,
    /// The number of the ledger's last entry.
    pub(crate) ledger: LedgerHead,
    /// Every file but this one.
    pub(crate) files: Vec<BackupFile>,
}

/// The end of the ledger's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LedgerHead {
    /// The number of the last entry.
    pub(crate) entries: i64,
    /// The hash of the last batch, in hexadecimal: it stands for everything before it.
    pub(crate) hash: String,
}

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BackupFile {
    /// Its name in the folder.
    pub(crate) name: String,
    /// The files that are in it.
    #[serde(flatten)]
    pub(crate) content: Content,
}

/// The mark that tells a file's content from any other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    /// The number of bytes.
    pub(crate) bytes: u64,
    /// Their SHA-256, in hexadecimal.
    pub(crate) sha256: String,
}

/// The version alone: a newer list may look different.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Manifest {
    /// The list of the files in this folder.
    pub(crate) fn of(
        folder: &Path,
        created_at: String,
        ledger: LedgerHead,
    ) -> anyhow::Result<Manifest> {
        let mut files = Vec::new();
        for name in names() {
            let path = folder.join(&name);
            if name == SECRET_FILE && !path.exists() {
                continue;
            }
            sync(&path)?;
            let content = Content::read(&path, &mut Progress::hidden())
                .with_context(|| format!("cannot read {}", path.display()))?;
            files.push(BackupFile { name, content });
        }
        Ok(Manifest {
            format: FORMAT,
            dompet: http_server::VERSION.to_owned(),
            created_at,
            ledger,
            files,
        })
    }

    /// Writes the list beside the files.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(FILE);
        let cannot = || format!("cannot write {}", path.display());
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        let mut file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .with_context(cannot)?;
        file.write_all(&text).with_context(cannot)?;
        file.sync_all().with_context(cannot)
    }

    /// Reads the list of a backup, and refuses one that is none or that this program does not understand.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Manifest> {
        let path = folder.join(FILE);
        let file = File::open(&path)
            .with_context(|| format!("{} is no backup: it has no {FILE}", folder.display()))?;
        let mut text = Vec::new();
        file.take(BYTES_MAX)
            .read_to_end(&mut text)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let unreadable = || format!("{} was changed, or is cut off", path.display());
        let Format { format } = serde_json::from_slice(&text).with_context(unreadable)?;
        ensure!(
            format <= FORMAT,
            "{} was made by a newer dompet (format {format}); this one knows format {FORMAT}",
            folder.display()
        );
        let manifest: Manifest = serde_json::from_slice(&text).with_context(unreadable)?;
        let known = names();
        let mut listed: Vec<&str> = manifest
            .files
            .iter()
            .map(|file| file.name.as_str())
            .collect();
        listed.sort_unstable();
        listed.dedup();
        ensure!(
            listed.len() == manifest.files.len()
                && listed
                    .iter()
                    .all(|name| known.iter().any(|known| known == name)),
            "{} lists files that no backup has",
            path.display()
        );
        for service in SERVICES {
            ensure!(
                listed.contains(&file_of(service).as_str()),
                "{} does not list {}",
                path.display(),
                file_of(service)
            );
        }
        Ok(manifest)
    }

    /// The size of all files together.
    pub(crate) fn bytes(&self) -> u64 {
        let sizes = self.files.iter().map(|file| file.content.bytes);
        sizes.fold(0, u64::saturating_add)
    }
}

/// The files that a backup may have.
fn names() -> Vec<String> {
    let databases = SERVICES.iter().map(|service| file_of(service));
    databases.chain([SECRET_FILE.to_owned()]).collect()
}

impl Content {
    /// Of a file.
    pub(crate) fn read(path: &Path, progress: &mut Progress) -> io::Result<Content> {
        Content::pass(&mut File::open(path)?, &mut io::sink(), progress)
    }

    /// Of a file, which is copied meanwhile, onto the disk.
    pub(crate) fn copy(from: &Path, to: &Path, progress: &mut Progress) -> io::Result<Content> {
        let mut copy = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(to)?;
        let content = Content::pass(&mut File::open(from)?, &mut copy, progress)?;
        copy.sync_all()?;
        Ok(content)
    }

    fn pass(
        from: &mut File,
        to: &mut impl io::Write,
        progress: &mut Progress,
    ) -> io::Result<Content> {
        let mut hash = Sha256::new();
        let mut bytes = 0_u64;
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut from = progress.reading(from);
        loop {
            let read = from.read(&mut chunk)?;
            if read == 0 {
                break;
            }
            hash.update(&chunk[..read]);
            to.write_all(&chunk[..read])?;
            bytes = bytes.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        }
        Ok(Content {
            bytes,
            sha256: hex::encode(hash.finalize()),
        })
    }
}
