//! One block: a header and 1 to 16 cache lines of slots (more only under hash flooding).
//!
//! ```text
//! line 0   epoch u32, count u32 | displaced u16, depth u8 | 6 slots
//! line n   8 slots
//! slot     tag 16 bits | entry address 48 bits; the address is 8-aligned, its low bits are flags:
//!          bit 0 SHARED    a snapshot older than this block may see the entry
//!          bit 1 OVERFLOW  (last slot of a line only, empty or not) keys at home here stand in later lines
//! ```
//!
//! A key's home line is chosen by its tag; it stands there or, if that was full, in the next line with room, and then
//! every line on the way has its OVERFLOW mark. Marks are cleared when no key is displaced any more.
//!
//! Invariant: a `Block` word holds line count and address of one live, 64-aligned allocation of that many lines. Blocks
//! do not own entries. Who may write or free a block is decided by the table's rule (see `reclaim.rs`).

use base::prefetch;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr;

/// The entry may be visible to a snapshot through an older block.
pub(super) const SHARED: u64 = 1;
const OVERFLOW: u64 = 2;
const ADDRESS: u64 = ((1 << 48) - 1) & !7;
const LINE_SLOTS: usize = 8;
/// Slots of line 0 that the header takes.
const HEADER_SLOTS: usize = 2;
/// Largest block that a block grows to before it splits.
pub(super) const LINES_MAX: usize = 16;

#[repr(C)]
struct Header {
    epoch: u32,
    count: u32,
    displaced: u16,
    depth: u8,
    /// No byte of the first two words is without a value: they are read as slots are.
    unused: [u8; 5],
}

/// Line count (16 bits) and address (48 bits) of a block. All methods want it live; those that write want it exclusive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Block(u64);

/// The tag of a hash: its low 16 bits, never 0, so that an empty slot matches none.
#[inline]
pub(super) fn tag_of(hash: u64) -> u64 {
    (hash & 0xffff).max(1)
}

/// The slot word of an entry.
#[inline]
pub(super) fn slot_word(tag: u64, address: u64) -> u64 {
    debug_assert!(address & !ADDRESS == 0);
    tag << 48 | address
}

/// The entry address in a slot word; 0 if the slot is empty.
#[inline]
pub(super) fn address_of(word: u64) -> u64 {
    word & ADDRESS
}

/// Which slots of a line have this tag: one bit each.
#[cfg(target_arch = "x86_64")]
#[inline]
fn slots_with(words: &[u64; LINE_SLOTS], tag: u64) -> u32 {
    use std::arch::x86_64::{
        __m128i, _mm_castps_si128, _mm_castsi128_ps, _mm_cmpeq_epi16, _mm_loadu_si128, _mm_movemask_epi8,
        _mm_packs_epi16, _mm_packs_epi32, _mm_set1_epi16, _mm_setzero_si128, _mm_shuffle_ps, _mm_srai_epi32,
    };
    // The upper halves of four words; their own upper halves are the tags.
    const UPPER: i32 = 0b11_01_11_01;
    // SAFETY: SSE2 is part of every x86-64; the loads are of two words each within the line, at any alignment.
    unsafe {
        let two = |at: usize| _mm_castsi128_ps(_mm_loadu_si128(words.as_ptr().add(at).cast::<__m128i>()));
        let tags = |halves| _mm_srai_epi32::<16>(_mm_castps_si128(halves));
        let low = tags(_mm_shuffle_ps::<UPPER>(two(0), two(2)));
        let high = tags(_mm_shuffle_ps::<UPPER>(two(4), two(6)));
        let equal = _mm_cmpeq_epi16(_mm_packs_epi32(low, high), _mm_set1_epi16(tag as i16));
        _mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128())) as u32
    }
}

/// As `slots_with`, for any processor.
#[cfg(any(test, not(target_arch = "x86_64")))]
#[inline]
fn slots_with_any(words: &[u64; LINE_SLOTS], tag: u64) -> u32 {
    words.iter().enumerate().map(|(at, word)| u32::from(word >> 48 == tag) << at).sum()
}

#[cfg(not(target_arch = "x86_64"))]
use slots_with_any as slots_with;

/// Entries at which a block of so many lines grows or splits.
#[inline]
pub(super) fn fill_max(lines: usize) -> usize {
    let slots = lines * LINE_SLOTS - HEADER_SLOTS;
    if lines == 1 { slots } else { slots * 7 / 8 }
}

/// The fewest lines that hold `count` entries and one more.
pub(super) fn lines_for(count: usize) -> usize {
    let mut lines = 1;
    while fill_max(lines) <= count {
        lines += (lines / 4).clamp(1, 2).max(if lines >= LINES_MAX { lines / 2 } else { 0 });
    }
    assert!(lines <= u16::MAX as usize, "half a million keys of one hash");
    lines
}

impl Block {
    /// An empty block.
    pub(super) fn new(lines: usize, depth: u8, epoch: u32) -> Block {
        let layout = Block::layout(lines);
        // SAFETY: the layout is at least 64 bytes.
        let base = unsafe { alloc_zeroed(layout) };
        if base.is_null() {
            handle_alloc_error(layout);
        }
        let address = base.expose_provenance() as u64;
        assert!(address >> 48 == 0, "the allocator gave an address above 48 bits");
        let block = Block((lines as u64) << 48 | address);
        // SAFETY: fresh allocation.
        unsafe { block.header().write(Header { epoch, count: 0, displaced: 0, depth, unused: [0; 5] }) };
        block
    }

    fn layout(lines: usize) -> Layout {
        Layout::from_size_align(lines * 64, 64).expect("at most 4 MiB")
    }

    /// The word kept in a chunk's directory.
    #[inline]
    pub(super) fn word(self) -> u64 {
        self.0
    }

    /// The inverse of `word`.
    #[inline]
    pub(super) fn from_word(word: u64) -> Block {
        Block(word)
    }

    #[inline]
    pub(super) fn lines(self) -> usize {
        (self.0 >> 48) as usize
    }

    /// Bytes of the allocation.
    #[inline]
    pub(super) fn allocation(self) -> usize {
        self.lines() * 64
    }

    #[inline]
    fn header(self) -> *mut Header {
        ptr::with_exposed_provenance_mut((self.0 & ADDRESS) as usize)
    }

    #[inline]
    fn slots(self) -> *mut u64 {
        self.header().cast()
    }

    /// # Safety
    /// Live.
    #[inline]
    pub(super) unsafe fn epoch(self) -> u32 {
        // SAFETY: live.
        unsafe { (*self.header()).epoch }
    }

    /// Leading hash bits that all keys of the block have in common.
    ///
    /// # Safety
    /// Live.
    #[inline]
    pub(super) unsafe fn depth(self) -> u8 {
        // SAFETY: live.
        unsafe { (*self.header()).depth }
    }

    /// # Safety
    /// Live.
    #[inline]
    pub(super) unsafe fn count(self) -> usize {
        // SAFETY: live.
        unsafe { (*self.header()).count as usize }
    }

    #[inline]
    fn home(self, tag: u64) -> usize {
        (tag as usize * self.lines()) >> 16
    }

    /// Asks the processor for the line where this hash is at home.
    #[inline]
    pub(super) fn prefetch(self, hash: u64) {
        let line = self.home(tag_of(hash)) * LINE_SLOTS;
        prefetch(self.slots().wrapping_add(line).cast());
    }

    /// Asks the processor for the header, which every change needs.
    #[inline]
    pub(super) fn prefetch_header(self) {
        prefetch(self.slots().cast());
    }

    /// The index and word of the first slot with this tag that `is_it` accepts.
    ///
    /// # Safety
    /// Live and unchanging during the call.
    #[inline]
    pub(super) unsafe fn find(self, tag: u64, mut is_it: impl FnMut(u64) -> bool) -> Option<(usize, u64)> {
        let lines = self.lines();
        let mut line = self.home(tag);
        for _ in 0..lines {
            let first = line * LINE_SLOTS;
            // SAFETY: `line < lines`, so its 8 words are inside the allocation.
            let words = unsafe { &*self.slots().add(first).cast::<[u64; LINE_SLOTS]>() };
            let mut matches = slots_with(words, tag);
            if line == 0 {
                matches &= !((1 << HEADER_SLOTS) - 1);
            }
            while matches != 0 {
                let at = matches.trailing_zeros() as usize;
                if is_it(words[at]) {
                    return Some((first + at, words[at]));
                }
                matches &= matches - 1;
            }
            if words[LINE_SLOTS - 1] & OVERFLOW == 0 {
                return None;
            }
            line = if line + 1 == lines { 0 } else { line + 1 };
        }
        None
    }

    /// Adds a slot word and returns its index.
    ///
    /// # Safety
    /// Exclusive, with a free slot.
    pub(super) unsafe fn insert(self, word: u64) -> usize {
        let lines = self.lines();
        let home = self.home(word >> 48);
        let mut line = home;
        for _ in 0..lines {
            let first = if line == 0 { HEADER_SLOTS } else { line * LINE_SLOTS };
            let end = (line + 1) * LINE_SLOTS;
            for at in first..end {
                // SAFETY: `at` is a slot of the allocation; exclusive.
                unsafe {
                    let slot = self.slots().add(at);
                    if *slot & ADDRESS == 0 {
                        *slot = word | (*slot & OVERFLOW);
                        let header = self.header();
                        (*header).count += 1;
                        if line != home {
                            (*header).displaced = (*header).displaced.saturating_add(1);
                        }
                        return at;
                    }
                }
            }
            // SAFETY: the last slot of a line of the allocation; exclusive.
            unsafe { *self.slots().add(end - 1) |= OVERFLOW };
            line = if line + 1 == lines { 0 } else { line + 1 };
        }
        unreachable!("a block grows before it is full");
    }

    /// Empties a slot.
    ///
    /// # Safety
    /// Exclusive; `at` is a slot in use.
    pub(super) unsafe fn remove(self, at: usize) {
        // SAFETY: exclusive; `at` and the lines' last slots are inside the allocation.
        unsafe {
            let (slot, header) = (self.slots().add(at), self.header());
            let home = self.home(*slot >> 48);
            *slot &= OVERFLOW;
            (*header).count -= 1;
            // A saturated count is no longer exact: the marks stay until the block is rebuilt.
            if at / LINE_SLOTS != home && (*header).displaced != u16::MAX {
                (*header).displaced -= 1;
                if (*header).displaced == 0 {
                    for line in 1..=self.lines() {
                        *self.slots().add(line * LINE_SLOTS - 1) &= !OVERFLOW;
                    }
                }
            }
        }
    }

    /// Puts another entry of the same key into a slot.
    ///
    /// # Safety
    /// Exclusive; `at` is a slot in use; `word` has the same tag.
    #[inline]
    pub(super) unsafe fn replace(self, at: usize, word: u64) {
        // SAFETY: exclusive, inside the allocation.
        unsafe {
            let slot = self.slots().add(at);
            *slot = word | (*slot & OVERFLOW);
        }
    }

    /// The words in use, each without its OVERFLOW mark.
    ///
    /// # Safety
    /// Live and, while the iterator is used, written by nobody.
    pub(super) unsafe fn words(self) -> impl Iterator<Item = u64> {
        let slots = self.slots();
        (HEADER_SLOTS..self.lines() * LINE_SLOTS).filter_map(move |at| {
            // SAFETY: inside the allocation, live by the caller's promise.
            let word = unsafe { *slots.add(at) };
            (word & ADDRESS != 0).then_some(word & !OVERFLOW)
        })
    }

    /// The word in slot `at`, counted over all slots; `None` if it is empty.
    ///
    /// # Safety
    /// Live; `at < slot_count()`.
    pub(super) unsafe fn word_at(self, at: usize) -> Option<u64> {
        // SAFETY: inside the allocation.
        let word = unsafe { *self.slots().add(at + HEADER_SLOTS) };
        (word & ADDRESS != 0).then_some(word & !OVERFLOW)
    }

    /// Slots in all.
    pub(super) fn slot_count(self) -> usize {
        self.lines() * LINE_SLOTS - HEADER_SLOTS
    }

    /// A copy with every slot at the same index, marked shared.
    ///
    /// # Safety
    /// Live and unchanging during the call.
    pub(super) unsafe fn copy_shared(self, epoch: u32) -> Block {
        // SAFETY: both allocations have the same number of lines; the copy is known to nobody.
        unsafe {
            let copy = Block::new(self.lines(), self.depth(), epoch);
            ptr::copy_nonoverlapping(self.slots(), copy.slots(), self.lines() * LINE_SLOTS);
            (*copy.header()).epoch = epoch;
            for at in HEADER_SLOTS..self.lines() * LINE_SLOTS {
                let slot = copy.slots().add(at);
                *slot |= u64::from(*slot & ADDRESS != 0) * SHARED;
            }
            copy
        }
    }

    /// Frees the node, not its entries.
    ///
    /// # Safety
    /// Live, and nobody uses it now or later.
    pub(super) unsafe fn free(self) {
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.slots().cast(), Block::layout(self.lines())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_found_by_their_tags_and_by_nothing_else() {
        for tag in [1, 2, 0x7fff, 0x8000, 0x8001, 0xffff] {
            for (wanted, bit) in (0..1u32 << LINE_SLOTS).flat_map(|wanted| (0..16).map(move |bit| (wanted, bit))) {
                // All others differ in one bit of the tag; the addresses are full of what might be taken for it.
                let word = |at: usize| {
                    let has_it = wanted >> at & 1 != 0;
                    let own = if has_it { tag } else { tag ^ 1 << ((bit + at) % 16) };
                    own << 48 | tag << 32 | tag << 16 | tag
                };
                let words = std::array::from_fn(word);
                assert_eq!(slots_with(&words, tag), wanted, "tag {tag:#x}, bit {bit}");
                assert_eq!(slots_with_any(&words, tag), wanted, "tag {tag:#x}, bit {bit}");
            }
        }
    }
}
