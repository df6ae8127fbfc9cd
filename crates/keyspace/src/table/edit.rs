//! The guards for entries: one that was found, and one that is changed in place.
//!
//! Invariant of [`EntryMut`]: `entry` stands in slot `at` of `block`, which belongs to the borrowed table; both are writable
//! and no snapshot sees them (rules 1 and 2 of `reclaim.rs`). No snapshot of the table can be taken during the borrow.
//!
//! Invariant of [`Found`]: `place` is where its entry stands in the borrowed table. Nobody else can change the table during
//! the borrow, and what the guard itself changes it keeps track of, or it is used up.

use super::block::{Block, slot_word, tag_of};
use super::entry::{Entry, EntryRef, NewValue, Payload};
use super::tree::Place;
use super::{Reclaim, Table, Value, inner_deadline_ms};

/// An entry that was found, with its place, so that reading, changing and removing it does not look for it again.
pub struct Found<'a, V> {
    table: &'a mut Table<V>,
    hash: u64,
    place: Place<V>,
}

impl<'a, V: Value> Found<'a, V> {
    /// # Safety
    /// `place` is where an entry of this hash stands in the table.
    #[inline]
    pub(super) unsafe fn new(table: &'a mut Table<V>, hash: u64, place: Place<V>) -> Found<'a, V> {
        Found { table, hash, place }
    }

    /// For reading.
    #[inline]
    pub fn as_ref(&self) -> EntryRef<'_, V> {
        // SAFETY: the entry lives in the table, and while `self` is borrowed nothing changes it.
        unsafe { EntryRef::new(self.place.entry) }
    }

    /// The object to change, if the entry holds one: no snapshot sees what is done to it. Who changes its inner deadline
    /// tells [`Found::index_inner_deadline`].
    #[inline]
    pub fn object_mut(&mut self, reclaim: &mut Reclaim<V>) -> Option<&mut V> {
        self.table.begin(reclaim);
        // SAFETY: the file's invariant; afterwards `place` is as the table has it, and its entry writable.
        unsafe {
            self.table.make_writable(reclaim, self.hash, &mut self.place);
            self.place.entry.object_mut()
        }
    }

    /// Replaces the value by an integer, keeping deadline and LRU word.
    #[inline]
    pub fn set_int(mut self, reclaim: &mut Reclaim<V>, number: i64) {
        self.table.begin(reclaim);
        // SAFETY: the file's invariants; the guard is used up.
        unsafe {
            self.table.make_writable(reclaim, self.hash, &mut self.place);
            if let Some(int) = self.place.entry.int_mut() {
                *int = number;
                return;
            }
            reclaim.spare(self.place.entry);
            let Place { block, at, entry, .. } = self.place;
            EntryMut::new(self.table, block, at, self.hash, entry).set_value(NewValue::Int(number));
        }
    }

    /// As [`Table::index_inner_deadline`], for this entry.
    pub fn index_inner_deadline(&mut self, before: Option<i64>, after: Option<i64>) {
        self.table.index_inner_deadline(self.hash, before, after);
    }

    /// Removes the entry.
    pub fn remove(self, reclaim: &mut Reclaim<V>) {
        self.table.begin(reclaim);
        // SAFETY: the file's invariant; the guard is used up.
        unsafe { self.table.remove_at(reclaim, self.hash, self.place) };
    }
}

/// An entry made writable: no snapshot sees what is done to it.
pub struct EntryMut<'a, V> {
    table: &'a mut Table<V>,
    block: Block,
    at: usize,
    hash: u64,
    entry: Entry<V>,
}

impl<'a, V: Value> EntryMut<'a, V> {
    /// # Safety
    /// The file's invariant.
    pub(super) unsafe fn new(
        table: &'a mut Table<V>,
        block: Block,
        at: usize,
        hash: u64,
        entry: Entry<V>,
    ) -> EntryMut<'a, V> {
        EntryMut { table, block, at, hash, entry }
    }

    /// For reading.
    pub fn as_ref(&self) -> EntryRef<'_, V> {
        // SAFETY: while `self` is borrowed nothing changes the entry.
        unsafe { EntryRef::new(self.entry) }
    }

    /// The object, if the entry holds one. Who changes its inner deadline tells [`Table::index_inner_deadline`].
    pub fn object_mut(&mut self) -> Option<&mut V> {
        // SAFETY: the file's invariant.
        unsafe { self.entry.object_mut() }
    }

    /// The object with the table's lifetime, if the entry holds one.
    pub fn into_object_mut(self) -> Option<&'a mut V> {
        // SAFETY: the file's invariant holds for 'a: the guard held the table's borrow.
        unsafe { self.entry.object_mut() }
    }

    /// The inline bytes, for a change that keeps their length.
    pub fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        // SAFETY: the file's invariant.
        unsafe { self.entry.bytes_mut() }
    }

    /// Gives the inline bytes another length (new bytes are zero); `None` if the entry holds no bytes.
    pub fn resize_bytes(&mut self, len: usize) -> Option<&mut [u8]> {
        let Payload::Bytes(_) = self.as_ref().payload() else { return None };
        // SAFETY: the file's invariant; it holds bytes.
        self.change(|entry| unsafe { entry.resize_bytes(len) });
        self.bytes_mut()
    }

    /// Replaces the value, keeping deadline and LRU word.
    pub fn set_value(&mut self, value: NewValue<'_, V>) {
        let before = inner_deadline_ms(self.as_ref().payload());
        // SAFETY: the file's invariant.
        self.change(|entry| unsafe { entry.replace_value(value) });
        let after = inner_deadline_ms(self.as_ref().payload());
        self.table.index_inner_deadline(self.hash, before, after);
    }

    /// Sets or removes the deadline, in Unix milliseconds.
    pub fn set_expire(&mut self, expire_ms: Option<i64>) {
        let before = self.as_ref().expire_ms();
        // SAFETY: the file's invariant.
        self.change(|entry| unsafe { entry.set_expire(expire_ms) });
        self.table.index_deadline(self.hash, before, expire_ms);
    }

    /// Lets `change` alter or move the entry, and keeps slot and counters true.
    fn change(&mut self, change: impl FnOnce(Entry<V>) -> Entry<V>) {
        // SAFETY: the file's invariant; the slot gets the entry's new address.
        unsafe {
            self.table.entry_bytes -= self.entry.allocation();
            self.entry = change(self.entry);
            self.table.entry_bytes += self.entry.allocation();
            self.block.replace(self.at, slot_word(tag_of(self.hash), self.entry.address()));
        }
    }
}
