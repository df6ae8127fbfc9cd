//! The append-only files of the node under test: their names, and what was written to them. Syncs, file tasks and the
//! writing thread take until they are told to end.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use node::{JournalFile, PublishedFiles};

/// The append-only files.
#[derive(Default)]
pub struct AofDisk {
    /// Syncs last until they are ended; otherwise they are done at once.
    pub hold_syncs: Cell<bool>,
    /// The syncs under way: their tickets.
    pub syncs: RefCell<Vec<u64>>,
    /// Bytes on their way through the writing thread.
    pub writing: Cell<Option<u64>>,
    /// Why syncs that the node waits for fail, if they do.
    pub sync_fault: RefCell<Option<String>>,
    /// Why bases cannot be written, if they cannot.
    pub base_fault: RefCell<Option<String>>,
    /// Bases take until they are told to be complete.
    pub hold_bases: Cell<bool>,
    /// The bases being written.
    pub bases: RefCell<Vec<String>>,
    /// Files are created, and the manifest is replaced, when it is asked for.
    pub hold_files: Cell<bool>,
    /// What waits for that.
    pub file_tasks: RefCell<Vec<FileTask>>,
    /// The names of all files that are there.
    pub names: RefCell<BTreeSet<String>>,
    /// The offsets of the commands that were noted as unknown.
    pub unknown: RefCell<Vec<u64>>,
    /// What was written to all files, one after the other.
    pub content: RefCell<Vec<u8>>,
}

/// What is done to files beside the executor.
pub enum FileTask {
    /// A file is created.
    Prepare(JournalFile),
    /// The manifest is replaced.
    Publish(PublishedFiles),
}

impl AofDisk {
    /// Does it.
    pub fn run(&self, task: &FileTask) {
        let published = match task {
            FileTask::Prepare(file) => {
                self.names.borrow_mut().insert(file.name.clone());
                file.published.as_ref()
            }
            FileTask::Publish(published) => Some(published),
        };
        self.remove(published.map_or(&[], |published| &published.remove));
    }

    /// Deletes files.
    pub fn remove(&self, names: &[String]) {
        self.names.borrow_mut().retain(|name| !names.contains(name));
    }

    /// The names of files with this ending.
    pub fn with_ending(&self, ending: &str) -> Vec<String> {
        self.names.borrow().iter().filter(|name| name.ends_with(ending)).cloned().collect()
    }
}
