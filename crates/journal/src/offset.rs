//! A position in the replication stream.

use std::fmt;
use std::ops::{Add, Sub};

/// How many bytes of the stream lie before a position: `master_repl_offset` when it is the end. It is also
/// the name of the byte that follows.
///
/// PSYNC and `repl_backlog_first_byte_offset` count otherwise: they name the next byte wanted, one higher;
/// see [`Offset::wanted`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub u64);

impl Offset {
    /// The number PSYNC names the following byte by.
    pub fn wanted(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX).saturating_add(1)
    }

    /// The position of the byte that PSYNC names `wanted`; None for zero and below, which name no byte.
    pub fn from_wanted(wanted: i64) -> Option<Offset> {
        u64::try_from(wanted).ok()?.checked_sub(1).map(Offset)
    }

    /// Bytes from `earlier` to here, zero if `earlier` is later.
    pub fn since(self, earlier: Offset) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<u64> for Offset {
    type Output = Offset;
    fn add(self, bytes: u64) -> Offset {
        Offset(self.0 + bytes)
    }
}

/// The distance in bytes; panics if `earlier` is later.
impl Sub for Offset {
    type Output = u64;
    fn sub(self, earlier: Offset) -> u64 {
        self.0.checked_sub(earlier.0).expect("the earlier offset comes first")
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
