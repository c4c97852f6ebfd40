//! The data folder's own secret, `secret.key`: what tokens are signed with where no SECRET_KEY is set.
//!
//! It stays in the folder also where the users are in PostgreSQL. Whoever can read that database, or a dump of it, must not be able to
//! sign tokens with what they find there, nor to guess passwords from what is kept of registrations, which is an HMAC under this secret.
//! So a PostgreSQL that meets another folder has lost its secret, and the start says so. What must hold: a secret that is there is used as
//! it is or refused by its name, and a new one is never drawn over it.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use clock::Entropy;
use settings::SECRET_BYTES_MIN;

use crate::data::SECRET_FILE;

/// A file of more bytes than these is no secret.
const BYTES_MAX: u64 = 4096;
/// The number of bytes that are drawn.
const DRAWN_BYTES: usize = 48;

/// A secret, and whether it was drawn now.
pub(crate) struct Secret {
    pub(crate) text: String,
    pub(crate) is_new: bool,
}

/// The secret of this folder; drawn the first time.
pub(crate) fn of(folder: &Path, entropy: &Entropy) -> anyhow::Result<Secret> {
    let path = folder.join(SECRET_FILE);
    if let Some(text) = read(&path)? {
        return Ok(Secret {
            text,
            is_new: false,
        });
    }
    let mut bytes = [0; DRAWN_BYTES];
    entropy.fill(&mut bytes);
    let text = STANDARD_NO_PAD.encode(bytes);
    write(folder, &text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Secret { text, is_new: true })
}

fn read(path: &Path) -> anyhow::Result<Option<String>> {
    let name = path.display();
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {name}")),
    }
    let flaw = match String::from_utf8(bytes) {
        Err(_) => "is not text".to_owned(),
        Ok(text) if u64::try_from(text.len()).is_ok_and(|bytes| bytes > BYTES_MAX) => {
            format!("has more than {BYTES_MAX} bytes")
        }
        Ok(text) => match text.trim() {
            "" => "is empty".to_owned(),
            secret if secret.len() < SECRET_BYTES_MIN => format!(
                "has {} bytes, and a secret has at least {SECRET_BYTES_MIN}",
                secret.len()
            ),
            secret => return Ok(Some(secret.to_owned())),
        },
    };
    anyhow::bail!(
        "{name} {flaw}: put it back from a backup, or set SECRET_KEY; with the file removed a new one is drawn, and every session ends"
    )
}

/// Writes it beside and renames it, so that neither a kill nor a full disk leaves half a secret.
fn write(folder: &Path, text: &str) -> std::io::Result<()> {
    let draft = folder.join(format!("{SECRET_FILE}.new"));
    let written = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&draft, folder.join(SECRET_FILE)));
    if written.is_err() {
        // What cannot be written may be impossible to remove, too.
        let _ = std::fs::remove_file(&draft);
    }
    written?;
    File::open(folder)?.sync_all()
}
