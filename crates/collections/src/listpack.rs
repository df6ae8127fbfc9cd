//! Listpack skeleton.
use crate::{Corrupt, Element};
/// Redis's listpack, byte for byte.
#[derive(Clone, PartialEq, Eq)]
pub struct Listpack {
    bytes: Vec<u8>,
}
/// Iterator over a listpack, from either end.
#[derive(Clone)]
pub struct ListpackIter<'a> {
    bytes: &'a [u8],
}
#[allow(missing_docs, unused_variables)]
impl Listpack {
    pub fn new() -> Listpack { todo!() }
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Listpack, Corrupt> { todo!() }
    pub fn as_bytes(&self) -> &[u8] { todo!() }
    pub fn len(&self) -> usize { todo!() }
    pub fn is_empty(&self) -> bool { todo!() }
    pub fn byte_len(&self) -> usize { todo!() }
    pub fn push_back(&mut self, element: &[u8]) { todo!() }
    pub fn push_front(&mut self, element: &[u8]) { todo!() }
    pub fn get(&self, index: usize) -> Option<Element<'_>> { todo!() }
    pub fn iter(&self) -> ListpackIter<'_> { todo!() }
}
impl<'a> Iterator for ListpackIter<'a> {
    type Item = Element<'a>;
    fn next(&mut self) -> Option<Element<'a>> { todo!() }
}
impl<'a> DoubleEndedIterator for ListpackIter<'a> {
    fn next_back(&mut self) -> Option<Element<'a>> { todo!() }
}
