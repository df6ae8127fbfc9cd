//! One server at a time uses the append-only files of a folder, and only if it knows which of them are the data set.

use std::fs::{File, TryLockError};
use std::path::PathBuf;

use persist::aof::parse_file_name;

use super::aof::{AofFiles, lock};
use crate::{files, reason};

/// The manifest before the first base is complete. It names nothing, so that files beside it that a server has only begun
/// are told from those of a data set whose manifest is lost.
const NOTHING_YET: &str = "# Nothing is complete yet.\n";

impl AofFiles {
    /// Takes the files for this process, until it ends. An error says who or what stands against it.
    pub fn claim(&self) -> Result<(), String> {
        let mut claim = lock(&self.claimed);
        if claim.is_some() {
            return Ok(());
        }
        let stray = self.stray_files();
        if !stray.is_empty() {
            return Err(format!(
                "{} is missing, but {} of the append-only file that it named {} there. Nothing says which of them are the \
                 data set, and in which order. Restore the manifest from where the files came from, or move them away to \
                 start without them.",
                self.manifest().display(),
                stray.join(", "),
                if stray.len() == 1 { "is" } else { "are" },
            ));
        }
        let shown = |error: &std::io::Error| format!("{}: {}", self.directory().display(), reason(error));
        self.make_directory().map_err(|error| shown(&error))?;
        let file = File::options().write(true).create(true).truncate(false).open(self.lock_path());
        let file = file.map_err(|error| shown(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(format!(
                    "The append-only files in {} are in use by another server: {} is locked.",
                    self.directory().display(),
                    self.lock_path().display()
                ));
            }
            // Not every file system can.
            Err(TryLockError::Error(_)) => {}
        }
        if !self.manifest().exists() {
            files::replace(&self.manifest(), NOTHING_YET.as_bytes()).map_err(|error| shown(&error))?;
        }
        *claim = Some(file);
        Ok(())
    }

    fn lock_path(&self) -> PathBuf {
        self.directory().join(format!("{}.lock", self.stem()))
    }

    /// Bases and incremental files, where there is no manifest.
    fn stray_files(&self) -> Vec<String> {
        if self.manifest().exists() {
            return Vec::new();
        }
        let is_part = |name: &String| parse_file_name(self.stem(), name).is_some();
        let mut names: Vec<String> = self.file_names().filter(is_part).collect();
        names.sort();
        names
    }
}
