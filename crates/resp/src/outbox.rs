//! The bytes on their way to one client: a list of segments, either owned and appended to, or counted
//! references to large values that are queued without a copy. Who writes them to a socket lives in `server`.

use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::io::IoSlice;

/// From this length on (16 KiB) a counted value becomes a segment of its own instead of being copied.
pub const SHARED_SEGMENT_MIN: usize = 16 * 1024;

/// An owned segment that has reached this length is closed and a new one begun, so that a long reply is
/// neither moved while it grows nor held until its last byte is written.
const OWNED_SEGMENT_BYTES: usize = 64 * 1024;

#[derive(Debug)]
enum Segment {
    Owned(Vec<u8>),
    Shared(Bytes),
}

impl Segment {
    fn as_slice(&self) -> &[u8] {
        match self {
            Segment::Owned(bytes) => bytes,
            Segment::Shared(bytes) => bytes,
        }
    }

    fn memory_bytes(&self) -> usize {
        match self {
            Segment::Owned(bytes) => bytes.capacity(),
            Segment::Shared(bytes) => bytes.len(),
        }
    }
}

/// Output not yet written. Positions are counted from the first byte ever queued.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Segments nothing more is appended to, oldest first.
    closed: VecDeque<Segment>,
    /// Sum of their lengths.
    closed_bytes: usize,
    /// Sum of their memory.
    closed_memory: usize,
    /// The segment that is appended to.
    tail: Vec<u8>,
    /// Bytes of the first segment (the tail, if none is closed) that are written already.
    head: usize,
    /// Bytes written since the beginning, `head` included.
    written: u64,
}

impl Outbox {
    /// An empty outbox; allocates nothing.
    pub fn new() -> Outbox {
        Outbox::default()
    }

    /// Bytes waiting.
    pub fn len(&self) -> usize {
        self.closed_bytes + self.tail.len() - self.head
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes were ever queued: the position behind the last byte. A reply that must be held back is
    /// remembered by the position it begins at, see [`Outbox::io_slices`].
    pub fn end(&self) -> u64 {
        self.written + self.len() as u64
    }

    /// How many bytes were ever written: the position of the first byte waiting.
    pub fn start(&self) -> u64 {
        self.written
    }

    /// Memory held in bytes; a shared value counts in full for everyone who holds it.
    pub fn memory_bytes(&self) -> usize {
        self.closed_memory + self.tail.capacity() + self.closed.capacity() * size_of::<Segment>()
    }

    /// Appends a copy of `bytes`.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.tail_mut().extend_from_slice(bytes);
    }

    /// Appends a counted value: from [`SHARED_SEGMENT_MIN`] on without a copy.
    pub fn push_shared(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARED_SEGMENT_MIN {
            return self.extend(bytes);
        }
        self.close_tail();
        self.close(Segment::Shared(bytes.clone()));
    }

    /// Moves everything that waits in `other` behind what waits here.
    pub fn append(&mut self, other: &mut Outbox) {
        let taken = std::mem::take(other);
        other.written = taken.end();
        let mut skip = taken.head;
        for segment in taken.closed {
            match segment {
                Segment::Shared(bytes) => self.push_shared(&bytes.slice(skip..)),
                Segment::Owned(bytes) => self.push_owned(bytes, skip),
            }
            skip = 0;
        }
        self.push_owned(taken.tail, skip);
    }

    /// The waiting segments in order.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let all = self.closed.iter().map(Segment::as_slice).chain(std::iter::once(&self.tail[..]));
        all.enumerate().map(|(i, chunk)| if i == 0 { &chunk[self.head..] } else { chunk }).filter(|c| !c.is_empty())
    }

    /// All that waits, if it stands in one piece.
    pub fn only_chunk(&self) -> Option<&[u8]> {
        self.closed.is_empty().then(|| &self.tail[self.head..])
    }

    /// The first segments for a vectored write: at most `slices_max` of them and `bytes_max` bytes.
    pub fn io_slices(&self, slices_max: usize, bytes_max: usize) -> SmallVec<[IoSlice<'_>; 16]> {
        let mut left = bytes_max;
        let mut slices = SmallVec::new();
        for chunk in self.chunks().take(slices_max) {
            let chunk = &chunk[..chunk.len().min(left)];
            if chunk.is_empty() {
                break;
            }
            left -= chunk.len();
            slices.push(IoSlice::new(chunk));
        }
        slices
    }

    /// Everything that waits, copied into one piece: for tests and for replies handed to scripts.
    pub fn to_vec(&self) -> Vec<u8> {
        self.chunks().flatten().copied().collect()
    }

    /// Drops the first `n` waiting bytes after they were written. Panics if there are fewer.
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.len(), "more bytes written than were queued");
        self.written += n as u64;
        self.head += n;
        while let Some(first) = self.closed.front() {
            let len = first.as_slice().len();
            if self.head < len {
                return;
            }
            self.head -= len;
            self.closed_bytes -= len;
            self.closed_memory -= first.memory_bytes();
            self.closed.pop_front();
        }
        if self.head == self.tail.len() {
            self.tail.clear();
            self.head = 0;
            if self.tail.capacity() > OWNED_SEGMENT_BYTES * 2 {
                self.tail = Vec::new();
            }
        }
    }

    /// Drops everything that waits.
    pub fn clear(&mut self) {
        self.advance(self.len());
    }

    /// Takes back what was appended since `position`, none of which may be written yet.
    pub(crate) fn truncate(&mut self, position: u64) {
        assert!(self.start() <= position && position <= self.end(), "only what waits can be taken back");
        let mut excess = (self.end() - position) as usize;
        while excess > self.tail.len() {
            excess -= self.tail.len();
            let last = self.closed.pop_back().expect("there is as much as was appended");
            self.closed_bytes -= last.as_slice().len();
            self.closed_memory -= last.memory_bytes();
            self.tail = match last {
                Segment::Owned(bytes) => bytes,
                Segment::Shared(bytes) => {
                    let kept = bytes.len().saturating_sub(excess);
                    excess -= bytes.len() - kept;
                    if kept > 0 {
                        self.close(Segment::Shared(bytes.slice(..kept)));
                    }
                    Vec::new()
                }
            };
        }
        self.tail.truncate(self.tail.len() - excess);
    }

    /// Gives back the memory of an idle outbox.
    pub fn shrink(&mut self) {
        if self.is_empty() {
            self.tail = Vec::new();
            self.closed = VecDeque::new();
        }
    }

    /// The vector to append to, not yet overlong.
    #[inline]
    pub(crate) fn tail_mut(&mut self) -> &mut Vec<u8> {
        if self.tail.len() >= OWNED_SEGMENT_BYTES {
            self.begin_tail();
        }
        &mut self.tail
    }

    #[cold]
    fn begin_tail(&mut self) {
        self.close_tail();
        self.tail.reserve(OWNED_SEGMENT_BYTES);
    }

    /// Replaces `old_len` waiting bytes at `position` by `new`. They must have been appended in one piece and
    /// not be written yet.
    pub(crate) fn replace(&mut self, position: u64, old_len: usize, new: &[u8]) {
        let offset = position.checked_sub(self.written).expect("replaced bytes are not written yet");
        let mut at = offset as usize + self.head;
        for segment in &mut self.closed {
            let len = segment.as_slice().len();
            if at >= len {
                at -= len;
                continue;
            }
            let Segment::Owned(bytes) = segment else { unreachable!("a shared segment is never replaced") };
            self.closed_memory -= bytes.capacity();
            bytes.splice(at..at + old_len, new.iter().copied());
            self.closed_memory += bytes.capacity();
            self.closed_bytes = self.closed_bytes - old_len + new.len();
            return;
        }
        self.tail.splice(at..at + old_len, new.iter().copied());
    }

    fn push_owned(&mut self, bytes: Vec<u8>, skip: usize) {
        if bytes.len() < SHARED_SEGMENT_MIN || skip > 0 {
            return self.extend(&bytes[skip..]);
        }
        self.close_tail();
        self.close(Segment::Owned(bytes));
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            let tail = std::mem::take(&mut self.tail);
            self.close(Segment::Owned(tail));
        }
    }

    fn close(&mut self, segment: Segment) {
        self.closed_bytes += segment.as_slice().len();
        self.closed_memory += segment.memory_bytes();
        self.closed.push_back(segment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_counted_value_is_queued_without_a_copy_and_in_order() {
        let value = Bytes::from(vec![b'v'; SHARED_SEGMENT_MIN]);
        let mut outbox = Outbox::new();
        outbox.extend(b"before");
        outbox.push_shared(&value);
        outbox.extend(b"after");
        let chunks: Vec<&[u8]> = outbox.chunks().collect();
        assert_eq!((chunks[0], chunks[1].as_ptr(), chunks[2]), (&b"before"[..], value.as_ptr(), &b"after"[..]));
        assert_eq!(outbox.len(), 11 + SHARED_SEGMENT_MIN);
    }

    #[test]
    fn advancing_by_any_step_yields_the_same_bytes_and_ends_empty() {
        for step in [1, 7, 4096, 70_000, 1_000_000] {
            let mut outbox = Outbox::new();
            let mut expected = Vec::new();
            for i in 0..200usize {
                let piece = vec![i as u8; 1000];
                outbox.extend(&piece);
                expected.extend(piece);
                if i % 50 == 0 {
                    let shared = Bytes::from(vec![255; 20_000]);
                    outbox.push_shared(&shared);
                    expected.extend(&shared[..]);
                }
            }
            let mut seen = Vec::new();
            while !outbox.is_empty() {
                let taken: Vec<u8> = outbox.io_slices(3, step).iter().flat_map(|slice| slice.to_vec()).collect();
                outbox.advance(taken.len());
                seen.extend(taken);
            }
            assert!(seen == expected, "step {step}");
            assert_eq!((outbox.start(), outbox.end()), (expected.len() as u64, expected.len() as u64));
            outbox.shrink();
            assert_eq!(outbox.memory_bytes(), 0);
        }
    }

    #[test]
    fn what_is_taken_back_leaves_what_was_there_before() {
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..300 {
            let mut outbox = Outbox::new();
            let mut append = |outbox: &mut Outbox| {
                for _ in 0..rng.usize(..8) {
                    match rng.u8(..3) {
                        0 => outbox.extend(b"short"),
                        1 => outbox.extend(&vec![b'l'; rng.usize(..150_000)]),
                        _ => outbox.push_shared(&Bytes::from(vec![b's'; rng.usize(..40_000)])),
                    }
                }
                rng.usize(..=outbox.len())
            };
            let written = append(&mut outbox);
            outbox.advance(written);
            let (before, end) = (outbox.to_vec(), outbox.end());
            append(&mut outbox);
            outbox.truncate(end);
            assert!(outbox.to_vec() == before && outbox.end() == end && outbox.len() == before.len());
            outbox.extend(b"more");
            outbox.advance(before.len() + 4);
            outbox.shrink();
            assert_eq!((outbox.end(), outbox.memory_bytes()), (end + 4, 0));
        }
    }

    #[test]
    fn appending_an_outbox_moves_what_waits_and_keeps_both_positions() {
        let value = Bytes::from(vec![b'v'; SHARED_SEGMENT_MIN]);
        let mut from = Outbox::new();
        from.extend(b"12345");
        from.push_shared(&value);
        from.extend(b"tail");
        from.advance(3);
        let (waiting, end) = (from.to_vec(), from.end());
        let mut to = Outbox::new();
        to.extend(b"first ");
        to.append(&mut from);
        assert_eq!(to.to_vec(), [b"first ", &waiting[..]].concat());
        assert_eq!((from.len(), from.end()), (0, end));
    }
}
