//! Building a large sorted set of elements that come one after the other. As long as they come in order, ascending or
//! descending, as they do from files and masters, leaves of the tree are made one by one and nothing is looked up.

use std::cmp::Ordering;

use super::large::{Large, encode_score};
use super::leaf::{MEMBERS_MAX, ZLeaf, compare};
use super::{Repr, ZSet};
use crate::Limits;
use crate::table::TableBuilder;
use crate::tree::Tree;

/// Builds a sorted set with the encoding of large ones, of elements that come one after the other: faster than inserting each
/// if they come in order.
pub struct ZSetBuilder(State);

enum State {
    Ordered(Ordered),
    /// An element was out of order, and from there on each finds its place by itself. None if a member came twice.
    Any(Option<Large>),
}

impl ZSetBuilder {
    /// For a sorted set of so many members. None if it may have another encoding.
    pub fn for_members(members: usize, limits: &Limits) -> Option<ZSetBuilder> {
        (members > limits.zset_max_listpack_entries).then(|| ZSetBuilder(State::Ordered(Ordered::new())))
    }

    /// Adds a member. `score` must not be NaN.
    pub fn push(&mut self, member: &[u8], score: f64) {
        if let State::Ordered(ordered) = &mut self.0 {
            if ordered.push(member, score) {
                return;
            }
            let ordered = std::mem::replace(ordered, Ordered::new());
            self.0 = State::Any(ordered.finish());
        }
        if let State::Any(any) = &mut self.0
            && any.as_mut().is_some_and(|large| large.insert(member, score).is_some())
        {
            *any = None;
        }
    }

    /// The sorted set. None if a member came twice.
    pub fn finish(self) -> Option<ZSet> {
        let large = match self.0 {
            State::Ordered(ordered) => ordered.finish(),
            State::Any(any) => any,
        };
        large.map(|large| ZSet(Repr::Large(triomphe::Arc::new(large))))
    }
}

/// Elements in order.
pub(super) struct Ordered {
    table: TableBuilder,
    /// How the last element stands to the one before. None while there are not two.
    direction: Option<Ordering>,
    leaves: Vec<ZLeaf>,
    /// What goes into the next leaf: the members one behind the other, where each ends, and their scores.
    bytes: Vec<u8>,
    part: Vec<(usize, f64)>,
}

impl Ordered {
    pub(super) fn new() -> Ordered {
        let part = Vec::with_capacity(MEMBERS_MAX);
        Ordered { table: TableBuilder::new(), direction: None, leaves: Vec::new(), bytes: Vec::new(), part }
    }

    /// Adds an element. False: it would be out of order, and is not added.
    pub(super) fn push(&mut self, member: &[u8], score: f64) -> bool {
        // A leaf is ended when another element comes, so that the last one is still here.
        if let Some(last) = self.part.len().checked_sub(1) {
            let (last_member, last_score) = self.element(last);
            let order = compare((score, member), (last_score, last_member));
            if order == Ordering::Equal || self.direction.is_some_and(|direction| direction != order) {
                return false;
            }
            self.direction = Some(order);
        }
        if self.part.len() == MEMBERS_MAX {
            self.end_leaf();
        }
        self.table.push(member, &encode_score(score));
        self.bytes.extend_from_slice(member);
        self.part.push((self.bytes.len(), score));
        true
    }

    fn is_descending(&self) -> bool {
        self.direction == Some(Ordering::Less)
    }

    /// An element of the next leaf.
    fn element(&self, index: usize) -> (&[u8], f64) {
        let start = index.checked_sub(1).map_or(0, |before| self.part[before].0);
        let (end, score) = self.part[index];
        (&self.bytes[start..end], score)
    }

    fn end_leaf(&mut self) {
        let count = self.part.len();
        let leaf = if self.is_descending() {
            ZLeaf::from_ascending((0..count).rev().map(|index| self.element(index)))
        } else {
            ZLeaf::from_ascending((0..count).map(|index| self.element(index)))
        };
        self.leaves.push(leaf);
        self.bytes.clear();
        self.part.clear();
    }

    /// The sorted set. None if a member came twice.
    pub(super) fn finish(mut self) -> Option<Large> {
        if !self.part.is_empty() {
            self.end_leaf();
        }
        if self.is_descending() {
            self.leaves.reverse();
        }
        let table = self.table.finish()?;
        let tree = Tree::from_leaves(self.leaves.into_iter().map(|leaf| (leaf.first_bound(), leaf)));
        Some(Large { table, tree })
    }
}
