//! Hash skeleton.
use crate::{Corrupt, Element, Limits, Listpack};
/// A hash: fields with values.
#[derive(Clone)]
pub struct Hash {
    packed: triomphe::Arc<Listpack>,
}
/// Fields and values of a hash, in the encoding's order.
pub struct HashIter<'a> {
    packed: &'a Listpack,
}
#[allow(missing_docs, unused_variables)]
impl Hash {
    pub fn new() -> Hash { todo!() }
    /// Fails on an odd count or a repeated field.
    pub fn from_listpack(listpack: Listpack, limits: &Limits) -> Result<Hash, Corrupt> { todo!() }
    pub fn as_listpack(&self) -> Option<&Listpack> { todo!() }
    pub fn len(&self) -> usize { todo!() }
    pub fn is_empty(&self) -> bool { todo!() }
    /// "listpack" or "hashtable".
    pub fn encoding(&self) -> &'static str { todo!() }
    pub fn get(&self, field: &[u8]) -> Option<Element<'_>> { todo!() }
    pub fn contains(&self, field: &[u8]) -> bool { todo!() }
    /// A command is about to set `fields` pairs: converts now if that alone is above the limit, as the peers do.
    pub fn prepare(&mut self, fields: usize, limits: &Limits) { todo!() }
    /// True if the field is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: &Limits) -> bool { todo!() }
    pub fn remove(&mut self, field: &[u8]) -> bool { todo!() }
    pub fn iter(&self) -> HashIter<'_> { todo!() }
    /// The pair at a position of the iteration order (valid until the next write): for drawing distinct samples.
    pub fn nth(&self, index: usize) -> Option<(Element<'_>, Element<'_>)> { todo!() }
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<(Element<'_>, Element<'_>)> { todo!() }
    pub fn scan(&self, cursor: u64, count: usize, emit: impl FnMut(Element<'_>, Element<'_>)) -> u64 { todo!() }
    pub fn memory_bytes(&self) -> usize { todo!() }
    pub fn is_shared(&self) -> bool { todo!() }
}
impl<'a> Iterator for HashIter<'a> {
    type Item = (Element<'a>, Element<'a>);
    fn next(&mut self) -> Option<Self::Item> { todo!() }
}
