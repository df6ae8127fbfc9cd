//! Builds the data set from the append-only files at the start.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use config::Config;
use journal::{Offset, Part, Place};
use keyspace::Keyspace;
use node::{FileReplayed, FoundPart, Loaded, LoadedFiles, Replay, ReplayError, SPARE_ENDING, StreamPosition};
use persist::aof::{Damage, FileInfo, Header, Manifest, parse_ids};
use persist::rdb::{LoadReport, load_into};

use super::aof::AofFiles;
use super::load::{Watch, options, position};
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
    let (mut base, mut incr) = (0, 0);
    for entry in fs::read_dir(files.directory()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(rest) = name.strip_prefix(files.stem()).and_then(|rest| rest.strip_prefix('.')) else { continue };
        match rest.split_once('.').map(|(number, kind)| (number.parse::<u64>(), kind)) {
            Some((Ok(number), kind)) if kind.starts_with("base") => base = base.max(number),
            Some((Ok(number), "incr.aof")) => incr = incr.max(number),
            _ => {}
        }
    }
    let manifest = manifest.unwrap_or_default();
    let named = |file: Option<&FileInfo>| file.map_or(0, |file| file.seq);
    let (base, incr) = (base.max(named(manifest.base.as_ref())), incr.max(named(manifest.incrs.last())));
    (manifest, base, incr)
}

/// The names of the files that an earlier life kept for replicas.
pub fn old_spares(files: &AofFiles) -> Vec<String> {
    let entries = fs::read_dir(files.directory()).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(files.stem()) && name.ends_with(SPARE_ENDING)).collect()
}

/// Looks for append-only files. A single file of an older server is taken over as the base, as Redis 7 does.
pub fn find(files: &AofFiles) -> Result<Option<FoundFiles>, String> {
    let path = files.manifest();
    let shown = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let manifest = match fs::read_to_string(&path) {
        Ok(text) => Manifest::parse(&text).map_err(|error| shown(&error))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => match take_over_single_file(files) {
            Ok(Some(manifest)) => manifest,
            Ok(None) => return Ok(None),
            Err(error) => return Err(format!("{} can't be taken over: {error}", files.stem())),
        },
        Err(error) => return Err(shown(&error)),
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
        let loader = Loader { files: &files, config: &config, reporter: reporter.clone(), read: 0, last_header: None };
        let result = loader.run(found.manifest, keyspace).map(Box::new);
        reporter.send(Report::Loaded { attempt: 0, result });
    });
}

struct Loader<'a> {
    files: &'a AofFiles,
    config: &'a Config,
    reporter: Reporter,
    /// Bytes of the files that are done.
    read: u64,
    last_header: Option<persist::aof::Header>,
}

impl Loader<'_> {
    fn run(mut self, manifest: Manifest, mut keyspace: Box<Keyspace>) -> Result<Loaded, String> {
        let mut base_position = None;
        let mut base_bytes = 0;
        let mut base_rest = None;
        if let Some(base) = &manifest.base {
            let path = self.files.directory().join(&base.name);
            base_bytes = size_of(&path)?;
            match self.load_rdb(&path, &mut keyspace)? {
                Some(report) => {
                    base_position = position(&report);
                    // Commands may stand behind it: a single file of an older server.
                    base_rest = (report.bytes < base_bytes).then_some((path, report.bytes));
                }
                None => base_rest = Some((path, 0)),
            }
        }
        let mut replay = Replay::new(keyspace, self.config, clock::unix_ms());
        let is_last_file = manifest.incrs.is_empty();
        if let Some((path, from)) = base_rest {
            let replayed = self.replay(&mut replay, &path, from, is_last_file)?;
            if replayed.has_commands {
                base_position = None;
            }
        }
        self.read += base_bytes;
        let mut empty = Vec::new();
        let mut parts = Vec::new();
        let mut incr_bytes = 0;
        for (at, incr) in manifest.incrs.iter().enumerate() {
            let path = self.files.directory().join(&incr.name);
            let is_last_file = at + 1 == manifest.incrs.len();
            let replayed = self.replay(&mut replay, &path, 0, is_last_file)?;
            self.check_start(&base_position, &replayed, &path)?;
            if replayed.has_commands {
                base_position = base_position.filter(|_| self.last_header.is_some());
            } else {
                empty.push(incr.clone());
            }
            parts.extend(
                replayed.header.map(|header| part_of(&incr.name, &header, replayed.length, false, clock::unix_ms())),
            );
            incr_bytes += replayed.length;
            self.read += replayed.length;
        }
        let (tail, end) = replay.take_tail();
        let position = match (end, self.last_header) {
            (Some(offset), Some(header)) => {
                Some(StreamPosition { replid: header.replid, offset, stream_db: Some(replay.selected_db()) })
            }
            _ => base_position,
        };
        let older = fs::read(self.files.ids()).ok().and_then(|text| parse_ids(&text)).unwrap_or_default();
        parts.extend(self.spares(&manifest));
        let files = LoadedFiles { manifest, empty, base_bytes, incr_bytes, older, tail, parts };
        let keyspace = *replay.into_keyspace();
        let keys = (0..keyspace.count()).map(|db| keyspace.len(db) as u64).sum();
        Ok(Loaded { keyspace, position, keys, expired: Vec::new(), files: Some(files) })
    }

    /// The files that are kept for replicas beside those of the manifest. Files that a rewrite was about to delete when the
    /// program ended are deleted.
    fn spares(&self, manifest: &Manifest) -> Vec<FoundPart> {
        let first_seq = manifest.incrs.first().map_or(0, |incr| incr.seq);
        let mut parts = Vec::new();
        for entry in fs::read_dir(self.files.directory()).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(rest) = name.strip_prefix(self.files.stem()).and_then(|rest| rest.strip_prefix('.')) else {
                continue;
            };
            let is_spare = name.ends_with(SPARE_ENDING);
            let superseded = rest.strip_suffix(".incr.aof").and_then(|number| number.parse::<u64>().ok());
            if !is_spare && superseded.is_none_or(|seq| seq >= first_seq) {
                continue;
            }
            let (Ok(found), Some(header)) = (entry.metadata(), header_of(&entry.path())) else { continue };
            if !is_spare {
                drop(fs::remove_file(entry.path())); // The next start tries again.
                continue;
            }
            let since_epoch = found.modified().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
            let ended = since_epoch.map_or(clock::unix_ms(), |span| base::UnixMs(span.as_millis() as i64));
            parts.push(part_of(&name, &header, found.len(), true, ended));
        }
        parts
    }

    /// Loads a base if it is an RDB file. Keys past their time stay: the commands behind may need them.
    fn load_rdb(&self, path: &Path, keyspace: &mut Keyspace) -> Result<Option<LoadReport>, String> {
        let shown = |error: &dyn std::fmt::Display| format!("{}: {error}. The file is left as it is.", path.display());
        let mut file = File::open(path).map_err(|error| shown(&error))?;
        let mut magic = [0; 6];
        let length = file.read(&mut magic).map_err(|error| shown(&error))?;
        file.rewind().map_err(|error| shown(&error))?;
        if !(magic.starts_with(b"REDIS") || magic.starts_with(b"VALKEY")) || length < magic.len() {
            return Ok(None);
        }
        let mut watch = Watch { reporter: Some(self.reporter.clone()), expired: Vec::new() };
        let report =
            load_into(keyspace, file, &options(self.config, false), &mut watch).map_err(|error| shown(&error))?;
        Ok(Some(report))
    }

    /// Replays a file from a place on. The last one may be cut short, if the settings allow it.
    fn replay(&mut self, replay: &mut Replay, path: &Path, from: u64, last: bool) -> Result<FileReplayed, String> {
        let shown = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let mut file = File::open(path).map_err(|error| shown(&error))?;
        file.seek(SeekFrom::Start(from)).map_err(|error| shown(&error))?;
        let (reporter, before) = (self.reporter.clone(), self.read + from);
        let outcome = replay.file(file, &mut |read| reporter.send(Report::LoadProgress(before + read)));
        for line in replay.take_failures() {
            self.reporter.send(Report::Log(line));
        }
        let sound = match outcome {
            Ok(sound) => sound,
            Err(ReplayError::Unusable(why)) => return Err(shown(&why)),
            Err(ReplayError::Refused { sound, at, why }) => {
                return Err(self.bad_format(path, from + at, &why, from + sound.length));
            }
            Err(ReplayError::Damaged { sound, at, damage }) => {
                let (whole, at) = (from + sound.length, from + at);
                let name = path.display();
                if damage != Damage::Truncated {
                    return Err(self.bad_format(path, at, &damage.to_string(), whole));
                }
                if !last || !self.config.aof_load_truncated {
                    return Err(format!(
                        "Unexpected end of file reading the append only file {name}: its last whole command or \
                         transaction ends at byte {whole}. {} The file is left as it is. To start without what is \
                         behind, {}cut the file to {whole} bytes (redis-check-aof --fix does).",
                        if last { "" } else { "It is not the last file, so that commands behind it would be lost." },
                        if last { "set aof-load-truncated to yes, or " } else { "" },
                    ));
                }
                cut(path, whole).map_err(|error| shown(&error))?;
                let line = format!(
                    "!!! Warning: short read while loading the AOF file {name}: it ends inside a command or \
                     transaction and was cut to the last whole one, at byte {whole} !!!"
                );
                self.reporter.send(Report::Log(line));
                sound
            }
        };
        self.last_header = sound.header.or(self.last_header);
        if sound.has_commands && sound.header.is_none() {
            self.last_header = None;
        }
        Ok(sound)
    }

    fn bad_format(&self, path: &Path, at: u64, what: &str, whole: u64) -> String {
        format!(
            "Bad file format reading the append only file {} at byte {at}: {what}. Its last whole command or transaction \
             ends at byte {whole}. The file is left as it is. Make a backup of it, then have redis-check-aof --fix mend \
             {}, or cut the file to {whole} bytes, to start without what is behind.",
            path.display(),
            self.files.manifest().display()
        )
    }

    /// The first file behind a base of ours must begin where the base stands.
    fn check_start(&self, base: &Option<StreamPosition>, file: &FileReplayed, path: &Path) -> Result<(), String> {
        match (base, file.header) {
            (Some(base), Some(header)) if base.replid == header.replid && header.offset < base.offset => Err(format!(
                "{}: it begins at offset {} of the stream, before its base at {}",
                path.display(),
                header.offset,
                base.offset
            )),
            _ => Ok(()),
        }
    }
}

/// The part of the stream in a file of so many bytes.
fn part_of(name: &str, header: &Header, length: u64, spare: bool, ended: base::UnixMs) -> FoundPart {
    let skip = header.encode().len() as u64;
    let start = Offset(header.offset);
    let end = start + length.saturating_sub(skip);
    FoundPart {
        replid: header.replid,
        part: Part { place: Place::File(name.to_owned()), skip, start, end, spare, ended },
    }
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

fn size_of(path: &Path) -> Result<u64, String> {
    fs::metadata(path).map(|found| found.len()).map_err(|error| format!("{}: {error}", path.display()))
}

fn cut(path: &Path, length: u64) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    file.set_len(length)?;
    file.sync_all()
}
