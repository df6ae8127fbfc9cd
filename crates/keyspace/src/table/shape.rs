//! Where the parts of an entry stand, and how large its allocation is: what its flags and lengths say (see `entry.rs`).

use super::entry::NewValue;
use std::alloc::Layout;

/// The bits of the flags that say what is held.
pub(super) const KIND: u8 = 3;
pub(super) const KIND_BYTES: u8 = 0;
pub(super) const KIND_INT: u8 = 1;
pub(super) const KIND_OBJECT: u8 = 2;
/// A flag: there is a deadline.
pub(super) const TTL: u8 = 4;
/// A flag: the lengths do not fit the header.
pub(super) const LONG: u8 = 8;

/// Flags and lengths of an entry, from which all offsets follow.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub flags: u8,
    pub key_len: usize,
    pub value_len: usize,
}

impl Shape {
    pub fn new<V>(key_len: usize, value: &NewValue<'_, V>, ttl: bool) -> Shape {
        let (kind, value_len) = match value {
            NewValue::Bytes(bytes) => (KIND_BYTES, bytes.len()),
            NewValue::Int(_) => (KIND_INT, 0),
            NewValue::Object(_) => (KIND_OBJECT, 0),
        };
        Shape { flags: kind | if ttl { TTL } else { 0 }, key_len, value_len }.with_length_flag()
    }

    pub fn with_length_flag(mut self) -> Shape {
        assert!(self.key_len <= u32::MAX as usize && self.value_len <= u32::MAX as usize, "inline data above 4 GiB");
        let long = self.key_len > u8::MAX as usize || self.value_len > u16::MAX as usize;
        self.flags = if long { self.flags | LONG } else { self.flags & !LONG };
        self
    }

    #[inline]
    pub fn ttl_at(self) -> usize {
        if self.flags & LONG != 0 { 16 } else { 8 }
    }

    /// Offset of the integer or object.
    #[inline]
    pub fn fixed_at(self) -> usize {
        self.ttl_at() + if self.flags & TTL != 0 { 8 } else { 0 }
    }

    #[inline]
    pub fn key_at<V>(self) -> usize {
        self.fixed_at()
            + match self.flags & KIND {
                KIND_BYTES => 0,
                KIND_INT => 8,
                _ => size_of::<V>(),
            }
    }

    #[inline]
    pub fn value_at<V>(self) -> usize {
        self.key_at::<V>() + self.key_len
    }

    #[inline]
    pub fn end<V>(self) -> usize {
        self.value_at::<V>() + self.value_len
    }

    /// Bytes to allocate: rounded up as jemalloc does, so that a value that changes its length a little stays in place.
    #[inline]
    pub fn allocation<V>(self) -> usize {
        base::size_class(self.end::<V>())
    }

    #[inline]
    pub fn layout<V>(self) -> Layout {
        const { assert!(align_of::<V>() <= 8, "entries are 8-aligned") };
        Layout::from_size_align(self.allocation::<V>(), 8).expect("below 9 GiB")
    }
}
