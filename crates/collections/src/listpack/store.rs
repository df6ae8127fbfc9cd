//! Where a listpack keeps its bytes: what it asks of a block, and the block that has room at its end only.

use crate::growth::{self, Block};

/// A block that holds a listpack somewhere, with room to grow. It does not know how long the listpack is: that stands in
/// the listpack's own first bytes.
pub trait Store: From<Box<[u8]>> {
    /// The listpack and what room there is behind it.
    fn bytes(&self) -> &[u8];

    /// As `bytes`.
    fn bytes_mut(&mut self) -> &mut [u8];

    /// Replaces `old_len` bytes at `at` by `new_len` bytes of unspecified content, in a listpack of `len` bytes.
    fn resize_gap(&mut self, len: usize, at: usize, old_len: usize, new_len: usize);

    /// Bytes allocated.
    fn room(&self) -> usize;
}

impl Store for Block {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        self
    }

    #[inline]
    fn resize_gap(&mut self, len: usize, at: usize, old_len: usize, new_len: usize) {
        growth::resize_block(self, len, at, old_len, new_len);
    }

    #[inline]
    fn room(&self) -> usize {
        self.len()
    }
}
