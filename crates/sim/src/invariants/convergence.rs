//! After healing all nodes become equal within a bounded time.

use super::up;
use crate::inspect::inspect;
use crate::machine::Machine;

/// What still keeps the nodes from being equal; None: they are, and all replicas follow.
pub(crate) fn difference(machines: &[Machine]) -> Option<String> {
    let mut first = None;
    for machine in machines {
        let Some(node) = up(machine) else { return Some(format!("{} is down", machine.name)) };
        let facts = node.stream_facts();
        if facts.master.is_some() && !facts.link_up {
            return Some(format!("{} has no link to its master", machine.name));
        }
        let place = (facts.replid, facts.end);
        let (name, expected) = *first.get_or_insert((&machine.name, place));
        if place != expected {
            return Some(format!("{} is at {place:?}, {name} at {expected:?}", machine.name));
        }
    }
    let mut digests = machines.iter().filter_map(up).map(|node| inspect(node.keyspace()).digest);
    let expected = digests.next();
    digests.any(|digest| Some(digest) != expected).then(|| "the data differs at the same offset".to_owned())
}
