//! Builds the data set from the append-only files at the start.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use config::Config;
use keyspace::Keyspace;
use node::{AofFolder, AofLoad, AofLoadNote, FoundPart, SPARE_ENDING};
use persist::aof::{FileInfo, FileType, Header, Manifest, parse_file_name};
use persist::rdb::{DecodeError, LoadOptions, LoadReport, LoadWatch};

use super::aof::AofFiles;
use super::{Report, Reporter, beside};
use crate::clock;

/// What the start finds on disk.
pub struct FoundFiles {
    manifest: Manifest,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// What is in the folder, in use or not: the manifest if it can be read, and the highest numbers of bases and incremental
/// files.
pub fn survey(files: &AofFiles) -> (Manifest, u64, u64) {
    let manifest = fs::read_to_string(files.manifest()).ok().and_then(|text| Manifest::parse(&text).ok());
    let manifest = manifest.unwrap_or_default();
    let (base, incr) = manifest.last_numbers(files.stem(), files.file_names());
    (manifest, base, incr)
}

/// The names of the files that an earlier life kept for replicas.
pub fn old_spares(files: &AofFiles) -> Vec<String> {
    files.file_names().filter(|name| name.starts_with(files.stem()) && name.ends_with(SPARE_ENDING)).collect()
}

/// Looks for append-only files. A single file of an older server is taken over as the base, as Redis 7 does.
pub fn find(files: &AofFiles) -> Result<Option<FoundFiles>, String> {
    let path = files.manifest();
    let shown = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let named = match fs::read_to_string(&path) {
        Ok(text) => {
            files.resume_notes();
            Manifest::parse(&text).map_err(|error| shown(&error))?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Manifest::default(),
        Err(error) => return Err(shown(&error)),
    };
    let manifest = if named.base.is_none() && named.incrs.is_empty() {
        match take_over_single_file(files) {
            Ok(Some(manifest)) => manifest,
            Ok(None) => return Ok(None),
            Err(error) => return Err(format!("{} can't be taken over: {error}", files.stem())),
        }
    } else {
        named
    };
    let mut bytes = 0;
    for file in manifest.base.iter().chain(&manifest.incrs) {
        let path = files.directory().join(&file.name);
        bytes += fs::metadata(&path).map_err(|error| format!("{}: {error}", path.display()))?.len();
    }
    Ok(Some(FoundFiles { manifest, bytes }))
}

/// The file gets a second name in the directory before the manifest leads there, and loses its first one last: whenever
/// it is interrupted, the next start finds all of it.
fn take_over_single_file(files: &AofFiles) -> io::Result<Option<Manifest>> {
    let old = Path::new(files.stem());
    if !old.is_file() {
        return Ok(None);
    }
    fs::create_dir_all(files.directory())?;
    let new = files.directory().join(files.stem());
    match fs::hard_link(old, &new) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let base = FileInfo { name: files.stem().to_owned(), seq: 1 };
    let manifest = Manifest { base: Some(base), ..Manifest::default() };
    crate::files::replace(&files.manifest(), manifest.format().as_bytes())?;
    fs::remove_file(old)?;
    Ok(Some(manifest))
}

/// Loads what was found, on a thread.
pub fn load(files: Arc<AofFiles>, found: FoundFiles, keyspace: Box<Keyspace>, config: &Config, reporter: Reporter) {
    let config = config.clone();
    beside("load", move || {
        let mut tell = |note| {
            reporter.send(match note {
                AofLoadNote::Progress(read) => Report::LoadProgress(read),
                AofLoadNote::UsedMemory(bytes) => Report::LoadUsedMemory(bytes),
                AofLoadNote::Log(line) => Report::Log(line),
            });
        };
        let load = AofLoad::new(&*files, &config, clock::unix_ms(), &mut tell);
        let result = load.run(found.manifest, keyspace).map(Box::new);
        reporter.send(Report::Loaded { attempt: 0, result });
    });
}

impl AofFolder for AofFiles {
    fn open(&self, name: &str, from: u64) -> io::Result<Box<dyn Read>> {
        let mut file = File::open(self.directory().join(name))?;
        file.seek(SeekFrom::Start(from))?;
        Ok(Box::new(file))
    }

    fn load(
        &self,
        keyspace: &mut Keyspace,
        base: Box<dyn Read>,
        options: &LoadOptions,
        watch: &mut dyn LoadWatch,
    ) -> Result<LoadReport, DecodeError> {
        super::two_threads::load_into(keyspace, base, options, watch)
    }

    fn size(&self, name: &str) -> io::Result<u64> {
        fs::metadata(self.directory().join(name)).map(|found| found.len())
    }

    fn cut(&self, name: &str, length: u64) -> io::Result<()> {
        let file = File::options().write(true).open(self.directory().join(name))?;
        file.set_len(length)?;
        file.sync_all()
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        File::open(self.directory().join(name))?.sync_data()
    }

    fn ids(&self) -> Option<Vec<u8>> {
        fs::read(AofFiles::ids(self)).ok()
    }

    // What an earlier life began or was about to delete goes.
    fn spares(&self, manifest: &Manifest) -> Vec<FoundPart> {
        let mut parts = Vec::new();
        for entry in fs::read_dir(self.directory()).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_left_over(self.stem(), &name, manifest) {
                drop(fs::remove_file(entry.path())); // The next start tries again.
                continue;
            }
            if !(name.starts_with(self.stem()) && name.ends_with(SPARE_ENDING)) {
                continue;
            }
            let (Ok(found), Some(header)) = (entry.metadata(), header_of(&entry.path())) else { continue };
            let since_epoch = found.modified().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
            let ended = since_epoch.map_or(clock::unix_ms(), |span| base::UnixMs(span.as_millis() as i64));
            parts.push(FoundPart::new(&name, &header, found.len(), true, ended));
        }
        parts
    }

    fn shown(&self, name: &str) -> String {
        self.directory().join(name).display().to_string()
    }

    fn manifest_shown(&self) -> String {
        self.manifest().display().to_string()
    }
}

/// Whether a file has the name of a base or of an incremental file that the manifest has left behind. One with a higher number
/// than those of the manifest may belong to a newer manifest, which somebody has replaced.
fn is_left_over(stem: &str, name: &str, manifest: &Manifest) -> bool {
    let named = |file: &FileInfo| file.name == name;
    if manifest.base.iter().chain(&manifest.incrs).chain(&manifest.history).any(named) {
        return false;
    }
    parse_file_name(stem, name).is_some_and(|(kind, seq)| {
        let last = if kind == FileType::Base { manifest.base.as_ref() } else { manifest.incrs.last() };
        last.is_some_and(|last| seq <= last.seq)
    })
}

/// The header of a file of ours.
fn header_of(path: &Path) -> Option<Header> {
    /// More than any header has.
    const BYTES: u64 = 256;
    let mut begin = Vec::new();
    File::open(path).ok()?.take(BYTES).read_to_end(&mut begin).ok()?;
    let line = begin.split(|byte| *byte == b'\n').next()?;
    Header::parse(line.strip_suffix(b"\r")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_the_manifest_has_left_behind_are_left_over() {
        let text = "file f.2.base.rdb seq 2 type b\nfile f.3.incr.aof seq 3 type h\nfile f.4.incr.aof seq 4 type i\n\
                    file f.6.incr.aof seq 6 type i\n";
        let manifest = Manifest::parse(text).unwrap();
        for name in ["f.1.base.rdb", "f.1.base.aof", "f.2.base.aof", "f.1.incr.aof", "f.5.incr.aof"] {
            assert!(is_left_over("f", name, &manifest), "{name}");
        }
        let others = ["f.2.base.rdb", "f.3.base.rdb", "f.3.incr.aof", "f.6.incr.aof", "f.7.incr.aof", "f.manifest"];
        for name in others.into_iter().chain(["f.1.spare.aof", "f.01.incr.aof", "g.1.incr.aof", "f.1.incr.aof.bak"]) {
            assert!(!is_left_over("f", name, &manifest), "{name}");
        }
    }
}
