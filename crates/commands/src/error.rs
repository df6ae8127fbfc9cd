//! Why a command refuses: each variant is one reply of the peers, to the letter.

use std::borrow::Cow;

use keyspace::WrongType;

/// A refusal. Nothing has changed when a command returns one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The key holds another type.
    WrongType,
    /// The arguments do not fit together.
    Syntax,
    /// An argument is no 64-bit integer.
    NotInteger,
    /// An argument is no double.
    NotFloat,
    /// A database number is outside the configured range.
    DbIndex,
    /// The key must exist.
    NoSuchKey,
    /// A string would grow past proto-max-bulk-len.
    StringTooLong,
    /// A number must be positive.
    NotPositive,
    /// Any other text, its code (`ERR`, `BUSYKEY` …) included.
    Text(Cow<'static, str>),
    /// A text that quotes what the client sent and so may hold any bytes.
    Bytes(Vec<u8>),
}

/// What a handler returns: the reply is written, or there is a refusal.
pub type Outcome = Result<(), Error>;

impl Error {
    /// A refusal with this fixed text, its code included.
    pub const fn text(text: &'static str) -> Error {
        Error::Text(Cow::Borrowed(text))
    }

    /// A refusal with a text made for the occasion, its code included.
    pub fn owned(text: String) -> Error {
        Error::Text(Cow::Owned(text))
    }

    /// The text of the error reply, without the leading `-`.
    pub fn message(&self) -> &[u8] {
        match self {
            Error::WrongType => b"WRONGTYPE Operation against a key holding the wrong kind of value",
            Error::Syntax => b"ERR syntax error",
            Error::NotInteger => b"ERR value is not an integer or out of range",
            Error::NotFloat => b"ERR value is not a valid float",
            Error::DbIndex => b"ERR DB index is out of range",
            Error::NoSuchKey => b"ERR no such key",
            Error::StringTooLong => b"ERR string exceeds maximum allowed size (proto-max-bulk-len)",
            Error::NotPositive => b"ERR value is out of range, must be positive",
            Error::Text(text) => text.as_bytes(),
            Error::Bytes(bytes) => bytes,
        }
    }
}

/// As much of a client's word as the peers quote in a refusal: up to its first zero byte.
pub fn quotable(word: &[u8]) -> &[u8] {
    &word[..memchr::memchr(0, word).unwrap_or(word.len())]
}

impl From<WrongType> for Error {
    fn from(_: WrongType) -> Error {
        Error::WrongType
    }
}
