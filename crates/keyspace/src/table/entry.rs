//! One entry: header, key and value in a single allocation.
//!
//! ```text
//! 0  lru u32 (atomic) | flags u8 | key length u8 | value length u16
//! 8  [LONG: key length u32, value length u32]      then the short lengths are unused
//!    [TTL: deadline i64]
//!    [integer i64, or the object V]
//!    key bytes
//!    [value bytes]
//! ```
//!
//! Invariant: an `Entry` points to one live allocation of `Shape::allocation` bytes, 8-aligned, whose flags and lengths
//! describe it. It is a plain pointer: who may read, write or free it is decided by the table's rule (see `reclaim.rs`).
//! After an entry is reachable by a snapshot nothing of it changes but the LRU word, which is atomic.

use super::shape::{KIND, KIND_BYTES, KIND_INT, KIND_OBJECT, LONG, Shape, TTL};
use super::sync::{AtomicU32, Ordering};
use base::prefetch;
use std::alloc::{alloc, dealloc, handle_alloc_error};
use std::fmt;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

/// What an entry holds, for reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a, V> {
    /// A byte string stored inline.
    Bytes(&'a [u8]),
    /// An integer stored inline.
    Int(i64),
    /// Anything else.
    Object(&'a V),
}

/// What an entry shall hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewValue<'a, V> {
    /// A byte string below 4 GiB, copied into the entry.
    Bytes(&'a [u8]),
    /// An integer.
    Int(i64),
    /// Anything else, moved in.
    Object(V),
}

/// A payload taken out of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnedValue<V> {
    /// A byte string.
    Bytes(Vec<u8>),
    /// An integer.
    Int(i64),
    /// Anything else: moved out, or cloned if a snapshot still needs it.
    Object(V),
}

/// A key and its value, borrowed from a table or a snapshot.
pub struct EntryRef<'a, V> {
    entry: Entry<V>,
    _borrow: PhantomData<&'a V>,
}

impl<V> Clone for EntryRef<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for EntryRef<'_, V> {}

impl<'a, V> EntryRef<'a, V> {
    /// Borrows an entry.
    ///
    /// # Safety
    /// For `'a` the entry stays allocated and nothing but its LRU word changes.
    #[inline]
    pub(super) unsafe fn new(entry: Entry<V>) -> EntryRef<'a, V> {
        EntryRef { entry, _borrow: PhantomData }
    }

    /// The key's bytes.
    #[inline]
    pub fn key(&self) -> &'a [u8] {
        // SAFETY: valid and unchanging for 'a, by the contract of `new`.
        unsafe { self.entry.key() }
    }

    /// The value.
    #[inline]
    pub fn payload(&self) -> Payload<'a, V> {
        // SAFETY: as in `key`.
        unsafe { self.entry.payload() }
    }

    /// The deadline in Unix milliseconds.
    #[inline]
    pub fn expire_ms(&self) -> Option<i64> {
        // SAFETY: as in `key`.
        unsafe { self.entry.expire_ms() }
    }

    /// The LRU or LFU word.
    #[inline]
    pub fn lru(&self) -> u32 {
        // SAFETY: as in `key`; the word is only accessed atomically.
        unsafe { self.entry.lru_cell() }.load(Ordering::Relaxed)
    }

    /// Sets the LRU or LFU word: allowed on a shared entry too, snapshots may see either value.
    #[inline]
    pub fn set_lru(&self, lru: u32) {
        // SAFETY: as in `lru`.
        unsafe { self.entry.lru_cell() }.store(lru, Ordering::Relaxed);
    }

    /// Bytes of the entry's own allocation (without what an object points to).
    pub fn entry_bytes(&self) -> usize {
        // SAFETY: as in `key`.
        unsafe { self.entry.allocation() }
    }
}

impl<V: fmt::Debug> fmt::Debug for EntryRef<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("EntryRef");
        out.field("key", &self.key()).field("payload", &self.payload()).field("expire_ms", &self.expire_ms()).finish()
    }
}

#[repr(C)]
struct Header {
    lru: AtomicU32,
    flags: u8,
    key_len: u8,
    value_len: u16,
}

/// A pointer to an entry. All methods want it live; those that write want it reachable by nobody else.
pub(super) struct Entry<V> {
    base: NonNull<u8>,
    _object: PhantomData<*mut V>,
}

impl<V> Clone for Entry<V> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Entry<V> {}

impl<V> Entry<V> {
    /// Allocates an entry that nobody else knows.
    pub(super) fn new(key: &[u8], value: NewValue<'_, V>, expire_ms: Option<i64>, lru: u32) -> Entry<V> {
        let shape = Shape::new(key.len(), &value, expire_ms.is_some());
        let entry = Entry::allocate(shape);
        // SAFETY: fresh allocation of this very shape, known to nobody.
        unsafe {
            (*entry.header()).lru = AtomicU32::new(lru);
            entry.write_shape(shape, expire_ms);
            ptr::copy_nonoverlapping(key.as_ptr(), entry.at(shape.key_at::<V>()), key.len());
            entry.write_value(shape, value);
        }
        entry
    }

    fn allocate(shape: Shape) -> Entry<V> {
        let layout = shape.layout::<V>();
        // SAFETY: the layout is at least 16 bytes.
        let base = unsafe { alloc(layout) };
        let Some(base) = NonNull::new(base) else { handle_alloc_error(layout) };
        assert!(base.as_ptr().expose_provenance() >> 48 == 0, "the allocator gave an address above 48 bits");
        Entry { base, _object: PhantomData }
    }

    /// The address as kept in a slot.
    #[inline]
    pub(super) fn address(self) -> u64 {
        self.base.as_ptr().expose_provenance() as u64
    }

    /// Asks the processor for the entry's first two lines: header, key, and the value if that is small.
    #[inline]
    pub(super) fn prefetch(self) {
        prefetch(self.base.as_ptr());
        prefetch(self.base.as_ptr().wrapping_add(64));
    }

    /// The inverse of `address`.
    ///
    /// # Safety
    /// `address` came from `address()` of an entry of the same `V`.
    #[inline]
    pub(super) unsafe fn from_address(address: u64) -> Entry<V> {
        let base = ptr::with_exposed_provenance_mut(address as usize);
        // SAFETY: entries are never at address 0.
        Entry { base: unsafe { NonNull::new_unchecked(base) }, _object: PhantomData }
    }

    #[inline]
    fn header(self) -> *mut Header {
        self.base.as_ptr().cast()
    }

    /// # Safety
    /// `offset` is inside the allocation or at its end.
    #[inline]
    unsafe fn at(self, offset: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.base.as_ptr().add(offset) }
    }

    /// # Safety
    /// Live.
    #[inline]
    unsafe fn shape(self) -> Shape {
        // SAFETY: live, so the header describes the allocation; LONG says that the two words follow.
        unsafe {
            let header = self.header();
            let flags = (*header).flags;
            if flags & LONG == 0 {
                let (key_len, value_len) = ((*header).key_len as usize, (*header).value_len as usize);
                return Shape { flags, key_len, value_len };
            }
            let words = self.at(8).cast::<u32>();
            Shape { flags, key_len: words.read() as usize, value_len: words.add(1).read() as usize }
        }
    }

    /// # Safety
    /// Live for `'a`.
    #[inline]
    pub(super) unsafe fn lru_cell<'a>(self) -> &'a AtomicU32 {
        // SAFETY: live; the word is only ever accessed as an atomic once the entry is published.
        unsafe { &(*self.header()).lru }
    }

    /// # Safety
    /// Live and unchanging for `'a`.
    #[inline]
    pub(super) unsafe fn key<'a>(self) -> &'a [u8] {
        // SAFETY: the shape describes initialised bytes of the allocation.
        unsafe {
            let shape = self.shape();
            std::slice::from_raw_parts(self.at(shape.key_at::<V>()), shape.key_len)
        }
    }

    /// # Safety
    /// Live and unchanging for `'a`.
    #[inline]
    pub(super) unsafe fn payload<'a>(self) -> Payload<'a, V> {
        // SAFETY: as in `key`; flags say which of the three was written.
        unsafe {
            let shape = self.shape();
            match shape.flags & KIND {
                KIND_BYTES => {
                    Payload::Bytes(std::slice::from_raw_parts(self.at(shape.value_at::<V>()), shape.value_len))
                }
                KIND_INT => Payload::Int(self.at(shape.fixed_at()).cast::<i64>().read()),
                _ => Payload::Object(&*self.at(shape.fixed_at()).cast::<V>()),
            }
        }
    }

    /// # Safety
    /// Live.
    #[inline]
    pub(super) unsafe fn expire_ms(self) -> Option<i64> {
        // SAFETY: TTL says that a deadline was written.
        unsafe {
            let shape = self.shape();
            (shape.flags & TTL != 0).then(|| self.at(shape.ttl_at()).cast::<i64>().read())
        }
    }

    /// Bytes of the allocation.
    ///
    /// # Safety
    /// Live.
    #[inline]
    pub(super) unsafe fn allocation(self) -> usize {
        // SAFETY: live.
        unsafe { self.shape().allocation::<V>() }
    }

    /// Frees the entry and drops its object.
    ///
    /// # Safety
    /// Live, and nobody uses it now or later.
    pub(super) unsafe fn free(self) {
        // SAFETY: the caller's promise.
        unsafe { self.free_with(drop) }
    }

    /// Frees the entry and has its object dropped.
    ///
    /// # Safety
    /// As `free`.
    pub(super) unsafe fn free_with(self, drop_object: impl FnOnce(V)) {
        // SAFETY: the flags say that a V was written there; it is read once and then only its memory is released.
        let object = unsafe {
            let shape = self.shape();
            let object = (shape.flags & KIND == KIND_OBJECT).then(|| ptr::read(self.at(shape.fixed_at()).cast::<V>()));
            self.release(shape);
            object
        };
        if let Some(object) = object {
            drop_object(object);
        }
    }

    /// # Safety
    /// As `free`, and the object was moved out or dropped.
    unsafe fn release(self, shape: Shape) {
        // SAFETY: allocated with the layout of this shape.
        unsafe { dealloc(self.base.as_ptr(), shape.layout::<V>()) }
    }

    /// Moves the value out and frees the rest.
    ///
    /// # Safety
    /// As `free`.
    pub(super) unsafe fn into_value(self) -> OwnedValue<V> {
        // SAFETY: the object is read once and then only its memory is released.
        unsafe {
            let shape = self.shape();
            let value = match self.payload() {
                Payload::Bytes(bytes) => OwnedValue::Bytes(bytes.to_vec()),
                Payload::Int(number) => OwnedValue::Int(number),
                Payload::Object(object) => OwnedValue::Object(ptr::read(object)),
            };
            self.release(shape);
            value
        }
    }

    /// Writes header (but the LRU word) and deadline.
    ///
    /// # Safety
    /// Exclusive, and the allocation fits the shape.
    unsafe fn write_shape(self, shape: Shape, expire_ms: Option<i64>) {
        // SAFETY: offsets are inside the allocation by the caller's promise.
        unsafe {
            let header = self.header();
            (*header).flags = shape.flags;
            (*header).key_len = shape.key_len as u8;
            (*header).value_len = shape.value_len as u16;
            if shape.flags & LONG != 0 {
                let words = self.at(8).cast::<u32>();
                words.write(shape.key_len as u32);
                words.add(1).write(shape.value_len as u32);
            }
            if let Some(deadline) = expire_ms {
                self.at(shape.ttl_at()).cast::<i64>().write(deadline);
            }
        }
    }

    /// # Safety
    /// As `write_shape`, with a shape made for this value.
    unsafe fn write_value(self, shape: Shape, value: NewValue<'_, V>) {
        // SAFETY: offsets are inside the allocation by the caller's promise; `fixed_at` is a multiple of 8.
        unsafe {
            match value {
                NewValue::Bytes(bytes) => {
                    ptr::copy_nonoverlapping(bytes.as_ptr(), self.at(shape.value_at::<V>()), bytes.len());
                }
                NewValue::Int(number) => self.at(shape.fixed_at()).cast::<i64>().write(number),
                NewValue::Object(object) => self.at(shape.fixed_at()).cast::<V>().write(object),
            }
        }
    }

    /// Gives the entry a new value, deadline and LRU word; returns where it is now.
    ///
    /// # Safety
    /// Live and exclusive; `self` is dead if another entry is returned. `key` is the entry's key, from elsewhere.
    pub(super) unsafe fn overwrite(
        self,
        key: &[u8],
        value: NewValue<'_, V>,
        expire_ms: Option<i64>,
        lru: u32,
    ) -> Entry<V> {
        // SAFETY: exclusive; when the allocation stays, it fits the new shape, being of the same size.
        unsafe {
            let old = self.shape();
            let shape = Shape::new(key.len(), &value, expire_ms.is_some());
            if old.allocation::<V>() != shape.allocation::<V>() {
                let entry = Entry::new(key, value, expire_ms, lru);
                self.free();
                return entry;
            }
            let replaced = self.take_object(old);
            self.lru_cell().store(lru, Ordering::Relaxed);
            self.write_shape(shape, expire_ms);
            ptr::copy_nonoverlapping(key.as_ptr(), self.at(shape.key_at::<V>()), key.len());
            self.write_value(shape, value);
            drop(replaced);
            self
        }
    }

    /// # Safety
    /// Exclusive; the object's place is overwritten or released next.
    unsafe fn take_object(self, shape: Shape) -> Option<V> {
        // SAFETY: the flags say that a V was written there; it is not used again.
        (shape.flags & KIND == KIND_OBJECT).then(|| unsafe { self.at(shape.fixed_at()).cast::<V>().read() })
    }

    /// The integer that the entry holds, if it holds one.
    ///
    /// # Safety
    /// Exclusive for `'a`.
    #[inline]
    pub(super) unsafe fn int_mut<'a>(self) -> Option<&'a mut i64> {
        // SAFETY: the flags say that an integer was written there, aligned to 8.
        unsafe {
            let shape = self.shape();
            (shape.flags & KIND == KIND_INT).then(|| &mut *self.at(shape.fixed_at()).cast::<i64>())
        }
    }

    /// Gives the entry a new value, keeping the rest; returns where it is now.
    ///
    /// # Safety
    /// As `overwrite`.
    pub(super) unsafe fn replace_value(self, value: NewValue<'_, V>) -> Entry<V> {
        // SAFETY: exclusive; the key is moved before anything is written over it, and stays inside the allocation.
        unsafe {
            let (old, expire_ms) = (self.shape(), self.expire_ms());
            let shape = Shape::new(old.key_len, &value, expire_ms.is_some());
            let replaced = self.take_object(old);
            let target = self.target(old, shape);
            ptr::copy(self.at(old.key_at::<V>()), target.at(shape.key_at::<V>()), old.key_len);
            target.write_shape(shape, expire_ms);
            target.write_value(shape, value);
            self.leave_for(target, old);
            drop(replaced);
            target
        }
    }

    /// Gives inline bytes another length, zero-filled; returns where the entry is now.
    ///
    /// # Safety
    /// As `overwrite`, and the entry holds bytes.
    pub(super) unsafe fn resize_bytes(self, len: usize) -> Entry<V> {
        // SAFETY: as in `replace_value`; key and value are adjacent, so they move together.
        unsafe {
            let (old, expire_ms) = (self.shape(), self.expire_ms());
            let shape = Shape { value_len: len, ..old }.with_length_flag();
            let target = self.target(old, shape);
            let kept = old.value_len.min(len);
            ptr::copy(self.at(old.key_at::<V>()), target.at(shape.key_at::<V>()), old.key_len + kept);
            ptr::write_bytes(target.at(shape.value_at::<V>() + kept), 0, len - kept);
            target.write_shape(shape, expire_ms);
            self.leave_for(target, old);
            target
        }
    }

    /// Sets or removes the deadline; returns where the entry is now.
    ///
    /// # Safety
    /// As `overwrite`.
    pub(super) unsafe fn set_expire(self, expire_ms: Option<i64>) -> Entry<V> {
        // SAFETY: as in `replace_value`; everything behind the deadline moves as one piece, the object by its bytes.
        unsafe {
            let old = self.shape();
            let flags = if expire_ms.is_some() { old.flags | TTL } else { old.flags & !TTL };
            let shape = Shape { flags, ..old };
            let target = self.target(old, shape);
            let tail = old.end::<V>() - old.fixed_at();
            ptr::copy(self.at(old.fixed_at()), target.at(shape.fixed_at()), tail);
            target.write_shape(shape, expire_ms);
            self.leave_for(target, old);
            target
        }
    }

    /// Where an entry of the new shape goes: here, or to a new allocation that has the LRU word already.
    ///
    /// # Safety
    /// Live.
    unsafe fn target(self, old: Shape, shape: Shape) -> Entry<V> {
        if old.allocation::<V>() == shape.allocation::<V>() {
            return self;
        }
        let target = Entry::allocate(shape);
        // SAFETY: `self` is live, `target` fresh.
        unsafe { (*target.header()).lru = AtomicU32::new(self.lru_cell().load(Ordering::Relaxed)) };
        target
    }

    /// Releases the old allocation if the entry moved.
    ///
    /// # Safety
    /// As `free`; what was inside has been moved to `target` or taken.
    unsafe fn leave_for(self, target: Entry<V>, old: Shape) {
        if self.base != target.base {
            // SAFETY: the caller's promise.
            unsafe { self.release(old) }
        }
    }

    /// # Safety
    /// Live and exclusive for `'a`.
    pub(super) unsafe fn object_mut<'a>(self) -> Option<&'a mut V> {
        // SAFETY: the flags say that a V was written there.
        unsafe {
            let shape = self.shape();
            (shape.flags & KIND == KIND_OBJECT).then(|| &mut *self.at(shape.fixed_at()).cast::<V>())
        }
    }

    /// # Safety
    /// Live and exclusive for `'a`.
    pub(super) unsafe fn bytes_mut<'a>(self) -> Option<&'a mut [u8]> {
        // SAFETY: the shape describes initialised bytes of the allocation.
        unsafe {
            let shape = self.shape();
            let bytes = || std::slice::from_raw_parts_mut(self.at(shape.value_at::<V>()), shape.value_len);
            (shape.flags & KIND == KIND_BYTES).then(bytes)
        }
    }
}

impl<V: Clone> Entry<V> {
    /// A copy that nobody else knows.
    ///
    /// # Safety
    /// Live and unchanging during the call.
    pub(super) unsafe fn duplicate(self) -> Entry<V> {
        // SAFETY: the caller's promise.
        unsafe {
            let value = match self.payload() {
                Payload::Bytes(bytes) => NewValue::Bytes(bytes),
                Payload::Int(number) => NewValue::Int(number),
                Payload::Object(object) => NewValue::Object(object.clone()),
            };
            Entry::new(self.key(), value, self.expire_ms(), self.lru_cell().load(Ordering::Relaxed))
        }
    }

    /// A copy of the value.
    ///
    /// # Safety
    /// Live and unchanging during the call.
    pub(super) unsafe fn clone_value(self) -> OwnedValue<V> {
        // SAFETY: the caller's promise.
        match unsafe { self.payload() } {
            Payload::Bytes(bytes) => OwnedValue::Bytes(bytes.to_vec()),
            Payload::Int(number) => OwnedValue::Int(number),
            Payload::Object(object) => OwnedValue::Object(object.clone()),
        }
    }
}
