//! Set skeleton.
use crate::{Corrupt, Element, Intset, Limits, Listpack};
/// A set of members.
#[derive(Clone)]
pub struct Set {
    packed: triomphe::Arc<Listpack>,
}
/// Members of a set, in the encoding's order.
pub struct SetIter<'a> {
    packed: &'a Listpack,
}
#[allow(missing_docs, unused_variables)]
impl Set {
    pub fn new() -> Set { todo!() }
    pub fn from_intset(intset: Intset, limits: &Limits) -> Set { todo!() }
    /// Fails on a repeated member.
    pub fn from_listpack(listpack: Listpack, limits: &Limits) -> Result<Set, Corrupt> { todo!() }
    pub fn as_intset(&self) -> Option<&Intset> { todo!() }
    pub fn as_listpack(&self) -> Option<&Listpack> { todo!() }
    pub fn len(&self) -> usize { todo!() }
    pub fn is_empty(&self) -> bool { todo!() }
    /// "intset", "listpack" or "hashtable".
    pub fn encoding(&self) -> &'static str { todo!() }
    pub fn contains(&self, member: &[u8]) -> bool { todo!() }
    /// A command is about to add `members`: converts now if that alone is above the limit, as the peers do.
    pub fn prepare(&mut self, members: usize, limits: &Limits) { todo!() }
    /// True if the member is new.
    pub fn add(&mut self, member: &[u8], limits: &Limits) -> bool { todo!() }
    pub fn remove(&mut self, member: &[u8]) -> bool { todo!() }
    pub fn iter(&self) -> SetIter<'_> { todo!() }
    /// The member at a position of the iteration order (valid until the next write): for drawing distinct samples.
    pub fn nth(&self, index: usize) -> Option<Element<'_>> { todo!() }
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<Element<'_>> { todo!() }
    pub fn pop_random(&mut self, rng: &mut fastrand::Rng) -> Option<Vec<u8>> { todo!() }
    pub fn scan(&self, cursor: u64, count: usize, emit: impl FnMut(Element<'_>)) -> u64 { todo!() }
    pub fn memory_bytes(&self) -> usize { todo!() }
    pub fn is_shared(&self) -> bool { todo!() }
}
impl<'a> Iterator for SetIter<'a> {
    type Item = Element<'a>;
    fn next(&mut self) -> Option<Self::Item> { todo!() }
}
