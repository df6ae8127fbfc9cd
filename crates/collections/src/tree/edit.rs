//! Writing to the tree: one leaf is changed, and splits, joins and counts follow on the way back up.

use smallvec::SmallVec;
use triomphe::Arc;

use super::{CHILDREN_MAX, CHILDREN_MIN, End, Leaf, NewLeaves, Node, Slot, Tree, seek_end, seek_rank};

/// What a node's parent has to know after an edit below it.
struct Outcome<L: Leaf, R> {
    result: R,
    /// By how much the count of the node itself changed.
    change: isize,
    /// Nodes to put behind it.
    siblings: SmallVec<[Slot<L>; 2]>,
}

impl<L: Leaf> Tree<L> {
    /// Of leaves in order, each with its bound, none of them empty. The nodes are full, as those that grew at their end.
    pub(crate) fn from_leaves(leaves: impl Iterator<Item = (L::Bound, L)>) -> Tree<L> {
        let mut slots: Vec<Slot<L>> = leaves.map(|(bound, leaf)| Slot::from_leaf(bound, leaf)).collect();
        while slots.len() > 1 {
            let mut below = slots.into_iter();
            let nodes = std::iter::from_fn(|| {
                let children: Vec<Slot<L>> = below.by_ref().take(CHILDREN_MAX).collect();
                (!children.is_empty()).then(|| Slot::from_children(children))
            });
            slots = nodes.collect();
        }
        slots.pop().map_or_else(|| Tree::new(L::default()), |slot| Tree { len: slot.count, root: slot.node })
    }

    /// Removes `count` elements, which are not all there are, from `start` on. What is below a node goes with it; `cut` takes
    /// so many elements from an index on, and not all, out of a leaf.
    pub(crate) fn remove_range(&mut self, start: usize, count: usize, mut cut: impl FnMut(&mut L, usize, usize)) {
        if count > 0 {
            remove_range(&mut self.root, start, count, &mut cut);
            self.len -= count;
            self.lower_root();
        }
    }

    /// Lets `act` change the leaf that `seek` leads to and name new leaves to put behind it. A leaf left empty is
    /// removed, unless it is the only one.
    pub(crate) fn edit<R>(
        &mut self,
        mut seek: impl FnMut(&[Slot<L>]) -> usize,
        act: impl FnOnce(&mut L) -> (R, NewLeaves<L>),
    ) -> R {
        let Outcome { result, change, siblings } = edit_node(&mut self.root, &mut seek, act);
        let root_len = self.len.strict_add_signed(change);
        self.len = root_len + siblings.iter().map(|slot| slot.count).sum::<usize>();
        if !siblings.is_empty() {
            let old = std::mem::replace(&mut self.root, Node::Inner(Arc::default()));
            let mut slots = Vec::with_capacity(siblings.len() + 1);
            if root_len > 0 {
                slots.push(Slot { count: root_len, bound: L::Bound::default(), node: old });
            }
            slots.extend(siblings);
            self.root = Node::Inner(Arc::new(slots));
        }
        self.lower_root();
        result
    }

    /// A root with one child gives way to it, one without any to an empty leaf.
    fn lower_root(&mut self) {
        while let Node::Inner(slots) = &self.root
            && slots.len() < 2
        {
            self.root = match slots.first() {
                Some(only) => only.node.clone(),
                None => Node::Leaf(Arc::new(L::default())),
            };
        }
    }

    /// The leaf that holds `rank` (the last one for ranks beyond), to be changed by the caller, whose number of elements
    /// will be so many more or fewer afterwards: neither none nor so many or few that the leaf should be split or joined.
    #[inline]
    pub(crate) fn leaf_mut_at(&mut self, rank: usize, change: isize) -> &mut L {
        self.leaf_mut(seek_rank::<L>(rank), change)
    }

    /// As `leaf_mut_at`, of the leaf at an end.
    #[inline]
    pub(crate) fn end_leaf_mut(&mut self, end: End, change: isize) -> &mut L {
        self.leaf_mut(seek_end::<L>(end), change)
    }

    /// As `leaf_mut_at`, of the leaf that `seek` leads to.
    #[inline]
    fn leaf_mut(&mut self, mut seek: impl FnMut(&[Slot<L>]) -> usize, change: isize) -> &mut L {
        self.len = self.len.strict_add_signed(change);
        let mut node = &mut self.root;
        loop {
            match node {
                Node::Leaf(leaf) => return Arc::make_mut(leaf),
                Node::Inner(slots) => {
                    let slots = Arc::make_mut(slots);
                    let index = seek(slots);
                    let slot = &mut slots[index];
                    slot.count = slot.count.strict_add_signed(change);
                    node = &mut slot.node;
                }
            }
        }
    }
}

fn edit_node<L: Leaf, R>(
    node: &mut Node<L>,
    seek: &mut impl FnMut(&[Slot<L>]) -> usize,
    act: impl FnOnce(&mut L) -> (R, NewLeaves<L>),
) -> Outcome<L, R> {
    match node {
        Node::Leaf(leaf) => {
            let before = leaf.len();
            let (result, new) = act(Arc::make_mut(leaf));
            let siblings = new.into_iter().map(|(bound, leaf)| Slot::from_leaf(bound, leaf)).collect();
            Outcome { result, change: leaf.len() as isize - before as isize, siblings }
        }
        Node::Inner(slots) => {
            let slots = Arc::make_mut(slots);
            let index = seek(slots);
            let below = edit_node(&mut slots[index].node, seek, act);
            let added = below.siblings.iter().map(|slot| slot.count).sum::<usize>();
            slots[index].count = slots[index].count.strict_add_signed(below.change);
            let change = below.change + added as isize;
            if !below.siblings.is_empty() {
                slots.splice(index + 1..index + 1, below.siblings);
            }
            if slots[index].count == 0 {
                slots.remove(index);
            } else if change < 0 {
                join_neighbours(slots, index);
            }
            let siblings = split_if_full(slots, index + 1);
            let moved = siblings.iter().map(|slot| slot.count).sum::<usize>();
            Outcome { result: below.result, change: change - moved as isize, siblings }
        }
    }
}

/// Removes a range that is not all that the node holds.
fn remove_range<L: Leaf>(node: &mut Node<L>, start: usize, count: usize, cut: &mut impl FnMut(&mut L, usize, usize)) {
    let slots = match node {
        Node::Leaf(leaf) => return cut(Arc::make_mut(leaf), start, count),
        Node::Inner(slots) => Arc::make_mut(slots),
    };
    let (end, mut before) = (start + count, 0);
    let (mut first, mut whole) = (slots.len(), 0..0);
    for (index, slot) in slots.iter_mut().enumerate() {
        let behind = before + slot.count;
        let (from, to) = (start.max(before), end.min(behind));
        if from < to {
            first = first.min(index);
            if to - from == slot.count {
                whole = if whole.is_empty() { index } else { whole.start }..index + 1;
            } else {
                remove_range(&mut slot.node, from - before, to - from, cut);
                slot.count -= to - from;
            }
        }
        before = behind;
        if before >= end {
            break;
        }
    }
    slots.drain(whole);
    // What was cut stands here, and perhaps behind it.
    for index in [first + 1, first] {
        if index < slots.len() {
            join_neighbours(slots, index);
        }
    }
}

/// Splits a node with too many children: in the middle, or, when it grew at its end, so that the left one stays full,
/// as sequential appends want it.
fn split_if_full<L: Leaf>(slots: &mut Vec<Slot<L>>, grown_at: usize) -> SmallVec<[Slot<L>; 2]> {
    if slots.len() <= CHILDREN_MAX {
        return SmallVec::new();
    }
    let at = if grown_at + 1 >= slots.len() { CHILDREN_MAX } else { slots.len() / 2 };
    let right = slots.split_off(at);
    SmallVec::from_iter([Slot::from_children(right)])
}

/// Joins the child at `index` with its right or left neighbour, if both are small.
fn join_neighbours<L: Leaf>(slots: &mut Vec<Slot<L>>, index: usize) {
    if index + 1 < slots.len() && join(slots, index) {
        return;
    }
    if index > 0 {
        join(slots, index - 1);
    }
}

fn join<L: Leaf>(slots: &mut Vec<Slot<L>>, left: usize) -> bool {
    let [into, from] = &mut slots[left..left + 2] else { unreachable!("the caller checked for two children") };
    let joined = match (&mut into.node, &mut from.node) {
        (Node::Leaf(into), Node::Leaf(from)) => {
            let small = into.can_absorb(from);
            if small {
                Arc::make_mut(into).absorb(from);
            }
            small
        }
        (Node::Inner(into), Node::Inner(other)) => {
            let small = into.len().min(other.len()) < CHILDREN_MIN;
            if small && into.len() + other.len() <= CHILDREN_MAX * 3 / 4 {
                let mut moved = std::mem::take(Arc::make_mut(other));
                if let Some(first) = moved.first_mut() {
                    first.bound = from.bound.clone();
                }
                Arc::make_mut(into).append(&mut moved);
                true
            } else {
                false
            }
        }
        _ => unreachable!("all leaves are equally deep"),
    };
    if joined {
        into.count += from.count;
        slots.remove(left + 1);
    }
    joined
}

impl<L: Leaf> Slot<L> {
    fn from_leaf(bound: L::Bound, leaf: L) -> Slot<L> {
        Slot { count: leaf.len(), bound, node: Node::Leaf(Arc::new(leaf)) }
    }

    fn from_children(children: Vec<Slot<L>>) -> Slot<L> {
        let count = children.iter().map(|slot| slot.count).sum();
        Slot { count, bound: children[0].bound.clone(), node: Node::Inner(Arc::new(children)) }
    }
}
