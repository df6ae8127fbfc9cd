//! The same id and the same offset mean the same data, on any two nodes, at any two times. Deadlines count.

use std::collections::BTreeMap;

use base::{ReplId, Time};
use keyspace::Keyspace;
use node::StreamFacts;

use super::Verdict;
use crate::env::Env;
use crate::inspect::{Inspection, listing};

/// One in so many places of the stream is remembered; where one is known, every node that stands there is compared.
const REMEMBERED: u8 = 3;

/// What was at each place.
pub(super) struct Digests {
    seen: BTreeMap<(ReplId, u64), Seen>,
    keep_listings: bool,
}

struct Seen {
    digest: u64,
    node: usize,
    at: Time,
    listing: Vec<String>,
}

impl Digests {
    /// Nothing seen yet.
    pub fn new(keep_listings: bool) -> Digests {
        Digests { seen: BTreeMap::new(), keep_listings }
    }

    /// Whether the node stands where a look is worth its price.
    pub fn wants(&self, facts: &StreamFacts, env: &mut Env) -> bool {
        let sampled = env.rng.u8(..REMEMBERED) == 0;
        facts.kept && (sampled || places(facts).any(|place| self.seen.contains_key(&place)))
    }

    /// Compares a node with whoever stood at the same place.
    pub fn look(
        &mut self,
        index: usize,
        facts: &StreamFacts,
        inspection: &Inspection,
        keyspace: &Keyspace,
        env: &mut Env,
    ) -> Verdict {
        for place in places(facts) {
            let (replid, offset) = place;
            let Some(seen) = self.seen.get(&place) else {
                let listing = if self.keep_listings { listing(keyspace) } else { Vec::new() };
                let seen = Seen { digest: inspection.digest, node: index, at: env.now(), listing };
                self.seen.insert(place, seen);
                continue;
            };
            env.figures.digests_compared += 1;
            if seen.digest != inspection.digest {
                let mut text = format!(
                    "n{index} and n{} (at {:.3} s) hold different data at {replid}:{offset}",
                    seen.node,
                    seen.at.0 as f64 / 1e6
                );
                if self.keep_listings {
                    let mine = listing(keyspace);
                    for line in mine.iter().filter(|line| !seen.listing.contains(line)) {
                        text.push_str(&format!("\n    only n{index}: {line}"));
                    }
                    for line in seen.listing.iter().filter(|line| !mine.contains(line)) {
                        text.push_str(&format!("\n    only n{}: {line}", seen.node));
                    }
                }
                return Err(text);
            }
        }
        Ok(())
    }
}

/// The names of the place where a node stands: where two histories part, it has two.
fn places(facts: &StreamFacts) -> impl Iterator<Item = (ReplId, u64)> {
    let parted = i64::try_from(facts.end).is_ok_and(|end| end + 1 == facts.second_offset);
    let second = parted.then_some((facts.replid2, facts.end));
    std::iter::once((facts.replid, facts.end)).chain(second)
}
