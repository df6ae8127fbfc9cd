//! The error for bytes from outside (RDB, RESTORE, a peer) that do not form the encoding they claim to be.

use std::fmt;

/// Bytes from outside break the rules of their encoding; the text says which rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrupt(pub &'static str);

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "corrupt encoding: {}", self.0)
    }
}

impl std::error::Error for Corrupt {}
