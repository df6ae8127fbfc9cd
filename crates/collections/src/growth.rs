//! How byte blocks grow: by the allocator's size classes instead of doubling, so that little is wasted while growth
//! stays amortised (a block grows by at least an eighth).

use base::size_class;

/// Makes room for `extra` more bytes.
pub(crate) fn reserve(bytes: &mut Vec<u8>, extra: usize) {
    let wanted = bytes.len() + extra;
    if wanted > bytes.capacity() {
        bytes.reserve_exact(size_class(wanted) - bytes.len());
    }
}

/// A block of bytes that knows its room, two words wide: a vector whose length stands elsewhere, in the bytes themselves.
pub(crate) type Block = Box<[u8]>;

/// Replaces `old_len` bytes at `at` by `new_len` bytes of unspecified content, moving what follows, in a block of which
/// the first `len` bytes are used. Behind them is room; memory is given back once less than half of it is used.
pub(crate) fn resize_block(block: &mut Block, len: usize, at: usize, old_len: usize, new_len: usize) {
    let other_room = other_room(block.len(), len - old_len + new_len);
    if let Some(room) = other_room
        && room > block.len()
    {
        set_room(block, room);
    }
    if old_len != new_len {
        block.copy_within(at + old_len..len, at + new_len);
    }
    if let Some(room) = other_room
        && room < block.len()
    {
        set_room(block, room);
    }
}

/// What room a block is to have instead of its own when `wanted` bytes are to be used, if another.
#[inline]
pub(crate) fn other_room(room: usize, wanted: usize) -> Option<usize> {
    let is_mostly_unused = room > 64 && wanted < room / 2;
    (wanted > room || is_mostly_unused).then(|| size_class(wanted))
}

fn set_room(block: &mut Block, room: usize) {
    let mut bytes = std::mem::take(block).into_vec();
    bytes.reserve_exact(room.saturating_sub(bytes.len()));
    bytes.resize(room, 0);
    *block = bytes.into_boxed_slice();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_keeps_room_when_it_grows_and_gives_it_back_when_little_is_used() {
        let mut block: Block = b"abcdef".to_vec().into_boxed_slice();
        resize_block(&mut block, 6, 2, 1, 3);
        assert_eq!((&block[..2], &block[5..8], block.len()), (&b"ab"[..], &b"def"[..], 16));
        resize_block(&mut block, 8, 2, 3, 200);
        assert_eq!((&block[..2], &block[202..205], block.len()), (&b"ab"[..], &b"def"[..], 224));
        resize_block(&mut block, 205, 2, 200, 0);
        assert_eq!((&block[..5], block.len()), (&b"abdef"[..], 16));
    }
}
