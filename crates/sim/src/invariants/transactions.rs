//! No transaction is seen in part: the two keys that one always writes together are equal on every node between
//! turns, and in every reply.

use resp::Value;

use super::Verdict;
use crate::inspect::Inspection;

/// Looks at a node's data.
pub(super) fn look(index: usize, seen: &Inspection) -> Verdict {
    match seen.halves.iter().find(|(_, [a, b])| a != b) {
        None => Ok(()),
        Some((group, [a, b])) => {
            let shown = |half: &Option<Vec<u8>>| half.as_ref().map(|text| text.escape_ascii().to_string());
            let (group, a, b) = (group.escape_ascii(), shown(a), shown(b));
            Err(format!("n{index} holds a part of a transaction: tx:{group}: {a:?} and {b:?}"))
        }
    }
}

/// Looks at a reply to MGET.
pub(super) fn shown(by: usize, reply: &Value) -> Verdict {
    match reply.as_slice() {
        Some([a, b]) if a != b => Err(format!("n{by} showed a part of a transaction: {reply:?}")),
        _ => Ok(()),
    }
}
