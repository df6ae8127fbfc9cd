//! What is wrong with bytes that claim to be an RDB file or a DUMP payload.

use std::{error, fmt, io};

use collections::Corrupt;

use super::target::Family;

/// Reading stopped: what is wrong, where, and in which key. Its text is meant for the log.
#[derive(Debug)]
pub struct DecodeError {
    /// How many bytes had been read.
    pub position: u64,
    /// The database of the key.
    pub db: Option<usize>,
    /// The key whose value was being read.
    pub key: Option<Vec<u8>>,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with the bytes.
#[derive(Debug)]
pub enum Fault {
    /// The source failed.
    Io(io::Error),
    /// The source ended in the middle.
    Truncated,
    /// The first nine bytes are no magic of Redis or Valkey.
    NotRdb([u8; 9]),
    /// A version that we do not read.
    Version(Family, u16),
    /// A type that is not built here, in words.
    UnsupportedType(u8, &'static str),
    /// A record other than a key that is not built here, in words.
    UnsupportedRecord(String),
    /// A number that no type or opcode of this version has.
    UnknownType(u8),
    /// The checksum at the end is not that of the bytes.
    Checksum {
        /// What the file says.
        stated: u64,
        /// What the bytes give.
        computed: u64,
    },
    /// A length above what any server writes.
    TooLong(u64),
    /// A database number that is not configured here.
    DbOutOfRange {
        /// The number.
        db: u64,
        /// How many databases there are.
        count: usize,
    },
    /// The bytes break a rule of the format, in words.
    Corrupt(&'static str),
}

impl From<Corrupt> for Fault {
    fn from(corrupt: Corrupt) -> Fault {
        Fault::Corrupt(corrupt.0)
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {}", self.fault, self.position)?;
        if let Some(key) = &self.key {
            let shown = &key[..key.len().min(KEY_SHOWN_MAX)];
            let more = if shown.len() < key.len() { "…" } else { "" };
            write!(f, ", key '{}{more}'", shown.escape_ascii())?;
        }
        if let Some(db) = self.db {
            write!(f, ", database {db}")?;
        }
        f.write_str(")")
    }
}

/// How much of a key a message shows.
const KEY_SHOWN_MAX: usize = 200;

impl error::Error for DecodeError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match &self.fault {
            Fault::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Io(error) => write!(f, "cannot read: {error}"),
            Fault::Truncated => f.write_str("the data ends too early"),
            Fault::NotRdb(magic) => write!(f, "not an RDB file: it starts with '{}'", magic.escape_ascii()),
            Fault::Version(Family::Redis, version) => {
                write!(f, "RDB version {version} of Redis is not supported, only 5 to 12")
            }
            Fault::Version(Family::Valkey, version) => {
                write!(f, "RDB version {version} of Valkey is not supported, only 80")
            }
            Fault::UnsupportedType(number, name) => write!(f, "the type '{name}' (number {number}) is not supported"),
            Fault::UnsupportedRecord(name) => write!(f, "{name}: not supported"),
            Fault::UnknownType(number) => write!(f, "unknown type {number}"),
            Fault::Checksum { stated, computed } => {
                write!(f, "wrong checksum: the file says {stated:016x}, its bytes give {computed:016x}")
            }
            Fault::TooLong(length) => write!(f, "a length of {length} cannot be right"),
            Fault::DbOutOfRange { db, count } => write!(f, "database {db} does not exist here, there are {count}"),
            Fault::Corrupt(rule) => f.write_str(rule),
        }
    }
}
