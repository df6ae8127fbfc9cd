//! The directory of the table: which leaf holds a hash, and how leaves split and merge. See the drawing in `table.rs`.

use triomphe::{Arc, HeaderSlice};

use super::leaf::{Entry, Leaf, MERGE_ENTRIES_MAX};
use crate::hashing::hash_bytes;
use crate::tree::PIECE_ELEMENTS;

/// Hash bits a directory node uses.
pub(super) const LEVEL_BITS: u32 = 6;
/// Slots of a directory node.
pub(super) const SLOTS: u32 = 1 << LEVEL_BITS;
/// Hash bits that can be used in all; a leaf that deep is not split any more, however many keys collide.
pub(super) const USED_BITS_MAX: u32 = 60;

/// A node and the number of entries below it.
#[derive(Clone)]
pub(super) enum Child {
    /// Packed entries.
    Leaf { count: u32, leaf: Leaf },
    /// More directory.
    Inner { count: u32, inner: Inner },
    /// Nothing: what stands for a child on its way from one node to another.
    Moved,
}

/// A directory node: 64 slots, shared out among the children in order. The number has bit n set where a child begins at slot
/// n; bit 0 always is. The children stand right behind it. A clone is a reference.
#[derive(Clone)]
pub(super) struct Inner(Arc<HeaderSlice<u64, [Child]>>);

impl Child {
    pub(super) fn empty() -> Child {
        Child::from_leaf(Leaf::default())
    }

    pub(super) fn from_leaf(leaf: Leaf) -> Child {
        Child::Leaf { count: leaf.len() as u32, leaf }
    }

    #[inline]
    pub(super) fn count(&self) -> usize {
        match self {
            Child::Leaf { count, .. } | Child::Inner { count, .. } => *count as usize,
            Child::Moved => 0,
        }
    }

    /// The leaf that holds `hash`. To be called on the root.
    #[inline]
    pub(super) fn leaf(&self, hash: u64) -> &Leaf {
        let (mut child, mut rest) = (self, hash);
        loop {
            match child {
                Child::Leaf { leaf, .. } => return leaf,
                Child::Inner { inner, .. } => child = inner.child(rest),
                Child::Moved => unreachable!("{MOVED}"),
            }
            rest <<= LEVEL_BITS;
        }
    }

    /// As `leaf`, with the first hash behind that leaf (`None` for the last leaf).
    pub(super) fn leaf_and_end(&self, hash: u64) -> (&Leaf, Option<u64>) {
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
                    child = &inner.children()[index];
                    used_bits += LEVEL_BITS;
                }
                Child::Moved => unreachable!("{MOVED}"),
            }
        }
    }

    /// The leaf that holds `hash`, to change entries that stay. To be called on the root.
    #[inline]
    pub(super) fn leaf_mut(&mut self, hash: u64) -> &mut Leaf {
        let (mut child, mut rest) = (self, hash);
        loop {
            match child {
                Child::Leaf { leaf, .. } => return leaf,
                Child::Inner { inner, .. } => {
                    let index = inner.index(slot(rest, 0));
                    child = &mut inner.children_mut()[index];
                }
                Child::Moved => unreachable!("{MOVED}"),
            }
            rest <<= LEVEL_BITS;
        }
    }

    /// The entry at `index` of those below; `index` is within `count`.
    pub(super) fn nth(&self, mut index: usize) -> Entry<'_> {
        let mut child = self;
        loop {
            match child {
                Child::Leaf { leaf, .. } => return leaf.timed_entry(index),
                Child::Inner { inner, .. } => {
                    let mut children = inner.children().iter();
                    child = children.next().expect("a directory node has children");
                    while index >= child.count() {
                        index -= child.count();
                        child = children.next().expect("the counts of the children add up to the node's");
                    }
                }
                Child::Moved => unreachable!("{MOVED}"),
            }
        }
    }

    /// The leaf that holds `hash` has one entry more: counts it, and splits the leaf if it is full.
    pub(super) fn added(&mut self, hash: u64, used_bits: u32) {
        match self {
            Child::Leaf { count, .. } => {
                *count += 1;
                if used_bits == 0 {
                    self.split_if_full(0);
                }
            }
            Child::Inner { count, inner } => {
                *count += 1;
                let index = inner.index(slot(hash, used_bits));
                inner.children_mut()[index].added(hash, used_bits + LEVEL_BITS);
                inner.split_if_full(index, used_bits);
            }
            Child::Moved => unreachable!("{MOVED}"),
        }
    }

    /// Turns a full leaf into a directory node of two leaves; `used_bits` is what the path to it has used.
    fn split_if_full(&mut self, used_bits: u32) {
        match self {
            Child::Leaf { count, leaf } if leaf.is_full() && used_bits < USED_BITS_MAX => {
                let count = *count;
                let mut inner = Inner::new(1, vec![std::mem::replace(self, Child::Moved)]);
                inner.split_if_full(0, used_bits);
                *self = Child::Inner { count, inner };
            }
            _ => {}
        }
    }

    /// Removes the entry at place `index` of the leaf that holds `hash`.
    pub(super) fn remove(&mut self, hash: u64, used_bits: u32, index: usize) {
        match self {
            Child::Leaf { count, leaf } => {
                leaf.remove(index);
                *count -= 1;
            }
            Child::Inner { count, inner } => {
                *count -= 1;
                let at = inner.index(slot(hash, used_bits));
                let child = &mut inner.children_mut()[at];
                child.remove(hash, used_bits + LEVEL_BITS, index);
                if child.count() <= MERGE_ENTRIES_MAX {
                    inner.merge_if_small(at);
                    self.take_over_only_leaf();
                }
            }
            Child::Moved => unreachable!("{MOVED}"),
        }
    }

    /// Drops it, with a call of `between` behind every few thousand entries. What a clone shares stays with that.
    pub(super) fn drop_in_pieces(self, between: &mut impl FnMut()) {
        match self {
            Child::Inner { count, mut inner } if count as usize > PIECE_ELEMENTS => {
                let Some(own) = Arc::get_mut(&mut inner.0) else { return };
                for child in &mut own.slice {
                    std::mem::replace(child, Child::Moved).drop_in_pieces(between);
                }
            }
            small => {
                drop(small);
                between();
            }
        }
    }

    /// A directory node that is down to one leaf gives way to it.
    fn take_over_only_leaf(&mut self) {
        if let Child::Inner { inner, .. } = self
            && let [Child::Leaf { .. }] = inner.children()
        {
            *self = std::mem::replace(&mut inner.children_mut()[0], Child::Moved);
        }
    }

    /// Keeps the entries for which `keep` holds, asked in order. Leaves without a loss are not copied.
    pub(super) fn retain(&mut self, keep: &mut impl FnMut(&[u8], &[u8]) -> bool) {
        match self {
            Child::Leaf { count, leaf } => {
                let kept: Vec<bool> = leaf.iter().map(|(key, value)| keep(key, value)).collect();
                if kept.contains(&false) {
                    *leaf = leaf.retained(&kept);
                    *count = leaf.len() as u32;
                }
            }
            Child::Inner { count, inner } => {
                inner.children_mut().iter_mut().for_each(|child| child.retain(keep));
                *count = inner.children().iter().map(|child| child.count() as u32).sum();
                inner.merge_all_small();
                self.take_over_only_leaf();
            }
            Child::Moved => unreachable!("{MOVED}"),
        }
    }
}

const MOVED: &str = "a child is only away while its node is being replaced";

impl Inner {
    pub(super) fn new(starts: u64, children: Vec<Child>) -> Inner {
        Inner(Arc::from_header_and_vec(starts, children))
    }

    #[inline]
    fn children(&self) -> &[Child] {
        &self.0.slice
    }

    /// The children, to be changed: the node is copied first if a clone shares it.
    #[inline]
    fn children_mut(&mut self) -> &mut [Child] {
        if !self.0.is_unique() {
            *self = Inner::new(self.0.header, self.children().to_vec());
        }
        &mut Arc::get_mut(&mut self.0).expect("made unique above").slice
    }

    /// The child that holds a hash whose bits used so far were shifted out.
    #[inline]
    pub(super) fn child(&self, rest: u64) -> &Child {
        &self.children()[self.index(slot(rest, 0))]
    }

    /// Where the node begins in memory.
    #[inline]
    pub(super) fn address(&self) -> *const u8 {
        std::ptr::from_ref(&self.0.header).cast()
    }

    /// About where in memory the child of such a hash stands, without a look at the node: right if its slots are shared out
    /// evenly.
    #[inline]
    pub(super) fn likely_address(&self, rest: u64) -> *const u8 {
        let children = self.children();
        children.as_ptr().wrapping_add(slot(rest, 0) as usize * children.len() / SLOTS as usize).cast()
    }

    /// Puts other children in the place of `gone` of them.
    fn splice<const N: usize>(&mut self, starts: u64, index: usize, gone: usize, new: [Child; N]) {
        let old = self.children_mut();
        let mut children = Vec::with_capacity(old.len() - gone + N);
        let mut take = |child: &mut Child| children.push(std::mem::replace(child, Child::Moved));
        old[..index].iter_mut().for_each(&mut take);
        new.into_iter().for_each(|mut child| take(&mut child));
        old[index + gone..].iter_mut().for_each(&mut take);
        *self = Inner::new(starts, children);
    }

    /// Joins leaves until none are left that can be.
    fn merge_all_small(&mut self) {
        let mut before = usize::MAX;
        while self.children().len() < before {
            before = self.children().len();
            let mut index = 0;
            while index < self.children().len() {
                self.merge_if_small(index);
                index += 1;
            }
        }
    }

    /// Which child holds a slot.
    #[inline]
    fn index(&self, slot: u32) -> usize {
        (self.0.header << (SLOTS - 1 - slot)).count_ones() as usize - 1
    }

    /// First slot and number of slots of a child.
    fn extent(&self, index: usize) -> (u32, u32) {
        let mut starts = self.0.header;
        for _ in 0..index {
            starts &= starts - 1;
        }
        let start = starts.trailing_zeros();
        (start, (starts & (starts - 1)).trailing_zeros() - start)
    }

    /// Halves the slots of a full leaf, or, when it has one slot left, puts a directory node in its place.
    fn split_if_full(&mut self, index: usize, used_bits: u32) {
        let Child::Leaf { leaf, .. } = &self.children()[index] else { return };
        if !leaf.is_full() {
            return;
        }
        let (start, span) = self.extent(index);
        if span == 1 {
            return self.children_mut()[index].split_if_full(used_bits + LEVEL_BITS);
        }
        let middle = start + span / 2;
        let halves = leaf.split(|key| slot(hash_bytes(key), used_bits) >= middle);
        self.splice(self.0.header | 1 << middle, index, 1, halves.map(Child::from_leaf));
    }

    /// Joins a leaf with the one it was split from, if both are small.
    fn merge_if_small(&mut self, index: usize) {
        let (start, span) = self.extent(index);
        if span == SLOTS {
            return;
        }
        let left = if start & span == 0 { index } else { index - 1 };
        let right = left + 1;
        let [Child::Leaf { count: into_count, leaf: into }, Child::Leaf { count: from_count, leaf: from }] =
            &self.children()[left..=right]
        else {
            return;
        };
        if (into_count + from_count) as usize > MERGE_ENTRIES_MAX {
            return;
        }
        // Neighbours are halves of one leaf only if both still have that half's span.
        if self.extent(left) != (start & !span, span) || self.extent(right) != (start | span, span) {
            return;
        }
        let mut into = into.clone();
        if into.absorb(from) {
            self.splice(self.0.header & !(1 << (start | span)), left, 2, [Child::from_leaf(into)]);
        }
    }
}

/// The slot of `hash` in a directory node whose path has used `used_bits`.
pub(super) fn slot(hash: u64, used_bits: u32) -> u32 {
    (hash << used_bits >> (64 - LEVEL_BITS)) as u32
}
