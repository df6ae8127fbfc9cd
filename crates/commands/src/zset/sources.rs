//! The keys that ZUNION, ZINTER and ZDIFF read: sorted sets, and plain sets whose members count with score 1; and what is
//! computed from them.

use std::collections::HashMap;

use collections::{Element, Limits, Set, ZSet};
use keyspace::ValueRef;
use smallvec::SmallVec;

use crate::context::Context;
use crate::error::Error;

/// Up to so many inputs a member of a union is looked up in the others; beyond, all are added up in a table.
const LOOKUP_SOURCES_MAX: usize = 3;

/// How the scores of one member become one.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum Aggregate {
    /// Their sum.
    #[default]
    Sum,
    /// The lowest.
    Min,
    /// The highest.
    Max,
}

impl Aggregate {
    fn combine(self, a: f64, b: f64) -> f64 {
        match self {
            // The sum of both infinities is 0 here, as with the peers: there are no scores that are no numbers.
            Aggregate::Sum => or_zero(a + b),
            // What compares as equal, as zeros of both signs do, or not at all leaves the first.
            Aggregate::Min => {
                if b < a {
                    b
                } else {
                    a
                }
            }
            Aggregate::Max => {
                if b > a {
                    b
                } else {
                    a
                }
            }
        }
    }
}

fn or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

enum Members {
    Missing,
    Set(Set),
    ZSet(ZSet),
}

/// One input with its weight. The collection is a clone, which costs a reference.
pub(super) struct Source {
    members: Members,
    weight: f64,
}

impl Source {
    fn len(&self) -> usize {
        match &self.members {
            Members::Missing => 0,
            Members::Set(set) => set.len(),
            Members::ZSet(zset) => zset.len(),
        }
    }

    /// The weighted score of a member.
    fn score(&self, member: &[u8]) -> Option<f64> {
        self.product(member).map(or_zero)
    }

    /// The score of a member times the weight; no number where one is 0 and the other infinite.
    fn product(&self, member: &[u8]) -> Option<f64> {
        let score = match &self.members {
            Members::Missing => None,
            Members::Set(set) => set.contains(member).then_some(1.0),
            Members::ZSet(zset) => zset.score(member),
        };
        score.map(|score| score * self.weight)
    }

    fn contains(&self, member: &[u8]) -> bool {
        self.score(member).is_some()
    }

    fn weigh(&self, score: f64) -> f64 {
        or_zero(score * self.weight)
    }

    /// The members with their weighted scores.
    fn iter(&self) -> impl Iterator<Item = (Element<'_>, f64)> {
        let (set, zset) = match &self.members {
            Members::Missing => (None, None),
            Members::Set(set) => (Some(set), None),
            Members::ZSet(zset) => (None, Some(zset)),
        };
        let plain = set.into_iter().flat_map(|set| set.iter().map(|member| (member, 1.0)));
        let scored = zset.into_iter().flat_map(ZSet::iter);
        plain.chain(scored).map(|(member, score)| (member, self.weigh(score)))
    }
}

/// All inputs of a command.
pub(super) struct Sources {
    list: SmallVec<[Source; 4]>,
}

impl Sources {
    /// Reads the keys; a type without members is refused.
    pub(super) fn open<'k>(ctx: &mut Context<'_>, keys: impl Iterator<Item = &'k [u8]>) -> Result<Sources, Error> {
        let open = |key| {
            let members = match ctx.db.get(key) {
                None => Members::Missing,
                Some(ValueRef::Set(set)) => Members::Set(set.clone()),
                Some(ValueRef::ZSet(zset)) => Members::ZSet(zset.clone()),
                Some(_) => return Err(Error::WrongType),
            };
            Ok(Source { members, weight: 1.0 })
        };
        Ok(Sources { list: keys.map(open).collect::<Result<_, _>>()? })
    }

    /// Sets the weight of the input at a position.
    pub(super) fn set_weight(&mut self, at: usize, weight: f64) {
        self.list[at].weight = weight;
    }

    /// The order in which the peers add scores up, which decides the last digit of a sum.
    fn sort_by_size(&mut self) {
        self.list.sort_by_key(Source::len);
    }

    /// All members, each once.
    pub(super) fn union(mut self, aggregate: Aggregate, limits: &Limits) -> ZSet {
        self.sort_by_size();
        if self.list.len() <= LOOKUP_SOURCES_MAX {
            self.union_by_lookups(aggregate, limits)
        } else {
            self.union_by_totals(aggregate, limits)
        }
    }

    /// Looks each member up in the other inputs: nothing is kept but the result.
    fn union_by_lookups(&self, aggregate: Aggregate, limits: &Limits) -> ZSet {
        let mut result = ZSet::new();
        for (at, source) in self.list.iter().enumerate() {
            let (earlier, later) = (&self.list[..at], &self.list[at + 1..]);
            for (member, score) in source.iter() {
                member.with_bytes(|member| {
                    if earlier.iter().any(|source| source.contains(member)) {
                        return;
                    }
                    let others = later.iter().filter_map(|source| source.score(member));
                    let score = others.fold(score, |total, score| aggregate.combine(total, score));
                    add(&mut result, member, score, limits);
                });
            }
        }
        result
    }

    /// Adds up in one pass over all inputs, in the same order for each member.
    fn union_by_totals(&self, aggregate: Aggregate, limits: &Limits) -> ZSet {
        let mut totals: HashMap<Vec<u8>, f64> = HashMap::new();
        for (member, score) in self.list.iter().flat_map(Source::iter) {
            member.with_bytes(|member| match totals.get_mut(member) {
                Some(total) => *total = aggregate.combine(*total, score),
                None => drop(totals.insert(member.to_vec(), score)),
            });
        }
        // In order, so that the result is built at its end.
        let mut totals: Vec<(Vec<u8>, f64)> = totals.into_iter().collect();
        totals.sort_unstable_by(|(a, x), (b, y)| x.total_cmp(y).then_with(|| a.cmp(b)));
        let mut result = ZSet::new();
        for (member, total) in totals {
            add(&mut result, &member, total, limits);
        }
        result
    }

    /// The members that are in all inputs.
    pub(super) fn intersection(mut self, aggregate: Aggregate, limits: &Limits) -> ZSet {
        self.sort_by_size();
        let Some((smallest, others)) = self.list.split_first() else { return ZSet::new() };
        let mut result = ZSet::new();
        for (member, score) in smallest.iter() {
            member.with_bytes(|member| {
                // Unlike in a union, a product that is no number makes the sum 0, as with the peers.
                let total = others
                    .iter()
                    .try_fold(score, |total, source| Some(aggregate.combine(total, source.product(member)?)));
                if let Some(total) = total {
                    add(&mut result, member, total, limits);
                }
            });
        }
        result
    }

    /// How many members are in all inputs, counted up to `most`.
    pub(super) fn intersection_len(mut self, most: usize) -> usize {
        self.sort_by_size();
        let Some((smallest, others)) = self.list.split_first() else { return 0 };
        let in_all =
            |member: Element<'_>| member.with_bytes(|member| others.iter().all(|source| source.contains(member)));
        smallest.iter().filter(|(member, _)| in_all(*member)).take(most).count()
    }

    /// The members of the first input that are in no other: either each is looked up in the others, or, where the others
    /// are small in comparison, their members are taken out of a copy.
    pub(super) fn difference(self, limits: &Limits) -> ZSet {
        let Some((first, others)) = self.list.split_first() else { return ZSet::new() };
        let lookups = first.len().saturating_mul(others.len());
        let removals: usize = others.iter().map(Source::len).sum();
        if let Members::ZSet(zset) = &first.members
            && lookups > removals.saturating_mul(2)
        {
            let mut rest = zset.clone();
            for (member, _) in others.iter().flat_map(Source::iter) {
                member.with_bytes(|member| rest.remove(member));
            }
            return rest;
        }
        let in_none = |(member, _): &(Element<'_>, f64)| {
            member.with_bytes(|member| !others.iter().any(|source| source.contains(member)))
        };
        add_all(first.iter().filter(in_none), limits)
    }
}

fn add_all<'z>(elements: impl Iterator<Item = (Element<'z>, f64)>, limits: &Limits) -> ZSet {
    let mut result = ZSet::new();
    for (member, score) in elements {
        member.with_bytes(|member| add(&mut result, member, score, limits));
    }
    result
}

/// Adds to a result. The compact form would lose the sign of a zero, which replies show.
fn add(result: &mut ZSet, member: &[u8], score: f64, limits: &Limits) {
    if score == 0.0 && score.is_sign_negative() {
        result.prepare(usize::MAX, limits);
    }
    result.insert(member, score, limits);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_union_of_many_is_what_lookups_make_of_it() {
        let limits = Limits::default();
        let mut rng = fastrand::Rng::with_seed(14);
        for round in 0..60 {
            let source = |rng: &mut fastrand::Rng| {
                let (mut set, mut zset) = (Set::new(), ZSet::new());
                for _ in 0..rng.usize(0..40) {
                    let member = rng.u8(0..60).to_string();
                    let score = *rng.choice(&[f64::INFINITY, f64::NEG_INFINITY, 0.1, 0.2, 0.3, 1e300, -7.0]).unwrap();
                    set.add(member.as_bytes(), &limits);
                    zset.insert(member.as_bytes(), score, &limits);
                }
                let members = match rng.u8(0..5) {
                    0 => Members::Missing,
                    1 => Members::Set(set),
                    _ => Members::ZSet(zset),
                };
                Source { members, weight: *rng.choice(&[1.0, 0.3, -2.0, f64::INFINITY]).unwrap() }
            };
            let mut sources = Sources { list: (0..round % 12).map(|_| source(&mut rng)).collect() };
            sources.sort_by_size();
            for aggregate in [Aggregate::Sum, Aggregate::Min, Aggregate::Max] {
                let content = |zset: ZSet| -> Vec<_> {
                    zset.iter().map(|(member, score)| (member.to_vec(), score.to_bits())).collect()
                };
                let looked_up = content(sources.union_by_lookups(aggregate, &limits));
                assert_eq!(content(sources.union_by_totals(aggregate, &limits)), looked_up);
            }
        }
    }
}
