//! Ways to elements of collections, so that what commands will look up is on its way from memory before they run.

use crate::value::ValueRef;

/// The way to an element of a large collection, which several can go in turns so that none waits for memory alone.
pub struct Approach<'a>(collections::Approach<'a>);

impl<'a> Approach<'a> {
    /// Sets out for a member or field; None where there is nothing worth it.
    #[inline]
    pub fn named(value: ValueRef<'a>, name: &[u8]) -> Option<Approach<'a>> {
        match value {
            ValueRef::Set(set) => set.approach(name),
            ValueRef::Hash(hash) => hash.approach(name),
            ValueRef::ZSet(zset) => zset.approach(name),
            ValueRef::String(_) | ValueRef::List(_) | ValueRef::Stream(_) => None,
        }
        .map(Approach)
    }

    /// Sets out for the member of a sorted set that so many are before, counted from the lowest or from the highest, and that
    /// will be removed.
    pub fn at_end(value: ValueRef<'a>, lowest: bool, before: usize) -> Option<Approach<'a>> {
        let ValueRef::ZSet(zset) = value else { return None };
        let last = zset.len().checked_sub(1)?;
        let rank = if lowest { before } else { last.checked_sub(before)? };
        zset.approach_rank(rank).map(Approach)
    }

    /// Goes one step on: the processor is asked for what the next one reads. True if that was not the last step.
    #[inline]
    pub fn step(&mut self) -> bool {
        self.0.step()
    }
}
