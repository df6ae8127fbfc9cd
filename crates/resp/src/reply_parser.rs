//! The incremental parser of replies, for whoever talks to another server: replica links, tools, tests.

use crate::value::Value;

/// What a reply may be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyLimits {
    /// Aggregates inside aggregates.
    pub depth_max: usize,
    /// Longest bulk string in bytes.
    pub bulk_max: u64,
    /// Elements of one reply, all levels together.
    pub elements_max: u64,
    /// Longest line (simple strings, errors, numbers) in bytes.
    pub line_max: usize,
}

impl Default for ReplyLimits {
    fn default() -> ReplyLimits {
        ReplyLimits { depth_max: 128, bulk_max: 1 << 40, elements_max: 1 << 32, line_max: 1024 * 1024 }
    }
}

/// The other server's bytes are no reply; the connection is beyond repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// No reply begins with this byte.
    UnknownType(u8),
    /// A length, number, boolean or null that cannot be read.
    Malformed,
    /// A bulk string is not followed by `\r\n`.
    MissingLineEnd,
    /// One of the [`ReplyLimits`] is exceeded.
    TooLarge,
}

impl std::fmt::Display for ReplyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ReplyError::UnknownType(byte) => write!(f, "no reply begins with '{}'", byte.escape_ascii()),
            ReplyError::Malformed => write!(f, "malformed length or number"),
            ReplyError::MissingLineEnd => write!(f, "bulk string without line end"),
            ReplyError::TooLarge => write!(f, "reply exceeds a limit"),
        }
    }
}

impl std::error::Error for ReplyError {}

/// Reads replies from bytes in whatever pieces they arrive. It keeps what it has taken, so the caller needs
/// no buffer of its own.
#[derive(Debug, Default)]
pub struct ReplyParser {
    limits: ReplyLimits,
}

impl ReplyParser {
    /// A parser at the beginning of a reply.
    pub fn new(limits: ReplyLimits) -> ReplyParser {
        ReplyParser { limits }
    }

    /// Takes bytes off the front of `input` until a reply is whole (then the rest is left in `input`) or the
    /// input is used up (then None).
    pub fn parse(&mut self, input: &mut &[u8]) -> Result<Option<Value>, ReplyError> {
        let _ = (input, self.limits);
        todo!()
    }

    /// Whether a reply has been begun but not completed.
    pub fn is_mid_reply(&self) -> bool {
        todo!()
    }
}
