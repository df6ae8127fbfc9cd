//! Intset skeleton.
use crate::Corrupt;
/// Redis's intset, byte for byte.
#[derive(Clone, PartialEq, Eq)]
pub struct Intset {
    bytes: Vec<u8>,
}
#[allow(missing_docs, unused_variables)]
impl Intset {
    pub fn new() -> Intset { todo!() }
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Intset, Corrupt> { todo!() }
    pub fn as_bytes(&self) -> &[u8] { todo!() }
    pub fn len(&self) -> usize { todo!() }
    pub fn is_empty(&self) -> bool { todo!() }
    pub fn get(&self, index: usize) -> Option<i64> { todo!() }
    pub fn contains(&self, value: i64) -> bool { todo!() }
    pub fn insert(&mut self, value: i64) -> bool { todo!() }
    pub fn remove(&mut self, value: i64) -> bool { todo!() }
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = i64> + '_ { std::iter::empty() }
}
