//! `dompet backup`: a copy of the data folder as it was at one moment, taken while the wallet runs or while it does not.
//!
//! The four databases belong together, so they are copied as of one moment ([`cut`]): the copy is what a power cut at that moment would
//! have left. What must hold: a folder that has the name it was asked to have is a whole backup. The copy is made beside it under another
//! name, audited there, and renamed at the end.

mod cut;
pub(crate) mod manifest;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clock::Clock;

use crate::Home;
use crate::data::{Lock, SECRET_FILE, SERVICES, file_of};
use crate::progress::Progress;
use cut::Cut;
use manifest::{Content, LedgerHead, Manifest};

/// The sentence where the data is in PostgreSQL.
const POSTGRES: &str = "the data is in PostgreSQL (DATABASE_URL), which has its own tools for this: docs/BACKUP.md says which, and in which order";
/// The end of the name of an unfinished backup.
const UNFINISHED: &str = ".partial";

/// Copies the data folder to `to`, which must not be there, or be empty. `false` when the copy does not pass the audit; it is then left
/// under its unfinished name.
pub async fn backup(
    home: &Home,
    to: &Path,
    clock: &Clock,
    out: &mut (impl Write + Send),
) -> anyhow::Result<bool> {
    let from = home.folder().context(POSTGRES)?;
    let to = target(from, to)?;
    let draft = Draft::begin(&to)?;
    writeln!(
        out,
        "Copying {} to {}. Ctrl-C stops it; then there is no backup.",
        from.display(),
        to.display()
    )?;
    let created_at = clock.now().rfc3339();
    let cut = Cut::take(from, &draft.folder).await?;
    let ledger = cut.ledger();
    cut.copy(&draft.folder).await?;
    copy_secret(from, &draft.folder)?;
    let copied = Home::at(&draft.folder);
    if !crate::verify::verify(&copied, None, out).await? {
        writeln!(
            out,
            "The copy is not whole. It is left in {} to be looked into, and is no backup.",
            draft.folder.display()
        )?;
        return Ok(false);
    }
    for service in SERVICES {
        settle(&draft.folder.join(file_of(service))).await?;
    }
    let manifest = Manifest::of(&draft.folder, created_at, ledger)?;
    manifest.write(&draft.folder)?;
    draft.finish(&to)?;
    writeln!(
        out,
        "Backed up to {}: {} entries, {} bytes.",
        to.display(),
        manifest.ledger.entries,
        manifest.bytes()
    )?;
    Ok(true)
}

/// The target with a whole path, if a backup may be made there.
fn target(from: &Path, to: &Path) -> anyhow::Result<PathBuf> {
    ensure!(
        from.is_dir(),
        "there is nothing to back up: {} is no folder; set DATA_DIR to another",
        from.display()
    );
    let name = to
        .file_name()
        .with_context(|| format!("{} names no folder", to.display()))?;
    let parent = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let parent = parent
        .canonicalize()
        .with_context(|| format!("cannot back up into {}", parent.display()))?;
    let whole = parent.join(name);
    ensure!(
        !whole.starts_with(from.canonicalize()?),
        "{} is in the data folder itself; choose a place that is not lost with it",
        to.display()
    );
    ensure!(
        is_free(&whole)?,
        "{} is there already, and is not empty; choose another name, such as one with the date",
        to.display()
    );
    Ok(whole)
}

/// Returns whether nothing is at this path, or an empty folder.
fn is_free(path: &Path) -> anyhow::Result<bool> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(_) if path.exists() => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot look at {}", path.display())),
    }
}

/// A backup that is being made.
struct Draft {
    folder: PathBuf,
    lock: Lock,
}

impl Draft {
    /// Begins anew: what an interrupted backup of the same name left is removed.
    fn begin(to: &Path) -> anyhow::Result<Draft> {
        let mut name = to.file_name().unwrap_or_default().to_owned();
        name.push(UNFINISHED);
        let folder = to.with_file_name(name);
        let (lock, left_over) = Lock::claim(&folder)
            .with_context(|| format!("a backup to {} is under way", to.display()))?;
        for path in left_over {
            fs::remove_file(&path)
                .with_context(|| format!("{} is in the way; remove it", path.display()))?;
        }
        Ok(Draft { folder, lock })
    }

    /// Gives it its name, durably.
    fn finish(self, to: &Path) -> anyhow::Result<()> {
        let Draft { folder, lock } = self;
        lock.remove(&folder)?;
        sync(&folder)?;
        fs::rename(&folder, to)
            .with_context(|| format!("cannot rename {} to {}", folder.display(), to.display()))?;
        sync(to.parent().unwrap_or(to))
    }
}

/// The secret goes along, where the folder has one: without it every session ends, and repeats of registrations are not recognized.
fn copy_secret(from: &Path, to: &Path) -> anyhow::Result<()> {
    let (from, to) = (from.join(SECRET_FILE), to.join(SECRET_FILE));
    if from.exists() {
        fs::copy(&from, &to)
            .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}

/// Makes a database one file without a log beside it, checks its pages, and puts it on the disk.
pub(crate) async fn settle(path: &Path) -> anyhow::Result<()> {
    cut::settle(path)
        .await
        .with_context(|| format!("{} cannot be read back", path.display()))?;
    sync(path)
}

/// Waits until a file, or the list of a folder's files, is on the disk.
pub(crate) fn sync(path: &Path) -> anyhow::Result<()> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .with_context(|| format!("cannot put {} on the disk", path.display()))
}

/// Copies a backup's files into an empty folder, and compares each with the manifest on its way.
pub(crate) fn copy_checked(manifest: &Manifest, from: &Path, to: &Path) -> anyhow::Result<()> {
    let mut progress = Progress::new("bytes", manifest.bytes());
    for expected in &manifest.files {
        let source = from.join(&expected.name);
        let copied = Content::copy(&source, &to.join(&expected.name), &mut progress)
            .with_context(|| format!("cannot copy {}", source.display()))?;
        if copied != expected.content {
            bail!(
                "{} is not what was backed up: it was changed, or is cut off",
                source.display()
            );
        }
    }
    Ok(())
}

pub(crate) use cut::empty_log;
