//! One chunk: a directory of up to 512 blocks for one hash prefix.
//!
//! ```text
//! header  epoch u32, depth u8 (hash bits all keys have in common), bits u8 (hash bits the directory decides, 0 to 9)
//! word[i] block of the keys whose next `bits` hash bits are i; a block of less depth stands in several words
//! ```
//!
//! Invariant: a `Chunk` points to one live allocation of a header and `1 << bits` words. Header fields never change;
//! a word that a walker may still read never changes either (the chunk is copied first), words behind it do: so words
//! are only touched through raw pointers, one by one, never as a slice. Chunks do not own blocks.

use super::block::Block;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// Most hash bits that one directory decides.
pub(super) const BITS_MAX: u8 = 9;

#[repr(C)]
struct Header {
    epoch: u32,
    depth: u8,
    bits: u8,
}

/// A pointer to a chunk. All methods want it live; those that write want the written words read by nobody else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Chunk(NonNull<Header>);

/// The `bits` hash bits that follow the first `depth`.
#[inline]
pub(super) fn bits_at(hash: u64, depth: u8, bits: u8) -> usize {
    (((hash << depth) >> 1) >> (63 - bits)) as usize
}

/// The last hash that has its first `depth` bits in common with `hash`.
#[inline]
pub(super) fn last_of(hash: u64, depth: u8) -> u64 {
    hash | u64::MAX.checked_shr(u32::from(depth)).unwrap_or(0)
}

/// The first such hash.
#[inline]
pub(super) fn first_of(hash: u64, depth: u8) -> u64 {
    hash & !u64::MAX.checked_shr(u32::from(depth)).unwrap_or(0)
}

impl Chunk {
    /// A chunk whose word `i` is `block(i)`.
    pub(super) fn new(depth: u8, bits: u8, epoch: u32, mut block: impl FnMut(usize) -> Block) -> Chunk {
        let layout = Chunk::layout(bits);
        // SAFETY: the layout is at least 16 bytes.
        let base = unsafe { alloc(layout) }.cast::<Header>();
        let Some(base) = NonNull::new(base) else { handle_alloc_error(layout) };
        let chunk = Chunk(base);
        // SAFETY: fresh allocation with room for the header and these words.
        unsafe {
            base.write(Header { epoch, depth, bits });
            for at in 0..1 << bits {
                chunk.word(at).write(block(at).word());
            }
        }
        chunk
    }

    fn layout(bits: u8) -> Layout {
        Layout::from_size_align(8 + (8 << bits), 8).expect("at most 4 KiB")
    }

    /// Bytes of the allocation.
    ///
    /// # Safety
    /// Live.
    pub(super) unsafe fn allocation(self) -> usize {
        // SAFETY: live.
        Chunk::layout(unsafe { self.bits() }).size()
    }

    /// # Safety
    /// `at < 1 << bits`.
    #[inline]
    unsafe fn word(self, at: usize) -> *mut u64 {
        // SAFETY: the words follow the 8-byte header.
        unsafe { self.0.as_ptr().cast::<u64>().add(1 + at) }
    }

    /// As a number, for the list of retired nodes.
    pub(super) fn address(self) -> u64 {
        self.0.as_ptr().expose_provenance() as u64
    }

    /// The inverse of `address`.
    ///
    /// # Safety
    /// `address` came from `address()` of a chunk.
    pub(super) unsafe fn from_address(address: u64) -> Chunk {
        let base = std::ptr::with_exposed_provenance_mut(address as usize);
        // SAFETY: chunks are never at address 0.
        Chunk(unsafe { NonNull::new_unchecked(base) })
    }

    /// # Safety
    /// Live.
    #[inline]
    pub(super) unsafe fn epoch(self) -> u32 {
        // SAFETY: live.
        unsafe { (*self.0.as_ptr()).epoch }
    }

    /// # Safety
    /// Live.
    #[inline]
    pub(super) unsafe fn depth(self) -> u8 {
        // SAFETY: live.
        unsafe { (*self.0.as_ptr()).depth }
    }

    /// # Safety
    /// Live.
    #[inline]
    pub(super) unsafe fn bits(self) -> u8 {
        // SAFETY: live.
        unsafe { (*self.0.as_ptr()).bits }
    }

    /// The block of a hash.
    ///
    /// # Safety
    /// Live; the word is written by nobody meanwhile.
    #[inline]
    pub(super) unsafe fn block(self, hash: u64) -> Block {
        // SAFETY: `bits_at` yields an index below `1 << bits`.
        unsafe {
            let header = &*self.0.as_ptr();
            Block::from_word(self.word(bits_at(hash, header.depth, header.bits)).read())
        }
    }

    /// The block in word `at`.
    ///
    /// # Safety
    /// As `block`; `at < 1 << bits`.
    #[inline]
    pub(super) unsafe fn block_at(self, at: usize) -> Block {
        // SAFETY: the caller's promise.
        Block::from_word(unsafe { self.word(at).read() })
    }

    /// Puts a block of this depth into all words of its prefix.
    ///
    /// # Safety
    /// Live; no walker reads these words now or later; `depth` is from the chunk's depth to depth + bits.
    pub(super) unsafe fn set_block(self, hash: u64, depth: u8, block: Block) {
        // SAFETY: the span lies inside the directory by the bounds of `depth`.
        unsafe {
            let span = 1usize << (self.depth() + self.bits() - depth);
            let first = bits_at(hash, self.depth(), self.bits()) & !(span - 1);
            for at in first..first + span {
                self.word(at).write(block.word());
            }
        }
    }

    /// True if every block stands in at least two words, so that half a directory would do.
    ///
    /// # Safety
    /// Live; written by nobody meanwhile.
    pub(super) unsafe fn can_halve(self) -> bool {
        // SAFETY: indexes below `1 << bits`.
        unsafe {
            self.bits() > 0 && (0..1 << (self.bits() - 1)).all(|at| self.block_at(2 * at) == self.block_at(2 * at + 1))
        }
    }

    /// Frees the node, not its blocks.
    ///
    /// # Safety
    /// Live, and nobody uses it now or later.
    pub(super) unsafe fn free(self) {
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.0.as_ptr().cast(), Chunk::layout(self.bits())) }
    }
}
