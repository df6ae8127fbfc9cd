//! Loading a whole file into a keyspace.

mod part;

use std::io::Read;

use base::{ReplId, UnixMs};
use keyspace::table::{KeyHasher, NewValue};
use keyspace::{Keyspace, UsageClock, new_string};

use super::decode::{Checksum, Content, Decoder, DecoderOptions, Event, Found, FoundKey};
use super::error::{DecodeError, Fault};
use super::options::ReplicationInfo;
pub use part::{Building, Part};

/// How a file is loaded.
#[derive(Clone, Copy, Debug)]
pub struct LoadOptions {
    /// The present.
    pub now: UnixMs,
    /// Whether keys past their time are dropped: by a master that loads a plain RDB file, by nobody else.
    pub drop_expired: bool,
    /// Whether a checksum at the end must be right.
    pub verify_checksum: bool,
    /// Whether the caller takes function libraries from the report. A file that has some is refused otherwise, so that
    /// none is lost without a word.
    pub take_functions: bool,
    /// For so many keys in one database room is made if the file says that they come: more than a file of its size can
    /// have need not be believed.
    pub keys_max: u64,
    /// After how many bytes progress is reported, roughly: never within a value.
    pub progress_bytes: u64,
}

impl LoadOptions {
    /// How many keys a file of so many bytes can have, unless their names are very short: for `keys_max`.
    pub fn keys_in(bytes: u64) -> u64 {
        bytes / 10
    }
}

impl Default for LoadOptions {
    fn default() -> LoadOptions {
        LoadOptions {
            now: UnixMs(0),
            drop_expired: false,
            verify_checksum: true,
            take_functions: false,
            keys_max: 1 << 20,
            progress_bytes: 2 << 20,
        }
    }
}

/// Follows a load.
pub trait LoadWatch {
    /// So many bytes and keys are read.
    fn progress(&mut self, bytes: u64, keys: u64) {
        let _ = (bytes, keys);
    }

    /// The server that wrote the file used so many bytes of memory.
    fn used_memory(&mut self, bytes: u64) {
        let _ = bytes;
    }

    /// A key was dropped because it is past its time.
    fn expired(&mut self, db: usize, key: &[u8]) {
        let _ = (db, key);
    }
}

/// Nobody follows.
impl LoadWatch for () {}

/// What a file says about itself.
#[derive(Clone, Debug, Default)]
pub struct FileInfo {
    /// The reported version of the server that wrote it.
    pub server_version: Option<String>,
    /// Unix seconds at which it was written.
    pub created_s: Option<i64>,
    /// Bytes of memory that the server used.
    pub used_memory: Option<u64>,
    /// Its place in the replication history, if all three fields are there.
    pub replication: Option<ReplicationInfo>,
    /// Whether it is the base of an append-only file.
    pub aof_base: bool,
}

/// What was loaded.
#[derive(Clone, Debug)]
pub struct LoadReport {
    /// What the file says about itself.
    pub info: FileInfo,
    /// Keys in the keyspace now.
    pub keys_loaded: u64,
    /// Keys dropped because they are past their time.
    pub keys_expired: u64,
    /// Keys left out because their collection had no element.
    pub empty_keys_skipped: u64,
    /// The code of each function library, in the file's order.
    pub functions: Vec<Vec<u8>>,
    /// How the end was checked.
    pub checksum: Checksum,
    /// Bytes from the magic to the checksum.
    pub bytes: u64,
    /// What had been read from the source beyond the end of the file.
    pub rest: Vec<u8>,
}

/// Reads a file into a keyspace, which should be empty. After an error the keyspace holds the part that was read: drop
/// it.
pub fn load_into<R: Read>(
    keyspace: &mut Keyspace,
    reader: R,
    options: &LoadOptions,
    watch: &mut (impl LoadWatch + ?Sized),
) -> Result<LoadReport, DecodeError> {
    Loader::new(keyspace, reader, options).run(keyspace, watch)
}

/// Reads a file part by part, so that another thread can put one into the keyspace while the next is read. What has been
/// read is worth nothing until the end has been seen.
pub struct Loader<R> {
    decoder: Decoder<R>,
    options: LoadOptions,
    /// How many databases there are.
    databases: usize,
    clock: UsageClock,
    hasher: KeyHasher,
    /// The database to which the next keys belong.
    db: usize,
    fields: AuxFields,
    keys_loaded: u64,
    keys_expired: u64,
    functions: Vec<Vec<u8>>,
    next_progress: u64,
    checksum: Option<Checksum>,
}

impl<R: Read> Loader<R> {
    /// For this keyspace: a part must go into no other.
    pub fn new(keyspace: &Keyspace, reader: R, options: &LoadOptions) -> Loader<R> {
        let limits = keyspace.settings.limits.clone();
        let decoder = Decoder::new(reader, DecoderOptions { limits, verify_checksum: options.verify_checksum });
        Loader {
            decoder,
            options: *options,
            databases: keyspace.count(),
            clock: keyspace.clock,
            hasher: keyspace.hasher(),
            db: 0,
            fields: AuxFields::default(),
            keys_loaded: 0,
            keys_expired: 0,
            functions: Vec::new(),
            next_progress: options.progress_bytes,
            checksum: None,
        }
    }

    /// Reads all into the keyspace that it was made for.
    pub fn run(
        mut self,
        keyspace: &mut Keyspace,
        watch: &mut (impl LoadWatch + ?Sized),
    ) -> Result<LoadReport, DecodeError> {
        let mut building = Building::new(keyspace);
        while let Some(part) = self.next_part(watch)? {
            building.add(part)?;
        }
        building.finish()?;
        Ok(self.into_report())
    }

    /// The next keys, None at the end.
    pub fn next_part(&mut self, watch: &mut (impl LoadWatch + ?Sized)) -> Result<Option<Part>, DecodeError> {
        if self.checksum.is_some() {
            return Ok(None);
        }
        let mut part = Part::new(self.db);
        let start = self.decoder.position();
        while !part.is_full(self.decoder.position() - start) && self.checksum.is_none() {
            let position = self.decoder.position();
            if position >= self.next_progress {
                watch.progress(position, self.keys_loaded);
                self.next_progress = position + self.options.progress_bytes;
            }
            match self.decoder.next_found()? {
                Found::Key(FoundKey { db, key, prefix, .. }) if is_dropped(prefix.expire_at, &self.options) => {
                    watch.expired(db, key);
                    self.keys_expired += 1;
                }
                Found::Key(FoundKey { key, content, prefix, .. }) => {
                    let lru = self.clock.word_of(prefix.idle_s, prefix.frequency);
                    let value = match content {
                        Content::Text(text) => new_string(text),
                        Content::Object(object) => NewValue::Object(object),
                    };
                    part.keys.push(&self.hasher, position, key, value, prefix.expire_at, lru);
                    self.keys_loaded += 1;
                }
                Found::Other(Event::ResizeDb { keys, .. }) => part.expected = Some(keys.min(self.options.keys_max)),
                Found::Other(Event::SelectDb(db)) if db < self.databases => {
                    self.db = db;
                    if part.is_empty() {
                        part = Part::new(db);
                    } else {
                        break;
                    }
                }
                Found::Other(event) => self.take_event(event, position, watch)?,
            }
        }
        Ok(Some(part))
    }

    /// Takes in what is no key.
    fn take_event(
        &mut self,
        event: Event<'_>,
        position: u64,
        watch: &mut (impl LoadWatch + ?Sized),
    ) -> Result<(), DecodeError> {
        match event {
            Event::Magic(..) | Event::ResizeDb { .. } | Event::Key(_) => {}
            Event::Aux(field, text) => {
                self.fields.take(&field, &text);
                if field == b"used-mem" {
                    watch.used_memory(self.fields.info.used_memory.unwrap_or(0));
                }
            }
            Event::SelectDb(db) => {
                return Err(refusal(position, Fault::DbOutOfRange { db: db as u64, count: self.databases }));
            }
            Event::Function(code) if self.options.take_functions => self.functions.push(code),
            Event::Function(_) => {
                return Err(refusal(position, Fault::UnsupportedRecord("a function library".to_owned())));
            }
            Event::End(checksum) => self.checksum = Some(checksum),
        }
        Ok(())
    }

    /// What was loaded, once there is no further part.
    pub fn into_report(self) -> LoadReport {
        let checksum = self.checksum.expect("asked for after the last part");
        let (bytes, empty_keys_skipped) = (self.decoder.position(), self.decoder.empty_keys());
        let (rest, _) = self.decoder.into_parts();
        let (info, keys_loaded, keys_expired) = (self.fields.into_info(), self.keys_loaded, self.keys_expired);
        LoadReport {
            info,
            keys_loaded,
            keys_expired,
            empty_keys_skipped,
            functions: self.functions,
            checksum,
            bytes,
            rest,
        }
    }
}

fn refusal(position: u64, fault: Fault) -> DecodeError {
    DecodeError { position, db: None, key: None, fault }
}

fn is_dropped(expire_at: Option<UnixMs>, options: &LoadOptions) -> bool {
    options.drop_expired && expire_at.is_some_and(|at| at < options.now)
}

/// The fields as they come.
#[derive(Default)]
struct AuxFields {
    info: FileInfo,
    stream_db: Option<i64>,
    id: Option<ReplId>,
    offset: Option<u64>,
}

impl AuxFields {
    /// Takes one field in; unknown ones, and values that make no sense, are passed over, as the peers do.
    fn take(&mut self, field: &[u8], text: &[u8]) {
        match field {
            b"redis-ver" | b"valkey-ver" => self.info.server_version = Some(String::from_utf8_lossy(text).into_owned()),
            b"ctime" => self.info.created_s = base::numbers::parse_i64(text),
            b"used-mem" => self.info.used_memory = base::numbers::parse_u64(text),
            b"repl-stream-db" => self.stream_db = base::numbers::parse_i64(text),
            b"repl-id" => self.id = ReplId::parse(text),
            b"repl-offset" => self.offset = base::numbers::parse_offset(text),
            b"aof-base" => self.info.aof_base = text == b"1",
            _ => {}
        }
    }

    fn into_info(mut self) -> FileInfo {
        if let (Some(stream_db), Some(id), Some(offset)) = (self.stream_db, self.id, self.offset) {
            self.info.replication = Some(ReplicationInfo { stream_db, id, offset });
        }
        self.info
    }
}
