//! Redis's listpack: a byte string of entries that can be walked from both ends. Byte for byte the peers' format, so
//! that it goes into RDB files and DUMP payloads as it is. `codec` knows one entry; this file knows the whole:
//! 4 bytes total length (LE), 2 bytes count (LE, 0xFFFF when it must be counted), entries, 0xFF. What room there is around
//! them is the store's affair: `Listpack` has it behind them, `DequeListpack`, of which the nodes of lists are made, at
//! both ends.

mod codec;
mod deque;
mod store;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

pub(crate) use codec::canonical;
use codec::{END, check_entry, entry_len, previous_entry, read_entry, write_entry};

use deque::DequeBlock;
use smallvec::SmallVec;
pub(crate) use store::Store;

use crate::growth::Block;
use crate::hashing::hash_bytes;
use crate::{Corrupt, Element};

const HEADER: usize = 6;
const COUNT_UNKNOWN: u16 = u16::MAX;

/// A listpack is not let grow beyond this, as the peers do not either.
const BYTES_MAX: usize = 1 << 30;

/// A sequence of elements in Redis's listpack encoding. Two words wide, because it stands in the entries of the keyspace.
pub type Listpack = ListpackIn<Block>;

/// One that is written to at both ends.
pub(crate) type DequeListpack = ListpackIn<DequeBlock>;

/// A listpack, whatever keeps its bytes.
pub struct ListpackIn<S: Store> {
    /// The encoding, whose first four bytes say how long it is, with room to grow.
    store: S,
}

impl<S: Store> Clone for ListpackIn<S> {
    fn clone(&self) -> ListpackIn<S> {
        self.copied()
    }
}

impl<S: Store> PartialEq for ListpackIn<S> {
    fn eq(&self, other: &ListpackIn<S>) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<S: Store> Eq for ListpackIn<S> {}

impl<S: Store> Default for ListpackIn<S> {
    fn default() -> ListpackIn<S> {
        ListpackIn::new()
    }
}

impl From<Listpack> for DequeListpack {
    fn from(listpack: Listpack) -> DequeListpack {
        ListpackIn { store: listpack.store.into() }
    }
}

impl<S: Store> ListpackIn<S> {
    /// Without elements.
    pub fn new() -> ListpackIn<S> {
        ListpackIn::from_block(Box::new([HEADER as u8 + 1, 0, 0, 0, 0, 0, END]))
    }

    /// Of a block that holds the encoding and nothing else.
    fn from_block(block: Block) -> ListpackIn<S> {
        ListpackIn { store: block.into() }
    }

    /// Takes bytes from outside after checking every one of them.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<ListpackIn<S>, Corrupt> {
        if bytes.len() < HEADER + 1 {
            return Err(Corrupt("listpack shorter than its header"));
        }
        let mut listpack = ListpackIn::<S>::from_block(bytes.into_boxed_slice());
        let bytes = listpack.store.bytes();
        if u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize != bytes.len() {
            return Err(Corrupt("listpack length does not match its bytes"));
        }
        let end = bytes.len() - 1;
        let (mut at, mut count) = (HEADER, 0usize);
        while at < end {
            if bytes[at] == END {
                return Err(Corrupt("listpack ends before its last byte"));
            }
            at = check_entry(&bytes[..end], at)?;
            count += 1;
        }
        if bytes[end] != END {
            return Err(Corrupt("listpack without end mark"));
        }
        match listpack.header_count() {
            COUNT_UNKNOWN => {
                // From here on the count is known, if it can be.
                let count = u16::try_from(count).unwrap_or(COUNT_UNKNOWN);
                listpack.store.bytes_mut()[4..6].copy_from_slice(&count.to_le_bytes());
                Ok(listpack)
            }
            stated if usize::from(stated) == count => Ok(listpack),
            _ => Err(Corrupt("listpack count does not match its entries")),
        }
    }

    /// The whole encoding, header and end mark included.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.store.bytes()[..self.byte_len()]
    }

    /// Number of elements; O(1) below 65535.
    pub fn len(&self) -> usize {
        match self.header_count() {
            COUNT_UNKNOWN => self.iter().count(),
            count => usize::from(count),
        }
    }

    /// True without elements.
    pub fn is_empty(&self) -> bool {
        self.byte_len() == HEADER + 1
    }

    /// Bytes of the whole encoding.
    #[inline]
    pub fn byte_len(&self) -> usize {
        let [a, b, c, d, ..] = *self.store.bytes() else { unreachable!("a header is always there") };
        u32::from_le_bytes([a, b, c, d]) as usize
    }

    /// Appends an element.
    pub fn push_back(&mut self, element: &[u8]) {
        self.insert_at(self.end(), canonical(element));
    }

    /// Appends elements in the form they have.
    pub(crate) fn append<'a>(&mut self, elements: impl Iterator<Item = Element<'a>> + Clone) {
        let (mut count, mut bytes) = (0, 0);
        for element in elements.clone() {
            count += 1;
            bytes += entry_len(element);
        }
        let mut at = self.end();
        self.resize_gap(at, 0, bytes);
        for element in elements {
            let len = entry_len(element);
            write_entry(&mut self.store.bytes_mut()[at..at + len], element);
            at += len;
        }
        self.update_count(0, count);
    }

    /// Puts an element before all others.
    pub fn push_front(&mut self, element: &[u8]) {
        self.insert_at(HEADER, canonical(element));
    }

    /// The element at `index`, walking from the nearer end.
    pub fn get(&self, index: usize) -> Option<Element<'_>> {
        Some(read_entry(self.as_bytes(), self.offset_of(index)?).0)
    }

    /// All elements in order.
    pub fn iter(&self) -> ListpackIter<'_> {
        ListpackIter { bytes: self.as_bytes(), front: HEADER, back: self.end() }
    }

    /// True if another `len` bytes of elements keep the listpack within what the format may hold.
    pub(crate) fn has_room_for(&self, len: usize) -> bool {
        self.byte_len() + len <= BYTES_MAX
    }

    /// Elements from the one at `offset` on.
    pub(crate) fn iter_at(&self, offset: usize) -> ListpackIter<'_> {
        ListpackIter { bytes: self.as_bytes(), front: offset, back: self.end() }
    }

    /// Elements before `offset`.
    pub(crate) fn iter_until(&self, offset: usize) -> ListpackIter<'_> {
        ListpackIter { bytes: self.as_bytes(), front: HEADER, back: offset }
    }

    /// Offset of the first entry.
    pub(crate) fn first(&self) -> usize {
        HEADER
    }

    /// Offset behind the last entry.
    pub(crate) fn end(&self) -> usize {
        self.byte_len() - 1
    }

    /// Offset of the element at `index`; for `index == len` the end.
    pub(crate) fn offset_of(&self, index: usize) -> Option<usize> {
        let count = self.header_count();
        let known = (count != COUNT_UNKNOWN).then_some(usize::from(count));
        if let Some(count) = known
            && index > count / 2
        {
            if index >= count {
                return None;
            }
            let mut at = self.end();
            for _ in index..count {
                at = previous_entry(self.as_bytes(), at);
            }
            return Some(at);
        }
        let mut at = HEADER;
        for _ in 0..index {
            if at == self.end() {
                return None;
            }
            at = read_entry(self.as_bytes(), at).1;
        }
        (at < self.end()).then_some(at)
    }

    /// Offset of the first element equal to `text` among every `stride`-th one.
    pub(crate) fn find(&self, text: &[u8], stride: usize) -> Option<usize> {
        let number = base::numbers::parse_i64(text);
        let mut at = HEADER;
        while at < self.end() {
            let (element, mut next) = read_entry(self.as_bytes(), at);
            let equal = match element {
                Element::Int(value) => number == Some(value),
                Element::Bytes(bytes) => bytes == text,
            };
            if equal {
                return Some(at);
            }
            for _ in 1..stride {
                next = read_entry(self.as_bytes(), next).1;
            }
            at = next;
        }
        None
    }

    /// False if no two of every `stride`-th element are equal; true if some may be.
    pub(crate) fn may_repeat(&self, stride: usize) -> bool {
        let mut hashes: SmallVec<[u64; 64]> =
            self.iter().step_by(stride).map(|element| element.with_bytes(hash_bytes)).collect();
        hashes.sort_unstable();
        hashes.windows(2).any(|pair| pair[0] == pair[1])
    }

    /// The element at an offset got from this listpack, and the offset behind it.
    pub(crate) fn read(&self, offset: usize) -> (Element<'_>, usize) {
        read_entry(self.as_bytes(), offset)
    }

    /// Offset of the element before the one at `offset`, which is not the first.
    pub(crate) fn before(&self, offset: usize) -> usize {
        previous_entry(self.as_bytes(), offset)
    }

    /// Puts an element before the one at `offset`; returns the offset behind it.
    pub(crate) fn insert_at(&mut self, offset: usize, element: Element<'_>) -> usize {
        let len = entry_len(element);
        self.resize_gap(offset, 0, len);
        write_entry(&mut self.store.bytes_mut()[offset..offset + len], element);
        self.update_count(0, 1);
        offset + len
    }

    /// Replaces the element at `offset`.
    pub(crate) fn replace_at(&mut self, offset: usize, element: Element<'_>) {
        let old_len = read_entry(self.as_bytes(), offset).1 - offset;
        let len = entry_len(element);
        self.resize_gap(offset, old_len, len);
        write_entry(&mut self.store.bytes_mut()[offset..offset + len], element);
    }

    /// Removes the `count` elements that stand between the offsets of `range`.
    pub(crate) fn remove_between(&mut self, range: Range<usize>, count: usize) {
        self.resize_gap(range.start, range.len(), 0);
        self.update_count(count, 0);
    }

    /// Removes up to `count` elements from `index` on; returns how many there were.
    pub(crate) fn remove_range(&mut self, index: usize, count: usize) -> usize {
        let Some(start) = self.offset_of(index) else { return 0 };
        let (mut at, mut removed) = (start, 0);
        while removed < count && at < self.end() {
            at = read_entry(self.as_bytes(), at).1;
            removed += 1;
        }
        self.remove_between(start..at, removed);
        removed
    }

    /// Shows the first element, or the last one, to `f`, then removes it.
    pub(crate) fn pop_with<R>(&mut self, from_back: bool, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        if self.is_empty() {
            return None;
        }
        let at = if from_back { self.before(self.end()) } else { self.first() };
        let (element, next) = self.read(at);
        let shown = f(element);
        self.remove_between(at..next, 1);
        Some(shown)
    }

    /// Removes at most `max` elements equal to `text`, from the given end; returns how many.
    pub(crate) fn remove_matching(&mut self, text: &[u8], max: usize, from_back: bool) -> usize {
        let mut removed = 0;
        let mut at = if from_back { self.end() } else { HEADER };
        while removed < max && at != if from_back { HEADER } else { self.end() } {
            let (start, end) = if from_back {
                (previous_entry(self.as_bytes(), at), at)
            } else {
                (at, read_entry(self.as_bytes(), at).1)
            };
            let equal = read_entry(self.as_bytes(), start).0 == *text;
            if equal {
                self.remove_between(start..end, 1);
                removed += 1;
            }
            at = if equal || from_back { start } else { end };
        }
        removed
    }

    /// Moves the elements from `index` on into a listpack of their own.
    pub(crate) fn split_off(&mut self, index: usize) -> ListpackIn<S> {
        let Some(offset) = self.offset_of(index) else { return ListpackIn::new() };
        let moved = self.iter_at(offset).count();
        let behind = &self.as_bytes()[offset..];
        let mut bytes = Vec::with_capacity(HEADER + behind.len());
        bytes.extend_from_slice(&((HEADER + behind.len()) as u32).to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(behind);
        let mut tail = ListpackIn::<S>::from_block(bytes.into_boxed_slice());
        tail.update_count(0, moved);
        self.remove_between(offset..self.end(), moved);
        tail
    }

    /// A copy without room.
    pub(crate) fn copied<T: Store>(&self) -> ListpackIn<T> {
        ListpackIn::from_block(self.as_bytes().into())
    }

    /// Bytes allocated.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.store.room()
    }

    /// Replaces `old_len` bytes at `at` by `new_len` bytes of unspecified content, moving what is around them.
    fn resize_gap(&mut self, at: usize, old_len: usize, new_len: usize) {
        let len = self.byte_len();
        self.store.resize_gap(len, at, old_len, new_len);
        let total = u32::try_from(len - old_len + new_len).expect("collections convert long before 4 GiB");
        self.store.bytes_mut()[..4].copy_from_slice(&total.to_le_bytes());
    }

    fn header_count(&self) -> u16 {
        let bytes = self.store.bytes();
        u16::from_le_bytes([bytes[4], bytes[5]])
    }

    fn update_count(&mut self, removed: usize, added: usize) {
        let count = match self.header_count() {
            COUNT_UNKNOWN => COUNT_UNKNOWN,
            count => u16::try_from(usize::from(count) + added - removed).unwrap_or(COUNT_UNKNOWN),
        };
        self.store.bytes_mut()[4..6].copy_from_slice(&count.to_le_bytes());
    }
}

impl<S: Store> fmt::Debug for ListpackIn<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Elements of a listpack, from either end.
#[derive(Clone)]
pub struct ListpackIter<'a> {
    bytes: &'a [u8],
    front: usize,
    back: usize,
}

impl ListpackIter<'_> {
    /// Offset of the element that `next` will yield.
    pub(crate) fn offset(&self) -> usize {
        self.front
    }
}

impl<'a> Iterator for ListpackIter<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        if self.front == self.back {
            return None;
        }
        let (element, next) = read_entry(self.bytes, self.front);
        self.front = next;
        Some(element)
    }
}

impl<'a> DoubleEndedIterator for ListpackIter<'a> {
    fn next_back(&mut self) -> Option<Element<'a>> {
        if self.front == self.back {
            return None;
        }
        self.back = previous_entry(self.bytes, self.back);
        Some(read_entry(self.bytes, self.back).0)
    }
}
