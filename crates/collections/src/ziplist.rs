//! Ziplist skeleton: read-only decoders of the encodings of RDB types 9 to 14.
use crate::{Corrupt, Element};
/// A validated ziplist.
#[derive(Clone, Copy)]
pub struct Ziplist<'a> {
    bytes: &'a [u8],
}
/// A validated zipmap.
#[derive(Clone, Copy)]
pub struct Zipmap<'a> {
    bytes: &'a [u8],
}
#[allow(missing_docs, unused_variables)]
impl<'a> Ziplist<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Ziplist<'a>, Corrupt> { todo!() }
    pub fn len(&self) -> usize { todo!() }
    pub fn is_empty(&self) -> bool { todo!() }
    pub fn iter(&self) -> impl Iterator<Item = Element<'a>> + use<'a> { std::iter::empty() }
}
#[allow(missing_docs, unused_variables)]
impl<'a> Zipmap<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Zipmap<'a>, Corrupt> { todo!() }
    pub fn len(&self) -> usize { todo!() }
    pub fn is_empty(&self) -> bool { todo!() }
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> { std::iter::empty() }
}
