//! The files of the append-only kind: the one in use, to which the executor itself writes, and the threads that sync it,
//! write to it while a sync is under way, create files and replace the manifest.

use std::fs::{self, File};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use config::Config;
use node::{JournalFile, KeptFile, PublishedFiles, SaveJob};

use super::aof_notes::Notes;
use super::save::{file_target, write_file};
use super::{Report, Reporter, beside};
use crate::files::Place;
use crate::{files, memory, reason};

/// The append-only files of this server. One is shared by the loop, the host and the threads.
pub struct AofFiles {
    directory: PathBuf,
    stem: String,
    open: Mutex<OpenFiles>,
    /// Held during a sync: one after the other.
    one_sync: Mutex<()>,
    /// What the writing thread did, until the executor takes note.
    written: Mutex<Option<(u64, Result<(), String>)>>,
    write_done: Condvar,
    threads: Mutex<Option<Threads>>,
    /// Held locked by this process.
    pub(super) claimed: Mutex<Option<File>>,
    pub(super) names: Mutex<Names>,
    pub(super) notes: Mutex<Notes>,
}

/// What the open files are called.
#[derive(Default)]
pub struct Names {
    /// The one in use.
    pub current: Option<String>,
    prepared: Option<String>,
}

#[derive(Default)]
struct OpenFiles {
    current: Option<Arc<OpenFile>>,
    /// Was created and not used yet.
    prepared: Option<Arc<OpenFile>>,
    /// Were in use since the last sync.
    before: Vec<Arc<OpenFile>>,
}

/// A file, and why it could not be synced, if it once could not. The system tells of a fault once, to whoever syncs first;
/// here every later sync fails as well, until another file is in use.
struct OpenFile {
    file: File,
    /// How many bytes were written to it.
    length: AtomicU64,
    fault: OnceLock<String>,
}

struct Threads {
    sync: Sender<u64>,
    write: Sender<Vec<Bytes>>,
}

impl OpenFile {
    /// Creates an empty one. What is written goes behind what is there, wherever that ends.
    fn create(path: &Path) -> io::Result<OpenFile> {
        let file = File::options().append(true).create(true).open(path)?;
        file.set_len(0)?;
        Ok(OpenFile { file, length: AtomicU64::new(0), fault: OnceLock::new() })
    }

    /// Empties it.
    fn clear(&self) -> io::Result<()> {
        self.length.store(0, Ordering::Relaxed);
        self.file.set_len(0)
    }

    /// Removes that many bytes from its end.
    fn retract(&self, bytes: u64) -> io::Result<()> {
        let end = self.length.load(Ordering::Relaxed).saturating_sub(bytes);
        self.length.store(end, Ordering::Relaxed);
        self.file.set_len(end)
    }

    /// Writes: how many bytes it took.
    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let taken = (&self.file).write_vectored(slices)?;
        self.length.fetch_add(taken as u64, Ordering::Relaxed);
        Ok(taken)
    }

    /// What somebody else has done to it: what is in it now is no data set. To be called when nobody cuts it here; who
    /// writes meanwhile makes it longer first and counts then.
    fn harm(&self) -> io::Result<Option<String>> {
        let written = self.length.load(Ordering::Relaxed);
        let found = self.file.metadata()?;
        if found.len() < written {
            let text = format!("the file was cut to {} of its {written} bytes by somebody else", found.len());
            return Ok(Some(text));
        }
        Ok((found.nlink() == 0).then(|| "the file was deleted by somebody else".to_owned()))
    }
}

impl OpenFiles {
    fn current(&self) -> io::Result<&OpenFile> {
        self.current.as_deref().ok_or_else(|| io::Error::other("no append-only file is in use"))
    }
}

impl AofFiles {
    /// Those that these settings name, in the present directory.
    pub fn new(config: &Config) -> io::Result<AofFiles> {
        Ok(AofFiles {
            directory: std::path::absolute(&config.appenddirname)?,
            stem: config.appendfilename.clone(),
            open: Mutex::default(),
            one_sync: Mutex::new(()),
            written: Mutex::new(None),
            write_done: Condvar::new(),
            threads: Mutex::new(None),
            claimed: Mutex::default(),
            names: Mutex::default(),
            notes: Mutex::default(),
        })
    }

    /// Where they are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// An error if a start with these settings in the present directory would look for them elsewhere.
    pub fn check_directory(&self, appenddirname: &str) -> Result<(), String> {
        let wanted = std::path::absolute(appenddirname).map_err(|error| reason(&error))?;
        if wanted != self.directory {
            return Err(format!(
                "dir was changed since the start: the append-only file would be in {}, and a start would look for it in {}. \
                 Set dir back, or restart with appendonly yes after a save.",
                self.directory.display(),
                wanted.display()
            ));
        }
        Ok(())
    }

    /// The manifest.
    pub fn manifest(&self) -> PathBuf {
        self.directory.join(format!("{}.manifest", self.stem))
    }

    /// The file of older replication ids.
    pub fn ids(&self) -> PathBuf {
        self.directory.join(format!("{}.ids", self.stem))
    }

    /// The name of the single file that older servers wrote.
    pub fn stem(&self) -> &str {
        &self.stem
    }

    /// Writes to the file in use: how many bytes it took.
    pub fn append(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let open = lock(&self.open);
        match open.current()?.write(slices) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(taken) => Ok(taken),
            Err(error) => Err(io::Error::new(error.kind(), reason(&error))),
        }
    }

    /// Removes that many bytes from the end of the file in use.
    pub fn retract(&self, bytes: u64) -> io::Result<()> {
        lock(&self.open).current()?.retract(bytes)
    }

    /// The file that was created last becomes the one in use, and begins with this header.
    pub fn switch(&self, header: &[u8]) -> Result<(), String> {
        let mut open = lock(&self.open);
        let next = open.prepared.clone().ok_or("no append-only file was created")?;
        // Should a header be written in part, it is written again from the start.
        let taken = next.clear().and_then(|()| next.write(&[IoSlice::new(header)])).map_err(|error| reason(&error))?;
        if taken < header.len() {
            return Err("its header was written in part".to_owned());
        }
        open.prepared = None;
        let mut names = lock(&self.names);
        names.current = names.prepared.take();
        let before = open.current.replace(next);
        // Who goes on behind a file that could not be synced has given it up.
        open.before.extend(before.filter(|file| file.fault.get().is_none()));
        Ok(())
    }

    /// Syncs what is written up to now.
    pub fn sync(&self) -> Result<(), String> {
        let _one = lock(&self.one_sync);
        let (before, current, harm) = {
            let mut open = lock(&self.open);
            let current = open.current.clone();
            let harm = current.as_ref().and_then(|open| open.harm().unwrap_or_else(|error| Some(reason(&error))));
            (std::mem::take(&mut open.before), current, harm)
        };
        let sync = |open: &OpenFile| match open.fault.get() {
            Some(fault) => Some(fault.clone()),
            None => open.file.sync_data().err().map(|error| reason(&error)),
        };
        let fault = harm.or_else(|| before.iter().chain(&current).find_map(|open| sync(open)));
        let Some(fault) = fault else { return Ok(()) };
        // Without the file before it, none is of use.
        before.iter().chain(&current).for_each(|open| _ = open.fault.set(fault.clone()));
        Err(fault)
    }

    /// Waits for the writing thread.
    pub fn await_write(&self) -> (u64, Result<(), String>) {
        let mut written = lock(&self.written);
        loop {
            if let Some(done) = written.take() {
                return done;
            }
            written = self.write_done.wait(written).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What the writing thread did, if nobody took note yet.
    pub fn take_written(&self) -> Option<(u64, Result<(), String>)> {
        lock(&self.written).take()
    }

    /// Has a thread sync what is written up to now.
    pub fn begin_sync(self: &Arc<Self>, ticket: u64, reporter: &Reporter) {
        // If the thread is gone the program is ending.
        self.with_threads(reporter, |threads| _ = threads.sync.send(ticket));
    }

    /// Has a thread write to the file in use.
    pub fn begin_write(self: &Arc<Self>, pieces: Vec<Bytes>, reporter: &Reporter) {
        self.with_threads(reporter, |threads| _ = threads.write.send(pieces));
    }

    fn with_threads(self: &Arc<Self>, reporter: &Reporter, call: impl FnOnce(&Threads)) {
        let mut threads = lock(&self.threads);
        call(threads.get_or_insert_with(|| Arc::clone(self).start_threads(reporter)));
    }

    fn start_threads(self: Arc<Self>, reporter: &Reporter) -> Threads {
        let (sync, syncs) = channel::<u64>();
        let (write, writes) = channel::<Vec<Bytes>>();
        let (files, reports) = (Arc::clone(&self), reporter.clone());
        beside("aof-sync", move || {
            for ticket in syncs {
                let result = files.sync();
                reports.send(Report::JournalSynced { ticket, result });
            }
        });
        let reports = reporter.clone();
        beside("aof-write", move || {
            for pieces in writes {
                let done = self.write_all(&pieces);
                drop(pieces);
                memory::publish_balance();
                *lock(&self.written) = Some(done);
                self.write_done.notify_all();
                reports.send(Report::JournalWritten);
            }
        });
        Threads { sync, write }
    }

    fn write_all(&self, pieces: &[Bytes]) -> (u64, Result<(), String>) {
        let Some(file) = lock(&self.open).current.clone() else {
            return (0, Err("no append-only file is in use".to_owned()));
        };
        let mut count = 0;
        for piece in pieces {
            let mut rest = &piece[..];
            while !rest.is_empty() {
                match file.write(&[IoSlice::new(rest)]) {
                    Ok(0) => return (count, Err("the file takes no more".to_owned())),
                    Ok(taken) => {
                        count += taken as u64;
                        rest = &rest[taken..];
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return (count, Err(reason(&error))),
                }
            }
        }
        (count, Ok(()))
    }

    /// Creates the next file beside the executor.
    pub fn prepare(self: &Arc<Self>, wanted: JournalFile, reporter: &Reporter) {
        let (files, reporter) = (Arc::clone(self), reporter.clone());
        beside("aof-files", move || {
            let result = files.create(&wanted).map_err(|error| reason(&error));
            reporter.send(Report::JournalPrepared(result));
        });
    }

    fn create(&self, wanted: &JournalFile) -> io::Result<()> {
        self.claim().map_err(io::Error::other)?;
        // Somebody may have deleted it.
        self.make_directory()?;
        let path = self.directory.join(&wanted.name);
        let file = OpenFile::create(&path)?;
        match &wanted.published {
            Some(published) => self.publish(published)?,
            None => File::open(&self.directory)?.sync_all()?,
        }
        lock(&self.open).prepared = Some(Arc::new(file));
        lock(&self.names).prepared = Some(wanted.name.clone());
        Ok(())
    }

    /// Whether files can be created: makes the folder, and a file there that goes again.
    pub fn probe(&self) -> io::Result<()> {
        self.make_directory()?;
        let path = self.directory.join(format!("temp-{}.probe", self.stem));
        File::create(&path)?;
        fs::remove_file(path)
    }

    /// The names of all files in the folder.
    pub(super) fn file_names(&self) -> impl Iterator<Item = String> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
    }

    /// Creates the folder if it is not there.
    pub(super) fn make_directory(&self) -> io::Result<()> {
        if self.directory.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(&self.directory)?;
        let above = self.directory.parent().unwrap_or(Path::new("/"));
        File::open(above)?.sync_all()
    }

    /// Replaces the manifest beside the executor.
    pub fn begin_publish(self: &Arc<Self>, published: PublishedFiles, reporter: &Reporter) {
        let (files, reporter) = (Arc::clone(self), reporter.clone());
        beside("aof-files", move || {
            for kept in &published.keep {
                if let Err(error) = files.keep(kept) {
                    // Whoever needs it is sent everything: no reason to fail the rewrite.
                    let line = format!("{} could not be kept for replicas: {}", kept.name, reason(&error));
                    reporter.send(Report::Log(line));
                }
            }
            let result = files.publish(&published).map_err(|error| reason(&error));
            reporter.send(Report::FilesPublished(result));
        });
    }

    /// Puts ids and manifest on disk, in this order: ids that no file needs do no harm.
    pub fn publish(&self, published: &PublishedFiles) -> io::Result<()> {
        let mut notes = lock(&self.notes);
        if notes.ended {
            return Err(io::Error::other("the program ends"));
        }
        files::replace(&self.ids(), notes.text(&published.older).as_bytes())?;
        files::replace(&self.manifest(), published.manifest.as_bytes())?;
        notes.published(&published.manifest);
        for name in &published.remove {
            // A file that stays behind does no harm either: nothing names it.
            drop(fs::remove_file(self.directory.join(name)));
        }
        Ok(())
    }

    /// Gives a file a second name under which it is kept for replicas, or copies the end that is kept of it. It is synced:
    /// what a restart finds must be what was sent.
    fn keep(&self, kept: &KeptFile) -> io::Result<()> {
        let (old, new) = (self.directory.join(&kept.name), self.directory.join(&kept.kept_as));
        let Some((from, header)) = &kept.from else {
            File::open(&old)?.sync_data()?;
            match fs::remove_file(&new) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => return fs::hard_link(&old, &new),
            }
        };
        let mut source = File::open(&old)?;
        io::Seek::seek(&mut source, io::SeekFrom::Start(*from))?;
        let mut copy = files::Replacement::create(&new)?;
        copy.write_all(header)?;
        io::copy(&mut source, &mut copy)?;
        copy.finish()
    }

    /// Writes a snapshot as a base beside the executor.
    pub fn write_base(self: &Arc<Self>, job: SaveJob, name: String, config: &Config, reporter: &Reporter) {
        let (files, reporter) = (Arc::clone(self), reporter.clone());
        let target = file_target(&job, config);
        lock(&self.notes).base = job.facts.history.map(|at| (name.clone(), at.offset));
        beside("aof-base", move || {
            let result = files
                .claim()
                .and_then(|()| write_file(job, Place::take(), &files.directory.join(&name), target, true, true));
            reporter.send(Report::BaseWritten { name, result });
        });
    }
}

/// A thread that panicked ends the program, so that nothing half-done is seen.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
