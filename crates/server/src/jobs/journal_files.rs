//! The thread that reads the stream from files for replicas that fell behind, and that writes it to nameless files when there
//! is no append-only file. It does one thing after the other, in the order in which it was asked.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};

use bytes::Bytes;
use journal::{Extent, Place};
use node::{DroppedFiles, JournalRead};

use super::{Report, Reporter, beside};
use crate::{files, memory};

/// What is asked of the thread.
enum Task {
    Read(JournalRead),
    Spill { file: u64, pieces: Vec<Bytes> },
    Drop(DroppedFiles),
}

/// The thread, which starts when it is first needed.
#[derive(Default)]
pub struct JournalFiles {
    tasks: Option<Sender<Task>>,
}

impl JournalFiles {
    /// Reads bytes for a replica; those of append-only files in this directory.
    pub fn read(&mut self, wanted: JournalRead, directory: &Path, reporter: &Reporter) {
        self.send(Task::Read(wanted), directory, reporter);
    }

    /// Writes to the end of a nameless file.
    pub fn spill(&mut self, file: u64, pieces: Vec<Bytes>, directory: &Path, reporter: &Reporter) {
        self.send(Task::Spill { file, pieces }, directory, reporter);
    }

    /// Deletes files.
    pub fn drop_files(&mut self, dropped: DroppedFiles, directory: &Path, reporter: &Reporter) {
        self.send(Task::Drop(dropped), directory, reporter);
    }

    fn send(&mut self, task: Task, directory: &Path, reporter: &Reporter) {
        let tasks = self.tasks.get_or_insert_with(|| {
            let (tasks, received) = channel::<Task>();
            let mut work = Work { directory: directory.to_owned(), spills: HashMap::new() };
            let reporter = reporter.clone();
            beside("journal-files", move || {
                for task in received {
                    work.run(task, &reporter);
                }
            });
            tasks
        });
        // If the thread is gone the program is ending.
        drop(tasks.send(task));
    }
}

struct Work {
    /// Where the append-only files are.
    directory: PathBuf,
    /// The nameless files, and how long they are.
    spills: HashMap<u64, (File, u64)>,
}

impl Work {
    fn run(&mut self, task: Task, reporter: &Reporter) {
        match task {
            Task::Read(JournalRead { conn, ticket, extent }) => {
                let result = self.read(&extent).map_err(|error| error.to_string());
                memory::publish_balance();
                reporter.send(Report::JournalRead { conn, ticket, result });
            }
            Task::Spill { file, pieces } => {
                let result = self.spill(file, &pieces).map_err(|error| error.to_string());
                drop(pieces);
                memory::publish_balance();
                reporter.send(Report::JournalSpilled(result));
            }
            Task::Drop(dropped) => {
                for name in dropped.names {
                    // One that stays behind does no harm: the next start deletes it.
                    drop(fs::remove_file(self.directory.join(name)));
                }
                for number in dropped.spills {
                    self.spills.remove(&number);
                }
            }
        }
    }

    fn read(&self, extent: &Extent) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; extent.bytes];
        match &extent.place {
            Place::File(name) => File::open(self.directory.join(name))?.read_exact_at(&mut bytes, extent.position)?,
            Place::Spill(number) => {
                let spill = self.spills.get(number).ok_or_else(|| io::Error::other("the file was given up"))?;
                spill.0.read_exact_at(&mut bytes, extent.position)?;
            }
        }
        Ok(bytes)
    }

    /// Writes to the end of a file. One that was written in part goes on behind the last whole piece of work.
    fn spill(&mut self, number: u64, pieces: &[Bytes]) -> io::Result<()> {
        let (file, length) = match self.spills.entry(number) {
            std::collections::hash_map::Entry::Occupied(there) => there.into_mut(),
            std::collections::hash_map::Entry::Vacant(free) => free.insert((files::unnamed(Path::new("."))?, 0)),
        };
        for piece in pieces {
            (&*file).write_all(piece)?;
            *length += piece.len() as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spilled_is_read_back_and_is_gone_when_it_is_dropped() {
        let folder = std::env::temp_dir();
        let mut work = Work { directory: folder.clone(), spills: HashMap::new() };
        // The test's own directory takes nameless files as well as any.
        work.spill(3, &[Bytes::from_static(b"abc"), Bytes::from_static(b"def")]).unwrap();
        work.spill(3, &[Bytes::from_static(b"ghi")]).unwrap();
        let extent = |position, bytes| Extent { place: Place::Spill(3), position, bytes };
        assert_eq!(work.read(&extent(2, 5)).unwrap(), b"cdefg");
        assert!(work.read(&extent(5, 5)).is_err(), "it ends before");
        work.spills.remove(&3);
        assert!(work.read(&extent(0, 1)).is_err());
        let gone = Extent { place: Place::File("no such file".to_owned()), position: 0, bytes: 1 };
        assert!(work.read(&gone).is_err());
    }
}
