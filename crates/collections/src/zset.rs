//! ZSet skeleton.
use crate::{Corrupt, Element, Limits, Listpack};
/// A sorted set: members ordered by (score, member).
#[derive(Clone)]
pub struct ZSet {
    packed: triomphe::Arc<Listpack>,
}
/// Members with scores, by ascending or descending rank.
pub struct ZSetIter<'a> {
    packed: &'a Listpack,
}
/// One end of a lexicographic range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// `-`: before every member.
    Min,
    /// `+`: after every member.
    Max,
    /// `[text`
    Included(&'a [u8]),
    /// `(text`
    Excluded(&'a [u8]),
}
#[allow(missing_docs, unused_variables)]
impl ZSet {
    pub fn new() -> ZSet {
        todo!()
    }
    /// Fails on an odd count, a repeated member or a score that is no number; order is repaired as needed.
    pub fn from_listpack(listpack: Listpack, limits: &Limits) -> Result<ZSet, Corrupt> {
        todo!()
    }
    pub fn as_listpack(&self) -> Option<&Listpack> {
        todo!()
    }
    pub fn len(&self) -> usize {
        todo!()
    }
    pub fn is_empty(&self) -> bool {
        todo!()
    }
    /// "listpack" or "skiplist".
    pub fn encoding(&self) -> &'static str {
        todo!()
    }
    /// A command is about to add `members`: converts now if that alone is above the limit, as the peers do.
    pub fn prepare(&mut self, members: usize, limits: &Limits) {
        todo!()
    }
    /// Adds or moves; returns the old score. `score` must not be NaN.
    pub fn insert(&mut self, member: &[u8], score: f64, limits: &Limits) -> Option<f64> {
        todo!()
    }
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        todo!()
    }
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        todo!()
    }
    /// Ascending rank, from 0.
    pub fn rank(&self, member: &[u8]) -> Option<usize> {
        todo!()
    }
    /// Rank of the first element with score >= `min` (> if exclusive); `len` if none.
    pub fn lower_score(&self, min: f64, exclusive: bool) -> usize {
        todo!()
    }
    /// Rank just behind the last element with score <= `max` (< if exclusive).
    pub fn upper_score(&self, max: f64, exclusive: bool) -> usize {
        todo!()
    }
    /// As `lower_score` by member; meaningful when all scores are equal.
    pub fn lower_lex(&self, min: LexBound<'_>) -> usize {
        todo!()
    }
    pub fn upper_lex(&self, max: LexBound<'_>) -> usize {
        todo!()
    }
    pub fn get(&self, rank: usize) -> Option<(Element<'_>, f64)> {
        todo!()
    }
    pub fn iter(&self) -> ZSetIter<'_> {
        todo!()
    }
    pub fn iter_from(&self, rank: usize) -> ZSetIter<'_> {
        todo!()
    }
    /// Descending, from `rank`.
    pub fn iter_back_from(&self, rank: usize) -> ZSetIter<'_> {
        todo!()
    }
    /// Returns how many were removed.
    pub fn remove_rank_range(&mut self, start: usize, count: usize) -> usize {
        todo!()
    }
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<(Element<'_>, f64)> {
        todo!()
    }
    pub fn scan(&self, cursor: u64, count: usize, emit: impl FnMut(Element<'_>, f64)) -> u64 {
        todo!()
    }
    pub fn memory_bytes(&self) -> usize {
        todo!()
    }
    pub fn is_shared(&self) -> bool {
        todo!()
    }
}
impl<'a> Iterator for ZSetIter<'a> {
    type Item = (Element<'a>, f64);
    fn next(&mut self) -> Option<Self::Item> {
        todo!()
    }
}
