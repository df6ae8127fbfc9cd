//! The journal holds no more than the backlog when neither a replica nor the disk lags behind, and snapshots that ended hold nothing.

use node::{Node, StreamFacts};

use super::Verdict;

/// Where each node's stream ended at the last look, if all its replicas and its disk had it by then.
pub(super) struct Memory {
    settled: Vec<Option<u64>>,
}

/// A journal keeps whole blocks: a sixteenth of the backlog within these bounds.
const BLOCK_BYTES: (u64, u64) = (16 * 1024, 64 * 1024);

impl Memory {
    /// Nothing seen yet.
    pub fn new(nodes: usize) -> Memory {
        Memory { settled: vec![None; nodes] }
    }

    /// Looks at a node after its turn.
    pub fn look(&mut self, index: usize, facts: &StreamFacts, node: &Node) -> Verdict {
        let caught_up = facts.lowest_reader.is_none_or(|at| at == facts.end)
            && facts.aof.needs_from.is_none_or(|at| at == facts.end);
        let before = std::mem::replace(&mut self.settled[index], caught_up.then_some(facts.end));
        let Some(before) = before.filter(|before| *before <= facts.end) else { return Ok(()) };
        let backlog = node.journal().backlog_size();
        let block = (backlog / 16).clamp(BLOCK_BYTES.0, BLOCK_BYTES.1);
        let held = facts.end - facts.first;
        // What this turn has added may still be needed by a replica.
        let allowed = backlog.max(facts.end - before) + 2 * block;
        if held <= allowed {
            return Ok(());
        }
        Err(format!("n{index} holds {held} bytes of its stream, {allowed} would do"))
    }
}

/// Looks at a node when all is quiet.
pub(super) fn at_rest(index: usize, node: &Node) -> Verdict {
    match node.keyspace().retired_bytes() {
        0 => Ok(()),
        bytes => Err(format!("n{index} still holds {bytes} bytes for snapshots that ended")),
    }
}
