//! A leaf of the table: a few entries packed into one block of bytes, which is
//!
//! | part | size |
//! |---|---|
//! | tags: the last byte of each entry's hash | `slots` |
//! | offsets into the entries (LE) | `slots` × 2, or × 4 in a leaf of more than 64 KiB |
//! | entries, in any order | up to `used` |
//! | room to grow | the rest |
//!
//! The block stands right behind the leaf's reference count and header, 32 bytes together, so that a search reads the line
//! with the header and the tags, the next one with the offsets, and the entry. Allocations of such sizes begin at a cache
//! line.
//!
//! An entry is a varint of the key's length and two flags, a varint of the value's length and one flag, the key, the
//! value. A long key or value is kept outside, in `large`; its flag is set and the place in `large` stands instead of the
//! length. The second key flag says that 8 bytes of deadline (Unix milliseconds, LE) precede the key.

use bytes::Bytes;
use triomphe::{Arc, HeaderSlice};

use crate::hashing::hash_bytes;
use base::prefetch;

/// Entries above which a leaf is split.
pub(super) const ENTRIES_MAX: usize = 32;
/// A leaf that is longer than this is split earlier, so that a write moves and a shared leaf copies less.
pub(super) const BLOCK_MAX: usize = 8 << 10;
/// ... unless it has no more than this many entries.
pub(super) const ENTRIES_MIN: usize = 8;
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
/// Bytes of an offset, and the most bytes of entries for which they suffice.
const NARROW: usize = 2;
const NARROW_BYTES_MAX: usize = 1 << 16;
/// Bytes of an offset in a longer leaf: one of colliding keys.
const WIDE: usize = 4;
const DEADLINE_SIZE: usize = 8;

/// Key, value and deadline in Unix milliseconds, if it has one.
pub(super) type Entry<'a> = (&'a [u8], &'a [u8], Option<i64>);

/// Packed entries; see the top of this file. A clone is a reference.
#[derive(Clone)]
pub(super) struct Leaf(Arc<HeaderSlice<Header, [u8]>>);

#[derive(Clone)]
struct Header {
    count: u32,
    slots: u32,
    /// Where in the block the entries end.
    used: u32,
    offset_size: u32,
    /// Long keys and values; an empty one is a free place. Boxed because few leaves have any.
    #[allow(clippy::box_collection)]
    large: Option<Box<Vec<Bytes>>>,
}

/// Bytes of a leaf's allocation before its block: the reference count and the header.
const HEAD_SIZE: usize = size_of::<usize>() + size_of::<Header>();

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

impl Default for Leaf {
    fn default() -> Leaf {
        Leaf::with_slots(0, 0)
    }
}

impl Leaf {
    /// Without entries, but with places for some and with so many bytes of room for them.
    fn with_slots(slots: usize, room: usize) -> Leaf {
        let used = slots * (1 + NARROW);
        let header =
            Header { count: 0, slots: slots as u32, used: used as u32, offset_size: NARROW as u32, large: None };
        let size = if used + room == 0 { 0 } else { base::size_class(HEAD_SIZE + used + room) - HEAD_SIZE };
        Leaf::zeroed(header, size)
    }

    /// With a block of zeros.
    fn zeroed(header: Header, size: usize) -> Leaf {
        // Copied from elsewhere a block is allocated once, made of a vector twice.
        static ZEROS: [u8; 2048] = [0; 2048];
        Leaf(match ZEROS.get(..size) {
            Some(zeros) => Arc::from_header_and_slice(header, zeros),
            None => Arc::from_header_and_vec(header, vec![0; size]),
        })
    }

    /// Without entries, but with room for so many that take so many bytes together.
    pub(super) fn with_room(entries: usize, bytes: usize) -> Leaf {
        Leaf::with_slots(entries.next_multiple_of(SLOT_STEP), bytes)
    }

    /// Bytes that an entry without a deadline takes, about: exact unless its key or value is large.
    pub(super) fn entry_size(key: usize, value: usize) -> usize {
        let key_size = if key > KEY_INLINE_MAX { 1 } else { varint_len(key << KEY_FLAG_BITS) + key };
        let value_size = if value > VALUE_INLINE_MAX { 1 } else { varint_len(value << VALUE_FLAG_BITS) + value };
        key_size + value_size
    }

    /// Number of entries.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.0.header.count as usize
    }

    #[inline]
    fn slots(&self) -> usize {
        self.0.header.slots as usize
    }

    #[inline]
    fn used(&self) -> usize {
        self.0.header.used as usize
    }

    #[inline]
    fn block(&self) -> &[u8] {
        &self.0.slice
    }

    /// Header and block, to be changed: the leaf is copied first if a clone shares it.
    #[inline]
    fn parts(&mut self) -> (&mut Header, &mut [u8]) {
        if !self.0.is_unique() {
            self.0 = Arc::from_header_and_slice(self.0.header.clone(), &self.0.slice);
        }
        let HeaderSlice { header, slice } = Arc::get_mut(&mut self.0).expect("made unique above");
        (header, slice)
    }

    /// Place of the entry under `key`.
    #[inline]
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<usize> {
        self.find_with(hash, |place| self.entry(place).0 == key)
    }

    /// The first place with the hash's tag that `is_it` accepts; tags are compared a word at a time.
    #[inline]
    fn find_with(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        const LOW: u64 = 0x0101_0101_0101_0101;
        let wanted = u64::from(hash as u8) * LOW;
        let tags = &self.block()[..self.slots()];
        for (group, word) in tags.as_chunks::<SLOT_STEP>().0.iter().enumerate() {
            let differs = u64::from_le_bytes(*word) ^ wanted;
            let mut zeros = differs.wrapping_sub(LOW) & !differs & (LOW << 7);
            while zeros != 0 {
                let place = group * SLOT_STEP + zeros.trailing_zeros() as usize / 8;
                if place < self.len() && is_it(place) {
                    return Some(place);
                }
                zeros &= zeros - 1;
            }
        }
        None
    }

    /// Where the leaf begins in memory: the line with the tags, and behind it that with the offsets.
    #[inline]
    pub(super) fn address(&self) -> *const u8 {
        std::ptr::from_ref(&self.0.header).cast()
    }

    /// Has the processor load the leaf: as much as one of short entries takes, without a look at it, which would wait.
    #[inline]
    pub(super) fn load(&self) {
        const LINE: usize = 64;
        const LINES: usize = 8;
        (0..LINES).for_each(|line| prefetch(self.address().wrapping_add(line * LINE)));
    }

    /// Where the entries end in memory.
    #[inline]
    pub(super) fn end_address(&self) -> *const u8 {
        self.block().as_ptr().wrapping_add(self.used())
    }

    /// Where the entry of a hash begins in memory, if there seems to be one.
    #[inline]
    pub(super) fn entry_address(&self, hash: u64) -> Option<*const u8> {
        let place = self.find_with(hash, |_| true)?;
        Some(std::ptr::from_ref(&self.block()[self.start(place)]))
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
            let bytes = &self.block()[head.lengths_end..head.body];
            i64::from_le_bytes(bytes.try_into().expect("a timed entry has 8 bytes there"))
        })
    }

    #[inline]
    fn pair(&self, head: &Head) -> (&[u8], &[u8]) {
        let value_at = head.body + head.inline_key_len();
        let key = if head.key_is_large { self.large(head.key) } else { &self.block()[head.body..value_at] };
        let value =
            if head.value_is_large { self.large(head.value) } else { &self.block()[value_at..value_at + head.value] };
        (key, value)
    }

    /// All entries.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        (0..self.len()).map(|place| self.entry(place))
    }

    /// Place of an entry with this hash and deadline.
    pub(super) fn find_due(&self, hash: u64, deadline: i64) -> Option<usize> {
        (0..self.len()).find(|&place| {
            self.block()[place] == hash as u8
                && self.deadline(place) == Some(deadline)
                && hash_bytes(self.entry(place).0) == hash
        })
    }

    /// Adds an entry whose key is not here yet.
    pub(super) fn insert(&mut self, hash: u64, key: &[u8], value: &[u8], deadline: Option<i64>) {
        let (key_word, key) = self.stored(key, KEY_INLINE_MAX, KEY_FLAG_BITS, KEY_LARGE);
        let (value_word, value) = self.stored(value, VALUE_INLINE_MAX, VALUE_FLAG_BITS, VALUE_LARGE);
        let (timed, deadline_size) = if deadline.is_some() { (KEY_TIMED, DEADLINE_SIZE) } else { (0, 0) };
        let size = varint_len(key_word) + varint_len(value_word) + deadline_size + key.len() + value.len();
        let place = self.len();
        self.reserve(place + 1, size);
        let at = self.used();
        let offset = at - self.entries_at();
        let (header, block) = self.parts();
        let mut out = Writer { block, at };
        out.varint(key_word | timed);
        out.varint(value_word);
        if let Some(deadline) = deadline {
            out.bytes(&deadline.to_le_bytes());
        }
        out.bytes(key);
        out.bytes(value);
        header.used = out.at as u32;
        header.count += 1;
        block[place] = hash as u8;
        write_offset(header, block, place, offset);
    }

    /// Sets or clears the deadline at a place.
    pub(super) fn set_deadline(&mut self, place: usize, deadline: Option<i64>) {
        self.reserve(0, DEADLINE_SIZE);
        let start = self.start(place);
        let head = self.head(start);
        if head.is_timed() != deadline.is_some() {
            let (old_size, size) = if head.is_timed() { (DEADLINE_SIZE, 0) } else { (0, DEADLINE_SIZE) };
            self.resize_gap(head.lengths_end, old_size, size);
            // The flag is in the first byte of the key's length, whose size stays.
            self.parts().1[start] ^= KEY_TIMED as u8;
            self.move_offsets_behind(start, size as isize - old_size as isize);
        }
        if let Some(deadline) = deadline {
            let block = self.parts().1;
            block[head.lengths_end..head.lengths_end + DEADLINE_SIZE].copy_from_slice(&deadline.to_le_bytes());
        }
        self.shrink();
    }

    /// Replaces the value at a place; its deadline stays.
    #[inline]
    pub(super) fn replace(&mut self, place: usize, value: &[u8]) {
        let head = self.head(self.start(place));
        let value_at = head.body + head.inline_key_len();
        if !head.value_is_large && head.value == value.len() {
            if !value.is_empty() {
                self.parts().1[value_at..value_at + value.len()].copy_from_slice(value);
            }
            return;
        }
        self.replace_by_another_length(place, value);
    }

    fn replace_by_another_length(&mut self, place: usize, value: &[u8]) {
        let (word, value) = self.stored(value, VALUE_INLINE_MAX, VALUE_FLAG_BITS, VALUE_LARGE);
        self.reserve(0, varint_len(word) + value.len());
        let start = self.start(place);
        let head = self.head(start);
        let value_at = head.body + head.inline_key_len();
        if head.value_is_large {
            self.free_large(head.value);
        }
        // First the body, then the varint before the key: each may change its size.
        self.resize_gap(value_at, head.inline_value_len(), value.len());
        self.parts().1[value_at..value_at + value.len()].copy_from_slice(value);
        let word_at = start + read_varint(self.block(), start).1;
        let word_len = varint_len(word);
        let old_word_len = head.lengths_end - word_at;
        self.resize_gap(word_at, old_word_len, word_len);
        write_varint(&mut self.parts().1[word_at..word_at + word_len], word);
        let grown = (value.len() + word_len) as isize - (head.inline_value_len() + old_word_len) as isize;
        self.move_offsets_behind(start, grown);
        self.shrink();
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
        self.take_out(start, head.end() - start);
        let last = self.len() - 1;
        let offset = self.offset(last);
        let (header, block) = self.parts();
        block[place] = block[last];
        write_offset(header, block, place, offset);
        header.count -= 1;
        self.shrink();
    }

    /// Takes the bytes of an entry out. Where the one that ends last is as long, it moves into the gap, which touches less
    /// memory than moving all that follow.
    fn take_out(&mut self, start: usize, size: usize) {
        let tail = self.used() - size;
        let ends_last = |place: &usize| self.head(self.start(*place)).end() == self.used();
        let Some(mover) = self.place_of_offset(tail - self.entries_at()).filter(ends_last) else {
            self.move_offsets_behind(start, -(size as isize));
            self.resize_gap(start, size, 0);
            return;
        };
        let offset = start - self.entries_at();
        let (header, block) = self.parts();
        block.copy_within(tail..tail + size, start);
        write_offset(header, block, mover, offset);
        header.used = tail as u32;
    }

    /// The place of the entry at this offset.
    fn place_of_offset(&self, offset: usize) -> Option<usize> {
        let (slots, count) = (self.slots(), self.len());
        if self.0.header.offset_size as usize == NARROW {
            let wanted = (offset as u16).to_le_bytes();
            return self.block()[slots..slots + count * NARROW].as_chunks().0.iter().position(|bytes| *bytes == wanted);
        }
        (0..count).find(|place| self.offset(*place) == offset)
    }

    /// True if the leaf is to be split.
    pub(super) fn is_full(&self) -> bool {
        self.len() > ENTRIES_MAX || (self.used() > BLOCK_MAX && self.len() > ENTRIES_MIN)
    }

    /// Two leaves: the entries for which `goes_right` is false, and the others.
    pub(super) fn split(&self, goes_right: impl Fn(&[u8]) -> bool) -> [Leaf; 2] {
        let sides: Vec<bool> = self.iter().map(|(key, _)| goes_right(key)).collect();
        [false, true].map(|side| self.part(|place| sides[place] == side, 1))
    }

    /// The entries whose flag is set.
    pub(super) fn retained(&self, kept: &[bool]) -> Leaf {
        self.part(|place| kept[place], 0)
    }

    /// A leaf of the entries at some places, with at least so many slots to spare.
    fn part(&self, belongs: impl Fn(usize) -> bool, spare: usize) -> Leaf {
        let (mut count, mut bytes) = (0, 0);
        for place in (0..self.len()).filter(|place| belongs(*place)) {
            let start = self.start(place);
            count += 1;
            bytes += self.head(start).end() - start;
        }
        if count == 0 {
            return Leaf::default();
        }
        let mut part = Leaf::with_room(count + spare, bytes);
        for place in (0..self.len()).filter(|place| belongs(*place)) {
            let (key, value, deadline) = self.timed_entry(place);
            part.insert(u64::from(self.block()[place]), key, value, deadline);
        }
        part
    }

    /// True if `other` is so small that it was added to this leaf.
    pub(super) fn absorb(&mut self, other: &Leaf) -> bool {
        if self.len() + other.len() > MERGE_ENTRIES_MAX || self.used() + other.used() > BLOCK_MAX / 2 {
            return false;
        }
        for place in 0..other.len() {
            let (key, value, deadline) = other.timed_entry(place);
            self.insert(u64::from(other.block()[place]), key, value, deadline);
        }
        true
    }

    /// Bytes allocated.
    pub(super) fn memory_bytes(&self) -> usize {
        let large = self.0.header.large.as_deref();
        let large = large.map_or(0, |all| all.iter().map(|one| one.len() + size_of::<Bytes>()).sum());
        HEAD_SIZE + self.block().len() + large
    }

    #[inline]
    fn entries_at(&self) -> usize {
        self.slots() * (1 + self.0.header.offset_size as usize)
    }

    #[inline]
    fn offset(&self, place: usize) -> usize {
        read_offset(&self.0.header, self.block(), place)
    }

    /// Where in the block the entry at a place begins.
    #[inline]
    fn start(&self, place: usize) -> usize {
        self.entries_at() + self.offset(place)
    }

    #[inline]
    fn head(&self, start: usize) -> Head {
        let block = self.block();
        let (key_word, key_size) = read_varint(block, start);
        let (value_word, value_size) = read_varint(block, start + key_size);
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
        let (header, block) = self.parts();
        let (slots, count) = (header.slots as usize, header.count as usize);
        if header.offset_size as usize == NARROW {
            // Without a branch for each, so that several go at once. Differences of 16 bits wrap as the offsets do.
            let (behind, by) = (behind as u16, by as u16);
            for bytes in block[slots..slots + count * NARROW].as_chunks_mut().0 {
                let offset = u16::from_le_bytes(*bytes);
                *bytes = offset.wrapping_add(if offset > behind { by } else { 0 }).to_le_bytes();
            }
            return;
        }
        for place in 0..count {
            let offset = read_offset(header, block, place);
            if offset > behind {
                write_offset(header, block, place, offset.strict_add_signed(by));
            }
        }
    }

    /// Makes room for so many entries in all, and for `extra` more bytes of them. Offsets and places stay; where entries
    /// begin may not.
    #[inline]
    fn reserve(&mut self, entries: usize, extra: usize) {
        let bytes = self.used() - self.entries_at() + extra;
        let is_wide_enough = bytes <= NARROW_BYTES_MAX || self.0.header.offset_size as usize == WIDE;
        if entries > self.slots() || self.used() + extra > self.block().len() || !is_wide_enough {
            self.reshape(self.slots().max(entries.next_multiple_of(SLOT_STEP)), bytes);
        }
    }

    /// Moves everything to a leaf with so many slots, and with room for so many bytes of entries.
    #[cold]
    fn reshape(&mut self, slots: usize, bytes: usize) {
        let offset_size = if bytes <= NARROW_BYTES_MAX { NARROW } else { WIDE };
        let entries_at = slots * (1 + offset_size);
        let size = base::size_class(HEAD_SIZE + entries_at + bytes) - HEAD_SIZE;
        let old = &self.block()[self.entries_at()..self.used()];
        let header = Header {
            slots: slots as u32,
            used: (entries_at + old.len()) as u32,
            offset_size: offset_size as u32,
            ..self.0.header.clone()
        };
        let mut moved = Leaf::zeroed(header, size);
        let (header, block) = moved.parts();
        block[..self.len()].copy_from_slice(&self.block()[..self.len()]);
        block[entries_at..entries_at + old.len()].copy_from_slice(old);
        for place in 0..self.len() {
            write_offset(header, block, place, self.offset(place));
        }
        *self = moved;
    }

    /// Gives memory back once less than half of it is used.
    #[inline]
    fn shrink(&mut self) {
        if self.block().len() > 64 && self.used() < self.block().len() / 2 {
            self.reshape((self.len() + 1).next_multiple_of(SLOT_STEP), self.used() - self.entries_at());
        }
    }

    /// Replaces `old_len` bytes at `at` by `new_len` bytes of unspecified content, moving what follows. There is room.
    fn resize_gap(&mut self, at: usize, old_len: usize, new_len: usize) {
        let (header, block) = self.parts();
        block.copy_within(at + old_len..header.used as usize, at + new_len);
        header.used = header.used - old_len as u32 + new_len as u32;
    }

    /// The head's word for a key or value, and the part of it that is stored inline.
    fn stored<'a>(&mut self, text: &'a [u8], inline_max: usize, flag_bits: u32, flag: usize) -> (usize, &'a [u8]) {
        if text.is_empty() || text.len() <= inline_max && self.used() < COLLIDING_BLOCK_MAX {
            return (text.len() << flag_bits, text);
        }
        let place = self.keep_large(Bytes::copy_from_slice(text));
        (place << flag_bits | flag, &[])
    }

    fn large(&self, place: usize) -> &[u8] {
        &self.0.header.large.as_deref().expect("an entry with the flag has a place in large")[place]
    }

    fn keep_large(&mut self, text: Bytes) -> usize {
        let all = self.parts().0.large.get_or_insert_default();
        if let Some(place) = all.iter().position(Bytes::is_empty) {
            all[place] = text;
            return place;
        }
        all.push(text);
        all.len() - 1
    }

    fn free_large(&mut self, place: usize) {
        let large = &mut self.parts().0.large;
        let all = large.as_deref_mut().expect("an entry with the flag has a place in large");
        all[place] = Bytes::new();
        if all.iter().all(Bytes::is_empty) {
            *large = None;
        }
    }
}

/// A value in 7-bit groups, low ones first, and its size.
#[inline]
pub(super) fn read_varint(bytes: &[u8], at: usize) -> (usize, usize) {
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

/// Appends a number.
#[inline]
pub(super) fn push_varint(out: &mut Vec<u8>, value: usize) {
    match u8::try_from(value) {
        Ok(byte @ ..0x80) => out.push(byte),
        _ => {
            let start = out.len();
            out.resize(start + varint_len(value), 0);
            write_varint(&mut out[start..], value);
        }
    }
}

fn write_varint(out: &mut [u8], mut value: usize) {
    let last = out.len() - 1;
    for (place, byte) in out.iter_mut().enumerate() {
        *byte = (value & 0x7F) as u8 | if place < last { 0x80 } else { 0 };
        value >>= 7;
    }
}

#[inline]
fn read_offset(header: &Header, block: &[u8], place: usize) -> usize {
    let slots = header.slots as usize;
    if header.offset_size as usize == NARROW {
        let bytes = block[slots + place * NARROW..].first_chunk().expect("a slot has an offset");
        usize::from(u16::from_le_bytes(*bytes))
    } else {
        let bytes = block[slots + place * WIDE..].first_chunk().expect("a slot has an offset");
        u32::from_le_bytes(*bytes) as usize
    }
}

fn write_offset(header: &Header, block: &mut [u8], place: usize, offset: usize) {
    let slots = header.slots as usize;
    if header.offset_size as usize == NARROW {
        let at = slots + place * NARROW;
        let offset = u16::try_from(offset).expect("a leaf with more bytes has wide offsets");
        block[at..at + NARROW].copy_from_slice(&offset.to_le_bytes());
    } else {
        let at = slots + place * WIDE;
        let offset = u32::try_from(offset).expect("gigabytes of keys with one hash: the hash seed must be kept secret");
        block[at..at + WIDE].copy_from_slice(&offset.to_le_bytes());
    }
}

/// Writes an entry into the room that was made for it.
struct Writer<'a> {
    block: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.block[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn varint(&mut self, value: usize) {
        let size = varint_len(value);
        write_varint(&mut self.block[self.at..self.at + size], value);
        self.at += size;
    }
}
