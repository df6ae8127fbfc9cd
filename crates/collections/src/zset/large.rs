//! The large form of a sorted set: a tree ordered by (score, member), and a table from member to score.

use std::cell::Cell;
use std::cmp::Ordering;

use super::build::Ordered;
use super::leaf::{JOIN_MEMBERS_MAX, MEMBERS_MAX, ZLeaf, compare};
use crate::Element;
use crate::table::Table;
use crate::tree::{Leaf, NewLeaves, Slot, Tree};

/// Ranges of at least this part of all members are removed in one pass over the table.
const MANY: usize = 8;

/// Both views of the members; they always hold the same.
#[derive(Clone)]
pub(super) struct Large {
    pub(super) table: Table,
    pub(super) tree: Tree<ZLeaf>,
}

impl Large {
    pub(super) fn new() -> Large {
        Large { table: Table::new(), tree: Tree::new(ZLeaf::default()) }
    }

    /// Of elements in order, under members that all differ.
    pub(super) fn from_ascending<'a>(elements: impl Iterator<Item = (Element<'a>, f64)>) -> Large {
        let mut ordered = Ordered::new();
        for (member, score) in elements {
            let is_behind = member.with_bytes(|member| ordered.push(member, score));
            assert!(is_behind, "elements in order");
        }
        ordered.finish().expect("members that all differ")
    }

    pub(super) fn len(&self) -> usize {
        self.tree.len()
    }

    pub(super) fn score(&self, member: &[u8]) -> Option<f64> {
        self.table.get(member).map(decode_score)
    }

    pub(super) fn insert(&mut self, member: &[u8], score: f64) -> Option<f64> {
        let old = self.score(member);
        if let Some(old) = old {
            if old == score {
                return Some(old);
            }
            self.remove_from_tree(member, old);
        }
        self.table.set(member, &encode_score(score));
        self.insert_into_tree(member, score);
        old
    }

    pub(super) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let score = self.table.remove_with(member, decode_score)?;
        self.remove_from_tree(member, score);
        Some(score)
    }

    pub(super) fn rank(&self, member: &[u8]) -> Option<usize> {
        let key = (self.score(member)?, member);
        Some(self.partition_point(|score, other| compare((score, other), key) == Ordering::Less))
    }

    /// Rank of the first element for which `before` does not hold; it must hold for all before that and none behind.
    pub(super) fn partition_point(&self, before: impl Fn(f64, &[u8]) -> bool) -> usize {
        let (leaf, start) =
            self.tree.locate(|slots| slots[1..].partition_point(|slot| before(slot.bound.score, &slot.bound.member)));
        start + leaf.partition_point(before)
    }

    pub(super) fn get(&self, rank: usize) -> (&[u8], f64) {
        let (leaf, start) = self.tree.leaf_at(rank);
        leaf.get(rank - start)
    }

    /// The caller keeps the range within the length.
    pub(super) fn remove_rank_range(&mut self, start: usize, count: usize) {
        let many = count >= self.len() / MANY;
        if many {
            self.remove_rank_range_from_table(start, count);
        }
        let end = start + count;
        let (leaf, first) = self.tree.leaf_at(start);
        // The leaf at an end need not be joined when it becomes small: it is what pops empty next.
        let is_end = start == 0 || end == self.tree.len();
        if count == 1 && leaf.len() > if is_end { 1 } else { JOIN_MEMBERS_MAX + 1 } {
            let at = start - first;
            self.table.remove(leaf.get(at).0);
            self.tree.leaf_mut_at(start, -1).remove(at, 1);
            return;
        }
        let mut rank = start;
        while !many && rank < end {
            let (leaf, first) = self.tree.leaf_at(rank);
            let behind = end.min(first + leaf.len());
            self.table.remove_all((rank - first..behind - first).map(|index| leaf.get(index).0));
            rank = behind;
        }
        self.tree.remove_range(start, count, ZLeaf::remove);
    }

    /// Removes a large range from the table alone: one pass over it costs less than looking for each member.
    fn remove_rank_range_from_table(&mut self, start: usize, count: usize) {
        let (first, first_score) = self.get(start);
        let (last, last_score) = self.get(start + count - 1);
        let (first, last) = ((first_score, &first.to_vec()[..]), (last_score, &last.to_vec()[..]));
        self.table.retain(|member, score| {
            let element = (decode_score(score), member);
            compare(element, first) == Ordering::Less || compare(element, last) == Ordering::Greater
        });
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.table.memory_bytes() + self.tree.memory_bytes()
    }

    fn insert_into_tree(&mut self, member: &[u8], score: f64) {
        let is_last_leaf = Cell::new(true);
        let seek = |slots: &[Slot<ZLeaf>]| {
            let index = seek_key(slots, (score, member));
            is_last_leaf.set(is_last_leaf.get() && index + 1 == slots.len());
            index
        };
        self.tree.edit(seek, |leaf| {
            let index = leaf.partition_point(|other, text| compare((other, text), (score, member)) == Ordering::Less);
            leaf.insert(index, member, score);
            let mut new = NewLeaves::<ZLeaf>::new();
            if leaf.len() > MEMBERS_MAX {
                // Members that come in ascending order leave full leaves behind.
                let appended = is_last_leaf.get() && index + 1 == leaf.len();
                let right = leaf.split_off(if appended { index } else { leaf.len() / 2 });
                new.push((right.first_bound(), right));
            }
            ((), new)
        });
    }

    fn remove_from_tree(&mut self, member: &[u8], score: f64) {
        self.tree.edit(
            |slots| seek_key(slots, (score, member)),
            |leaf| {
                let index =
                    leaf.partition_point(|other, text| compare((other, text), (score, member)) == Ordering::Less);
                // It is at least as great as what is looked for, so its size tells nearly as much as all its bytes would.
                let (found, its_score) = leaf.get(index);
                let is_it = its_score == score && found.len() == member.len();
                assert!(is_it, "the table names a member that the tree does not hold");
                leaf.remove(index, 1);
                ((), NewLeaves::<ZLeaf>::new())
            },
        );
    }
}

/// The child that holds a key, or would.
fn seek_key(slots: &[Slot<ZLeaf>], key: (f64, &[u8])) -> usize {
    slots[1..].partition_point(|slot| compare((slot.bound.score, &slot.bound.member), key) != Ordering::Greater)
}

/// A score as the table stores it.
pub(super) fn encode_score(score: f64) -> [u8; 8] {
    score.to_bits().to_le_bytes()
}

/// The score that the table stores so.
pub(super) fn decode_score(bytes: &[u8]) -> f64 {
    f64::from_bits(u64::from_le_bytes(bytes.try_into().expect("the table stores scores in 8 bytes")))
}
