//! A leaf of the table: a few entries packed into one block of bytes, which is
//!
//! | part | size |
//! |---|---|
//! | tags: the last byte of each entry's hash | `slots` |
//! | offsets into the entries, 3 bytes each (LE) | 3 × `slots` |
//! | entries, in any order | the rest |
//!
//! An entry is a varint of the key's length and two flags, a varint of the value's length and one flag, the key, the
//! value. A long key or value is kept outside, in `large`; its flag is set and the place in `large` stands instead of the
//! length. The second key flag says that 8 bytes of deadline (Unix milliseconds, LE) precede the key.

use bytes::Bytes;

use crate::growth;
use crate::hashing::hash_bytes;

/// Entries above which a leaf is split.
pub(super) const ENTRIES_MAX: usize = 32;
/// A leaf that is longer than this is split earlier, so that a write moves and a shared leaf copies less.
const BLOCK_MAX: usize = 8 << 10;
/// ... unless it has no more than this many entries.
const ENTRIES_MIN: usize = 8;
/// Leaves are merged when the two have no more entries than this together.
pub(super) const MERGE_ENTRIES_MAX: usize = 12;

/// A leaf whose keys collide is not split. Beyond this it keeps all keys and values outside, so that the offsets suffice
/// for more keys with one hash than anybody can add in a day: the time for each grows with their number.
const COLLIDING_BLOCK_MAX: usize = 4 << 20;

const KEY_INLINE_MAX: usize = 512;
const VALUE_INLINE_MAX: usize = 1024;

const KEY_LARGE: usize = 1;
const KEY_TIMED: usize = 2;
const KEY_FLAG_BITS: u32 = 2;
const VALUE_LARGE: usize = 1;
const VALUE_FLAG_BITS: u32 = 1;

/// Slots are added in steps of a word of tags.
const SLOT_STEP: usize = 8;
const OFFSET_SIZE: usize = 3;
const DEADLINE_SIZE: usize = 8;

/// Key, value and deadline in Unix milliseconds, if it has one.
pub(super) type Entry<'a> = (&'a [u8], &'a [u8], Option<i64>);

/// Packed entries; see the top of this file.
#[derive(Clone, Default)]
pub(super) struct Leaf {
    count: u32,
    slots: u32,
    /// Long keys and values; an empty one is a free place. Boxed because few leaves have any.
    #[allow(clippy::box_collection)]
    large: Option<Box<Vec<Bytes>>>,
    block: Vec<u8>,
}

/// An entry's head, decoded.
struct Head {
    key: usize,
    key_is_large: bool,
    value: usize,
    value_is_large: bool,
    /// Offset in the block behind the two lengths.
    lengths_end: usize,
    /// Offset in the block of the key: behind the deadline, if there is one.
    body: usize,
}

impl Head {
    fn inline_key_len(&self) -> usize {
        if self.key_is_large { 0 } else { self.key }
    }

    fn inline_value_len(&self) -> usize {
        if self.value_is_large { 0 } else { self.value }
    }

    fn is_timed(&self) -> bool {
        self.body > self.lengths_end
    }

    /// Offset in the block behind the entry.
    fn end(&self) -> usize {
        self.body + self.inline_key_len() + self.inline_value_len()
    }
}

impl Leaf {
    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.count as usize
    }

    /// Place of the entry under `key`; tags are compared a word at a time before any key is.
    #[inline]
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<usize> {
        const LOW: u64 = 0x0101_0101_0101_0101;
        let wanted = u64::from(hash as u8) * LOW;
        let tags = &self.block[..self.slots as usize];
        for (group, word) in tags.as_chunks::<SLOT_STEP>().0.iter().enumerate() {
            let differs = u64::from_le_bytes(*word) ^ wanted;
            let mut zeros = differs.wrapping_sub(LOW) & !differs & (LOW << 7);
            while zeros != 0 {
                let place = group * SLOT_STEP + zeros.trailing_zeros() as usize / 8;
                if place < self.len() && self.entry(place).0 == key {
                    return Some(place);
                }
                zeros &= zeros - 1;
            }
        }
        None
    }

    /// Reads the two lines in which most tags and offsets stand, and needs nothing of them.
    #[inline]
    pub(super) fn touch(&self) {
        std::hint::black_box((self.block.first().copied(), self.block.get(64).copied()));
    }

    /// Key and value at a place.
    #[inline]
    pub(super) fn entry(&self, place: usize) -> (&[u8], &[u8]) {
        self.pair(&self.head(self.start(place)))
    }

    /// Key, value and deadline at a place.
    #[inline]
    pub(super) fn timed_entry(&self, place: usize) -> Entry<'_> {
        let head = self.head(self.start(place));
        let (key, value) = self.pair(&head);
        (key, value, self.deadline_of(&head))
    }

    /// The deadline at a place.
    pub(super) fn deadline(&self, place: usize) -> Option<i64> {
        self.deadline_of(&self.head(self.start(place)))
    }

    fn deadline_of(&self, head: &Head) -> Option<i64> {
        head.is_timed().then(|| {
            let bytes = &self.block[head.lengths_end..head.body];
            i64::from_le_bytes(bytes.try_into().expect("a timed entry has 8 bytes there"))
        })
    }

    #[inline]
    fn pair(&self, head: &Head) -> (&[u8], &[u8]) {
        let value_at = head.body + head.inline_key_len();
        let key = if head.key_is_large { self.large(head.key) } else { &self.block[head.body..value_at] };
        let value =
            if head.value_is_large { self.large(head.value) } else { &self.block[value_at..value_at + head.value] };
        (key, value)
    }

    /// All entries.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        (0..self.len()).map(|place| self.entry(place))
    }

    /// Place of an entry with this hash and deadline.
    pub(super) fn find_due(&self, hash: u64, deadline: i64) -> Option<usize> {
        (0..self.len()).find(|&place| {
            self.block[place] == hash as u8
                && self.deadline(place) == Some(deadline)
                && hash_bytes(self.entry(place).0) == hash
        })
    }

    /// Adds an entry whose key is not here yet.
    pub(super) fn insert(&mut self, hash: u64, key: &[u8], value: &[u8], deadline: Option<i64>) {
        if self.count == self.slots {
            self.add_slots();
        }
        let at = self.block.len();
        let (key_word, key) = self.stored(key, KEY_INLINE_MAX, KEY_FLAG_BITS, KEY_LARGE);
        let (value_word, value) = self.stored(value, VALUE_INLINE_MAX, VALUE_FLAG_BITS, VALUE_LARGE);
        let (timed, deadline_size) = if deadline.is_some() { (KEY_TIMED, DEADLINE_SIZE) } else { (0, 0) };
        let size = varint_len(key_word) + varint_len(value_word) + deadline_size + key.len() + value.len();
        growth::reserve(&mut self.block, size);
        push_varint(&mut self.block, key_word | timed);
        push_varint(&mut self.block, value_word);
        if let Some(deadline) = deadline {
            self.block.extend_from_slice(&deadline.to_le_bytes());
        }
        self.block.extend_from_slice(key);
        self.block.extend_from_slice(value);
        let place = self.len();
        self.count += 1;
        self.block[place] = hash as u8;
        self.write_offset(place, at - self.entries_at());
    }

    /// Sets or clears the deadline at a place.
    pub(super) fn set_deadline(&mut self, place: usize, deadline: Option<i64>) {
        let start = self.start(place);
        let head = self.head(start);
        if head.is_timed() != deadline.is_some() {
            let (old_size, size) = if head.is_timed() { (DEADLINE_SIZE, 0) } else { (0, DEADLINE_SIZE) };
            growth::resize_gap(&mut self.block, head.lengths_end, old_size, size);
            // The flag is in the first byte of the key's length, whose size stays.
            self.block[start] ^= KEY_TIMED as u8;
            self.move_offsets_behind(start, size as isize - old_size as isize);
        }
        if let Some(deadline) = deadline {
            self.block[head.lengths_end..head.lengths_end + DEADLINE_SIZE].copy_from_slice(&deadline.to_le_bytes());
        }
    }

    /// Replaces the value at a place; its deadline stays.
    pub(super) fn replace(&mut self, place: usize, value: &[u8]) {
        let start = self.start(place);
        let head = self.head(start);
        let value_at = head.body + head.inline_key_len();
        if !head.value_is_large && head.value == value.len() {
            self.block[value_at..value_at + value.len()].copy_from_slice(value);
            return;
        }
        if head.value_is_large {
            self.free_large(head.value);
        }
        let (word, value) = self.stored(value, VALUE_INLINE_MAX, VALUE_FLAG_BITS, VALUE_LARGE);
        // First the body, then the varint before the key: each may change its size.
        growth::resize_gap(&mut self.block, value_at, head.inline_value_len(), value.len());
        self.block[value_at..value_at + value.len()].copy_from_slice(value);
        let word_at = start + read_varint(&self.block, start).1;
        let word_len = varint_len(word);
        let old_word_len = head.lengths_end - word_at;
        growth::resize_gap(&mut self.block, word_at, old_word_len, word_len);
        write_varint(&mut self.block[word_at..word_at + word_len], word);
        let grown = (value.len() + word_len) as isize - (head.inline_value_len() + old_word_len) as isize;
        self.move_offsets_behind(start, grown);
    }

    /// Removes the entry at a place; another entry may take the place.
    pub(super) fn remove(&mut self, place: usize) {
        let start = self.start(place);
        let head = self.head(start);
        if head.key_is_large {
            self.free_large(head.key);
        }
        if head.value_is_large {
            self.free_large(head.value);
        }
        let size = head.end() - start;
        self.move_offsets_behind(start, -(size as isize));
        let last = self.len() - 1;
        self.block[place] = self.block[last];
        let offset = self.offset(last);
        self.write_offset(place, offset);
        self.count -= 1;
        growth::resize_gap(&mut self.block, start, size, 0);
    }

    /// True if the leaf is to be split.
    pub(super) fn is_full(&self) -> bool {
        self.len() > ENTRIES_MAX || (self.block.len() > BLOCK_MAX && self.len() > ENTRIES_MIN)
    }

    /// Two leaves: the entries for which `goes_right` is false, and the others.
    pub(super) fn split(&self, goes_right: impl Fn(&[u8]) -> bool) -> [Leaf; 2] {
        let mut halves = [Leaf::default(), Leaf::default()];
        let sides: Vec<bool> = self.iter().map(|(key, _)| goes_right(key)).collect();
        let right = sides.iter().filter(|&&side| side).count();
        for (half, count) in halves.iter_mut().zip([self.len() - right, right]) {
            half.slots = (count + 1).next_multiple_of(SLOT_STEP) as u32;
            half.block = vec![0; half.entries_at()];
        }
        for (place, side) in sides.into_iter().enumerate() {
            let (key, value, deadline) = self.timed_entry(place);
            halves[usize::from(side)].insert(u64::from(self.block[place]), key, value, deadline);
        }
        halves
    }

    /// The entries whose flag is set.
    pub(super) fn retained(&self, kept: &[bool]) -> Leaf {
        let count = kept.iter().filter(|&&kept| kept).count();
        let mut leaf = Leaf::default();
        if count > 0 {
            leaf.slots = count.next_multiple_of(SLOT_STEP) as u32;
            leaf.block = vec![0; leaf.entries_at()];
        }
        for place in (0..self.len()).filter(|place| kept[*place]) {
            let (key, value, deadline) = self.timed_entry(place);
            leaf.insert(u64::from(self.block[place]), key, value, deadline);
        }
        leaf
    }

    /// True if `other` is so small that it was added to this leaf.
    pub(super) fn absorb(&mut self, other: &Leaf) -> bool {
        if self.len() + other.len() > MERGE_ENTRIES_MAX || self.block.len() + other.block.len() > BLOCK_MAX / 2 {
            return false;
        }
        for place in 0..other.len() {
            let (key, value, deadline) = other.timed_entry(place);
            self.insert(u64::from(other.block[place]), key, value, deadline);
        }
        true
    }

    /// Bytes allocated.
    pub(super) fn memory_bytes(&self) -> usize {
        let large = self.large.as_deref().map_or(0, |all| all.iter().map(|one| one.len() + size_of::<Bytes>()).sum());
        size_of::<usize>() + size_of::<Leaf>() + self.block.capacity() + large
    }

    fn entries_at(&self) -> usize {
        self.slots as usize * (1 + OFFSET_SIZE)
    }

    fn offset(&self, place: usize) -> usize {
        let at = self.slots as usize + place * OFFSET_SIZE;
        usize::from(self.block[at]) | usize::from(self.block[at + 1]) << 8 | usize::from(self.block[at + 2]) << 16
    }

    fn write_offset(&mut self, place: usize, offset: usize) {
        assert!(offset < 1 << 24, "a million keys with one hash: the hash seed must be kept secret");
        let at = self.slots as usize + place * OFFSET_SIZE;
        self.block[at..at + OFFSET_SIZE].copy_from_slice(&(offset as u32).to_le_bytes()[..OFFSET_SIZE]);
    }

    /// Where in the block the entry at a place begins.
    fn start(&self, place: usize) -> usize {
        self.entries_at() + self.offset(place)
    }

    fn head(&self, start: usize) -> Head {
        let (key_word, key_size) = read_varint(&self.block, start);
        let (value_word, value_size) = read_varint(&self.block, start + key_size);
        let lengths_end = start + key_size + value_size;
        Head {
            key: key_word >> KEY_FLAG_BITS,
            key_is_large: key_word & KEY_LARGE != 0,
            value: value_word >> VALUE_FLAG_BITS,
            value_is_large: value_word & VALUE_LARGE != 0,
            lengths_end,
            body: lengths_end + if key_word & KEY_TIMED != 0 { DEADLINE_SIZE } else { 0 },
        }
    }

    fn move_offsets_behind(&mut self, start: usize, by: isize) {
        let behind = start - self.entries_at();
        for place in 0..self.len() {
            let offset = self.offset(place);
            if offset > behind {
                self.write_offset(place, offset.strict_add_signed(by));
            }
        }
    }

    fn add_slots(&mut self) {
        let (slots, len) = (self.slots as usize, self.block.len());
        let extra = SLOT_STEP * (1 + OFFSET_SIZE);
        growth::resize_gap(&mut self.block, slots * (1 + OFFSET_SIZE), 0, extra);
        self.block.copy_within(slots..slots * (1 + OFFSET_SIZE), slots + SLOT_STEP);
        self.slots += SLOT_STEP as u32;
        debug_assert_eq!(self.block.len(), len + extra);
    }

    /// The head's word for a key or value, and the part of it that is stored inline.
    fn stored<'a>(&mut self, text: &'a [u8], inline_max: usize, flag_bits: u32, flag: usize) -> (usize, &'a [u8]) {
        if text.is_empty() || text.len() <= inline_max && self.block.len() < COLLIDING_BLOCK_MAX {
            return (text.len() << flag_bits, text);
        }
        let place = self.keep_large(Bytes::copy_from_slice(text));
        (place << flag_bits | flag, &[])
    }

    fn large(&self, place: usize) -> &[u8] {
        &self.large.as_deref().expect("an entry with the flag has a place in large")[place]
    }

    fn keep_large(&mut self, text: Bytes) -> usize {
        let all = self.large.get_or_insert_default();
        if let Some(place) = all.iter().position(Bytes::is_empty) {
            all[place] = text;
            return place;
        }
        all.push(text);
        all.len() - 1
    }

    fn free_large(&mut self, place: usize) {
        let all = self.large.as_deref_mut().expect("an entry with the flag has a place in large");
        all[place] = Bytes::new();
        if all.iter().all(Bytes::is_empty) {
            self.large = None;
        }
    }
}

/// A value in 7-bit groups, low ones first, and its size.
#[inline]
fn read_varint(bytes: &[u8], at: usize) -> (usize, usize) {
    let first = usize::from(bytes[at]);
    if first < 0x80 {
        return (first, 1);
    }
    let (mut value, mut size) = (first & 0x7F, 1);
    loop {
        let byte = usize::from(bytes[at + size]);
        value |= (byte & 0x7F) << (7 * size);
        size += 1;
        if byte < 0x80 {
            return (value, size);
        }
    }
}

fn varint_len(value: usize) -> usize {
    value.checked_ilog2().unwrap_or(0) as usize / 7 + 1
}

fn write_varint(out: &mut [u8], mut value: usize) {
    let last = out.len() - 1;
    for (place, byte) in out.iter_mut().enumerate() {
        *byte = (value & 0x7F) as u8 | if place < last { 0x80 } else { 0 };
        value >>= 7;
    }
}

fn push_varint(out: &mut Vec<u8>, value: usize) {
    let at = out.len();
    out.resize(at + varint_len(value), 0);
    write_varint(&mut out[at..], value);
}
