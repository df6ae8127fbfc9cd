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

/// Below this many bytes of the tail [`Journal::read_shared`] copies instead of closing the tail, so that a
/// reader that follows closely does not leave a trail of tiny blocks.
const SPLIT_TAIL_MIN: u64 = 4 * 1024;

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
        self.blocks = VecDeque::new();
        self.tail = BytesMut::new();
        self.tail_start = at;
        self.marks.clear();
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
        let closed = self.tail_start - self.first();
        closed as usize + self.tail.capacity() + self.blocks.capacity() * size_of::<Block>()
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
    pub fn append(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.tail.len() == self.tail.capacity() {
                self.close_tail();
                self.tail = BytesMut::with_capacity(self.block_bytes());
            }
            let room = self.tail.capacity() - self.tail.len();
            let (part, rest) = bytes.split_at(room.min(bytes.len()));
            self.tail.extend_from_slice(part);
            bytes = rest;
        }
    }

    /// Appends a counted value, without a copy if it is large. It is kept until the block it becomes is trimmed,
    /// with the whole buffer it is a part of.
    pub fn append_shared(&mut self, bytes: Bytes) {
        if bytes.len() < SHARED_BLOCK_MIN {
            return self.append(&bytes);
        }
        self.close_tail();
        let start = self.tail_start;
        self.tail_start = start + bytes.len() as u64;
        self.blocks.push_back(Block { start, bytes });
    }

    /// Drops whole blocks that neither the backlog nor a reader needs. `keep_from` is the lowest offset that a
    /// live reader still wants, None without readers.
    pub fn trim(&mut self, keep_from: Option<Offset>) {
        let end = self.end();
        let backlog_from = Offset(end.0.saturating_sub(self.backlog_bytes));
        let keep_from = keep_from.unwrap_or(end).min(backlog_from);
        let before = self.blocks.len();
        while self.blocks.front().is_some_and(|block| block.end() <= keep_from) {
            self.blocks.pop_front();
        }
        if self.blocks.len() < before {
            // After a burst the list of blocks gives its memory back.
            if self.blocks.capacity() > 1024 && self.blocks.len() < self.blocks.capacity() / 4 {
                self.blocks.shrink_to(self.blocks.len() * 2);
            }
        }
    }

    /// Forgets when the stream before this was written. Nobody asks for it any more.
    pub fn forget_marks_before(&mut self, first: Offset) {
        self.marks.forget_before(first);
    }

    /// The stream from `at` on, at most `bytes_max` bytes, in pieces fit for a vectored write. None if `at` is
    /// before [`Journal::first`] or behind [`Journal::end`]; at the end there are no pieces.
    pub fn read(&self, at: Offset, bytes_max: usize) -> Option<Chunks<'_>> {
        if at < self.first() || at > self.end() {
            return None;
        }
        let (block, skip) = self.place(at);
        Some(Chunks { journal: self, block, skip, left: bytes_max })
    }

    /// The same as counted references, for another thread to write to disk. They stay valid and unchanged
    /// whatever happens to the journal. None as [`Journal::read`].
    pub fn read_shared(&mut self, at: Offset, bytes_max: usize) -> Option<Vec<Bytes>> {
        if at < self.first() || at > self.end() {
            return None;
        }
        let tail_wanted = Offset(at.0.saturating_add(bytes_max as u64)).min(self.end()).since(at.max(self.tail_start));
        if tail_wanted >= SPLIT_TAIL_MIN {
            self.close_tail();
        }
        let (mut block, mut skip) = self.place(at);
        let mut left = bytes_max;
        let mut pieces = Vec::new();
        while left > 0 {
            let piece = match self.blocks.get(block) {
                Some(closed) => closed.bytes.slice(skip..closed.bytes.len().min(skip.saturating_add(left))),
                None => Bytes::copy_from_slice(&self.tail[skip..self.tail.len().min(skip.saturating_add(left))]),
            };
            if piece.is_empty() {
                break;
            }
            left -= piece.len();
            pieces.push(piece);
            (block, skip) = if block < self.blocks.len() { (block + 1, 0) } else { (block, self.tail.len()) };
        }
        Some(pieces)
    }

    /// A copy of `from..to`; None unless all of it is held.
    pub fn copy_range(&self, from: Offset, to: Offset) -> Option<Vec<u8>> {
        if from > to || to > self.end() {
            return None;
        }
        let length = usize::try_from(to - from).ok()?;
        Some(self.read(from, length)?.flatten().copied().collect())
    }

    /// Notes the time the present end was reached; see [`Marks`].
    pub fn mark(&mut self, now: UnixMs) {
        self.marks.mark(self.end(), now);
    }

    /// Bytes per second written since the given moment; see [`Marks::rate_since`].
    pub fn rate_since(&self, since: UnixMs, now: UnixMs) -> u64 {
        self.marks.rate_since(since, now)
    }

    /// When the byte at `offset` was written; see [`Marks::time_at`].
    pub fn time_at(&self, offset: Offset) -> Option<UnixMs> {
        self.marks.time_at(offset)
    }

    /// The block that holds the byte at `at` and the byte's place in it; the tail is the block behind the last.
    fn place(&self, at: Offset) -> (usize, usize) {
        if at >= self.tail_start {
            return (self.blocks.len(), (at - self.tail_start) as usize);
        }
        let block = self.blocks.partition_point(|block| block.end() <= at);
        (block, (at - self.blocks[block].start) as usize)
    }

    /// Makes what the tail holds a block; the rest of the tail's memory is appended to as before.
    fn close_tail(&mut self) {
        if self.tail.is_empty() {
            return;
        }
        let bytes = self.tail.split().freeze();
        let start = self.tail_start;
        self.tail_start = start + bytes.len() as u64;
        self.blocks.push_back(Block { start, bytes });
    }

    fn block_bytes(&self) -> usize {
        let sixteenth = usize::try_from(self.backlog_bytes / 16).unwrap_or(usize::MAX);
        sixteenth.clamp(BLOCK_BYTES_MIN, BLOCK_BYTES_MAX)
    }
}

/// The pieces of one [`Journal::read`], none of them empty.
#[derive(Clone, Debug)]
pub struct Chunks<'a> {
    journal: &'a Journal,
    block: usize,
    skip: usize,
    left: usize,
}

impl<'a> Iterator for Chunks<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let bytes: &[u8] = match self.journal.blocks.get(self.block) {
            Some(block) => &block.bytes,
            None if self.block == self.journal.blocks.len() => &self.journal.tail,
            None => return None,
        };
        let piece = &bytes[self.skip..];
        let piece = &piece[..piece.len().min(self.left)];
        self.left -= piece.len();
        self.block += 1;
        self.skip = 0;
        (!piece.is_empty()).then_some(piece)
    }
}

#[cfg(test)]
mod tests;
