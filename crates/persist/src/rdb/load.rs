//! Loading a whole file into a keyspace.

mod batch;

use std::io::Read;

use base::{ReplId, UnixMs};
use keyspace::Keyspace;

use super::decode::{Checksum, Decoder, DecoderOptions, Event, KeyEvent};
use super::error::{DecodeError, Fault};
use super::options::ReplicationInfo;
use batch::Batch;

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
    /// After how many bytes progress is reported, roughly: never within a value.
    pub progress_bytes: u64,
}

impl Default for LoadOptions {
    fn default() -> LoadOptions {
        LoadOptions {
            now: UnixMs(0),
            drop_expired: false,
            verify_checksum: true,
            take_functions: false,
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
    watch: &mut impl LoadWatch,
) -> Result<LoadReport, DecodeError> {
    let limits = keyspace.settings.limits.clone();
    let mut decoder = Decoder::new(reader, DecoderOptions { limits, verify_checksum: options.verify_checksum });
    let mut fields = AuxFields::default();
    let (mut keys_loaded, mut keys_expired) = (0, 0);
    let (mut functions, mut batch) = (Vec::new(), Batch::default());
    let mut next_progress = options.progress_bytes;
    let checksum = loop {
        let position = decoder.position();
        if position >= next_progress {
            watch.progress(position, keys_loaded);
            next_progress = position + options.progress_bytes;
        }
        match decoder.next_event()? {
            Event::Magic(..) | Event::ResizeDb { .. } => {}
            Event::Aux(field, text) => {
                fields.take(&field, &text);
                if field == b"used-mem" {
                    watch.used_memory(fields.info.used_memory.unwrap_or(0));
                }
            }
            Event::SelectDb(db) if db < keyspace.count() => {}
            Event::SelectDb(db) => {
                return Err(refusal(position, Fault::DbOutOfRange { db: db as u64, count: keyspace.count() }));
            }
            Event::Key(found) if is_dropped(&found, options) => {
                watch.expired(found.db, found.key);
                keys_expired += 1;
            }
            Event::Key(found) => {
                let lru = keyspace.clock.word_of(found.idle_s, found.frequency);
                batch.push(keyspace, found, lru, position)?;
                keys_loaded += 1;
            }
            Event::Function(code) if options.take_functions => functions.push(code),
            Event::Function(_) => {
                return Err(refusal(position, Fault::UnsupportedRecord("a function library".to_owned())));
            }
            Event::End(checksum) => {
                batch.flush(keyspace)?;
                break checksum;
            }
        }
    };
    let (bytes, empty_keys_skipped) = (decoder.position(), decoder.empty_keys());
    let (rest, _) = decoder.into_parts();
    let info = fields.into_info();
    Ok(LoadReport { info, keys_loaded, keys_expired, empty_keys_skipped, functions, checksum, bytes, rest })
}

fn refusal(position: u64, fault: Fault) -> DecodeError {
    DecodeError { position, db: None, key: None, fault }
}

fn is_dropped(found: &KeyEvent<'_>, options: &LoadOptions) -> bool {
    options.drop_expired && found.expire_at.is_some_and(|at| at < options.now)
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
