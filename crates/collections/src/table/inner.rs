//! The directory of the table: which leaf holds a hash, and how leaves split and merge. See the drawing in `table.rs`.

use triomphe::Arc;

use super::leaf::{Entry, Leaf};
use crate::hashing::hash_bytes;

/// Hash bits a directory node uses.
const LEVEL_BITS: u32 = 6;
const SLOTS: u32 = 1 << LEVEL_BITS;
/// Hash bits that can be used in all; a leaf that deep is not split any more, however many keys collide.
const USED_BITS_MAX: u32 = 60;

/// A node and the number of entries below it.
#[derive(Clone)]
pub(super) enum Child {
    /// Packed entries.
    Leaf { count: u32, leaf: Arc<Leaf> },
    /// More directory.
    Inner { count: u32, inner: Arc<Inner> },
}

/// A directory node: 64 slots, shared out among the children in order.
#[derive(Clone)]
pub(super) struct Inner {
    /// Bit n: a child begins at slot n. Bit 0 is always set.
    starts: u64,
    children: Vec<Child>,
}

impl Child {
    pub(super) fn empty() -> Child {
        Child::from_leaf(Leaf::default())
    }

    fn from_leaf(leaf: Leaf) -> Child {
        Child::Leaf { count: leaf.len() as u32, leaf: Arc::new(leaf) }
    }

    pub(super) fn count(&self) -> usize {
        match self {
            Child::Leaf { count, .. } | Child::Inner { count, .. } => *count as usize,
        }
    }

    pub(super) fn is_shared(&self) -> bool {
        match self {
            Child::Leaf { leaf, .. } => !leaf.is_unique(),
            Child::Inner { inner, .. } => !inner.is_unique(),
        }
    }

    /// The leaf that holds `hash`, and the first hash behind that leaf (`None` for the last leaf). To be called on the
    /// root.
    #[inline]
    pub(super) fn leaf(&self, hash: u64) -> (&Leaf, Option<u64>) {
        let (mut child, mut used_bits, mut end) = (self, 0, 1u128 << 64);
        loop {
            match child {
                Child::Leaf { leaf, .. } => return (leaf, u64::try_from(end).ok()),
                Child::Inner { inner, .. } => {
                    let index = inner.index(slot(hash, used_bits));
                    let (start, span) = inner.extent(index);
                    let slot_bits = 64 - LEVEL_BITS - used_bits;
                    let prefix = u128::from(hash) >> (64 - used_bits) << (64 - used_bits);
                    end = prefix + (u128::from(start + span) << slot_bits);
                    child = &inner.children[index];
                    used_bits += LEVEL_BITS;
                }
            }
        }
    }

    /// The leaf that holds `hash`, to change entries that stay.
    pub(super) fn leaf_mut(&mut self, hash: u64) -> &mut Leaf {
        let (mut child, mut used_bits) = (self, 0);
        loop {
            match child {
                Child::Leaf { leaf, .. } => return Arc::make_mut(leaf),
                Child::Inner { inner, .. } => {
                    let inner = Arc::make_mut(inner);
                    let index = inner.index(slot(hash, used_bits));
                    child = &mut inner.children[index];
                    used_bits += LEVEL_BITS;
                }
            }
        }
    }

    /// The entry at `index` of those below; `index` is within `count`.
    pub(super) fn nth(&self, mut index: usize) -> Entry<'_> {
        let mut child = self;
        loop {
            match child {
                Child::Leaf { leaf, .. } => return leaf.timed_entry(index),
                Child::Inner { inner, .. } => {
                    let mut children = inner.children.iter();
                    child = children.next().expect("a directory node has children");
                    while index >= child.count() {
                        index -= child.count();
                        child = children.next().expect("the counts of the children add up to the node's");
                    }
                }
            }
        }
    }

    /// Adds or replaces below; true if `key` is new. The caller then splits this child if it is full.
    pub(super) fn set(&mut self, hash: u64, used_bits: u32, key: &[u8], value: &[u8]) -> bool {
        match self {
            Child::Leaf { count, leaf } => {
                let leaf = Arc::make_mut(leaf);
                if let Some(place) = leaf.find(hash, key) {
                    leaf.replace(place, value);
                    return false;
                }
                leaf.insert(hash, key, value, None);
                *count += 1;
                true
            }
            Child::Inner { count, inner } => {
                let inner = Arc::make_mut(inner);
                let index = inner.index(slot(hash, used_bits));
                let new = inner.children[index].set(hash, used_bits + LEVEL_BITS, key, value);
                if new {
                    *count += 1;
                    inner.split_if_full(index, used_bits);
                }
                new
            }
        }
    }

    /// Turns a full leaf into a directory node of two leaves; `used_bits` is what the path to it has used.
    pub(super) fn split_if_full(&mut self, used_bits: u32) {
        match self {
            Child::Leaf { count, leaf } if leaf.is_full() && used_bits < USED_BITS_MAX => {
                let count = *count;
                let mut inner = Inner { starts: 1, children: vec![std::mem::replace(self, Child::empty())] };
                inner.split_if_full(0, used_bits);
                *self = Child::Inner { count, inner: Arc::new(inner) };
            }
            _ => {}
        }
    }

    /// Removes the entry at place `index` of the leaf that holds `hash`.
    pub(super) fn remove(&mut self, hash: u64, used_bits: u32, index: usize) {
        match self {
            Child::Leaf { count, leaf } => {
                Arc::make_mut(leaf).remove(index);
                *count -= 1;
            }
            Child::Inner { count, inner } => {
                let inner = Arc::make_mut(inner);
                let child = inner.index(slot(hash, used_bits));
                inner.children[child].remove(hash, used_bits + LEVEL_BITS, index);
                *count -= 1;
                inner.merge_if_small(child);
                if let [Child::Leaf { .. }] = &inner.children[..] {
                    *self = inner.children.swap_remove(0);
                }
            }
        }
    }
}

impl Child {
    /// Keeps the entries for which `keep` holds, asked in order. Leaves without a loss are not copied.
    pub(super) fn retain(&mut self, keep: &mut impl FnMut(&[u8], &[u8]) -> bool) {
        match self {
            Child::Leaf { count, leaf } => {
                let kept: Vec<bool> = leaf.iter().map(|(key, value)| keep(key, value)).collect();
                if kept.contains(&false) {
                    *leaf = Arc::new(leaf.retained(&kept));
                    *count = leaf.len() as u32;
                }
            }
            Child::Inner { count, inner } => {
                let inner = Arc::make_mut(inner);
                inner.children.iter_mut().for_each(|child| child.retain(keep));
                *count = inner.children.iter().map(|child| child.count() as u32).sum();
                inner.merge_all_small();
                if let [Child::Leaf { .. }] = &inner.children[..] {
                    *self = inner.children.swap_remove(0);
                }
            }
        }
    }
}

impl Inner {
    /// Joins leaves until none are left that can be.
    fn merge_all_small(&mut self) {
        let mut before = usize::MAX;
        while self.children.len() < before {
            before = self.children.len();
            let mut index = 0;
            while index < self.children.len() {
                self.merge_if_small(index);
                index += 1;
            }
        }
    }

    /// Which child holds a slot.
    fn index(&self, slot: u32) -> usize {
        (self.starts << (SLOTS - 1 - slot)).count_ones() as usize - 1
    }

    /// First slot and number of slots of a child.
    fn extent(&self, index: usize) -> (u32, u32) {
        let mut starts = self.starts;
        for _ in 0..index {
            starts &= starts - 1;
        }
        let start = starts.trailing_zeros();
        (start, (starts & (starts - 1)).trailing_zeros() - start)
    }

    /// Halves the slots of a full leaf, or, when it has one slot left, puts a directory node in its place.
    fn split_if_full(&mut self, index: usize, used_bits: u32) {
        let Child::Leaf { leaf, .. } = &self.children[index] else { return };
        if !leaf.is_full() {
            return;
        }
        let (start, span) = self.extent(index);
        if span == 1 {
            return self.children[index].split_if_full(used_bits + LEVEL_BITS);
        }
        let middle = start + span / 2;
        let [left, right] = leaf.split(|key| slot(hash_bytes(key), used_bits) >= middle);
        self.starts |= 1 << middle;
        self.children[index] = Child::from_leaf(left);
        self.children.insert(index + 1, Child::from_leaf(right));
    }

    /// Joins a leaf with the one it was split from, if both are small.
    fn merge_if_small(&mut self, index: usize) {
        let (start, span) = self.extent(index);
        if span == SLOTS {
            return;
        }
        let left = if start & span == 0 { index } else { index - 1 };
        let right = left + 1;
        // Neighbours are halves of one leaf only if both still have that half's span.
        if self.extent(left) != (start & !span, span) || self.extent(right) != (start | span, span) {
            return;
        }
        let [Child::Leaf { count, leaf: into }, Child::Leaf { leaf: from, .. }] = &mut self.children[left..=right]
        else {
            return;
        };
        if into.len() + from.len() > super::leaf::MERGE_ENTRIES_MAX || !Arc::make_mut(into).absorb(from) {
            return;
        }
        *count = into.len() as u32;
        self.children.remove(right);
        self.starts &= !(1 << (start | span));
    }
}

/// The slot of `hash` in a directory node whose path has used `used_bits`.
fn slot(hash: u64, used_bits: u32) -> u32 {
    (hash << used_bits >> (64 - LEVEL_BITS)) as u32
}
