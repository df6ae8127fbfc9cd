//! The bytes themselves: closed blocks that never change, and a tail that is appended to.

use crate::marks::Marks;
use crate::offset::Offset;
use base::UnixMs;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// The least backlog, whatever is configured: 16 KiB, as with the peers.
pub const BACKLOG_BYTES_MIN: u64 = 16 * 1024;

/// What `repl-backlog-size` is unless configured.
const BACKLOG_BYTES_DEFAULT: u64 = 1024 * 1024;

/// A block is a sixteenth of the backlog within these bounds, so that what is kept beyond need is small.
const BLOCK_BYTES_MIN: usize = 16 * 1024;
const BLOCK_BYTES_MAX: usize = 64 * 1024;

/// A counted value below this length is copied: a block of its own would cost more.
const SHARED_BLOCK_MIN: usize = 16 * 1024;

/// A closed part of the stream.
#[derive(Debug)]
struct Block {
    start: Offset,
    bytes: Bytes,
}

impl Block {
    fn end(&self) -> Offset {
        self.start + self.bytes.len() as u64
    }
}

/// The replication stream from [`Journal::first`] to [`Journal::end`]. A reader is nothing but an [`Offset`]
/// that its owner advances; the lowest one is told to [`Journal::trim`].
///
/// ```text
///   first                         tail_start        end
///     | block | block | shared value | tail …………… |
/// ```
#[derive(Debug)]
pub struct Journal {
    blocks: VecDeque<Block>,
    tail: BytesMut,
    tail_start: Offset,
    backlog_bytes: u64,
    marks: Marks,
}

impl Journal {
    /// An empty journal whose first byte will be the one at `start`.
    pub fn new(start: Offset) -> Journal {
        Journal {
            blocks: VecDeque::new(),
            tail: BytesMut::new(),
            tail_start: start,
            backlog_bytes: BACKLOG_BYTES_DEFAULT,
            marks: Marks::default(),
        }
    }

    /// Drops every byte and begins anew at `at`: another history was adopted.
    pub fn restart(&mut self, at: Offset) {
        let _ = at;
        todo!()
    }

    /// The offset behind the last byte: `master_repl_offset`.
    pub fn end(&self) -> Offset {
        self.tail_start + self.tail.len() as u64
    }

    /// The offset of the oldest byte held, or the end if none is.
    pub fn first(&self) -> Offset {
        self.blocks.front().map_or(self.tail_start, |block| block.start)
    }

    /// Bytes held: `repl_backlog_histlen`.
    pub fn len(&self) -> u64 {
        self.end() - self.first()
    }

    /// Whether no byte is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory held in bytes; a shared value counts in full.
    pub fn memory_bytes(&self) -> usize {
        todo!()
    }

    /// How many of the latest bytes are kept whether anyone reads them or not; see [`BACKLOG_BYTES_MIN`].
    pub fn set_backlog_size(&mut self, bytes: u64) {
        self.backlog_bytes = bytes.max(BACKLOG_BYTES_MIN);
    }

    /// The size in force.
    pub fn backlog_size(&self) -> u64 {
        self.backlog_bytes
    }

    /// Appends a copy of `bytes`.
    pub fn append(&mut self, bytes: &[u8]) {
        let _ = bytes;
        todo!()
    }

    /// Appends a counted value, without a copy if it is large.
    pub fn append_shared(&mut self, bytes: Bytes) {
        let _ = bytes;
        todo!()
    }

    /// Drops whole blocks that neither the backlog nor a reader needs. `keep_from` is the lowest offset that a
    /// live reader still wants, None without readers.
    pub fn trim(&mut self, keep_from: Option<Offset>) {
        let _ = keep_from;
        todo!()
    }

    /// The stream from `at` on, at most `bytes_max` bytes, in pieces fit for a vectored write. None if `at` is
    /// before [`Journal::first`] or behind [`Journal::end`]; nothing but no pieces at the end.
    pub fn read(&self, at: Offset, bytes_max: usize) -> Option<Chunks<'_>> {
        let _ = (at, bytes_max);
        todo!()
    }

    /// The same as counted references, for another thread to write to disk. They stay valid and unchanged
    /// whatever happens to the journal. None as [`Journal::read`].
    pub fn read_shared(&mut self, at: Offset, bytes_max: usize) -> Option<Vec<Bytes>> {
        let _ = (at, bytes_max);
        todo!()
    }

    /// A copy of `from..to`; None unless all of it is held.
    pub fn copy_range(&self, from: Offset, to: Offset) -> Option<Vec<u8>> {
        let _ = (from, to);
        todo!()
    }

    /// Notes the time the present end was reached; see [`Marks`].
    pub fn mark(&mut self, now: UnixMs) {
        self.marks.mark(self.end(), now);
    }

    /// When the byte at `offset` was written; see [`Marks::time_at`].
    pub fn time_at(&self, offset: Offset) -> Option<UnixMs> {
        self.marks.time_at(offset)
    }
}

/// The pieces of one [`Journal::read`], none of them empty.
#[derive(Clone, Debug)]
pub struct Chunks<'a> {
    journal: &'a Journal,
    at: Offset,
    left: usize,
}

impl<'a> Iterator for Chunks<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let _ = (self.journal, self.at, self.left, BLOCK_BYTES_MAX, BLOCK_BYTES_MIN, SHARED_BLOCK_MIN);
        let _ = self.journal.blocks.front().map(Block::end);
        todo!()
    }
}
