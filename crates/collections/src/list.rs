//! List skeleton.
use crate::{Element, Limits, Listpack};
/// A list.
#[derive(Clone)]
pub struct List {
    packed: triomphe::Arc<Listpack>,
}
/// Elements of a list, forwards or backwards.
pub struct ListIter<'a> {
    packed: &'a Listpack,
}
/// One node of a list as the RDB format stores it.
pub enum ListNode<'a> {
    /// A listpack of elements.
    Packed(&'a Listpack),
    /// One large element.
    Plain(&'a [u8]),
}
/// The nodes of a list, first to last.
pub struct ListNodes<'a> {
    packed: &'a Listpack,
}
#[allow(missing_docs, unused_variables)]
impl List {
    pub fn new() -> List {
        todo!()
    }
    pub fn len(&self) -> usize {
        todo!()
    }
    pub fn is_empty(&self) -> bool {
        todo!()
    }
    /// "listpack" or "quicklist".
    pub fn encoding(&self) -> &'static str {
        todo!()
    }
    pub fn push_front(&mut self, element: &[u8], limits: &Limits) {
        todo!()
    }
    pub fn push_back(&mut self, element: &[u8], limits: &Limits) {
        todo!()
    }
    /// One command's worth of pushes: the conversion check is made once for all of them, as the peers do.
    pub fn extend_front<'a>(&mut self, elements: impl Iterator<Item = &'a [u8]> + Clone, limits: &Limits) {
        todo!()
    }
    pub fn extend_back<'a>(&mut self, elements: impl Iterator<Item = &'a [u8]> + Clone, limits: &Limits) {
        todo!()
    }
    pub fn pop_front(&mut self, limits: &Limits) -> Option<Vec<u8>> {
        todo!()
    }
    pub fn pop_back(&mut self, limits: &Limits) -> Option<Vec<u8>> {
        todo!()
    }
    /// Shows the element to `f` before it is removed; no allocation.
    pub fn pop_front_with<R>(&mut self, limits: &Limits, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        todo!()
    }
    pub fn pop_back_with<R>(&mut self, limits: &Limits, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        todo!()
    }
    pub fn get(&self, index: usize) -> Option<Element<'_>> {
        todo!()
    }
    /// False if there is no such index.
    pub fn set(&mut self, index: usize, element: &[u8], limits: &Limits) -> bool {
        todo!()
    }
    /// Before `index`; `index == len` appends. False beyond.
    pub fn insert(&mut self, index: usize, element: &[u8], limits: &Limits) -> bool {
        todo!()
    }
    /// Returns how many were removed.
    pub fn remove_range(&mut self, start: usize, count: usize, limits: &Limits) -> usize {
        todo!()
    }
    /// LREM: at most `count` (0 = all) elements equal to `value`, from the given end.
    pub fn remove_matching(&mut self, value: &[u8], count: usize, from_back: bool, limits: &Limits) -> usize {
        todo!()
    }
    pub fn iter(&self) -> ListIter<'_> {
        todo!()
    }
    /// Forwards from `index`.
    pub fn iter_from(&self, index: usize) -> ListIter<'_> {
        todo!()
    }
    /// Backwards from the last element.
    pub fn iter_back(&self) -> ListIter<'_> {
        todo!()
    }
    /// Backwards from `index`.
    pub fn iter_back_from(&self, index: usize) -> ListIter<'_> {
        todo!()
    }
    pub fn nodes(&self) -> ListNodes<'_> {
        todo!()
    }
    /// For loading: appends a node as it is. Call `settle` when done.
    pub fn push_packed_node(&mut self, node: Listpack) {
        todo!()
    }
    pub fn push_plain_node(&mut self, element: Vec<u8>) {
        todo!()
    }
    /// For loading: chooses the encoding.
    pub fn settle(&mut self, limits: &Limits) {
        todo!()
    }
    pub fn memory_bytes(&self) -> usize {
        todo!()
    }
    pub fn is_shared(&self) -> bool {
        todo!()
    }
}
impl<'a> Iterator for ListIter<'a> {
    type Item = Element<'a>;
    fn next(&mut self) -> Option<Element<'a>> {
        todo!()
    }
}
impl<'a> Iterator for ListNodes<'a> {
    type Item = ListNode<'a>;
    fn next(&mut self) -> Option<ListNode<'a>> {
        todo!()
    }
}
