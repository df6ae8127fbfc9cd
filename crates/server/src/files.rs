//! Files are replaced whole or not at all: written beside, synced, renamed. Of two replacements of one file, the one that
//! was begun later stays, whichever is finished first.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard};

use crate::system;

/// What is known of all replacements in this program.
#[derive(Default)]
struct Registry {
    begun: u64,
    /// The files being written, by their number.
    unfinished: HashMap<u64, PathBuf>,
    /// The number of the replacement that each target has now.
    finished: HashMap<PathBuf, u64>,
}

fn registry() -> MutexGuard<'static, Registry> {
    static REGISTRY: LazyLock<Mutex<Registry>> = LazyLock::new(Mutex::default);
    // Nothing that holds it leaves it half-changed.
    REGISTRY.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Removes the files that threads still write, at the end of the program: nobody will finish them.
pub fn abandon_unfinished() {
    for (_, temporary) in registry().unfinished.drain() {
        drop(fs::remove_file(temporary)); // It was just finished, and is gone.
    }
}

/// A path out of the settings, which are bytes.
pub fn path_of(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// A file being written beside the one it will replace. Dropped unfinished, it is removed.
pub struct Replacement {
    number: u64,
    file: Option<File>,
    temporary: PathBuf,
    target: PathBuf,
}

/// A place in the order of replacements. Who has a thread write takes one first: the thread may begin late.
pub struct Place(u64);

impl Place {
    /// The next one.
    pub fn take() -> Place {
        let mut registry = registry();
        registry.begun += 1;
        Place(registry.begun)
    }
}

impl Replacement {
    /// Begins a file that will replace `target`.
    pub fn create(target: &Path) -> io::Result<Replacement> {
        Replacement::create_at(Place::take(), target)
    }

    /// Begins a file that will replace `target`, at this place in their order.
    pub fn create_at(place: Place, target: &Path) -> io::Result<Replacement> {
        // A change of directory meanwhile must not move either of them.
        let target = std::path::absolute(target)?;
        let mut registry = registry();
        let number = place.0;
        let temporary = directory_of(&target).join(temporary_name(number));
        let file = File::create(&temporary)?;
        // Says that it is not abandoned, to servers for which our process id means nothing. Not every file system can.
        drop(file.try_lock());
        registry.unfinished.insert(number, temporary.clone());
        Ok(Replacement { number, file: Some(file), temporary, target })
    }

    /// Gives the file these rights.
    pub fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        self.file.as_ref().expect("not finished").set_permissions(permissions)
    }

    /// Has the system write out what it holds back.
    pub fn sync_data(&self) -> io::Result<()> {
        self.file.as_ref().expect("not finished").sync_data()
    }

    /// Makes what was written durable and puts it in the target's place.
    pub fn finish(mut self) -> io::Result<()> {
        let file = self.file.take().expect("finished once");
        file.sync_all()?;
        let mut registry = registry();
        if registry.finished.get(&self.target).is_some_and(|newest| *newest > self.number) {
            return Err(io::Error::other("a newer file was written meanwhile"));
        }
        if registry.unfinished.remove(&self.number).is_none() {
            return Err(io::Error::other("the program ends"));
        }
        fs::rename(&self.temporary, &self.target)?;
        registry.finished.insert(self.target.clone(), self.number);
        drop(registry);
        File::open(directory_of(&self.target))?.sync_all()
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().expect("not finished").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().expect("not finished").flush()
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        registry().unfinished.remove(&self.number);
        // After a rename there is nothing to remove, which is fine.
        drop(fs::remove_file(&self.temporary));
    }
}

/// Replaces a file by these bytes. The new one may be read by whom the old one could be, and a link still leads to it.
pub fn replace(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let real = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
    let mut file = Replacement::create(&real)?;
    if let Ok(old) = fs::metadata(&real) {
        file.set_permissions(old.permissions())?;
    }
    file.write_all(bytes)?;
    file.finish()
}

/// A file without a name in this directory: it is gone when it is closed, whatever happens.
pub fn unnamed(directory: &Path) -> io::Result<File> {
    let number = {
        let mut registry = registry();
        registry.begun += 1;
        registry.begun
    };
    let path = directory.join(temporary_name(number));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

const TEMPORARY: &str = "temp-lockstep-";

fn temporary_name(number: u64) -> String {
    format!("{TEMPORARY}{}-{number}", std::process::id())
}

/// Removes the unfinished files that servers left in a directory when they were killed: which. To be called before this
/// program begins one of its own.
pub fn remove_abandoned(directory: &Path) -> Vec<PathBuf> {
    let mut removed = Vec::new();
    // A directory that can't be read has nothing for us.
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if is_abandoned(&entry.path()).is_some_and(|abandoned| abandoned) && fs::remove_file(entry.path()).is_ok() {
            removed.push(entry.path());
        }
    }
    removed
}

/// Whether nobody writes this file any more; None if it is none of ours.
fn is_abandoned(path: &Path) -> Option<bool> {
    let (pid, number) = path.file_name()?.to_str()?.strip_prefix(TEMPORARY)?.split_once('-')?;
    let (pid, _): (u32, u64) = (pid.parse().ok()?, number.parse().ok()?);
    // In a container the server often has the same process id each time.
    if pid != std::process::id() && system::process_exists(pid) {
        return Some(false);
    }
    let file = File::open(path).ok()?;
    Some(!matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)))
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_that_is_dropped_leaves_the_old_file_and_nothing_else() {
        let directory = std::env::temp_dir().join(format!("lockstep-files-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let target = directory.join("data");
        replace(&target, b"old").unwrap();
        let mut file = Replacement::create(&target).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(fs::read(&target).unwrap(), b"old");
        replace(&target, b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        // A file with a password in it stays hidden, and a link stays a link.
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&target, Permissions::from_mode(0o600)).unwrap();
        let link = directory.join("link");
        std::os::unix::fs::symlink("data", &link).unwrap();
        replace(&link, b"newer").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"newer");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_replacement_that_was_begun_earlier_does_not_undo_a_later_one() {
        let directory = std::env::temp_dir().join(format!("lockstep-files-order-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let target = directory.join("data");
        // A thread that began late to write what is older.
        let place = Place::take();
        replace(&target, b"late").unwrap();
        let mut early = Replacement::create_at(place, &target).unwrap();
        early.write_all(b"early").unwrap();
        assert!(early.finish().is_err());
        assert_eq!(fs::read(&target).unwrap(), b"late");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        fs::remove_dir_all(&directory).unwrap();
    }
}
