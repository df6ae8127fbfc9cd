//! Walking a list, by elements or by nodes.

use std::ops::ControlFlow;

use super::node::Node;
use super::{List, Repr};
use crate::listpack::{ListpackIn, Store};
use crate::{Element, ListpackIter};

/// Elements of a list, forwards or backwards.
pub struct ListIter<'a> {
    list: &'a List,
    backwards: bool,
    current: Current<'a>,
    /// Rank of the element to yield once `current` is used up; `None` at the end.
    next: Option<usize>,
}

enum Current<'a> {
    Packed(ListpackIter<'a>),
    Plain(Option<&'a [u8]>),
}

impl<'a> ListIter<'a> {
    pub(super) fn new(list: &'a List, index: usize, backwards: bool) -> ListIter<'a> {
        ListIter { list, backwards, current: Current::Plain(None), next: (index < list.len()).then_some(index) }
    }

    /// Enters the node that holds `rank`.
    fn enter(&mut self, rank: usize) {
        match &self.list.0 {
            Repr::Packed(listpack) => {
                self.current = self.packed(listpack, rank);
                self.next = None;
            }
            Repr::Nodes(tree) => {
                let (node, start) = tree.leaf_at(rank);
                self.current = match node {
                    Node::Packed(listpack) => self.packed(listpack, rank - start),
                    Node::Plain(bytes) => Current::Plain(Some(bytes)),
                };
                self.next = if self.backwards {
                    start.checked_sub(1)
                } else {
                    let end = start + crate::tree::Leaf::len(node);
                    (end < tree.len()).then_some(end)
                };
            }
        }
    }

    fn packed<S: Store>(&self, listpack: &'a ListpackIn<S>, index: usize) -> Current<'a> {
        let at = |index| listpack.offset_of(index).unwrap_or(listpack.end());
        Current::Packed(if self.backwards { listpack.iter_until(at(index + 1)) } else { listpack.iter_at(at(index)) })
    }
}

impl<'a> Iterator for ListIter<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        loop {
            let element = match &mut self.current {
                Current::Packed(elements) if self.backwards => elements.next_back(),
                Current::Packed(elements) => elements.next(),
                Current::Plain(element) => element.take().map(Element::Bytes),
            };
            if element.is_some() {
                return element;
            }
            let rank = self.next?;
            self.enter(rank);
        }
    }
}

impl<'a> ListIter<'a> {
    /// Hands over `count` elements, if there are so many and `take` does not break off: node by node, which takes fewer
    /// steps for each than `next` does.
    pub fn visit(mut self, count: usize, mut take: impl FnMut(Element<'a>) -> ControlFlow<()>) -> ControlFlow<()> {
        let mut left = count;
        loop {
            let room = left;
            let mut take_one = |element| {
                left -= 1;
                take(element)
            };
            match &mut self.current {
                Current::Packed(elements) if self.backwards => elements.rev().take(room).try_for_each(&mut take_one)?,
                Current::Packed(elements) => elements.take(room).try_for_each(&mut take_one)?,
                Current::Plain(element) => {
                    element.take().into_iter().try_for_each(|bytes| take_one(Element::Bytes(bytes)))?
                }
            }
            match self.next {
                Some(rank) if left > 0 => self.enter(rank),
                _ => return ControlFlow::Continue(()),
            }
        }
    }
}

/// One node of a list as the RDB format stores it.
pub enum ListNode<'a> {
    /// A run of elements: the bytes of a listpack.
    Packed(&'a [u8]),
    /// One large element.
    Plain(&'a [u8]),
}

/// The nodes of a list, first to last; one for a list in its small form.
pub struct ListNodes<'a> {
    list: &'a List,
    next: usize,
}

impl<'a> ListNodes<'a> {
    pub(super) fn new(list: &'a List) -> ListNodes<'a> {
        ListNodes { list, next: 0 }
    }
}

impl<'a> Iterator for ListNodes<'a> {
    type Item = ListNode<'a>;

    fn next(&mut self) -> Option<ListNode<'a>> {
        if self.next >= self.list.len() {
            return None;
        }
        match &self.list.0 {
            Repr::Packed(listpack) => {
                self.next = usize::MAX;
                Some(ListNode::Packed(listpack.as_bytes()))
            }
            Repr::Nodes(tree) => {
                let (node, start) = tree.leaf_at(self.next);
                self.next = start + crate::tree::Leaf::len(node);
                Some(match node {
                    Node::Packed(listpack) => ListNode::Packed(listpack.as_bytes()),
                    Node::Plain(bytes) => ListNode::Plain(bytes),
                })
            }
        }
    }
}
