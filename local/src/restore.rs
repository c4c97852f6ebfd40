//! `dompet restore`: puts a backup into a data folder.
//!
//! What must hold: nothing that is in the folder is deleted, and nothing of it is touched before the backup was copied, compared with its
//! list and audited; a restore that was interrupted is never taken for a data folder.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clock::Clock;

use crate::Home;
use crate::backup::manifest::Manifest;
use crate::backup::{copy_checked, settle, sync};
use crate::data::{Lock, RESTORING};

/// The folder that `--replace` moves what was there into begins with this; the time follows.
pub(crate) const BEFORE: &str = "before-restore-";

/// Puts the backup in `from` into the data folder. With `replace` what is there is moved into a folder beside it; otherwise it must be
/// empty. `false` when the backup does not pass the audit; then the data folder is as it was.
pub async fn restore(
    home: &Home,
    from: &Path,
    replace: bool,
    clock: &Clock,
    out: &mut (impl Write + Send),
) -> anyhow::Result<bool> {
    let folder = home.folder().context(
        "DATABASE_URL is set, and a backup of the local mode is restored into DATA_DIR: unset it; docs/BACKUP.md has PostgreSQL",
    )?;
    let manifest = Manifest::read(from)?;
    let (_lock, there) = Lock::claim(folder)?;
    let was_interrupted = folder.join(RESTORING).exists();
    let there: Vec<PathBuf> = there.into_iter().filter(|path| is_data(path)).collect();
    ensure!(
        there.is_empty() || replace || was_interrupted,
        "{} is not empty: set DATA_DIR to an empty or a new folder, or add --replace, which moves what is there into {BEFORE}… in it",
        folder.display()
    );
    writeln!(
        out,
        "Restoring the backup of {} ({} entries) into {}. Ctrl-C stops it; the backup is not changed.",
        manifest.created_at,
        manifest.ledger.entries,
        folder.display()
    )?;
    let staged = stage(&manifest, from, folder)?;
    let is_whole = audit(&manifest, &staged, out).await;
    if !matches!(is_whole, Ok(true)) {
        // What is in the data folder stays usable.
        fs::remove_dir_all(&staged)?;
        writeln!(out, "The backup is not whole, and nothing was restored.")?;
        return is_whole;
    }
    let aside = move_aside(folder, &there, clock)?;
    for file in &manifest.files {
        rename(&staged.join(&file.name), &folder.join(&file.name))?;
    }
    sync(folder)?;
    fs::remove_dir_all(&staged)?;
    sync(folder)?;
    if let Some(aside) = aside {
        writeln!(out, "What was there is in {}.", aside.display())?;
    }
    writeln!(
        out,
        "Restored. Start dompet with this DATA_DIR. Payments after {} are not in it.",
        manifest.created_at
    )?;
    Ok(true)
}

/// Checks that the copy holds everything that a ledger has to. Leaves each database as one file.
async fn audit(
    manifest: &Manifest,
    staged: &Path,
    out: &mut (impl Write + Send),
) -> anyhow::Result<bool> {
    if !crate::verify::verify(&Home::at(staged), None, out).await? {
        return Ok(false);
    }
    for file in &manifest.files {
        if file.name.ends_with(".db") {
            settle(&staged.join(&file.name)).await?;
        }
    }
    Ok(true)
}

/// Returns whether this is part of somebody's data, and not what restores leave.
fn is_data(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name != RESTORING && !name.starts_with(BEFORE)
}

/// Copies the backup to where only a restore looks. It is in the data folder, so that it can be renamed from there, whatever is
/// mounted where.
fn stage(manifest: &Manifest, from: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let staged = folder.join(RESTORING);
    if staged.exists() {
        fs::remove_dir_all(&staged)
            .with_context(|| format!("cannot remove {}", staged.display()))?;
    }
    fs::create_dir(&staged).with_context(|| format!("cannot make {}", staged.display()))?;
    let copied = copy_checked(manifest, from, &staged);
    if copied.is_err() {
        // Nothing is in place yet: a folder that is left would only say that a restore was interrupted.
        fs::remove_dir_all(&staged)?;
    }
    copied.map(|()| staged)
}

fn move_aside(folder: &Path, there: &[PathBuf], clock: &Clock) -> anyhow::Result<Option<PathBuf>> {
    if there.is_empty() {
        return Ok(None);
    }
    let now = clock.now().rfc3339().replace(':', "-");
    let aside = folder.join(format!("{BEFORE}{now}"));
    fs::create_dir(&aside).with_context(|| format!("cannot make {}", aside.display()))?;
    for path in there {
        rename(path, &aside.join(path.file_name().unwrap_or_default()))?;
    }
    sync(&aside)?;
    Ok(Some(aside))
}

fn rename(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::rename(from, to)
        .with_context(|| format!("cannot move {} to {}", from.display(), to.display()))
}
