//! Offsets never go back under one id, unless the data set was replaced as a whole.

use base::ReplId;
use node::StreamFacts;

use super::Verdict;

/// Where each node was last.
pub(super) struct Offsets {
    last: Vec<Option<(u64, ReplId, u64)>>,
}

impl Offsets {
    /// Nothing seen yet.
    pub fn new(nodes: usize) -> Offsets {
        Offsets { last: vec![None; nodes] }
    }

    /// Looks at a node after its turn.
    pub fn look(&mut self, index: usize, generation: u64, facts: &StreamFacts) -> Verdict {
        let before = self.last[index].replace((generation, facts.replid, facts.end));
        match before {
            Some((was, replid, end)) if was == generation && replid == facts.replid && facts.end < end => {
                Err(format!("n{index} went back from {end} to {} under {replid}", facts.end))
            }
            _ => Ok(()),
        }
    }
}
