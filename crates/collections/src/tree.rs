//! A counted B+ tree of shared leaves: the spine of large lists and sorted sets. It knows how many elements each
//! subtree holds, hence ranks, and optionally a lower bound of each subtree, hence order; what an element is only its
//! leaves know.
//!
//! Every node is behind an `Arc`. A write makes the nodes on its path its own, copying those a clone still shares.

mod edit;
#[cfg(test)]
mod tests;

use smallvec::SmallVec;
use triomphe::Arc;

/// Children of an inner node.
const CHILDREN_MAX: usize = 32;
/// An inner node with fewer children than this is joined with a neighbour when both fit in one.
const CHILDREN_MIN: usize = 8;

/// Leaves looked at to estimate the memory of a tree.
const MEMORY_SAMPLES: u64 = 16;

/// What a tree is dropped in: some tens of microseconds each.
pub(crate) const PIECE_ELEMENTS: usize = 2048;

/// A run of elements.
pub(crate) trait Leaf: Clone + Default {
    /// What elements at or behind a leaf's place are not less than; `()` where there is no order.
    type Bound: Clone + Default;

    /// Number of elements.
    fn len(&self) -> usize;

    /// True if this leaf and its right neighbour are so small that they are better one.
    fn can_absorb(&self, right: &Self) -> bool;

    /// Takes over all elements of the right neighbour.
    fn absorb(&mut self, right: &Self);

    /// Bytes allocated.
    fn memory_bytes(&self) -> usize;
}

/// New leaves that an edit puts behind the edited one, each with its bound.
pub(crate) type NewLeaves<L> = SmallVec<[(<L as Leaf>::Bound, L); 2]>;

/// A child of an inner node.
#[derive(Clone)]
pub(crate) struct Slot<L: Leaf> {
    /// Elements below.
    count: usize,
    /// Elements below are not less; not maintained, and not to be looked at, for a node's first child.
    pub(crate) bound: L::Bound,
    node: Node<L>,
}

#[derive(Clone)]
enum Node<L: Leaf> {
    Leaf(Arc<L>),
    Inner(Arc<Vec<Slot<L>>>),
}

/// An end of what a tree holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Front,
    Back,
}

/// The tree; see the top of this file.
#[derive(Clone)]
pub(crate) struct Tree<L: Leaf> {
    root: Node<L>,
    len: usize,
}

/// Takes apart what nobody else shares.
fn drop_node<L: Leaf>(node: Node<L>, drop_leaf: &mut impl FnMut(L)) {
    match node {
        Node::Leaf(leaf) => Arc::try_unwrap(leaf).into_iter().for_each(drop_leaf),
        Node::Inner(slots) => {
            for slot in Arc::try_unwrap(slots).into_iter().flatten() {
                drop_node(slot.node, drop_leaf);
            }
        }
    }
}

impl<L: Leaf> Tree<L> {
    /// Of one leaf, which may be empty.
    pub(crate) fn new(leaf: L) -> Tree<L> {
        Tree { len: leaf.len(), root: Node::Leaf(Arc::new(leaf)) }
    }

    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The leaf, if there is only one.
    pub(crate) fn only_leaf(&self) -> Option<&L> {
        match &self.root {
            Node::Leaf(leaf) => Some(leaf),
            Node::Inner(_) => None,
        }
    }

    /// Drops it, with a call of `between` behind every few thousand elements. What a clone shares stays with that.
    pub(crate) fn drop_in_pieces(self, between: &mut impl FnMut()) {
        self.drop_leaves(between, &mut |leaf, _| drop(leaf));
    }

    /// As `drop_in_pieces`; `drop_leaf` drops each leaf that no clone shares.
    pub(crate) fn drop_leaves<F: FnMut()>(self, between: &mut F, drop_leaf: &mut impl FnMut(L, &mut F)) {
        let mut undropped = 0;
        drop_node(self.root, &mut |leaf: L| {
            undropped += leaf.len();
            drop_leaf(leaf, between);
            if undropped >= PIECE_ELEMENTS {
                undropped = 0;
                between();
            }
        });
    }

    /// The leaf that `seek` leads to, choosing a child at each inner node, and the rank of its first element.
    pub(crate) fn locate(&self, mut seek: impl FnMut(&[Slot<L>]) -> usize) -> (&L, usize) {
        let (mut node, mut before) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(leaf) => return (leaf, before),
                Node::Inner(slots) => {
                    let index = seek(slots);
                    before += slots[..index].iter().map(|slot| slot.count).sum::<usize>();
                    node = &slots[index].node;
                }
            }
        }
    }

    /// The leaf that holds `rank` (the last one for ranks beyond), and the rank of its first element.
    pub(crate) fn leaf_at(&self, rank: usize) -> (&L, usize) {
        self.locate(seek_rank::<L>(rank))
    }

    /// The leaf at an end. Not by way of `locate`, which would add up counts for the rank.
    #[inline]
    pub(crate) fn end_leaf(&self, end: End) -> &L {
        let (mut node, seek) = (&self.root, seek_end::<L>(end));
        loop {
            match node {
                Node::Leaf(leaf) => return leaf,
                Node::Inner(slots) => node = &slots[seek(slots)].node,
            }
        }
    }

    /// How many inner nodes there are; looks at those only that are two levels above the leaves, which are all equally deep.
    pub(crate) fn inner_count(&self) -> usize {
        fn count<L: Leaf>(node: &Node<L>, height: usize) -> usize {
            match node {
                Node::Inner(slots) if height > 2 => {
                    1 + slots.iter().map(|slot| count(&slot.node, height - 1)).sum::<usize>()
                }
                Node::Inner(slots) if height == 2 => 1 + slots.len(),
                Node::Inner(_) => 1,
                Node::Leaf(_) => 0,
            }
        }
        let (mut node, mut height) = (&self.root, 0);
        while let Node::Inner(slots) = node {
            (node, height) = (&slots[0].node, height + 1);
        }
        count(&self.root, height)
    }

    /// Appends a leaf; none of the tree's elements may be greater than its bound.
    pub(crate) fn push_leaf(&mut self, bound: L::Bound, leaf: L) {
        if self.len == 0 {
            *self = Tree::new(leaf);
            return;
        }
        self.edit(seek_end::<L>(End::Back), |_| ((), NewLeaves::<L>::from_iter([(bound, leaf)])));
    }

    /// Estimate of the bytes allocated, from a few leaves. They are chosen by their place among the leaves: a choice by rank
    /// would hardly meet those of few large elements.
    pub(crate) fn memory_bytes(&self) -> usize {
        let mut bytes = 0;
        for sample in 0..MEMORY_SAMPLES {
            // A fraction of 1 << 32: which leaf, if each child had as many as the others.
            let (mut node, mut leaves, mut place) = (&self.root, 1, ((2 * sample + 1) << 32) / (2 * MEMORY_SAMPLES));
            let leaf = loop {
                match node {
                    Node::Leaf(leaf) => break leaf,
                    Node::Inner(slots) => {
                        leaves *= slots.len() as u128;
                        place *= slots.len() as u64;
                        node = &slots[(place >> 32) as usize].node;
                        place &= u64::from(u32::MAX);
                    }
                }
            };
            bytes += leaves * (leaf.memory_bytes() + size_of::<Slot<L>>() + size_of::<usize>()) as u128;
        }
        size_of::<Tree<L>>() + (bytes / u128::from(MEMORY_SAMPLES)) as usize
    }
}

/// A choice of children that leads to the element at `rank`; beyond the end, to the last leaf.
pub(crate) fn seek_rank<L: Leaf>(mut rank: usize) -> impl FnMut(&[Slot<L>]) -> usize {
    move |slots| {
        let last = slots.len() - 1;
        for (index, slot) in slots[..last].iter().enumerate() {
            if rank < slot.count {
                return index;
            }
            rank -= slot.count;
        }
        last
    }
}

/// A choice of children that leads to the leaf at an end.
pub(crate) fn seek_end<L: Leaf>(end: End) -> impl Fn(&[Slot<L>]) -> usize {
    move |slots| match end {
        End::Front => 0,
        End::Back => slots.len() - 1,
    }
}
