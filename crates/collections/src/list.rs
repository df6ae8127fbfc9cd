//! A list: one listpack while small, a counted tree of listpacks when large. The limits of a node, and thereby the
//! reported encoding, follow the peers; `list-compress-depth` has no effect here, since no client could see it.

mod iter;
mod node;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use smallvec::SmallVec;
use triomphe::Arc;

pub use iter::{ListIter, ListNode, ListNodes};
use node::{Node, NodeLimit};

use crate::tree::{End, Leaf, NewLeaves, Tree, seek_end, seek_rank};
use crate::{Element, Limits, Listpack};

/// Elements by position. A clone keeps what it was cloned from; it is O(1), or a copy of the small form.
#[derive(Clone)]
pub struct List(Repr);

#[derive(Clone)]
enum Repr {
    Packed(Listpack),
    Nodes(Arc<Tree<Node>>),
}

impl Default for List {
    fn default() -> List {
        List::new()
    }
}

impl List {
    /// Without elements.
    pub fn new() -> List {
        List(Repr::Packed(Listpack::new()))
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Packed(listpack) => listpack.len(),
            Repr::Nodes(tree) => tree.len(),
        }
    }

    /// True without elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name OBJECT ENCODING gives: `listpack` or `quicklist`.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Repr::Packed(_) => "listpack",
            Repr::Nodes(_) => "quicklist",
        }
    }

    /// Puts an element before all others.
    pub fn push_front(&mut self, element: &[u8], limits: &Limits) {
        self.extend(std::iter::once(element), End::Front, limits);
    }

    /// Puts an element behind all others.
    pub fn push_back(&mut self, element: &[u8], limits: &Limits) {
        self.extend(std::iter::once(element), End::Back, limits);
    }

    /// Pushes the elements of one command one by one to the front. Whether they fit the small form is asked once for
    /// all, as the peers do, so the encoding may differ from that after single pushes.
    pub fn extend_front<'a>(&mut self, elements: impl Iterator<Item = &'a [u8]> + Clone, limits: &Limits) {
        self.extend(elements, End::Front, limits);
    }

    /// As `extend_front`, to the back.
    pub fn extend_back<'a>(&mut self, elements: impl Iterator<Item = &'a [u8]> + Clone, limits: &Limits) {
        self.extend(elements, End::Back, limits);
    }

    /// Removes the first element.
    pub fn pop_front(&mut self, limits: &Limits) -> Option<Vec<u8>> {
        self.pop_front_with(limits, |element| element.to_vec())
    }

    /// Removes the last element.
    pub fn pop_back(&mut self, limits: &Limits) -> Option<Vec<u8>> {
        self.pop_back_with(limits, |element| element.to_vec())
    }

    /// Shows the first element to `f`, then removes it; nothing is allocated.
    pub fn pop_front_with<R>(&mut self, limits: &Limits, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        self.pop_with(End::Front, limits, f)
    }

    /// Shows the last element to `f`, then removes it; nothing is allocated.
    pub fn pop_back_with<R>(&mut self, limits: &Limits, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        self.pop_with(End::Back, limits, f)
    }

    /// The element at `index`; O(log n) nodes, then a walk within one.
    pub fn get(&self, index: usize) -> Option<Element<'_>> {
        match &self.0 {
            Repr::Packed(listpack) => listpack.get(index),
            Repr::Nodes(tree) => {
                let (node, start) = tree.leaf_at(index);
                node.get(index - start)
            }
        }
    }

    /// Replaces the element at `index`; false if there is none.
    pub fn set(&mut self, index: usize, element: &[u8], limits: &Limits) -> bool {
        if index >= self.len() {
            return false;
        }
        self.make_room(element.len(), 1, limits);
        match &mut self.0 {
            Repr::Packed(listpack) => {
                let at = listpack.offset_of(index).expect("the index was checked");
                listpack.replace_at(at, crate::listpack::canonical(element));
            }
            Repr::Nodes(tree) => {
                let limit = NodeLimit::new(limits);
                let (node, start) = tree.leaf_at(index);
                let joins = |after: usize| after < tree.len() && tree.leaf_at(after).0.has_room(element, limit);
                if matches!(node, Node::Plain(_)) && joins(index + 1) {
                    // A small element in place of a large one goes to the node behind, as with the peers.
                    Arc::make_mut(tree)
                        .edit(seek_rank::<Node>(index), |node| (node.remove(0, 1), NewLeaves::<Node>::new()));
                    self.insert_raw(index, element, limits);
                    self.shrink(limits);
                    return true;
                }
                Arc::make_mut(tree)
                    .edit(seek_rank::<Node>(index), |node| ((), node.replace(index - start, element, limit)));
                self.shrink(limits);
            }
        }
        true
    }

    /// Drops it, with a call of `between` behind every few thousand elements. What a clone shares stays with that.
    pub fn drop_in_pieces(self, between: &mut impl FnMut()) {
        if let Repr::Nodes(tree) = self.0
            && let Ok(tree) = Arc::try_unwrap(tree)
        {
            tree.drop_in_pieces(between);
        }
    }

    /// Takes the encoding for one more element, as an insertion does before it knows where it goes, if anywhere.
    pub fn prepare(&mut self, element: &[u8], limits: &Limits) {
        self.make_room(element.len(), 1, limits);
    }

    /// Puts an element before the one at `index`, at the end if `index` is the length; false beyond that.
    pub fn insert(&mut self, index: usize, element: &[u8], limits: &Limits) -> bool {
        if index > self.len() {
            return false;
        }
        self.make_room(element.len(), 1, limits);
        self.insert_raw(index, element, limits);
        true
    }

    /// Removes up to `count` elements from `start` on; returns how many there were.
    pub fn remove_range(&mut self, start: usize, count: usize, limits: &Limits) -> usize {
        let count = count.min(self.len().saturating_sub(start));
        if count == 0 {
            return 0;
        }
        match &mut self.0 {
            Repr::Packed(listpack) => {
                listpack.remove_range(start, count);
            }
            Repr::Nodes(tree) if count == tree.len() => *self = List::new(),
            Repr::Nodes(tree) => {
                Arc::make_mut(tree).remove_range(start, count, Node::remove);
                self.shrink(limits);
            }
        }
        count
    }

    /// Removes at most `count` (0 means all) elements equal to `value`, from the given end; returns how many.
    pub fn remove_matching(&mut self, value: &[u8], count: usize, from_back: bool, limits: &Limits) -> usize {
        let max = if count == 0 { usize::MAX } else { count };
        match &mut self.0 {
            Repr::Packed(listpack) => {
                if listpack.find(value, 1).is_none() {
                    return 0;
                }
                listpack.remove_matching(value, max, from_back)
            }
            Repr::Nodes(tree) => {
                let removed = remove_matching_nodes(tree, value, max, from_back);
                if removed > 0 {
                    self.shrink(limits);
                }
                removed
            }
        }
    }

    /// All elements, first to last.
    pub fn iter(&self) -> ListIter<'_> {
        ListIter::new(self, 0, false)
    }

    /// Forwards from `index`; nothing if that is beyond the end.
    pub fn iter_from(&self, index: usize) -> ListIter<'_> {
        ListIter::new(self, index, false)
    }

    /// All elements, last to first.
    pub fn iter_back(&self) -> ListIter<'_> {
        ListIter::new(self, self.len().wrapping_sub(1), true)
    }

    /// Backwards from `index`; nothing if that is beyond the end.
    pub fn iter_back_from(&self, index: usize) -> ListIter<'_> {
        ListIter::new(self, index, true)
    }

    /// The nodes, for the RDB format.
    pub fn nodes(&self) -> ListNodes<'_> {
        ListNodes::new(self)
    }

    /// For loading: appends a node as it is; an empty one is left out. Call `settle` after the last.
    pub fn push_packed_node(&mut self, node: Listpack) {
        if !node.is_empty() {
            Arc::make_mut(self.convert()).push_leaf((), Node::Packed(node.into()));
        }
    }

    /// For loading: appends a node of one large element. Call `settle` after the last.
    pub fn push_plain_node(&mut self, element: Vec<u8>) {
        Arc::make_mut(self.convert()).push_leaf((), Node::Plain(Bytes::from(element)));
    }

    /// For loading: chooses the encoding the limits ask for.
    pub fn settle(&mut self, limits: &Limits) {
        let limit = NodeLimit::new(limits);
        match &self.0 {
            Repr::Packed(listpack) if limit.is_exceeded_by(listpack.byte_len(), listpack.len()) => {
                self.convert();
            }
            Repr::Packed(_) => {}
            Repr::Nodes(_) => self.pack_if(|bytes, count| limit.allows_packing(bytes, count)),
        }
    }

    /// Estimate of the bytes allocated.
    pub fn memory_bytes(&self) -> usize {
        match &self.0 {
            Repr::Packed(listpack) => listpack.memory_bytes(),
            Repr::Nodes(tree) => tree.memory_bytes() + size_of::<usize>(),
        }
    }

    fn extend<'a>(&mut self, elements: impl Iterator<Item = &'a [u8]> + Clone, end: End, limits: &Limits) {
        let (mut bytes, mut count) = (0, 0);
        for element in elements.clone() {
            bytes += element.len();
            count += 1;
        }
        self.make_room(bytes, count, limits);
        for element in elements {
            self.push(element, end, limits);
        }
    }

    /// Puts an element at an end, when the small form has been left if it must be.
    fn push(&mut self, element: &[u8], end: End, limits: &Limits) {
        match &mut self.0 {
            Repr::Packed(listpack) if end == End::Back => listpack.push_back(element),
            Repr::Packed(listpack) => listpack.push_front(element),
            Repr::Nodes(tree) if tree.end_leaf(end).has_room(element, NodeLimit::new(limits)) => {
                Arc::make_mut(tree).end_leaf_mut(end, 1).push(element, end);
            }
            Repr::Nodes(tree) => {
                let index = if end == End::Back { tree.len() } else { 0 };
                self.insert_raw(index, element, limits);
            }
        }
    }

    /// Leaves the small form if so much more would not fit it.
    fn make_room(&mut self, bytes: usize, count: usize, limits: &Limits) {
        if let Repr::Packed(listpack) = &self.0
            && NodeLimit::new(limits).is_exceeded_by(listpack.byte_len() + bytes, listpack.len() + count)
        {
            self.convert();
        }
    }

    fn insert_raw(&mut self, index: usize, element: &[u8], limits: &Limits) {
        match &mut self.0 {
            Repr::Packed(listpack) => {
                let at = listpack.offset_of(index).unwrap_or(listpack.end());
                listpack.insert_at(at, crate::listpack::canonical(element));
            }
            Repr::Nodes(tree) => {
                let limit = NodeLimit::new(limits);
                let (mut rank, (node, mut start)) = (index, tree.leaf_at(index));
                let mut has_room = node.has_room(element, limit);
                // At a border the node before may have room, where another node would have to be made.
                if index == start && start > 0 && !has_room {
                    let (before, its_start) = tree.leaf_at(index - 1);
                    if before.has_room(element, limit) {
                        (rank, start, has_room) = (index - 1, its_start, true);
                    }
                }
                let tree = Arc::make_mut(tree);
                if has_room {
                    let new = tree.leaf_mut_at(rank, 1).insert(index - start, element, limit);
                    debug_assert!(new.is_empty(), "the element was put into the node that had room");
                    return;
                }
                tree.edit(seek_rank::<Node>(rank), |node| ((), node.insert(index - start, element, limit)));
            }
        }
    }

    fn pop_with<R>(&mut self, end: End, limits: &Limits, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        match &mut self.0 {
            Repr::Packed(listpack) => listpack.pop_with(end == End::Back, f),
            Repr::Nodes(tree) => {
                let tree = Arc::make_mut(tree);
                let shown = if tree.end_leaf(end).len() > 1 {
                    tree.end_leaf_mut(end, -1).pop_with(end, f)
                } else {
                    tree.edit(seek_end::<Node>(end), |node| (node.pop_with(end, f), NewLeaves::<Node>::new()))
                };
                self.shrink(limits);
                shown
            }
        }
    }

    fn convert(&mut self) -> &mut Arc<Tree<Node>> {
        if let Repr::Packed(listpack) = &mut self.0 {
            let node = Node::Packed(std::mem::take(listpack).into());
            self.0 = Repr::Nodes(Arc::new(Tree::new(node)));
        }
        match &mut self.0 {
            Repr::Nodes(tree) => tree,
            Repr::Packed(_) => unreachable!("converted above"),
        }
    }

    /// Goes back to the small form after a removal, if what is left is small enough.
    fn shrink(&mut self, limits: &Limits) {
        let limit = NodeLimit::new(limits);
        self.pack_if(|bytes, count| limit.allows_shrinking_to(bytes, count));
    }

    fn pack_if(&mut self, allowed: impl FnOnce(usize, usize) -> bool) {
        if let Repr::Nodes(tree) = &self.0
            && let Some(Node::Packed(listpack)) = tree.only_leaf()
            && allowed(listpack.byte_len(), listpack.len())
        {
            self.0 = Repr::Packed(listpack.copied());
        }
    }
}

/// Looks into each node before it writes to it, so that nodes without a match stay shared.
fn remove_matching_nodes(tree: &mut Arc<Tree<Node>>, value: &[u8], max: usize, from_back: bool) -> usize {
    let mut removed = 0;
    let mut next = if from_back { tree.len().checked_sub(1) } else { Some(0) };
    while let Some(rank) = next
        && removed < max
        && rank < tree.len()
    {
        let (node, start) = tree.leaf_at(rank);
        let len = node.len();
        let here = if node.contains(value) {
            Arc::make_mut(tree).edit(seek_rank::<Node>(rank), |node| {
                (node.remove_matching(value, max - removed, from_back), SmallVec::new())
            })
        } else {
            0
        };
        removed += here;
        next = if from_back { start.checked_sub(1) } else { Some(start + len - here) };
    }
    removed
}
