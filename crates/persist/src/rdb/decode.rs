//! The reader of snapshots: a pull parser over untrusted bytes. Memory grows only with bytes that have arrived.

pub(super) mod source;
mod stream;
pub(super) mod value;

use std::io::Read;

use base::UnixMs;
use collections::Limits;
use keyspace::{Object, SHARED_STRING_MIN, SharedString, Value};

use super::activity;
use super::error::{DecodeError, Fault};
use super::target::{Family, REDIS_MAX, REDIS_READ_MIN, VALKEY_VERSION};
use super::types;
use source::Source;

/// How bytes are read.
#[derive(Clone, Debug)]
pub struct DecoderOptions {
    /// The thresholds between the encodings that values are given.
    pub limits: Limits,
    /// Whether a checksum at the end must be right.
    pub verify_checksum: bool,
}

impl Default for DecoderOptions {
    fn default() -> DecoderOptions {
        DecoderOptions { limits: Limits::default(), verify_checksum: true }
    }
}

/// One record.
pub enum Event<'a> {
    /// The magic: always the first.
    Magic(Family, u16),
    /// A fact about the file.
    Aux(Vec<u8>, Vec<u8>),
    /// The following keys belong to this database.
    SelectDb(usize),
    /// How many keys and how many deadlines the database has: a hint, not to be trusted.
    ResizeDb {
        /// Keys.
        keys: u64,
        /// Keys with a deadline.
        expires: u64,
    },
    /// A key.
    Key(KeyEvent<'a>),
    /// A function library's code.
    Function(Vec<u8>),
    /// The end: always the last, and repeated when asked for more.
    End(Checksum),
}

/// A key with all that belongs to it.
pub struct KeyEvent<'a> {
    /// Its database.
    pub db: usize,
    /// Its name.
    pub key: &'a [u8],
    /// What it holds.
    pub value: Value,
    /// When it expires.
    pub expire_at: Option<UnixMs>,
    /// Seconds since its last use.
    pub idle_s: Option<u64>,
    /// Its logarithmic access counter.
    pub frequency: Option<u8>,
}

/// How the end of the file was checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checksum {
    /// It is right.
    Verified,
    /// The writer left it out.
    Absent,
    /// It was not asked for.
    NotVerified,
}

/// Few calls of the system for each megabyte, and still in the second cache.
const BUFFER_BYTES: usize = 256 * 1024;

/// Reads a file record by record. After an error there is nothing more to be had.
pub struct Decoder<R> {
    source: Source<R>,
    options: DecoderOptions,
    family: Option<Family>,
    db: usize,
    key: Vec<u8>,
    /// Whether `key` is the one being read, for error reports.
    in_key: bool,
    empty_keys: u64,
    /// What stood before the next key of its consumers, if that is a stream.
    activity: Option<Vec<u8>>,
    ended: Option<Checksum>,
}

/// What stands before a key.
#[derive(Clone, Copy, Default)]
pub(super) struct Prefix {
    pub(super) expire_at: Option<UnixMs>,
    pub(super) idle_s: Option<u64>,
    pub(super) frequency: Option<u8>,
}

impl<R: Read> Decoder<R> {
    /// A reader at the first byte of the magic.
    pub fn new(reader: R, options: DecoderOptions) -> Decoder<R> {
        let source = Source::new(reader, BUFFER_BYTES, options.verify_checksum);
        Decoder {
            source,
            options,
            family: None,
            db: 0,
            key: Vec::new(),
            in_key: false,
            empty_keys: 0,
            activity: None,
            ended: None,
        }
    }

    /// Bytes consumed so far.
    pub fn position(&self) -> u64 {
        self.source.position()
    }

    /// Keys left out because their collection had no element.
    pub fn empty_keys(&self) -> u64 {
        self.empty_keys
    }

    /// The bytes that were read ahead of the last record, and the reader.
    pub fn into_parts(self) -> (Vec<u8>, R) {
        self.source.into_parts()
    }

    /// The next record.
    pub fn next_event(&mut self) -> Result<Event<'_>, DecodeError> {
        Ok(match self.next_found()? {
            Found::Other(event) => event,
            Found::Key(FoundKey { db, key, content, prefix }) => {
                let value = match content {
                    Content::Text(text) => Value::from_string(text.to_vec()),
                    Content::Object(object) => Value::Object(object),
                };
                let Prefix { expire_at, idle_s, frequency } = prefix;
                Event::Key(KeyEvent { db, key, value, expire_at, idle_s, frequency })
            }
        })
    }

    /// The next record, short strings still where they were read.
    pub(super) fn next_found(&mut self) -> Result<Found<'_>, DecodeError> {
        match self.record() {
            Ok(Record::Other(event)) => Ok(Found::Other(event)),
            Ok(Record::Key(object, prefix)) => {
                let content = match object {
                    Some(object) => Content::Object(object),
                    None => Content::Text(self.source.text()),
                };
                Ok(Found::Key(FoundKey { db: self.db, key: &self.key, content, prefix }))
            }
            Err(fault) => Err(DecodeError {
                position: self.source.position(),
                db: self.in_key.then_some(self.db),
                key: self.in_key.then(|| std::mem::take(&mut self.key)),
                fault,
            }),
        }
    }

    fn record(&mut self) -> Result<Record, Fault> {
        if let Some(checksum) = self.ended {
            return Ok(Record::Other(Event::End(checksum)));
        }
        let Some(family) = self.family else {
            return self.magic().map(Record::Other);
        };
        self.in_key = false;
        let mut prefix = Prefix::default();
        loop {
            let event = match self.source.byte()? {
                types::OP_EXPIRE_MS => {
                    prefix.expire_at = Some(UnixMs(i64::from_le_bytes(self.source.array()?)));
                    continue;
                }
                types::OP_EXPIRE_S => {
                    prefix.expire_at = Some(UnixMs(i64::from(i32::from_le_bytes(self.source.array()?)) * 1000));
                    continue;
                }
                types::OP_IDLE => {
                    prefix.idle_s = Some(self.source.length()?);
                    continue;
                }
                types::OP_FREQUENCY => {
                    prefix.frequency = Some(self.source.byte()?);
                    continue;
                }
                types::OP_SLOT_INFO => {
                    for _ in 0..3 {
                        self.source.length()?;
                    }
                    continue;
                }
                types::OP_AUX => {
                    let (field, text) = (self.source.string()?, self.source.string()?);
                    if field == activity::FIELD {
                        self.activity = Some(text);
                        continue;
                    }
                    Event::Aux(field, text)
                }
                types::OP_SELECT_DB => self.select_db()?,
                types::OP_RESIZE_DB => Event::ResizeDb { keys: self.source.length()?, expires: self.source.length()? },
                types::OP_FUNCTION_2 => Event::Function(self.source.string()?),
                types::OP_EOF => self.end()?,
                number if number >= types::OP_KEY_META_OR_SLOT_IMPORT => return Err(self.refuse(number, family)),
                type_number => {
                    self.key_name(type_number, family)?;
                    let activity = self.activity.take();
                    if type_number == types::STRING {
                        let long = self.source.read_text(SHARED_STRING_MIN)?;
                        let object = long.map(|bytes| Object::String(SharedString::new(bytes)));
                        return Ok(Record::Key(object, prefix));
                    }
                    match value::read_object(&mut self.source, type_number, family, &self.options.limits)? {
                        Some(mut object) => {
                            if let (Object::Stream(stream), Some(text)) = (&mut object, activity) {
                                activity::restore(stream, &text);
                            }
                            return Ok(Record::Key(Some(object), prefix));
                        }
                        None => {
                            self.empty_keys += 1;
                            prefix = Prefix::default();
                            continue;
                        }
                    }
                }
            };
            return Ok(Record::Other(event));
        }
    }

    fn magic(&mut self) -> Result<Event<'static>, Fault> {
        let magic = self.source.array::<9>()?;
        let (family, digits) = match &magic {
            [b'R', b'E', b'D', b'I', b'S', digits @ ..] => (Family::Redis, &digits[..]),
            [b'V', b'A', b'L', b'K', b'E', b'Y', digits @ ..] => (Family::Valkey, &digits[..]),
            _ => return Err(Fault::NotRdb(magic)),
        };
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(Fault::NotRdb(magic));
        }
        let version = digits.iter().fold(0u16, |number, digit| number * 10 + u16::from(digit - b'0'));
        let known = match family {
            Family::Redis => (REDIS_READ_MIN..=REDIS_MAX).contains(&version),
            Family::Valkey => version == VALKEY_VERSION,
        };
        if !known {
            return Err(Fault::Version(family, version));
        }
        self.family = Some(family);
        Ok(Event::Magic(family, version))
    }

    fn select_db(&mut self) -> Result<Event<'static>, Fault> {
        let number = self.source.length()?;
        self.db = i32::try_from(number).map_err(|_| Fault::TooLong(number))? as usize;
        Ok(Event::SelectDb(self.db))
    }

    /// Reads the name of a key if its value can be read.
    fn key_name(&mut self, type_number: u8, family: Family) -> Result<(), Fault> {
        let unreadable = types::unreadable_name(type_number, family);
        if unreadable.is_none() && !types::is_readable(type_number, family) {
            return Err(Fault::UnknownType(type_number));
        }
        self.source.string_into(&mut self.key)?;
        self.in_key = true;
        match unreadable {
            Some(name) => Err(Fault::UnsupportedType(type_number, name)),
            None => Ok(()),
        }
    }

    fn end(&mut self) -> Result<Event<'static>, Fault> {
        let computed = self.source.checksum();
        let stated = u64::from_le_bytes(self.source.array()?);
        let checksum = match computed {
            _ if stated == 0 => Checksum::Absent,
            None => Checksum::NotVerified,
            Some(computed) if computed == stated => Checksum::Verified,
            Some(computed) => return Err(Fault::Checksum { stated, computed }),
        };
        self.ended = Some(checksum);
        Ok(Event::End(checksum))
    }

    /// Why a record that is no key cannot be read. Skipping it would lose data without a word.
    fn refuse(&mut self, opcode: u8, family: Family) -> Fault {
        let name = match (opcode, family) {
            (types::OP_MODULE_AUX, _) => match self.source.length() {
                Ok(id) => format!("data of the module type '{}'", module_type_name(id)),
                Err(fault) => return fault,
            },
            (types::OP_FUNCTION_PRE_GA, _) => "functions as a release candidate of Redis 7.0 wrote them".to_owned(),
            (_, Family::Valkey) => "a slot migration that was under way".to_owned(),
            (_, Family::Redis) => return Fault::UnknownType(opcode),
        };
        Fault::UnsupportedRecord(name)
    }
}

/// One record, the key's name being in the decoder, and a short string in its source.
enum Record {
    Key(Option<Object>, Prefix),
    Other(Event<'static>),
}

/// One record, short strings being where they were read.
pub(super) enum Found<'a> {
    /// A key.
    Key(FoundKey<'a>),
    /// Anything else.
    Other(Event<'static>),
}

/// A key with all that belongs to it.
pub(super) struct FoundKey<'a> {
    pub(super) db: usize,
    pub(super) key: &'a [u8],
    pub(super) content: Content<'a>,
    pub(super) prefix: Prefix,
}

/// What a key holds.
pub(super) enum Content<'a> {
    /// A string below [`SHARED_STRING_MIN`].
    Text(&'a [u8]),
    /// Anything else.
    Object(Object),
}

/// The nine characters of a module type, six bits each above the ten bits of its version.
fn module_type_name(id: u64) -> String {
    const CHARACTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..9).rev().map(|place| char::from(CHARACTERS[(id >> (10 + 6 * place)) as usize & 63])).collect()
}
