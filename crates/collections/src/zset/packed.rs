//! The small form of a sorted set: a listpack of alternating members and scores, ascending by (score, member).

use std::cmp::Ordering;

use super::score::{insert_score, read_score};
use crate::listpack::canonical;
use crate::{Element, Listpack, ListpackIter};

/// Members and scores, from either end.
pub(super) struct Pairs<'a>(pub(super) ListpackIter<'a>);

impl<'a> Iterator for Pairs<'a> {
    type Item = (Element<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.next()?, score_of(self.0.next()?)))
    }
}

impl DoubleEndedIterator for Pairs<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let score = score_of(self.0.next_back()?);
        Some((self.0.next_back()?, score))
    }
}

pub(super) fn pairs(listpack: &Listpack) -> Pairs<'_> {
    Pairs(listpack.iter())
}

/// True if these are members with scores and each is behind the one before it; trusts nothing.
pub(super) fn is_ascending(listpack: &Listpack) -> bool {
    let mut elements = listpack.iter();
    let mut before: Option<(Element<'_>, f64)> = None;
    while let Some(member) = elements.next() {
        let Some(score) = elements.next().and_then(read_score) else { return false };
        let behind = before.is_none_or(|(other, other_score)| {
            other_score < score
                || (other_score == score && member.with_bytes(|text| other.cmp_bytes(text)) == Ordering::Less)
        });
        if !behind {
            return false;
        }
        before = Some((member, score));
    }
    true
}

/// Offset and score of a member.
pub(super) fn find(listpack: &Listpack, member: &[u8]) -> Option<(usize, f64)> {
    let at = listpack.find(member, 2)?;
    let (_, score_at) = listpack.read(at);
    Some((at, score_of(listpack.read(score_at).0)))
}

/// Puts a member that is not there in its place.
pub(super) fn insert(listpack: &mut Listpack, member: &[u8], score: f64) {
    let mut pairs = pairs(listpack);
    let at = loop {
        let at = pairs.0.offset();
        match pairs.next() {
            None => break at,
            Some((other, other_score)) => {
                let order = other_score.partial_cmp(&score).expect("scores are not NaN");
                if order.then_with(|| other.cmp_bytes(member)) == Ordering::Greater {
                    break at;
                }
            }
        }
    };
    let score_at = listpack.insert_at(at, canonical(member));
    insert_score(listpack, score_at, score);
}

/// Removes the member at an offset.
pub(super) fn remove(listpack: &mut Listpack, at: usize) {
    let end = listpack.read(listpack.read(at).1).1;
    listpack.remove_between(at..end, 2);
}

fn score_of(element: Element<'_>) -> f64 {
    read_score(element).expect("scores are checked when a listpack comes in")
}
