//! DUMP payloads: one value with its type byte before it, a version and a checksum behind it. RESTORE takes them from
//! clients, so nothing in them is trusted.

use std::convert::Infallible;
use std::io::{self, Read};
use std::{error, fmt};

use collections::Limits;
use keyspace::{Value, ValueRef};

use super::checksum::crc64;
use super::decode::source::Source;
use super::decode::value::read_value;
use super::encode::value::{has_field_deadlines, put_value, type_of};
use super::error::{DecodeError, Fault};
use super::sink::{Output, PIECE_BYTES_MAX, Sink};
use super::target::{Contents, Family, REDIS_MAX, Target, VALKEY_VERSION, required};
use super::types;

/// The version in our payloads: that of Redis 7.2 and Valkey 8. A hash with deadlines of fields needs that of Redis 7.4.
pub const DUMP_VERSION: u16 = 11;

/// Version and checksum.
const FOOTER_BYTES: usize = 10;

/// Writes a value as DUMP replies it.
pub fn dump(value: ValueRef<'_>, compression: bool) -> Vec<u8> {
    dump_in_pieces(value, compression, || {})
}

/// As [`dump`]. `between` is called behind each piece of the payload.
pub fn dump_in_pieces(value: ValueRef<'_>, compression: bool, between: impl FnMut()) -> Vec<u8> {
    let target = target_for(value);
    let mut output = Output::new(Pieces { bytes: Vec::new(), between }, true);
    let Ok(()) = output.put_byte(type_of(value, target));
    let Ok(()) = put_value(&mut output, value, target, compression);
    let Ok(()) = output.put(&target.version().to_le_bytes());
    let Ok(sum) = output.checksum();
    let Ok(Pieces { bytes: mut payload, .. }) = output.into_sink();
    payload.extend_from_slice(&sum.to_le_bytes());
    payload.shrink_to_fit();
    payload
}

/// How many bytes of a payload are the value itself, as DEBUG OBJECT counts them. `between` is called as by
/// [`dump_in_pieces`].
pub fn dumped_len(value: ValueRef<'_>, compression: bool, between: impl FnMut()) -> u64 {
    let mut output = Output::new(Uncollected { between }, false);
    let Ok(()) = put_value(&mut output, value, target_for(value), compression);
    output.written()
}

/// The version in the payload of a value.
fn target_for(value: ValueRef<'_>) -> Target {
    let contents = Contents { field_deadlines: has_field_deadlines(value), ..Contents::default() };
    let version = DUMP_VERSION.max(required(contents));
    Target::new(Family::Redis, version).expect("a version that we write")
}

/// Collects a payload.
struct Pieces<F> {
    bytes: Vec<u8>,
    between: F,
}

impl<F: FnMut()> Sink for Pieces<F> {
    type Error = Infallible;
    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.bytes.extend_from_slice(bytes);
        (self.between)();
        Ok(())
    }
}

/// Forgets what it is given.
struct Uncollected<F> {
    between: F,
}

impl<F: FnMut()> Sink for Uncollected<F> {
    type Error = Infallible;
    fn write(&mut self, _: &[u8]) -> Result<(), Infallible> {
        (self.between)();
        Ok(())
    }
}

/// Why a payload is refused. Its text is the reply's, behind `ERR `.
#[derive(Debug)]
pub enum RestoreError {
    /// The version is not one that we read, or the bytes are not those that were dumped.
    VersionOrChecksum,
    /// The payload is whole but holds a type that is not built here.
    Unsupported(&'static str),
    /// The value breaks a rule; the error says which, for the log.
    BadData(DecodeError),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestoreError::VersionOrChecksum => f.write_str("DUMP payload version or checksum are wrong"),
            RestoreError::Unsupported(name) => write!(f, "Bad data format: the type '{name}' is not supported"),
            RestoreError::BadData(_) => f.write_str("Bad data format"),
        }
    }
}

impl error::Error for RestoreError {}

/// Reads what DUMP wrote, here or on a peer.
pub fn restore(payload: &[u8], limits: &Limits) -> Result<Value, RestoreError> {
    restore_in_pieces(payload, limits, || {})
}

/// As [`restore`]. `between` is called behind each piece of the payload.
pub fn restore_in_pieces(payload: &[u8], limits: &Limits, between: impl FnMut()) -> Result<Value, RestoreError> {
    let (body, family) = verify(payload).ok_or(RestoreError::VersionOrChecksum)?;
    let pieces = ReadPieces { rest: body, left: PIECE_BYTES_MAX, between };
    let mut source = Source::new(pieces, body.len().clamp(1, BUFFER_BYTES_MAX), false);
    match read(&mut source, family, limits) {
        Ok(value) => Ok(value),
        Err(Fault::UnsupportedType(_, name)) => Err(RestoreError::Unsupported(name)),
        Err(fault) => {
            Err(RestoreError::BadData(DecodeError { position: source.position(), db: None, key: None, fault }))
        }
    }
}

const BUFFER_BYTES_MAX: usize = 4096;

/// A payload being read.
struct ReadPieces<'a, F> {
    rest: &'a [u8],
    /// What is left of the piece.
    left: usize,
    between: F,
}

impl<F: FnMut()> Read for ReadPieces<'_, F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            self.left = PIECE_BYTES_MAX;
            (self.between)();
        }
        let len = into.len().min(self.left);
        let count = self.rest.read(&mut into[..len])?;
        self.left -= count;
        Ok(count)
    }
}

fn read<R: Read>(source: &mut Source<R>, family: Family, limits: &Limits) -> Result<Value, Fault> {
    let type_number = source.byte()?;
    if let Some(name) = types::unreadable_name(type_number, family) {
        return Err(Fault::UnsupportedType(type_number, name));
    }
    read_value(source, type_number, family, limits)?.ok_or(Fault::Corrupt("a collection without elements"))
}

/// The payload without its footer, if that is right, and whose numbering its version belongs to.
fn verify(payload: &[u8]) -> Option<(&[u8], Family)> {
    let (body, footer) = payload.split_at_checked(payload.len().checked_sub(FOOTER_BYTES)?)?;
    let &[v0, v1, ref sum @ ..] = footer.first_chunk::<FOOTER_BYTES>()?;
    let family = match u16::from_le_bytes([v0, v1]) {
        0..=REDIS_MAX => Family::Redis,
        VALKEY_VERSION => Family::Valkey,
        _ => return None,
    };
    (crc64(&payload[..payload.len() - 8]) == u64::from_le_bytes(*sum)).then_some((body, family))
}
