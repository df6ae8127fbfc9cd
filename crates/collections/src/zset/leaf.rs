//! A leaf of the ordered tree: up to 64 members with scores, in order. Scores and member places are arrays in order;
//! the members' bytes lie behind one another in any order, so that an insertion moves no text.

use std::cmp::Ordering;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::growth;
use crate::tree;

/// Members above which a leaf is split.
pub(super) const MEMBERS_MAX: usize = 64;
/// Leaves are joined when they have no more members than this together.
pub(super) const JOIN_MEMBERS_MAX: usize = 24;
/// A longer member is kept outside the leaf's bytes; so 64 inline ones stay well within 16-bit places.
const INLINE_MAX: usize = 512;
const LARGE: u16 = u16::MAX;
/// Arrays grow by this many places at a time.
const GROWTH: usize = 8;
/// Bytes of removed members are kept until there are more than this and more than bytes in use.
const UNUSED_MIN: usize = 256;

/// Where a member's bytes are: `len` from `at` on, or, if `len` is `LARGE`, in `large[at]`.
#[derive(Clone, Copy)]
struct Place {
    at: u16,
    len: u16,
}

/// Members with scores, ascending by (score, member).
#[derive(Clone, Default)]
pub(super) struct ZLeaf {
    scores: Vec<f64>,
    places: Vec<Place>,
    bytes: Vec<u8>,
    /// Bytes of removed members.
    unused: usize,
    /// Long members; an empty one is a free place. Boxed because few leaves have any.
    #[allow(clippy::box_collection)]
    large: Option<Box<Vec<Bytes>>>,
}

/// A member with its score that no element of a subtree is before.
#[derive(Clone, Default)]
pub(super) struct Bound {
    pub(super) score: f64,
    pub(super) member: SmallVec<[u8; 16]>,
}

/// Order of sorted sets. Scores are never NaN, and both zeros are equal.
pub(super) fn compare(a: (f64, &[u8]), b: (f64, &[u8])) -> Ordering {
    a.0.partial_cmp(&b.0).expect("scores are not NaN").then_with(|| a.1.cmp(b.1))
}

impl tree::Leaf for ZLeaf {
    type Bound = Bound;

    fn len(&self) -> usize {
        self.scores.len()
    }

    fn can_absorb(&self, right: &ZLeaf) -> bool {
        self.scores.len() + right.scores.len() <= JOIN_MEMBERS_MAX
    }

    fn absorb(&mut self, right: &ZLeaf) {
        for index in 0..right.scores.len() {
            let (member, score) = right.get(index);
            self.insert(self.scores.len(), member, score);
        }
    }

    fn memory_bytes(&self) -> usize {
        let large = self.large.as_deref().map_or(0, |all| all.iter().map(|one| one.len() + size_of::<Bytes>()).sum());
        let arrays = self.scores.capacity() * size_of::<f64>() + self.places.capacity() * size_of::<Place>();
        size_of::<ZLeaf>() + arrays + self.bytes.capacity() + large
    }
}

impl ZLeaf {
    /// Of elements in order, no more than fit.
    pub(super) fn from_ascending<'a>(elements: impl ExactSizeIterator<Item = (&'a [u8], f64)> + Clone) -> ZLeaf {
        let mut leaf = ZLeaf::default();
        leaf.scores.reserve_exact(elements.len());
        leaf.places.reserve_exact(elements.len());
        let inline = elements.clone().map(|(member, _)| member.len()).filter(|len| *len <= INLINE_MAX);
        growth::reserve(&mut leaf.bytes, inline.sum());
        for (index, (member, score)) in elements.enumerate() {
            leaf.insert(index, member, score);
        }
        leaf
    }

    /// Member and score at `index`.
    pub(super) fn get(&self, index: usize) -> (&[u8], f64) {
        (self.member(self.places[index]), self.scores[index])
    }

    /// Number of leading elements for which `before` holds; it holds for no element behind one for which it does not.
    pub(super) fn partition_point(&self, before: impl Fn(f64, &[u8]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.scores.len());
        while low < high {
            let middle = (low + high) / 2;
            let (member, score) = self.get(middle);
            if before(score, member) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Puts a member at `index`.
    pub(super) fn insert(&mut self, index: usize, member: &[u8], score: f64) {
        let place = self.store(member);
        if self.scores.len() == self.scores.capacity() {
            self.scores.reserve_exact(GROWTH);
            self.places.reserve_exact(GROWTH);
        }
        self.scores.insert(index, score);
        self.places.insert(index, place);
    }

    /// Removes `count` members from `index` on.
    pub(super) fn remove(&mut self, index: usize, count: usize) {
        for place in self.places.drain(index..index + count) {
            if place.len == LARGE {
                self.large.as_deref_mut().expect("a large member has a place")[usize::from(place.at)] = Bytes::new();
            } else {
                self.unused += usize::from(place.len);
            }
        }
        self.scores.drain(index..index + count);
        if self.unused > UNUSED_MIN && self.unused > self.bytes.len() / 2 {
            self.compact();
        }
    }

    /// Moves the members from `index` on into a leaf of their own.
    pub(super) fn split_off(&mut self, index: usize) -> ZLeaf {
        let count = self.scores.len() - index;
        let mut right = ZLeaf::default();
        right.scores.reserve_exact(count + GROWTH);
        right.places.reserve_exact(count + GROWTH);
        for moved in index..self.scores.len() {
            let (member, score) = self.get(moved);
            right.insert(moved - index, member, score);
        }
        self.remove(index, count);
        self.compact();
        right
    }

    /// The leaf's first element as a bound.
    pub(super) fn first_bound(&self) -> Bound {
        let (member, score) = self.get(0);
        Bound { score, member: SmallVec::from_slice(member) }
    }

    fn member(&self, place: Place) -> &[u8] {
        let at = usize::from(place.at);
        if place.len == LARGE {
            return &self.large.as_deref().expect("a large member has a place")[at];
        }
        &self.bytes[at..at + usize::from(place.len)]
    }

    fn store(&mut self, member: &[u8]) -> Place {
        if member.len() > INLINE_MAX {
            let all = self.large.get_or_insert_default();
            let at = all.iter().position(Bytes::is_empty).unwrap_or(all.len());
            if at == all.len() {
                all.push(Bytes::new());
            }
            all[at] = Bytes::copy_from_slice(member);
            return Place { at: at as u16, len: LARGE };
        }
        if self.bytes.len() + member.len() > usize::from(u16::MAX) {
            self.compact();
        }
        let at = u16::try_from(self.bytes.len()).expect("65 inline members take less than 64 KiB");
        growth::reserve(&mut self.bytes, member.len());
        self.bytes.extend_from_slice(member);
        Place { at, len: member.len() as u16 }
    }

    /// Rewrites the members' bytes without the unused ones, and gives spare memory back.
    fn compact(&mut self) {
        let mut bytes = Vec::new();
        growth::reserve(&mut bytes, self.bytes.len() - self.unused);
        for place in &mut self.places {
            if place.len != LARGE {
                let at = usize::from(place.at);
                place.at = bytes.len() as u16;
                bytes.extend_from_slice(&self.bytes[at..at + usize::from(place.len)]);
            }
        }
        self.bytes = bytes;
        self.unused = 0;
        if self.large.as_deref().is_some_and(|all| all.iter().all(Bytes::is_empty)) {
            self.large = None;
        }
        self.scores.shrink_to(self.scores.len() + GROWTH);
        self.places.shrink_to(self.places.len() + GROWTH);
    }
}
