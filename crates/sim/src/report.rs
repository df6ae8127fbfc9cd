//! What a run comes to: how much happened, and what was violated if anything was.

use std::fmt;

/// How much happened in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Commands whose reply a client read.
    pub replies: u64,
    /// Full synchronisations begun.
    pub full_syncs: u64,
    /// Partial synchronisations as replicas saw them.
    pub partial_syncs: u64,
    /// Data sets whose transfer was given up half-way.
    pub transfers_aborted: u64,
    /// Processes killed.
    pub kills: u64,
    /// Restarts from a file.
    pub restarts_from_file: u64,
    /// REPLICAOF NO ONE given to a replica.
    pub promotions: u64,
    /// Connections cut.
    pub cuts: u64,
    /// Partitions without a cut.
    pub partitions: u64,
    /// Processes stopped.
    pub stops: u64,
    /// WAIT replies that promised at least one replica.
    pub waits: u64,
    /// Data sets compared at the same id and offset.
    pub digests_compared: u64,
    /// Stream bytes compared.
    pub bytes_compared: u64,
    /// PSYNC answers compared with the rule.
    pub answers_checked: u64,
    /// Keys evicted.
    pub evictions: u64,
    /// Machines that died with their process.
    pub machines_lost: u64,
    /// Restarts from append-only files.
    pub restarts_from_aof: u64,
    /// Restarts whose data set was compared with what was owed.
    pub recoveries: u64,
    /// Failovers asked for.
    pub failovers_asked: u64,
    /// Failovers after which the old master followed the new one.
    pub failovers_done: u64,
    /// Replicas that were held until a byte came.
    pub holds: u64,
    /// WAITAOF replies that promised at least one disk.
    pub waits_for_disks: u64,
    /// Full synchronisations that were asked for by a replica with a history.
    pub full_syncs_of_old: u64,
}

impl Figures {
    /// Adds another run's.
    pub fn add(&mut self, other: &Figures) {
        for (mine, theirs) in self.fields().into_iter().zip(other.clone().fields()) {
            *mine.1 += *theirs.1;
        }
    }

    /// Each number with its name.
    pub fn fields(&mut self) -> [(&'static str, &mut u64); 23] {
        [
            ("replies", &mut self.replies),
            ("full_syncs", &mut self.full_syncs),
            ("partial_syncs", &mut self.partial_syncs),
            ("transfers_aborted", &mut self.transfers_aborted),
            ("kills", &mut self.kills),
            ("restarts_from_file", &mut self.restarts_from_file),
            ("promotions", &mut self.promotions),
            ("cuts", &mut self.cuts),
            ("partitions", &mut self.partitions),
            ("stops", &mut self.stops),
            ("waits", &mut self.waits),
            ("digests_compared", &mut self.digests_compared),
            ("bytes_compared", &mut self.bytes_compared),
            ("answers_checked", &mut self.answers_checked),
            ("evictions", &mut self.evictions),
            ("machines_lost", &mut self.machines_lost),
            ("restarts_from_aof", &mut self.restarts_from_aof),
            ("recoveries", &mut self.recoveries),
            ("failovers_asked", &mut self.failovers_asked),
            ("failovers_done", &mut self.failovers_done),
            ("holds", &mut self.holds),
            ("waits_for_disks", &mut self.waits_for_disks),
            ("full_syncs_of_old", &mut self.full_syncs_of_old),
        ]
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.clone().fields().into_iter().enumerate() {
            write!(f, "{}{name}={value}", if at > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

/// Something that must never happen, happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's name: that of its file.
    pub invariant: &'static str,
    /// What was seen.
    pub text: String,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// The first violation.
    pub violation: Option<Violation>,
    /// How much happened.
    pub figures: Figures,
    /// A number that stands for the whole trace, and its number of lines.
    pub trace: (u64, u64),
    /// The last lines of the trace.
    pub last_lines: Vec<String>,
    /// The simulated time at the end, in seconds.
    pub seconds: u64,
}
