//! The master's side: everything known of the replicas. [`Peers`] is the machine.

mod figures;
mod io;
mod peers;
mod psync;
mod replconf;
mod schedule;
mod settings;
mod state;

pub use figures::{PeersStats, ReplicaFigures};
pub use io::{
    Event, PeersOutput, PsyncOutcome, PsyncRequest, ReplconfOutcome, SnapshotParts, StreamView, SyncTarget, Upstream,
};
pub use peers::Peers;
pub(crate) use replconf::INSTANCE;
pub use settings::PeersSettings;
