//! No acknowledged write is lost.
//!
//! Precisely: writers write marker keys that nobody deletes. When a master answers `+OK`, it holds the marker. When it
//! answers n to the WAIT behind it, n other nodes hold it; but a replica that came back before its master noticed that
//! the old link is dead may count once for each, as with the peers. A node that was once seen with an acknowledged marker keeps
//! it until it is killed or adopts another node's data set; partial synchronisations, promotions, changes of master
//! and other nodes' troubles take nothing away. What a full synchronisation brings is what the giver had, which
//! `digests` sees to. So a write acknowledged by WAIT n is only lost when none of the n + 1 nodes is left that had it
//! without such a break, or when the operator makes a node the master that never had it.

use std::collections::BTreeSet;

use base::Time;

use super::{Verdict, up};
use crate::client::marker_key;
use crate::machine::Machine;
use crate::network::Network;

/// What was acknowledged, and who was seen with it.
pub(super) struct Acknowledged {
    markers: BTreeSet<u32>,
    nodes: Vec<Holder>,
}

/// One node's markers, as long as its data set is not replaced as a whole.
#[derive(Clone, Default)]
struct Holder {
    generation: u64,
    held: BTreeSet<u32>,
}

impl Acknowledged {
    /// Nothing acknowledged yet.
    pub fn new(nodes: usize) -> Acknowledged {
        Acknowledged { markers: BTreeSet::new(), nodes: vec![Holder::default(); nodes] }
    }

    /// A master said that it wrote the marker.
    pub fn written(&mut self, marker: u32, by: &Machine, since: Time) -> Verdict {
        self.markers.insert(marker);
        if holds(by, marker) {
            self.note(marker, by);
            return Ok(());
        }
        if by.generation_at >= since {
            return Ok(());
        }
        Err(format!("n{} said that it wrote {} and does not hold it", by.index, marker_key(marker)))
    }

    /// A master said that so many replicas have the marker.
    pub fn replicated(
        &mut self,
        (marker, replicas): (u32, usize),
        by: usize,
        since: Time,
        machines: &[Machine],
        network: &Network,
    ) -> Verdict {
        let mut count = 0;
        for machine in machines.iter().filter(|machine| machine.index != by) {
            let held = holds(machine, marker);
            if held {
                self.note(marker, machine);
            }
            // One whose data was replaced since then may have had it.
            if held || machine.generation_at >= since {
                count += network.links_held(machine.index, by).max(1);
            }
        }
        if count >= replicas {
            return Ok(());
        }
        let key = marker_key(marker);
        Err(format!("n{by} said that {replicas} replicas have {key}, but at most {count} can have it"))
    }

    fn note(&mut self, marker: u32, machine: &Machine) {
        let holder = &mut self.nodes[machine.index];
        if holder.generation == machine.generation {
            holder.held.insert(marker);
        }
    }

    /// Looks whether a node still holds what it held.
    pub fn look(&mut self, machine: &Machine) -> Verdict {
        let holder = &mut self.nodes[machine.index];
        if holder.generation != machine.generation {
            let held = self.markers.iter().copied().filter(|marker| holds(machine, *marker));
            *holder = Holder { generation: machine.generation, held: held.collect() };
            return Ok(());
        }
        match holder.held.iter().find(|marker| !holds(machine, **marker)) {
            Some(marker) => Err(format!("n{} lost {}", machine.index, marker_key(*marker))),
            None => Ok(()),
        }
    }
}

fn holds(machine: &Machine, marker: u32) -> bool {
    up(machine).is_some_and(|node| node.keyspace().contains(0, marker_key(marker).as_bytes()))
}
