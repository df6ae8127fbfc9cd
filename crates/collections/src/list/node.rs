//! The nodes of a large list, and when an element fits into one.

use bytes::Bytes;
use smallvec::smallvec;

use crate::listpack::DequeListpack;
use crate::tree::{self, End, NewLeaves};
use crate::{Element, Limits};

/// Bytes a node may have per size class, -1 to -5.
const CLASS_BYTES: [usize; 5] = [4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10];
/// Bytes a node may have when its limit is a number of elements.
const COUNTED_BYTES_MAX: usize = 8 << 10;
/// So many times as long as it may be, a node that grew by replaced elements is split.
const OUTGROWN: usize = 4;
/// What the peers reckon an entry to take beside its bytes.
const ENTRY_OVERHEAD: usize = 8;

/// `list-max-listpack-size`, taken apart.
#[derive(Clone, Copy)]
pub(super) struct NodeLimit {
    bytes: usize,
    count: usize,
}

impl NodeLimit {
    pub(super) fn new(limits: &Limits) -> NodeLimit {
        match usize::try_from(limits.list_max_listpack_size) {
            Ok(count) => NodeLimit { bytes: COUNTED_BYTES_MAX, count: count.max(1) },
            Err(_) => {
                let class = limits.list_max_listpack_size.unsigned_abs() as usize - 1;
                NodeLimit { bytes: CLASS_BYTES[class.min(CLASS_BYTES.len() - 1)], count: usize::MAX }
            }
        }
    }

    /// True if a listpack of this size is too large.
    pub(super) fn is_exceeded_by(self, bytes: usize, count: usize) -> bool {
        bytes > self.bytes || count > self.count
    }

    /// True if a list that shrank to this goes back to its small form. Half the limit, so that it does not go to and
    /// fro; the peers ignore bytes here when the limit is a number of elements.
    pub(super) fn allows_shrinking_to(self, bytes: usize, count: usize) -> bool {
        if self.count == usize::MAX { bytes <= self.bytes / 2 } else { count <= self.count / 2 }
    }

    /// True if a loaded list of this size takes its small form.
    pub(super) fn allows_packing(self, bytes: usize, count: usize) -> bool {
        if self.count == usize::MAX { bytes <= self.bytes } else { count <= self.count }
    }

    /// True if such an element has a node of its own.
    pub(super) fn is_large(self, element: &[u8]) -> bool {
        element.len() > self.bytes
    }

    fn fits(self, node: &DequeListpack, element: &[u8]) -> bool {
        !self.is_exceeded_by(node.byte_len() + element.len() + ENTRY_OVERHEAD, node.len() + 1)
    }
}

/// A run of elements, or one that is too large to stand among others.
#[derive(Clone)]
pub(super) enum Node {
    Packed(DequeListpack),
    Plain(Bytes),
}

impl Default for Node {
    fn default() -> Node {
        Node::Packed(DequeListpack::new())
    }
}

impl tree::Leaf for Node {
    type Bound = ();

    fn len(&self) -> usize {
        match self {
            Node::Packed(listpack) => listpack.len(),
            Node::Plain(_) => 1,
        }
    }

    // As in the peers: a list that lost elements in many nodes keeps these nodes.
    fn can_absorb(&self, _right: &Node) -> bool {
        false
    }

    fn absorb(&mut self, _right: &Node) {
        unreachable!("can_absorb is never true");
    }

    fn memory_bytes(&self) -> usize {
        match self {
            Node::Packed(listpack) => listpack.memory_bytes() + size_of::<Node>(),
            Node::Plain(bytes) => bytes.len() + size_of::<Node>(),
        }
    }
}

impl Node {
    fn of(element: &[u8], limit: NodeLimit) -> Node {
        if limit.is_large(element) {
            return Node::Plain(Bytes::copy_from_slice(element));
        }
        let mut listpack = DequeListpack::new();
        listpack.push_back(element);
        Node::Packed(listpack)
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Node::Packed(listpack) if listpack.is_empty())
    }

    pub(super) fn get(&self, index: usize) -> Option<Element<'_>> {
        match self {
            Node::Packed(listpack) => listpack.get(index),
            Node::Plain(bytes) => (index == 0).then_some(Element::Bytes(bytes)),
        }
    }

    /// True if the element can be put into this very node.
    pub(super) fn has_room(&self, element: &[u8], limit: NodeLimit) -> bool {
        matches!(self, Node::Packed(listpack) if !limit.is_large(element) && limit.fits(listpack, element))
    }

    /// Puts an element before the one at `index`, in this node or in new ones.
    pub(super) fn insert(&mut self, index: usize, element: &[u8], limit: NodeLimit) -> NewLeaves<Node> {
        if self.has_room(element, limit)
            && let Node::Packed(listpack) = self
        {
            let at = listpack.offset_of(index).unwrap_or(listpack.end());
            listpack.insert_at(at, crate::listpack::canonical(element));
            return NewLeaves::<Node>::new();
        }
        let right = self.split_off(index);
        self.followed_by([Node::of(element, limit), right])
    }

    /// Puts an element, for which there is room, at an end.
    #[inline]
    pub(super) fn push(&mut self, element: &[u8], end: End) {
        match self {
            Node::Packed(listpack) if end == End::Back => listpack.push_back(element),
            Node::Packed(listpack) => listpack.push_front(element),
            Node::Plain(_) => unreachable!("a node of one large element has no room"),
        }
    }

    /// Shows the element at an end to `f`, then removes it.
    #[inline]
    pub(super) fn pop_with<R>(&mut self, end: End, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        match self {
            Node::Packed(listpack) => listpack.pop_with(end == End::Back, f),
            Node::Plain(bytes) => {
                let shown = f(Element::Bytes(bytes));
                *self = Node::default();
                Some(shown)
            }
        }
    }

    /// Replaces the element at `index`, in this node or in new ones.
    pub(super) fn replace(&mut self, index: usize, element: &[u8], limit: NodeLimit) -> NewLeaves<Node> {
        if let Node::Packed(listpack) = self
            && !limit.is_large(element)
        {
            let at = listpack.offset_of(index).expect("the caller checked the index");
            listpack.replace_at(at, crate::listpack::canonical(element));
            // It may outgrow its limit so, as with the peers; but not without bound, as there.
            let count = listpack.len();
            if listpack.byte_len() > OUTGROWN * limit.bytes && count > 1 {
                let right = listpack.split_off(count / 2);
                return smallvec![((), Node::Packed(right))];
            }
            return NewLeaves::<Node>::new();
        }
        let right = self.split_off(index + 1);
        self.remove(index, 1);
        self.followed_by([Node::of(element, limit), right])
    }

    /// Removes `count` elements from `index` on.
    pub(super) fn remove(&mut self, index: usize, count: usize) {
        match self {
            Node::Packed(listpack) => {
                listpack.remove_range(index, count);
            }
            Node::Plain(_) if index == 0 && count > 0 => *self = Node::default(),
            Node::Plain(_) => {}
        }
    }

    /// True if an element equals `value`.
    pub(super) fn contains(&self, value: &[u8]) -> bool {
        match self {
            Node::Packed(listpack) => listpack.find(value, 1).is_some(),
            Node::Plain(bytes) => bytes == value,
        }
    }

    /// Removes at most `max` elements equal to `value`, from the given end; returns how many.
    pub(super) fn remove_matching(&mut self, value: &[u8], max: usize, from_back: bool) -> usize {
        match self {
            Node::Packed(listpack) => listpack.remove_matching(value, max, from_back),
            Node::Plain(bytes) => {
                let found = bytes == value && max > 0;
                if found {
                    *self = Node::default();
                }
                usize::from(found)
            }
        }
    }

    fn split_off(&mut self, index: usize) -> Node {
        match self {
            _ if index == 0 => std::mem::take(self),
            Node::Packed(listpack) => Node::Packed(listpack.split_off(index)),
            Node::Plain(_) => Node::default(),
        }
    }

    /// This node and then others, as an edit's outcome: empty ones are left out, and this one, if empty, becomes the
    /// first that is not.
    fn followed_by(&mut self, nodes: [Node; 2]) -> NewLeaves<Node> {
        let mut new: NewLeaves<Node> =
            nodes.into_iter().filter(|node| !node.is_empty()).map(|node| ((), node)).collect();
        if self.is_empty() && !new.is_empty() {
            *self = new.remove(0).1;
        }
        new
    }
}
