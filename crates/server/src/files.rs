//! Files are replaced whole or not at all: written beside, synced, renamed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file being written beside the one it will replace. Dropped unfinished, it is removed.
pub struct Replacement {
    file: Option<File>,
    temporary: PathBuf,
    target: PathBuf,
}

impl Replacement {
    /// Begins a file that will replace `target`.
    pub fn create(target: &Path) -> io::Result<Replacement> {
        let directory = directory_of(target);
        let temporary = directory.join(format!("temp-{}-{}", std::process::id(), unique()));
        let file = File::create(&temporary)?;
        Ok(Replacement { file: Some(file), temporary, target: target.to_owned() })
    }

    /// Has the system write out what it holds back.
    pub fn sync_data(&self) -> io::Result<()> {
        self.file.as_ref().expect("not finished").sync_data()
    }

    /// Makes what was written durable and puts it in the target's place.
    pub fn finish(mut self) -> io::Result<()> {
        let file = self.file.take().expect("finished once");
        file.sync_all()?;
        drop(file);
        fs::rename(&self.temporary, &self.target)?;
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
        // After a rename there is nothing to remove, which is fine.
        drop(fs::remove_file(&self.temporary));
    }
}

/// Replaces a file by these bytes.
pub fn replace(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = Replacement::create(target)?;
    file.write_all(bytes)?;
    file.finish()
}

/// A file without a name in this directory: it is gone when it is closed, whatever happens.
pub fn unnamed(directory: &Path) -> io::Result<File> {
    let path = directory.join(format!("temp-{}-{}", std::process::id(), unique()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
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
        fs::remove_dir_all(&directory).unwrap();
    }
}
