//! A machine's simulated disk: files by name, and how much of each would survive if the machine died. A process that is
//! killed loses nothing that it wrote; a machine that dies loses what was not synced, but for a random piece at its front.
//! Replacing and deleting a file is durable at once, since the real server syncs the folder with it.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// The file that SAVE writes.
pub(crate) const DATA_FILE: &str = "dump.rdb";

/// The disk. It outlives its machine's process.
#[derive(Default)]
pub(crate) struct Disk {
    files: BTreeMap<String, DiskFile>,
    /// It is full: only so many bytes still fit behind what is there, and no new file does.
    pub room: Option<usize>,
    /// The next sync fails.
    pub sync_fails: bool,
    /// How long every sync takes, and half as long a base; None: as chance has it.
    pub sync_span: Option<Duration>,
}

/// One file.
#[derive(Default)]
struct DiskFile {
    bytes: Vec<u8>,
    /// So many bytes at its front are durable.
    synced: usize,
    /// A sync failed: the system holds what was not written for clean, and no later sync makes it durable.
    doubtful: bool,
}

impl Disk {
    /// What a file holds.
    pub fn read(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(|file| file.bytes.as_slice())
    }

    /// The names of all files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Creates an empty file.
    pub fn create(&mut self, name: &str) -> Result<(), String> {
        self.check_room()?;
        self.files.insert(name.to_owned(), DiskFile::default());
        Ok(())
    }

    /// Puts a new file in the place of the old one: its size.
    pub fn replace(&mut self, name: &str, bytes: Vec<u8>) -> Result<u64, String> {
        self.check_room()?;
        let size = bytes.len();
        self.files.insert(name.to_owned(), DiskFile { bytes, synced: size, doubtful: false });
        Ok(size as u64)
    }

    /// Deletes a file, if it is there.
    pub fn remove(&mut self, name: &str) {
        self.files.remove(name);
    }

    /// Writes behind what is there: how many bytes fit.
    pub fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<usize> {
        let file = self.files.get_mut(name).ok_or(ErrorKind::NotFound)?;
        let taken = self.room.map_or(bytes.len(), |room| room.min(bytes.len()));
        if taken == 0 && !bytes.is_empty() {
            return Err(ErrorKind::StorageFull.into());
        }
        if let Some(room) = &mut self.room {
            *room -= taken;
        }
        file.bytes.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// Cuts a file.
    pub fn truncate(&mut self, name: &str, length: usize) {
        if let Some(file) = self.files.get_mut(name) {
            file.bytes.truncate(length);
            file.synced = file.synced.min(length);
        }
    }

    /// The size of a file in bytes.
    pub fn size(&self, name: &str) -> Option<usize> {
        self.files.get(name).map(|file| file.bytes.len())
    }

    /// Makes the front of a file durable, or fails.
    pub fn sync(&mut self, name: &str, length: usize) -> Result<(), String> {
        // A file that was deleted meanwhile is synced as far as anybody can see.
        let Some(file) = self.files.get_mut(name) else { return Ok(()) };
        if std::mem::take(&mut self.sync_fails) {
            file.doubtful = true;
            return Err("simulated input/output error".to_owned());
        }
        if !file.doubtful {
            file.synced = file.synced.max(length.min(file.bytes.len()));
        }
        Ok(())
    }

    /// The machine dies.
    pub fn crash(&mut self, rng: &mut fastrand::Rng) {
        for file in self.files.values_mut() {
            let kept = rng.usize(file.synced..=file.bytes.len());
            // Often nothing of it was written yet.
            file.bytes.truncate(if rng.bool() { file.synced } else { kept });
            file.synced = file.bytes.len();
            file.doubtful = false;
        }
        self.sync_fails = false;
    }

    /// A process has ended, and a new one will open the files: what a failed sync left in doubt is written after all. A new
    /// process cannot know of it; that it may be lost all the same is not simulated.
    pub fn forget_doubts(&mut self) {
        self.files.values_mut().for_each(|file| file.doubtful = false);
    }

    fn check_room(&self) -> Result<(), String> {
        match self.room {
            Some(_) => Err("the simulated disk is full".to_owned()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_dies_keeps_what_was_synced_and_a_front_of_the_rest() {
        for seed in 0..50 {
            let mut disk = Disk::default();
            disk.create("a").unwrap();
            disk.append("a", b"synced").unwrap();
            disk.sync("a", 6).unwrap();
            disk.append("a", b" not").unwrap();
            disk.crash(&mut fastrand::Rng::with_seed(seed));
            let left = disk.read("a").unwrap();
            assert!(left.len() >= 6 && b"synced not".starts_with(left), "{left:?}");
        }
    }

    #[test]
    fn after_a_sync_that_failed_nothing_more_of_the_file_becomes_durable() {
        let mut disk = Disk { sync_fails: true, ..Disk::default() };
        disk.create("a").unwrap();
        disk.append("a", b"lost").unwrap();
        assert!(disk.sync("a", 4).is_err());
        assert!(disk.sync("a", 4).is_ok());
        assert_eq!(disk.files["a"].synced, 0);
    }

    #[test]
    fn a_full_disk_takes_what_fits() {
        let mut disk = Disk::default();
        disk.create("a").unwrap();
        disk.room = Some(3);
        assert_eq!(disk.append("a", b"four").unwrap(), 3);
        assert_eq!(disk.append("a", b"r").unwrap_err().kind(), ErrorKind::StorageFull);
        assert!(disk.create("b").is_err());
    }
}
