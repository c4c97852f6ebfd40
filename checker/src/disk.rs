//! A disk that is small enough to be filled.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

/// A file system in memory, mounted in a folder until dropped. Only root may mount one.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one; `None` for who may not.
    pub fn mount(folder: &Path) -> anyhow::Result<Option<SmallDisk>> {
        std::fs::create_dir_all(folder)?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=512m,mode=0777", "tmpfs"])
            .arg(folder)
            .output();
        Ok(match mounted {
            Ok(output) if output.status.success() => Some(SmallDisk {
                folder: folder.to_owned(),
            }),
            _ => None,
        })
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes until nothing more fits.
    pub fn fill(&self) -> anyhow::Result<()> {
        let mut ballast = std::fs::File::create(self.ballast())?;
        for block in [vec![1; 1 << 20], vec![1; 4096], vec![1; 1]] {
            while ballast.write_all(&block).is_ok() {}
        }
        Ok(())
    }

    /// Gives the room back.
    pub fn free(&self) -> anyhow::Result<()> {
        std::fs::remove_file(self.ballast()).context("the ballast is not there")
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A mount that stays is taken down with the machine.
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}
