//! Building a table of entries that are all known, under keys that all differ: in the order of their hashes, so that each leaf
//! is made once and of the right size, and nothing is looked up.

use std::ops::Range;

use triomphe::Arc;

use super::Table;
use super::inner::{Child, Inner, LEVEL_BITS, SLOTS, slot};
use super::leaf::{BLOCK_MAX, ENTRIES_MAX, ENTRIES_MIN, Leaf};
use crate::Element;
use crate::hashing::hash_bytes;

/// An entry's place in the order: the leading half of its hash, then its number.
type Place = u64;
const NUMBER_BITS: u32 = 32;
/// Hash bits that places have for whole levels of the directory.
const PLACE_BITS_MAX: u32 = (64 - NUMBER_BITS) / LEVEL_BITS * LEVEL_BITS;

impl Table {
    /// Of `len` entries, of which `entry` gives key and value by number. It is asked a few times for each, in any order,
    /// and no two keys may be equal.
    pub(crate) fn from_distinct<'a, V: AsRef<[u8]>>(len: usize, entry: impl Fn(usize) -> (Element<'a>, V)) -> Table {
        let len = u32::try_from(len).expect("a table counts its entries in 32 bits");
        let leading = |number: u32| entry(number as usize).0.with_bytes(hash_bytes) >> NUMBER_BITS << NUMBER_BITS;
        let mut places: Vec<Place> = (0..len).map(|number| leading(number) | u64::from(number)).collect();
        places.sort_unstable();
        let mut builder = Builder { entry: &entry, late: Vec::new() };
        let root = Arc::new(builder.child(&places, 0));
        let (mut table, late) = (Table { root }, builder.late);
        for (key, value) in late.into_iter().map(entry) {
            key.with_bytes(|key| table.set(key, value.as_ref()));
        }
        table
    }
}

struct Builder<'e, F> {
    entry: &'e F,
    /// Numbers of entries for which there was no room where their hash, as far as it stands in places, leads to.
    late: Vec<usize>,
}

impl<'a, V: AsRef<[u8]>, F: Fn(usize) -> (Element<'a>, V)> Builder<'_, F> {
    /// What holds these entries, which share the leading `used_bits` of their hashes.
    fn child(&mut self, places: &[Place], used_bits: u32) -> Child {
        if used_bits == PLACE_BITS_MAX {
            let (places, late) = places.split_at(places.len().min(ENTRIES_MAX));
            self.late.extend(late.iter().map(number));
            return Child::from_leaf(self.leaf(places));
        }
        if let Some(leaf) = self.leaf_if_small(places) {
            return leaf;
        }
        let mut node = Node { starts: 0, children: Vec::new() };
        self.divide(places, used_bits, 0..SLOTS, &mut node);
        let count = node.children.iter().map(|child| child.count() as u32).sum();
        Child::Inner { count, inner: Inner::new(node.starts, node.children) }
    }

    /// Gives a node the children for some of its slots, halving these until a leaf suffices, as growing leaves do.
    fn divide(&mut self, places: &[Place], used_bits: u32, slots: Range<u32>, node: &mut Node) {
        let middle = slots.start.midpoint(slots.end);
        let child = match self.leaf_if_small(places) {
            Some(leaf) => leaf,
            None if slots.len() == 1 => self.child(places, used_bits + LEVEL_BITS),
            None => {
                let (left, right) = places.split_at(places.partition_point(|place| slot(*place, used_bits) < middle));
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

    fn entries(&self, places: &[Place]) -> impl Iterator<Item = (Element<'a>, V)> {
        places.iter().map(|place| (self.entry)(number(place)))
    }

    fn entry_bytes(&self, places: &[Place]) -> usize {
        self.entries(places).map(|(key, value)| Leaf::entry_size(key.len(), value.as_ref().len())).sum()
    }

    fn leaf(&self, places: &[Place]) -> Leaf {
        let mut leaf = Leaf::with_room(places.len(), self.entry_bytes(places));
        for (key, value) in self.entries(places) {
            key.with_bytes(|key| leaf.insert(hash_bytes(key), key, value.as_ref(), None));
        }
        leaf
    }
}

/// A directory node on its way.
struct Node {
    starts: u64,
    children: Vec<Child>,
}

fn number(place: &Place) -> usize {
    (place & u64::from(u32::MAX)) as usize
}
