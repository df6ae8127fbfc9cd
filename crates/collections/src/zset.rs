//! A sorted set: a listpack while small, a counted B+ tree with a member table when large.

mod build;
mod large;
mod leaf;
mod packed;
mod score;
#[cfg(test)]
mod tests;

use triomphe::Arc;

pub use build::ZSetBuilder;
use large::{Large, decode_score};
use leaf::ZLeaf;
use packed::Pairs;
use score::read_score;

use crate::{Approach, Corrupt, Element, Limits, Listpack};

/// Members ordered by (score, member). A clone keeps what it was cloned from; it is O(1), or a copy of the small form.
#[derive(Clone)]
pub struct ZSet(Repr);

#[derive(Clone)]
enum Repr {
    Packed(Listpack),
    Large(Arc<Large>),
}

/// A range of at least this part of a set is made by removing the other members from a copy.
const SHARED_PART: usize = 2;

/// One end of a range of members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// `-`: before every member.
    Min,
    /// `+`: behind every member.
    Max,
    /// `[text`: the range ends with this member.
    Included(&'a [u8]),
    /// `(text`: the range ends just short of this member.
    Excluded(&'a [u8]),
}

impl Default for ZSet {
    fn default() -> ZSet {
        ZSet::new()
    }
}

impl ZSet {
    /// Without members.
    pub fn new() -> ZSet {
        ZSet(Repr::Packed(Listpack::new()))
    }

    /// Takes a listpack of members and scores, converting it if it exceeds the limits. Fails on an odd count, a
    /// repeated member or a score that is no number. Members out of order are put in order.
    pub fn from_listpack(listpack: Listpack, limits: &Limits) -> Result<ZSet, Corrupt> {
        let fits = listpack.len() / 2 <= limits.zset_max_listpack_entries
            && listpack.iter().step_by(2).all(|member| member.len() <= limits.zset_max_listpack_value);
        if fits && packed::is_ascending(&listpack) && !listpack.may_repeat(2) {
            return Ok(ZSet(Repr::Packed(listpack)));
        }
        let mut large = Large::new();
        let mut elements = listpack.iter();
        while let Some(member) = elements.next() {
            let score = elements.next().ok_or(Corrupt("sorted set listpack has a member without a score"))?;
            let score = read_score(score).ok_or(Corrupt("sorted set listpack has a score that is no number"))?;
            if member.with_bytes(|text| large.insert(text, score)).is_some() {
                return Err(Corrupt("sorted set listpack has a member twice"));
            }
        }
        Ok(ZSet(if fits { Repr::Packed(packed_from(&large)) } else { Repr::Large(Arc::new(large)) }))
    }

    /// The bytes of the small form.
    pub fn as_listpack(&self) -> Option<&Listpack> {
        match &self.0 {
            Repr::Packed(listpack) => Some(listpack),
            Repr::Large(_) => None,
        }
    }

    /// Sets out for a member, if the set is large.
    pub fn approach(&self, member: &[u8]) -> Option<Approach<'_>> {
        match &self.0 {
            Repr::Packed(_) => None,
            Repr::Large(large) => Some(Approach::new(&large.table, member)),
        }
    }

    /// Sets out for the member at a rank, which will be removed, as it is found by its name.
    pub fn approach_rank(&self, rank: usize) -> Option<Approach<'_>> {
        match &self.0 {
            Repr::Large(large) if rank < large.len() => {
                Some(Approach::new(&large.table, large.get(rank).0).for_removal())
            }
            Repr::Packed(_) | Repr::Large(_) => None,
        }
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Packed(listpack) => listpack.len() / 2,
            Repr::Large(large) => large.len(),
        }
    }

    /// True without members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name OBJECT ENCODING gives: `listpack` or `skiplist` (there is none; clients know the name).
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Repr::Packed(_) => "listpack",
            Repr::Large(_) => "skiplist",
        }
    }

    /// Drops it, with a call of `between` behind every few thousand members. What a clone shares stays with that.
    pub fn drop_in_pieces(self, between: &mut impl FnMut()) {
        if let Repr::Large(large) = self.0
            && let Ok(Large { table, tree }) = Arc::try_unwrap(large)
        {
            table.drop_in_pieces(between);
            tree.drop_in_pieces(between);
        }
    }

    /// A command is about to add `members`: converts now if that alone is above the limit, as the peers do.
    pub fn prepare(&mut self, members: usize, limits: &Limits) {
        if members > limits.zset_max_listpack_entries {
            self.convert();
        }
    }

    /// Gives what has become small enough the compact form, which loses the sign of zeros.
    pub fn compact(&mut self, limits: &Limits) {
        if matches!(self.0, Repr::Large(_))
            && self.len() <= limits.zset_max_listpack_entries
            && self.iter().all(|(member, _)| member.len() <= limits.zset_max_listpack_value)
        {
            let mut compact = ZSet::new();
            for (member, score) in self.iter() {
                // Whose limits are beyond what a listpack holds gets the large form back.
                member.with_bytes(|member| compact.insert(member, score, limits));
            }
            *self = compact;
        }
    }

    /// Adds a member or gives it another score; returns the old one. `score` must not be NaN.
    pub fn insert(&mut self, member: &[u8], score: f64, limits: &Limits) -> Option<f64> {
        assert!(!score.is_nan(), "commands refuse NaN");
        if let Repr::Packed(listpack) = &mut self.0 {
            let found = packed::find(listpack, member);
            if let Some((at, old)) = found {
                if old != score {
                    packed::remove(listpack, at);
                    packed::insert(listpack, member, score);
                }
                return Some(old);
            }
            let fits = listpack.len() / 2 < limits.zset_max_listpack_entries
                && member.len() <= limits.zset_max_listpack_value
                && listpack.has_room_for(member.len());
            if fits {
                packed::insert(listpack, member, score);
                return None;
            }
        }
        Arc::make_mut(self.convert()).insert(member, score)
    }

    /// Removes a member; returns its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.0 {
            Repr::Packed(listpack) => {
                let (at, score) = packed::find(listpack, member)?;
                packed::remove(listpack, at);
                Some(score)
            }
            Repr::Large(large) => {
                large.score(member)?;
                Arc::make_mut(large).remove(member)
            }
        }
    }

    /// The score of a member.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.0 {
            Repr::Packed(listpack) => Some(packed::find(listpack, member)?.1),
            Repr::Large(large) => large.score(member),
        }
    }

    /// Ascending rank of a member, from 0.
    pub fn rank(&self, member: &[u8]) -> Option<usize> {
        match &self.0 {
            Repr::Packed(listpack) => packed::pairs(listpack).position(|(other, _)| other == *member),
            Repr::Large(large) => large.rank(member),
        }
    }

    /// Rank of the first element with a score of at least `min` (above it if `exclusive`); the length if none.
    pub fn lower_score(&self, min: f64, exclusive: bool) -> usize {
        self.partition_point(|score, _| if exclusive { score <= min } else { score < min })
    }

    /// Rank just behind the last element with a score of at most `max` (below it if `exclusive`).
    pub fn upper_score(&self, max: f64, exclusive: bool) -> usize {
        self.partition_point(|score, _| if exclusive { score < max } else { score <= max })
    }

    /// Rank of the first member not before `min`. Meaningful only where all scores are equal.
    pub fn lower_lex(&self, min: LexBound<'_>) -> usize {
        match min {
            LexBound::Min => 0,
            LexBound::Max => self.len(),
            LexBound::Included(text) => self.partition_point(|_, member| member < text),
            LexBound::Excluded(text) => self.partition_point(|_, member| member <= text),
        }
    }

    /// Rank just behind the last member not behind `max`. Meaningful only where all scores are equal.
    pub fn upper_lex(&self, max: LexBound<'_>) -> usize {
        match max {
            LexBound::Min => 0,
            LexBound::Max => self.len(),
            LexBound::Included(text) => self.partition_point(|_, member| member <= text),
            LexBound::Excluded(text) => self.partition_point(|_, member| member < text),
        }
    }

    /// The element at a rank.
    pub fn get(&self, rank: usize) -> Option<(Element<'_>, f64)> {
        self.iter_from(rank).next()
    }

    /// All elements, ascending.
    pub fn iter(&self) -> ZSetIter<'_> {
        self.iter_from(0)
    }

    /// Ascending from `rank`; nothing if that is beyond the end.
    pub fn iter_from(&self, rank: usize) -> ZSetIter<'_> {
        ZSetIter::new(self, rank, false)
    }

    /// Descending from `rank`; nothing if that is beyond the end.
    pub fn iter_back_from(&self, rank: usize) -> ZSetIter<'_> {
        ZSetIter::new(self, rank, true)
    }

    /// A set of up to `count` elements from rank `start` on, in the form that it has when they are added to an empty one that
    /// was prepared for them. It shares nodes with this one if most elements are the same.
    pub fn range(&self, start: usize, count: usize, limits: &Limits) -> ZSet {
        let count = count.min(self.len().saturating_sub(start));
        if count <= limits.zset_max_listpack_entries {
            let mut range = ZSet::new();
            for (member, score) in self.iter_from(start).take(count) {
                member.with_bytes(|member| range.insert(member, score, limits));
            }
            return range;
        }
        if let Repr::Large(large) = &self.0
            && count >= large.len() / SHARED_PART
        {
            let mut range = self.clone();
            range.remove_rank_range(start + count, usize::MAX);
            range.remove_rank_range(0, start);
            return range;
        }
        ZSet(Repr::Large(Arc::new(Large::from_ascending(self.iter_from(start).take(count)))))
    }

    /// Removes up to `count` elements from rank `start` on; returns how many there were.
    pub fn remove_rank_range(&mut self, start: usize, count: usize) -> usize {
        let count = count.min(self.len().saturating_sub(start));
        if count == 0 {
            return 0;
        }
        match &mut self.0 {
            Repr::Packed(listpack) => {
                listpack.remove_range(start * 2, count * 2);
            }
            Repr::Large(large) if count == large.len() => *large = Arc::new(Large::new()),
            Repr::Large(large) => Arc::make_mut(large).remove_rank_range(start, count),
        }
        count
    }

    /// An element, each with the same probability.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<(Element<'_>, f64)> {
        self.get(rng.usize(..self.len().max(1)))
    }

    /// Emits about `count` elements from `cursor` on (all of them while small) and returns the next cursor, 0 at the
    /// end. What is present throughout a scan is emitted at least once. Order is not that of scores.
    pub fn scan(&self, cursor: u64, count: usize, mut emit: impl FnMut(Element<'_>, f64)) -> u64 {
        match &self.0 {
            Repr::Packed(listpack) => {
                packed::pairs(listpack).for_each(|(member, score)| emit(member, score));
                0
            }
            Repr::Large(large) => {
                large.table.scan(cursor, count, |member, score| emit(Element::Bytes(member), decode_score(score)))
            }
        }
    }

    /// Estimate of the bytes allocated.
    pub fn memory_bytes(&self) -> usize {
        match &self.0 {
            Repr::Packed(listpack) => listpack.memory_bytes(),
            Repr::Large(large) => large.memory_bytes() + size_of::<usize>(),
        }
    }

    fn partition_point(&self, before: impl Fn(f64, &[u8]) -> bool) -> usize {
        match &self.0 {
            Repr::Packed(listpack) => packed::pairs(listpack)
                .take_while(|(member, score)| member.with_bytes(|member| before(*score, member)))
                .count(),
            Repr::Large(large) => large.partition_point(before),
        }
    }

    fn convert(&mut self) -> &mut Arc<Large> {
        if let Repr::Packed(listpack) = &self.0 {
            self.0 = Repr::Large(Arc::new(Large::from_ascending(packed::pairs(listpack))));
        }
        match &mut self.0 {
            Repr::Large(large) => large,
            Repr::Packed(_) => unreachable!("converted above"),
        }
    }
}

fn packed_from(large: &Large) -> Listpack {
    let mut listpack = Listpack::new();
    for rank in 0..large.len() {
        let (member, score) = large.get(rank);
        packed::insert(&mut listpack, member, score);
    }
    listpack
}

/// Members with scores, by ascending or descending rank.
pub struct ZSetIter<'a>(IterRepr<'a>);

enum IterRepr<'a> {
    Packed(Pairs<'a>),
    PackedBack(std::iter::Rev<Pairs<'a>>),
    Large(LargeIter<'a>),
}

struct LargeIter<'a> {
    large: &'a Large,
    backwards: bool,
    leaf: &'a ZLeaf,
    /// Rank of the leaf's first element.
    start: usize,
    /// Rank of the element to yield; `None` at the end.
    next: Option<usize>,
}

impl<'a> ZSetIter<'a> {
    fn new(zset: &'a ZSet, rank: usize, backwards: bool) -> ZSetIter<'a> {
        let next = (rank < zset.len()).then_some(rank);
        ZSetIter(match &zset.0 {
            Repr::Packed(listpack) => {
                let offset = |rank: usize| listpack.offset_of(rank * 2).unwrap_or(listpack.end());
                match next {
                    Some(rank) if backwards => IterRepr::PackedBack(Pairs(listpack.iter_until(offset(rank + 1))).rev()),
                    Some(rank) => IterRepr::Packed(Pairs(listpack.iter_at(offset(rank)))),
                    None => IterRepr::Packed(Pairs(listpack.iter_at(listpack.end()))),
                }
            }
            Repr::Large(large) => {
                let (leaf, start) = large.tree.leaf_at(rank);
                IterRepr::Large(LargeIter { large, backwards, leaf, start, next })
            }
        })
    }
}

impl<'a> Iterator for LargeIter<'a> {
    type Item = (Element<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        let rank = self.next?;
        if !(self.start..self.start + crate::tree::Leaf::len(self.leaf)).contains(&rank) {
            (self.leaf, self.start) = self.large.tree.leaf_at(rank);
        }
        self.next =
            if self.backwards { rank.checked_sub(1) } else { (rank + 1 < self.large.len()).then_some(rank + 1) };
        let (member, score) = self.leaf.get(rank - self.start);
        Some((Element::Bytes(member), score))
    }
}

impl<'a> Iterator for ZSetIter<'a> {
    type Item = (Element<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            IterRepr::Packed(pairs) => pairs.next(),
            IterRepr::PackedBack(pairs) => pairs.next(),
            IterRepr::Large(elements) => elements.next(),
        }
    }
}
