//! Builds the data set from append-only files at a start: the base, then the incremental files behind it, each going on
//! where the one before it ends. Where the files are is the program's affair ([`AofFolder`]). Runs beside the executor
//! and needs no node; `replay.rs` runs the commands of one file.

use std::io::{self, Read};

use base::UnixMs;
use config::Config;
use keyspace::Keyspace;
use persist::aof::{Damage, END_BYTES_MAX, FileEnd, Header, Ids, Manifest};
use persist::rdb::{DecodeError, LoadOptions, LoadReport, LoadWatch, load_into};

use crate::aof::{FoundPart, LoadedFiles};
use crate::host::StreamPosition;
use crate::persistence::Loaded;
use crate::replay::{FileReplayed, Replay, ReplayError};

/// Where append-only files are. Names are without a directory.
pub trait AofFolder {
    /// Opens a file to read it from a place on.
    fn open(&self, name: &str, from: u64) -> io::Result<Box<dyn Read>>;
    /// Loads a base that is an RDB file: by one thread, or more where there are some.
    fn load(
        &self,
        keyspace: &mut Keyspace,
        base: Box<dyn Read>,
        options: &LoadOptions,
        watch: &mut dyn LoadWatch,
    ) -> Result<LoadReport, DecodeError> {
        load_into(keyspace, base, options, watch)
    }
    /// Its size in bytes.
    fn size(&self, name: &str) -> io::Result<u64>;
    /// Cuts it to this length, for good.
    fn cut(&self, name: &str, length: u64) -> io::Result<()>;
    /// Makes what a file holds durable.
    fn sync(&self, name: &str) -> io::Result<()>;
    /// What the file of older replication ids holds, if there is one.
    fn ids(&self) -> Option<Vec<u8>>;
    /// The files that are kept for replicas beside those of the manifest.
    fn spares(&self, manifest: &Manifest) -> Vec<FoundPart>;
    /// A file as messages name it.
    fn shown(&self, name: &str) -> String;
    /// The manifest as messages name it.
    fn manifest_shown(&self) -> String;
}

/// What a load tells meanwhile.
pub enum AofLoadNote {
    /// So many bytes of all files are read.
    Progress(u64),
    /// The base was written by a data set that needed so many bytes of memory.
    UsedMemory(u64),
    /// A line for the log.
    Log(String),
}

/// A load under way.
pub struct AofLoad<'a> {
    folder: &'a dyn AofFolder,
    config: &'a Config,
    now: UnixMs,
    tell: &'a mut dyn FnMut(AofLoadNote),
    /// Bytes of the files that are done.
    read: u64,
    last_header: Option<Header>,
}

impl<'a> AofLoad<'a> {
    /// Nothing loaded yet. `tell` hears what the load has to say.
    pub fn new(
        folder: &'a dyn AofFolder,
        config: &'a Config,
        now: UnixMs,
        tell: &'a mut dyn FnMut(AofLoadNote),
    ) -> AofLoad<'a> {
        AofLoad { folder, config, now, tell, read: 0, last_header: None }
    }

    /// Loads what the manifest names into an empty data set. An error names the file and what can be done.
    pub fn run(mut self, manifest: Manifest, mut keyspace: Box<Keyspace>) -> Result<Loaded, String> {
        let ids = self.folder.ids().and_then(|text| Ids::parse(&text)).unwrap_or_default();
        let foreign = self.is_foreign(&ids, &manifest)?;
        let mut base_position = None;
        let mut base_bytes = 0;
        let mut base_rest = None;
        if let Some(base) = &manifest.base {
            base_bytes = self.folder.size(&base.name).map_err(|error| self.failed(&base.name, &error))?;
            if base_bytes == 0 && base.name.ends_with(".rdb") {
                // One that holds commands is empty where there was nothing; one of this kind never is.
                return Err(self.failed(&base.name, &"the base is empty, and what was in it is lost"));
            }
            match self.load_rdb(&base.name, &mut keyspace)? {
                Some(report) => {
                    base_position = StreamPosition::of(&report);
                    // Commands may stand behind it: a single file of an older server.
                    base_rest = (report.bytes < base_bytes).then_some((base.name.clone(), report.bytes));
                }
                None => base_rest = Some((base.name.clone(), 0)),
            }
        }
        let mut replay = Replay::new(keyspace, self.config, self.now);
        if let Some(offset) = ids.unknown_since {
            replay.pass_over_from(offset);
        }
        // Behind the last file that has anything there may be some that were only created.
        let mut last = 0;
        for (at, incr) in manifest.incrs.iter().enumerate() {
            if self.folder.size(&incr.name).map_err(|error| self.failed(&incr.name, &error))? > 0 {
                last = at;
            }
        }
        let is_last_file = manifest.incrs.is_empty();
        if let Some((name, from)) = base_rest {
            let replayed = self.replay(&mut replay, &name, from, is_last_file)?;
            if replayed.has_commands {
                base_position = None;
            }
        }
        if let Some(base) = &base_position {
            replay.begin_at(base.offset);
        }
        self.read += base_bytes;
        let mut empty = Vec::new();
        let (mut parts, mut incr_bytes) = (Vec::new(), 0);
        for (at, incr) in manifest.incrs.iter().enumerate() {
            let replayed = self.replay(&mut replay, &incr.name, 0, at >= last)?;
            if replayed.has_commands {
                base_position = base_position.filter(|_| self.last_header.is_some());
            } else {
                empty.push(incr.clone());
            }
            let part = |header| FoundPart::new(&incr.name, &header, replayed.length, false, self.now);
            parts.extend(replayed.header.map(part));
            incr_bytes += replayed.length;
            self.read += replayed.length;
        }
        // A process that was killed may have left bytes that only the system has: from here on they count as synced.
        for file in manifest.base.iter().chain(&manifest.incrs) {
            self.folder.sync(&file.name).map_err(|error| self.failed(&file.name, &error))?;
        }
        let (tail, end) = replay.take_tail();
        let position = match (end, self.last_header) {
            (Some(offset), Some(header)) => {
                Some(StreamPosition { replid: header.replid, offset, stream_db: Some(replay.selected_db()) })
            }
            _ => base_position,
        };
        let older = ids.older;
        parts.extend(self.folder.spares(&manifest));
        let files = LoadedFiles { manifest, empty, base_bytes, incr_bytes, older, tail, parts, foreign };
        let keyspace = *replay.into_keyspace();
        let keys = (0..keyspace.count()).map(|db| keyspace.len(db) as u64).sum();
        Ok(Loaded { keyspace, position, keys, expired: Vec::new(), files: Some(files) })
    }

    /// Whether another server wrote to the files since this one ended: then the log says so.
    fn is_foreign(&mut self, ids: &Ids, manifest: &Manifest) -> Result<bool, String> {
        let Some(end) = &ids.end else { return Ok(false) };
        let Err(what) = self.check_end(end, manifest)? else { return Ok(false) };
        (self.tell)(AofLoadNote::Log(format!(
            "Another server wrote to the append-only files since this one ended: {what}. Everything is loaded, but under a \
             new replication id: neither a master nor replicas can go on from here without a full synchronisation."
        )));
        Ok(true)
    }

    /// Whether the files are as the server left them that ended last. The inner error: what differs.
    fn check_end(&self, end: &FileEnd, manifest: &Manifest) -> Result<Result<(), String>, String> {
        let shown = self.folder.shown(&end.name);
        let Some(at) = manifest.incrs.iter().position(|incr| incr.name == end.name) else {
            return Ok(Err(format!("the manifest does not name {shown} any more")));
        };
        let bytes = self.folder.size(&end.name).map_err(|error| self.failed(&end.name, &error))?;
        if bytes != end.bytes {
            return Ok(Err(format!("{shown} has {bytes} bytes and had {}", end.bytes)));
        }
        let mut last = Vec::new();
        let from = bytes.saturating_sub(END_BYTES_MAX);
        let read = self.folder.open(&end.name, from).and_then(|mut file| file.read_to_end(&mut last));
        read.map_err(|error| self.failed(&end.name, &error))?;
        if FileEnd::of(&end.name, bytes, &last) != *end {
            return Ok(Err(format!("the end of {shown} is not what it was")));
        }
        for behind in &manifest.incrs[at + 1..] {
            if self.folder.size(&behind.name).map_err(|error| self.failed(&behind.name, &error))? > 0 {
                return Ok(Err(format!("{} was empty", self.folder.shown(&behind.name))));
            }
        }
        Ok(Ok(()))
    }

    fn failed(&self, name: &str, error: &dyn std::fmt::Display) -> String {
        format!("{}: {error}", self.folder.shown(name))
    }

    /// Loads a base if it is an RDB file. Keys past their time stay: the commands behind may need them.
    fn load_rdb(&mut self, name: &str, keyspace: &mut Keyspace) -> Result<Option<LoadReport>, String> {
        let shown =
            |error: &dyn std::fmt::Display| format!("{}: {error}. The file is left as it is.", self.folder.shown(name));
        let mut magic = Vec::new();
        let mut start = self.folder.open(name, 0).map_err(|error| shown(&error))?.take(6);
        start.read_to_end(&mut magic).map_err(|error| shown(&error))?;
        if !(magic.starts_with(b"REDIS") || magic.starts_with(b"VALKEY")) || magic.len() < 6 {
            return Ok(None);
        }
        let file = self.folder.open(name, 0).map_err(|error| shown(&error))?;
        let options = LoadOptions {
            now: self.now,
            drop_expired: false,
            verify_checksum: self.config.rdbchecksum,
            keys_max: LoadOptions::keys_in(self.folder.size(name).unwrap_or(0)),
            ..LoadOptions::default()
        };
        let report =
            self.folder.load(keyspace, file, &options, &mut Watch(self.tell)).map_err(|error| shown(&error))?;
        Ok(Some(report))
    }

    /// Replays a file from a place on. The last one may be cut short, if the settings allow it.
    fn replay(&mut self, replay: &mut Replay, name: &str, from: u64, last: bool) -> Result<FileReplayed, String> {
        let file = self.folder.open(name, from).map_err(|error| self.failed(name, &error))?;
        let before = self.read + from;
        let outcome = replay.file(file, &mut |read| (self.tell)(AofLoadNote::Progress(before + read)));
        for line in replay.take_failures() {
            (self.tell)(AofLoadNote::Log(line));
        }
        let sound = match outcome {
            Ok(sound) => sound,
            Err(ReplayError::Unusable(why)) => return Err(self.failed(name, &why)),
            Err(ReplayError::Refused { sound, at, why }) => {
                return Err(self.bad_format(name, from + at, &why, from + sound.length));
            }
            Err(ReplayError::Damaged { sound, at, damage }) => {
                let (whole, at) = (from + sound.length, from + at);
                if damage != Damage::Truncated {
                    return Err(self.bad_format(name, at, &damage.to_string(), whole));
                }
                if !last || !self.config.aof_load_truncated {
                    return Err(self.cut_short(name, whole, last));
                }
                self.folder.cut(name, whole).map_err(|error| self.failed(name, &error))?;
                let line = format!(
                    "!!! Warning: short read while loading the AOF file {}: it ends inside a command or transaction and \
                     was cut to the last whole one, at byte {whole} !!!",
                    self.folder.shown(name)
                );
                (self.tell)(AofLoadNote::Log(line));
                sound
            }
        };
        self.last_header = sound.header.or(self.last_header);
        if sound.has_commands && sound.header.is_none() {
            self.last_header = None;
        }
        Ok(sound)
    }

    fn cut_short(&self, name: &str, whole: u64, last: bool) -> String {
        let name = self.folder.shown(name);
        format!(
            "Unexpected end of file reading the append only file {name}: its last whole command or transaction ends at \
             byte {whole}. {} The file is left as it is. To start without what is behind, {}cut the file to {whole} bytes \
             (redis-check-aof --fix does).",
            if last { "" } else { "It is not the last file, so that commands behind it would be lost." },
            if last { "set aof-load-truncated to yes, or " } else { "" },
        )
    }

    fn bad_format(&self, name: &str, at: u64, what: &str, whole: u64) -> String {
        format!(
            "Bad file format reading the append only file {} at byte {at}: {what}. Its last whole command or transaction \
             ends at byte {whole}. The file is left as it is. Make a backup of it, then have redis-check-aof --fix mend \
             {}, or cut the file to {whole} bytes, to start without what is behind.",
            self.folder.shown(name),
            self.folder.manifest_shown()
        )
    }
}

/// Passes on how far the base is.
struct Watch<'a>(&'a mut dyn FnMut(AofLoadNote));

impl LoadWatch for Watch<'_> {
    fn progress(&mut self, bytes: u64, _keys: u64) {
        (self.0)(AofLoadNote::Progress(bytes));
    }

    fn used_memory(&mut self, bytes: u64) {
        (self.0)(AofLoadNote::UsedMemory(bytes));
    }

    fn expired(&mut self, _db: usize, _key: &[u8]) {}
}

impl StreamPosition {
    /// Where a loaded RDB file stands, if it says so.
    pub fn of(report: &LoadReport) -> Option<StreamPosition> {
        report.info.replication.map(|place| StreamPosition {
            replid: place.id,
            offset: place.offset,
            stream_db: usize::try_from(place.stream_db).ok(),
        })
    }
}
