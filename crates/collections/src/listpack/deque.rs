//! A block with room at both ends: for the nodes of large lists, which are written to at both. What a change moves is the
//! part before it or the part behind it, whichever is shorter, so that a push at the front moves the header alone.
//!
//! ```text
//!   |  room  |  the listpack  |  room  |
//!   0        start            start + its length
//! ```
//!
//! The block is as long as one with room at its end only would be after the same changes: it grows when both rooms
//! together are too small. A side without room takes half of the other's, or all it needs; what a new block brings is
//! given to the side that asked for it.

use super::store::Store;
use crate::growth::{self, Block};

/// The block; see the top of this file.
pub(crate) struct DequeBlock {
    block: Block,
    start: usize,
}

impl From<Block> for DequeBlock {
    fn from(block: Block) -> DequeBlock {
        DequeBlock { block, start: 0 }
    }
}

impl Store for DequeBlock {
    #[inline]
    fn bytes(&self) -> &[u8] {
        &self.block[self.start..]
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.block[self.start..]
    }

    fn resize_gap(&mut self, len: usize, at: usize, old_len: usize, new_len: usize) {
        let wanted = len - old_len + new_len;
        let is_near_front = at < len - at - old_len;
        if let Some(room) = growth::other_room(self.block.len(), wanted) {
            let start = if is_near_front { room - wanted } else { 0 };
            self.allocate(room, start, len, at, old_len, new_len);
            return;
        }
        let start = if is_near_front {
            let end = self.start + len;
            let room_behind = self.block.len() - end;
            end + taken(wanted.saturating_sub(end), room_behind) - wanted
        } else {
            self.start - taken((self.start + wanted).saturating_sub(self.block.len()), self.start)
        };
        self.move_around(start, len, at, old_len, new_len);
    }

    #[inline]
    fn room(&self) -> usize {
        self.block.len()
    }
}

impl DequeBlock {
    /// Makes the gap by moving what is before and behind it within the block, so that the whole begins at `start`.
    fn move_around(&mut self, start: usize, len: usize, at: usize, old_len: usize, new_len: usize) {
        let before = self.start..self.start + at;
        let behind = self.start + at + old_len..self.start + len;
        let behind_start = start + at + new_len;
        // The part that has to make way for the other goes first.
        if behind_start > behind.start {
            self.block.copy_within(behind.clone(), behind_start);
        }
        if start != before.start {
            self.block.copy_within(before, start);
        }
        if behind_start < behind.start {
            self.block.copy_within(behind, behind_start);
        }
        self.start = start;
    }

    /// As `move_around`, into a new block of `room` bytes.
    fn allocate(&mut self, room: usize, start: usize, len: usize, at: usize, old_len: usize, new_len: usize) {
        let used = &self.block[self.start..self.start + len];
        let mut bytes = Vec::with_capacity(room);
        bytes.resize(start, 0);
        bytes.extend_from_slice(&used[..at]);
        bytes.resize(start + at + new_len, 0);
        bytes.extend_from_slice(&used[at + old_len..]);
        bytes.resize(room, 0);
        *self = DequeBlock { block: bytes.into_boxed_slice(), start };
    }
}

/// How much a side that lacks so many bytes takes of the other side's room. Half of it, as long as that is enough: then
/// neither a listpack that is written to at one end nor one that is written to at both is moved often.
fn taken(lacking: usize, other_room: usize) -> usize {
    if lacking == 0 { 0 } else { lacking.max(other_room / 2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block of 16 bytes, of which `text` are used, from `start` on.
    fn block(start: usize, text: &[u8]) -> DequeBlock {
        let mut bytes = vec![b'.'; 16];
        bytes[start..start + text.len()].copy_from_slice(text);
        DequeBlock { block: bytes.into_boxed_slice(), start }
    }

    /// Puts `text` in place of `old_len` bytes at `at`; returns the used bytes, and the room before and behind them.
    fn put(block: &mut DequeBlock, len: usize, at: usize, old_len: usize, text: &[u8]) -> (String, usize, usize) {
        block.resize_gap(len, at, old_len, text.len());
        block.bytes_mut()[at..at + text.len()].copy_from_slice(text);
        let wanted = len - old_len + text.len();
        let used = String::from_utf8(block.bytes()[..wanted].to_vec()).unwrap();
        (used, block.start, block.room() - block.start - wanted)
    }

    #[test]
    fn the_shorter_part_moves_while_its_side_has_room() {
        let mut block = block(4, b"abcdef");
        assert_eq!(put(&mut block, 6, 1, 0, b"12"), ("a12bcdef".into(), 2, 6));
        assert_eq!(put(&mut block, 8, 6, 0, b"34"), ("a12bcd34ef".into(), 2, 4));
        assert_eq!(put(&mut block, 10, 1, 2, b""), ("abcd34ef".into(), 4, 4));
        assert_eq!(put(&mut block, 8, 4, 3, b"5"), ("abcd5f".into(), 4, 6));
    }

    #[test]
    fn a_side_without_room_takes_half_of_the_other_sides_or_what_it_needs() {
        assert_eq!(put(&mut block(0, b"abcdef"), 6, 1, 0, b"1"), ("a1bcdef".into(), 4, 5));
        assert_eq!(put(&mut block(2, b"abcdef"), 6, 1, 0, b"12345678"), ("a12345678bcdef".into(), 0, 2));
        assert_eq!(put(&mut block(10, b"abcdef"), 6, 5, 0, b"1"), ("abcde1f".into(), 5, 4));
        assert_eq!(put(&mut block(8, b"abcdef"), 6, 5, 0, b"12345678"), ("abcde12345678f".into(), 2, 0));
        assert_eq!(put(&mut block(1, b"abcdef"), 6, 1, 0, b"1234567890"), ("a1234567890bcdef".into(), 0, 0));
    }

    #[test]
    fn a_new_block_has_its_room_where_it_was_wanted() {
        assert_eq!(put(&mut block(3, b"abcdef"), 6, 1, 0, &[b'x'; 14]), ("axxxxxxxxxxxxxxbcdef".into(), 12, 0));
        let mut other = block(3, b"abcdef");
        let (used, before, behind) = put(&mut other, 6, 5, 0, &[b'x'; 70]);
        assert_eq!((used.len(), before, behind), (76, 0, 4));
        assert_eq!(put(&mut other, 76, 2, 71, b""), ("abxxf".into(), 11, 0));
    }
}
