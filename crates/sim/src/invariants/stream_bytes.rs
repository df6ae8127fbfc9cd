//! The stream's bytes are the same everywhere: for an id and an offset there is one byte, whoever holds it.

use std::collections::BTreeMap;

use base::ReplId;
use journal::Offset;
use node::{Node, StreamFacts};

use super::Verdict;
use crate::report::Figures;

/// All streams of a run. They are short: all bytes are kept.
pub(super) struct StreamBytes {
    streams: BTreeMap<ReplId, Stream>,
    last: Vec<Option<Place>>,
}

/// What is known under one id.
struct Stream {
    /// The offset of the first byte.
    start: u64,
    bytes: Vec<u8>,
}

/// Up to where a node was looked at.
#[derive(Clone, Copy)]
struct Place {
    generation: u64,
    replid: ReplId,
    end: u64,
}

impl StreamBytes {
    /// Nothing seen yet.
    pub fn new(nodes: usize) -> StreamBytes {
        StreamBytes { streams: BTreeMap::new(), last: vec![None; nodes] }
    }

    /// Compares what a node's stream has got since the last look.
    pub fn look(
        &mut self,
        index: usize,
        generation: u64,
        facts: &StreamFacts,
        node: &Node,
        figures: &mut Figures,
    ) -> Verdict {
        if !facts.kept {
            self.last[index] = None;
            return Ok(());
        }
        let place = Place { generation, replid: facts.replid, end: facts.end };
        let before = self.last[index].replace(place).filter(|before| before.generation == generation);
        let fork = u64::try_from(facts.second_offset).ok().and_then(|offset| offset.checked_sub(1));
        // A replica may learn of a new id before it has all that the old one names.
        let fork = fork.map(|fork| fork.min(facts.end));
        let mut parts = Vec::new();
        match (before, fork) {
            (Some(before), _) if before.replid == facts.replid => parts.push((facts.replid, before.end, facts.end)),
            (Some(before), Some(fork)) if before.replid == facts.replid2 => {
                parts.push((facts.replid2, before.end, fork));
                parts.push((facts.replid, fork, facts.end));
            }
            _ => parts.push((facts.replid, facts.first.max(fork.unwrap_or(0)), facts.end)),
        }
        for (replid, from, to) in parts {
            let from = from.max(facts.first);
            if from < to {
                let bytes = node.journal().copy_range(Offset(from), Offset(to)).expect("it is held from `first` on");
                figures.bytes_compared += bytes.len() as u64;
                self.compare(index, replid, from, &bytes)?;
            }
        }
        Ok(())
    }

    fn compare(&mut self, index: usize, replid: ReplId, from: u64, bytes: &[u8]) -> Verdict {
        let stream = self.streams.entry(replid).or_insert_with(|| Stream { start: from, bytes: Vec::new() });
        let known_end = stream.start + stream.bytes.len() as u64;
        if from < stream.start || from > known_end {
            // A piece that nobody else was seen with: there is nothing to compare it with, nor to add it to.
            return Ok(());
        }
        let known = &stream.bytes[(from - stream.start) as usize..];
        let common = known.len().min(bytes.len());
        if let Some(at) = (0..common).find(|at| known[*at] != bytes[*at]) {
            let shown = |bytes: &[u8]| bytes[at..bytes.len().min(at + 60)].escape_ascii().to_string();
            let offset = from + at as u64;
            return Err(format!(
                "n{index} has other bytes at {replid}:{offset}: '{}' where others have '{}'",
                shown(bytes),
                shown(known)
            ));
        }
        stream.bytes.extend_from_slice(&bytes[common..]);
        Ok(())
    }
}
