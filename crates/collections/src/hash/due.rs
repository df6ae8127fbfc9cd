//! Which fields of a large hash are due next: (deadline, hash of the field) pairs in order. A field is found again by its
//! hash and its deadline; two fields may have the same pair, which then stands here twice.

use crate::tree::{Leaf, NewLeaves, Slot, Tree};

/// A deadline in Unix milliseconds and the hash of a field.
pub(super) type Due = (i64, u64);

/// Pairs above which a leaf is split.
const PAIRS_MAX: usize = 128;

/// Pairs in ascending order.
#[derive(Clone, Default)]
struct DueLeaf(Vec<Due>);

impl Leaf for DueLeaf {
    type Bound = Due;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn can_absorb(&self, right: &DueLeaf) -> bool {
        self.0.len() + right.0.len() <= PAIRS_MAX / 2
    }

    fn absorb(&mut self, right: &DueLeaf) {
        self.0.extend_from_slice(&right.0);
    }

    fn memory_bytes(&self) -> usize {
        self.0.capacity() * size_of::<Due>() + size_of::<DueLeaf>()
    }
}

/// The index; a clone shares its nodes.
#[derive(Clone)]
pub(super) struct DueIndex(Tree<DueLeaf>);

impl DueIndex {
    /// Without pairs.
    pub(super) fn new() -> DueIndex {
        DueIndex(Tree::new(DueLeaf::default()))
    }

    /// Drops it, with a call of `between` behind every few thousand pairs.
    pub(super) fn drop_in_pieces(self, between: &mut impl FnMut()) {
        self.0.drop_in_pieces(between);
    }

    /// Number of pairs.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The earliest.
    pub(super) fn first(&self) -> Option<Due> {
        self.0.leaf_at(0).0.0.first().copied()
    }

    /// The pair at a position in order.
    pub(super) fn get(&self, rank: usize) -> Option<Due> {
        let (leaf, start) = self.0.leaf_at(rank);
        leaf.0.get(rank - start).copied()
    }

    /// How many deadlines are not after this one.
    pub(super) fn count_until(&self, deadline: i64) -> usize {
        let last = (deadline, u64::MAX);
        let (leaf, start) = self.0.locate(|slots| seek(slots, last));
        start + leaf.0.partition_point(|due| *due <= last)
    }

    pub(super) fn insert(&mut self, due: Due) {
        self.0.edit(
            |slots| seek(slots, due),
            |leaf| {
                let at = leaf.0.partition_point(|other| *other < due);
                leaf.0.insert(at, due);
                let mut new = NewLeaves::<DueLeaf>::new();
                if leaf.0.len() > PAIRS_MAX {
                    // Deadlines mostly grow: they leave full leaves behind. Equal pairs stay in one leaf.
                    let mut middle = if at + 1 == leaf.0.len() { at } else { leaf.0.len() / 2 };
                    while leaf.0.get(middle) == Some(&leaf.0[middle - 1]) {
                        middle += 1;
                    }
                    if middle < leaf.0.len() {
                        let right = leaf.0.split_off(middle);
                        new.push((right[0], DueLeaf(right)));
                    }
                }
                ((), new)
            },
        );
    }

    /// Removes one such pair. Panics if there is none: they come and go with the entries of the table.
    pub(super) fn remove(&mut self, due: Due) {
        self.0.edit(
            |slots| seek(slots, due),
            |leaf| {
                let at = leaf.0.binary_search(&due).expect("indexed when the deadline was set");
                leaf.0.remove(at);
                ((), NewLeaves::<DueLeaf>::new())
            },
        );
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }
}

/// The last child whose bound is not above the pair.
fn seek(slots: &[Slot<DueLeaf>], due: Due) -> usize {
    slots[1..].partition_point(|slot| slot.bound <= due)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_stay_in_order_whatever_comes_and_goes_and_a_clone_as_it_was() {
        let mut rng = fastrand::Rng::with_seed(11);
        let (mut index, mut model) = (DueIndex::new(), Vec::new());
        let mut kept = Vec::new();
        for step in 0..20_000 {
            if step < 12_000 && rng.u8(..) < 170 || model.is_empty() {
                let due = (rng.i64(0..900), rng.u64(0..4));
                index.insert(due);
                model.push(due);
            } else {
                index.remove(model.swap_remove(rng.usize(..model.len())));
            }
            if step % 1000 == 0 {
                model.sort_unstable();
                kept.push((index.clone(), model.clone()));
            }
            assert_eq!((index.len(), index.first()), (model.len(), model.iter().min().copied()));
            let until = rng.i64(0..900);
            assert_eq!(index.count_until(until), model.iter().filter(|due| due.0 <= until).count());
        }
        for (index, model) in kept {
            assert!((0..=model.len()).all(|rank| index.get(rank) == model.get(rank).copied()));
        }
    }
}
