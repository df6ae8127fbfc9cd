//! The guard against an empty master. A replica that already followed a master does not give up its data for a data set
//! without a single key: a master that was restarted without its files, or another server behind its address, would else
//! wipe every copy there is. It keeps serving what it has and goes on trying.
//!
//! An operator's order is not second-guessed: REPLICAOF is honoured once, whatever the new master holds.

use base::Time;

use crate::host::LogLevel;
use crate::node::Node;

/// Whether an empty data set would be taken over.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Guard {
    /// The data came from the master that is followed, so that an empty data set in its place is refused.
    armed: bool,
    /// One was refused, and since then nothing else came.
    pub(crate) holding_since: Option<Time>,
    /// How often one was refused.
    pub(crate) refusals: u64,
}

/// Why the transfer came to nothing, for the log.
pub(super) const REFUSED: &str = "the master has another history and no key at all, while this replica has data. It is \
    kept (replica-guard-empty-master). If the empty data set is what you want: REPLICAOF again, or FLUSHALL on this replica";

impl Guard {
    /// An operator wants this master: its first data set is taken as it is.
    pub(crate) fn ordered(&mut self) {
        self.armed = false;
        self.holding_since = None;
    }

    /// What is here is the master's.
    pub(crate) fn arm(&mut self) {
        self.armed = true;
        self.holding_since = None;
    }

    /// As INFO shows it.
    pub(crate) fn word(&self) -> &'static str {
        match (self.armed, self.holding_since) {
            (_, Some(_)) => "holding",
            (true, None) => "armed",
            (false, None) => "off",
        }
    }
}

impl Node {
    /// Whether a data set that was received must not replace ours.
    pub(super) fn guard_refuses(&mut self, received: &keyspace::Keyspace) -> bool {
        let refuses = self.config.replica_guard_empty_master
            && self.replication.guard.armed
            && received.is_empty()
            && !self.keyspace.is_empty();
        if refuses {
            let now = self.now;
            let guard = &mut self.replication.guard;
            guard.refusals += 1;
            if guard.holding_since.replace(now).is_none() {
                self.log(LogLevel::Warning, &format!("Not replacing the data set: {REFUSED}."));
            }
        }
        refuses
    }
}
