//! What was acknowledged with the append-only file on is there after a crash.
//!
//! Precisely: a process that is killed finds everything that `write` had taken, and so every write whose reply left while
//! replies waited for the disk. A machine that dies finds what was synced: with `appendfsync always` every such write,
//! and whatever WAITAOF said is on its disk. Replicas are sent nothing that such a crash takes back, unless the disk is in
//! trouble. When a server adopts another data set, what it owed is the new master's affair.

use std::collections::{BTreeSet, VecDeque};

use base::Time;
use journal::Offset;
use node::StreamFacts;

use super::{Verdict, up};
use crate::client::marker_key;
use crate::machine::{Death, Machine};
use crate::report::Figures;

/// What each node owes.
pub(super) struct Durable {
    nodes: Vec<Debt>,
}

/// What one node owes after a crash.
#[derive(Default)]
struct Debt {
    generation: u64,
    /// Since when replies wait for the disk, and since when for a sync.
    holds_since: Option<Time>,
    always_since: Option<Time>,
    /// Markers that a killed process must find.
    written: BTreeSet<u32>,
    /// Markers that a machine must find that died.
    synced: BTreeSet<u32>,
    before: Option<StreamFacts>,
    /// Where the stream ended after turns, between two units, as far as that is not written.
    ends: VecDeque<u64>,
    /// The last of them that was written, and the last that was synced, with those in between.
    written_end: u64,
    synced_end: u64,
    unsynced_ends: VecDeque<u64>,
}

impl Durable {
    /// Nothing owed yet.
    pub fn new(nodes: usize) -> Durable {
        Durable { nodes: std::iter::repeat_with(Debt::default).take(nodes).collect() }
    }

    /// Looks at a node after its turn.
    pub fn look(&mut self, machine: &mut Machine, facts: &StreamFacts, now: Time, figures: &mut Figures) -> Verdict {
        if machine.loading {
            return Ok(());
        }
        let debt = &mut self.nodes[machine.index];
        if let Some(death) = machine.death.take() {
            figures.recoveries += 1;
            debt.check_recovery(machine, &death)?;
            debt.generation = machine.generation;
            debt.before = None;
            debt.forget_ends();
        }
        if debt.generation != machine.generation || !facts.aof.holds {
            debt.generation = machine.generation;
            debt.written.clear();
            debt.synced.clear();
            debt.holds_since = None;
            debt.forget_ends();
        }
        debt.note_end(facts);
        debt.holds_since = facts.aof.holds.then(|| debt.holds_since.unwrap_or(now));
        let always = facts.aof.holds && facts.aof.always;
        debt.always_since = always.then(|| debt.always_since.unwrap_or(now));
        if facts.aof.on && facts.aof.synced > facts.aof.written {
            let (index, synced, written) = (machine.index, facts.aof.synced, facts.aof.written);
            return Err(format!("n{index} takes {synced} bytes of its stream for synced, of which it wrote {written}"));
        }
        let before = debt.before.replace(facts.clone());
        check_readers(machine.index, before.as_ref(), facts)
    }

    /// A master said that it wrote the marker, which it was sent at that time.
    pub fn written(&mut self, marker: u32, by: &Machine, sent: Time) {
        let debt = &mut self.nodes[by.index];
        // A reply that comes after a crash was let go before it: what holds for it was looked at then.
        if debt.generation != by.generation || by.generation_at >= sent {
            return;
        }
        if debt.holds_since.is_some_and(|since| since < sent) {
            debt.written.insert(marker);
        }
        if debt.always_since.is_some_and(|since| since < sent) {
            debt.synced.insert(marker);
        }
    }

    /// WAITAOF said who has the marker on disk: the master itself, and so many replicas.
    pub fn on_disk(
        &mut self,
        marker: u32,
        (local, replicas): (bool, usize),
        by: &Machine,
        sent: Time,
        machines: &[Machine],
    ) -> Verdict {
        if local && by.generation_at < sent && self.nodes[by.index].generation == by.generation {
            self.nodes[by.index].synced.insert(marker);
        }
        let Some(end) = end_of_marker(marker, by) else { return Ok(()) };
        let may_have = |machine: &&Machine| {
            let synced = machine.facts().is_some_and(|facts| facts.aof.on && facts.aof.synced >= end);
            // Of one that was restarted or adopted another data set since then nobody knows; of one that is to end its
            // append-only file neither.
            machine.index != by.index && (synced || machine.generation_at >= sent || machine.aof_changed_at >= sent)
        };
        let count = machines.iter().filter(may_have).count();
        if count >= replicas {
            return Ok(());
        }
        let key = marker_key(marker);
        Err(format!("n{} said that {replicas} replicas have {key} on disk, but at most {count} can", by.index))
    }
}

impl Debt {
    /// Takes note of where the stream ends: a restart finds whole units only.
    fn note_end(&mut self, facts: &StreamFacts) {
        if !facts.aof.on {
            return self.forget_ends();
        }
        if self.ends.back() != Some(&facts.end) {
            self.ends.push_back(facts.end);
        }
        while let Some(end) = self.ends.pop_front_if(|end| *end <= facts.aof.written) {
            self.written_end = end;
            self.unsynced_ends.push_back(end);
        }
        while let Some(end) = self.unsynced_ends.pop_front_if(|end| *end <= facts.aof.synced) {
            self.synced_end = end;
        }
    }

    fn forget_ends(&mut self) {
        self.ends.clear();
        self.unsynced_ends.clear();
        (self.written_end, self.synced_end) = (0, 0);
    }

    fn check_recovery(&mut self, machine: &Machine, death: &Death) -> Verdict {
        let Some(facts) = death.facts.as_ref().filter(|facts| facts.aof.holds) else {
            self.written.clear();
            self.synced.clear();
            return Ok(());
        };
        let (owed, cause) = match death.of_machine {
            true => (&self.synced, "the machine died"),
            false => (&self.written, "the process was killed"),
        };
        let node = up(machine).expect("it has just had its turn");
        let holds = |marker: u32| node.keyspace().contains(0, marker_key(marker).as_bytes());
        if let Some(marker) = owed.iter().find(|marker| !holds(**marker)) {
            return Err(format!("n{} lost {} when {cause}", machine.index, marker_key(*marker)));
        }
        self.written.retain(|marker| holds(*marker));
        self.synced.retain(|marker| holds(*marker));
        let end = if death.of_machine { self.synced_end } else { self.written_end };
        let found = machine.recovered.map(|position| position.offset);
        if facts.aof.on && found.is_none_or(|found| found < end) {
            return Err(format!("n{} was at {end} on disk when {cause}, and came back at {found:?}", machine.index));
        }
        Ok(())
    }
}

/// Replicas are sent what is safe here first.
fn check_readers(index: usize, before: Option<&StreamFacts>, facts: &StreamFacts) -> Verdict {
    let Some(before) = before else { return Ok(()) };
    let safe = |facts: &StreamFacts| if facts.aof.always { facts.aof.synced } else { facts.aof.written };
    let sound = |facts: &StreamFacts| facts.aof.on && !facts.aof.failing;
    let (Some((from, before_conn)), Some((sent, conn))) = (before.highest_reader, facts.highest_reader) else {
        return Ok(());
    };
    let same = before_conn == conn && before.aof.always == facts.aof.always;
    if same && sent > from && sound(before) && sound(facts) && sent > safe(facts) {
        let safe = safe(facts);
        return Err(format!("n{index} sent a replica its stream up to {sent}, of which {safe} bytes are on disk"));
    }
    Ok(())
}

/// Where in the stream of the master the marker's command ends, if it is still kept.
fn end_of_marker(marker: u32, by: &Machine) -> Option<u64> {
    let node = up(by)?;
    let facts = node.stream_facts();
    let bytes = node.journal().copy_range(Offset(facts.first), Offset(facts.end))?;
    let wanted = format!("\r\n{}\r\n$1\r\n1\r\n", marker_key(marker));
    let at = bytes.windows(wanted.len()).position(|window| window == wanted.as_bytes())?;
    Some(facts.first + (at + wanted.len()) as u64)
}
