//! Building a table of entries that come all at once, in any order: they are set aside first, and then laid out in the order of
//! their hashes, so that each leaf is made once and of the right size, and nothing is looked up.
//!
//! ```text
//! push ──▶ one vector of entries, or one for each slot of the root     finish ──▶ the entries of a vector, sorted by hash,
//!                                                                                 become the child of that slot
//! ```
//!
//! What belongs to one slot fits a processor's cache, so that the entries are read in their new order without waiting for
//! memory. The vector is freed when its child is there: entries and table are not both there whole.

use std::ops::Range;

use triomphe::Arc;

use super::Table;
use super::inner::{Child, Inner, LEVEL_BITS, SLOTS, USED_BITS_MAX, slot};
use super::leaf::{BLOCK_MAX, ENTRIES_MAX, ENTRIES_MIN, Leaf, push_varint, read_varint};
use crate::hashing::hash_bytes;

/// Entries that take more bytes than this are set aside by slot of the root,
const ONE_VECTOR_MAX: usize = 1 << 20;
/// if there are so many that each slot has more than a leaf holds.
const DIVIDED_MIN: usize = 128 * SLOTS as usize;
/// No more bytes than this are set aside, so that what is built from a file or a payload does not take the memory of both for
/// long: what comes then finds its place by itself.
const SET_ASIDE_MAX: usize = 256 << 20;

/// A table on its way; see the top of this file.
pub(crate) struct TableBuilder {
    /// Entries set aside: the varint lengths of key and value, and both. One vector, or one for each slot of the root.
    aside: Vec<Vec<u8>>,
    /// Bytes in those, and how many may be.
    aside_bytes: usize,
    aside_max: usize,
    /// How many entries those are.
    aside_count: usize,
    /// What was built when there was no more room for entries aside.
    table: Option<Table>,
    /// A key came again.
    repeated: bool,
}

/// An entry that was set aside.
struct Place {
    hash: u64,
    at: usize,
}

impl TableBuilder {
    /// Without entries.
    pub(crate) fn new() -> TableBuilder {
        TableBuilder::with_room(SET_ASIDE_MAX)
    }

    /// Without entries, and with room for so many bytes of them aside.
    pub(super) fn with_room(aside_max: usize) -> TableBuilder {
        let aside = vec![Vec::new()];
        TableBuilder { aside, aside_bytes: 0, aside_max, aside_count: 0, table: None, repeated: false }
    }

    /// Adds an entry.
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) {
        if let Some(table) = &mut self.table {
            self.repeated |= !table.set(key, value);
            return;
        }
        let vector = if self.aside.len() == 1 { 0 } else { slot(hash_bytes(key), 0) as usize };
        let vector = &mut self.aside[vector];
        let before = vector.len();
        push_varint(vector, key.len());
        push_varint(vector, value.len());
        vector.extend_from_slice(key);
        vector.extend_from_slice(value);
        self.aside_bytes += vector.len() - before;
        self.aside_count += 1;
        if self.aside_bytes > ONE_VECTOR_MAX {
            self.make_room();
        }
    }

    /// Sees to it that what is set aside is divided, and not too much.
    fn make_room(&mut self) {
        if self.aside_bytes > self.aside_max {
            let table = self.build();
            self.repeated |= table.is_none();
            self.table = Some(table.unwrap_or_else(Table::new));
        } else if self.aside.len() == 1 && self.aside_count >= DIVIDED_MIN {
            let one = std::mem::take(&mut self.aside[0]);
            self.aside.resize_with(SLOTS as usize, Vec::new);
            let mut at = 0;
            while at < one.len() {
                let (key, _, end) = entry(&one, at);
                self.aside[slot(hash_bytes(key), 0) as usize].extend_from_slice(&one[at..end]);
                at = end;
            }
        }
    }

    /// The table. None if a key came twice.
    pub(crate) fn finish(mut self) -> Option<Table> {
        let table = match self.table.take() {
            Some(table) => table,
            None => self.build()?,
        };
        (!self.repeated).then_some(table)
    }

    /// Lays out what was set aside; leaves nothing there.
    fn build(&mut self) -> Option<Table> {
        let aside = std::mem::take(&mut self.aside);
        let used_bits = if aside.len() == 1 { 0 } else { LEVEL_BITS };
        let mut places = Vec::new();
        let child_of = |entries: Vec<u8>| {
            note_places(&entries, &mut places);
            places.sort_unstable_by_key(|place| place.hash);
            let differ = places.chunk_by(|a, b| a.hash == b.hash).all(|same| keys_differ(&entries, same));
            differ.then(|| Builder { entries: &entries }.child(&places, used_bits))
        };
        let mut children = aside.into_iter().map(child_of).collect::<Option<Vec<Child>>>()?;
        let root = if used_bits == 0 {
            children.pop().expect("one vector makes one child")
        } else {
            // Every slot has a child.
            inner_of(u64::MAX, children)
        };
        Some(Table { root: Arc::new(root) })
    }
}

/// The entry at a place: its key, its value and where it ends.
fn entry(entries: &[u8], at: usize) -> (&[u8], &[u8], usize) {
    let (key_len, key_size) = read_varint(entries, at);
    let (value_len, value_size) = read_varint(entries, at + key_size);
    let key_at = at + key_size + value_size;
    let value_at = key_at + key_len;
    let end = value_at + value_len;
    (&entries[key_at..value_at], &entries[value_at..end], end)
}

/// Notes where each entry is, with its hash.
fn note_places(entries: &[u8], places: &mut Vec<Place>) {
    places.clear();
    let mut at = 0;
    while at < entries.len() {
        let (key, _, end) = entry(entries, at);
        places.push(Place { hash: hash_bytes(key), at });
        at = end;
    }
}

/// Whether no two of the entries at these places have the same key.
fn keys_differ(entries: &[u8], places: &[Place]) -> bool {
    let key = |place: &Place| entry(entries, place.at).0;
    places.iter().enumerate().all(|(index, place)| places[..index].iter().all(|other| key(other) != key(place)))
}

fn inner_of(starts: u64, children: Vec<Child>) -> Child {
    let count = children.iter().map(Child::count).sum::<usize>();
    let count = u32::try_from(count).expect("a table counts its entries in 32 bits");
    Child::Inner { count, inner: Inner::new(starts, children) }
}

struct Builder<'e> {
    entries: &'e [u8],
}

impl Builder<'_> {
    /// What holds the entries at these places, which share the leading `used_bits` of their hashes.
    fn child(&self, places: &[Place], used_bits: u32) -> Child {
        if used_bits >= USED_BITS_MAX {
            return Child::from_leaf(self.leaf(places));
        }
        if let Some(leaf) = self.leaf_if_small(places) {
            return leaf;
        }
        let mut node = Node { starts: 0, children: Vec::new() };
        self.divide(places, used_bits, 0..SLOTS, &mut node);
        inner_of(node.starts, node.children)
    }

    /// Gives a node the children for some of its slots, halving these until a leaf suffices, as growing leaves do.
    fn divide(&self, places: &[Place], used_bits: u32, slots: Range<u32>, node: &mut Node) {
        let middle = slots.start.midpoint(slots.end);
        let child = match self.leaf_if_small(places) {
            Some(leaf) => leaf,
            None if slots.len() == 1 => self.child(places, used_bits + LEVEL_BITS),
            None => {
                let is_left = |place: &Place| slot(place.hash, used_bits) < middle;
                let (left, right) = places.split_at(places.partition_point(is_left));
                self.divide(left, used_bits, slots.start..middle, node);
                return self.divide(right, used_bits, middle..slots.end, node);
            }
        };
        node.starts |= 1 << slots.start;
        node.children.push(child);
    }

    fn leaf_if_small(&self, places: &[Place]) -> Option<Child> {
        let is_full =
            places.len() > ENTRIES_MAX || (places.len() > ENTRIES_MIN && self.entry_bytes(places) > BLOCK_MAX);
        let leaf = (!is_full).then(|| self.leaf(places))?;
        // With what stands before the entries it may be after all.
        (!leaf.is_full()).then(|| Child::from_leaf(leaf))
    }

    fn entry_bytes(&self, places: &[Place]) -> usize {
        let size = |place: &Place| {
            let (key, value, _) = entry(self.entries, place.at);
            Leaf::entry_size(key.len(), value.len())
        };
        places.iter().map(size).sum()
    }

    fn leaf(&self, places: &[Place]) -> Leaf {
        let mut leaf = Leaf::with_room(places.len(), self.entry_bytes(places));
        for place in places {
            let (key, value, _) = entry(self.entries, place.at);
            leaf.insert(place.hash, key, value, None);
        }
        leaf
    }
}

/// A directory node on its way.
struct Node {
    starts: u64,
    children: Vec<Child>,
}
