//! What INFO, ROLE and our own status pages show of a link.

use base::Time;
use std::time::Duration;

/// How a synchronisation went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncKind {
    /// By a snapshot.
    Full,
    /// From the stream alone.
    Partial,
}

/// The last synchronisation that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastSync {
    /// Full or partial.
    pub kind: SyncKind,
    /// When the link was in the stream again.
    pub at: Time,
    /// How long it took from the connection on.
    pub took: Duration,
}

/// A transfer as INFO's master_sync_* fields show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferFigures {
    /// master_sync_total_bytes: -1 before the header came, 0 if the master did not say.
    pub total: i64,
    /// master_sync_read_bytes.
    pub read: i64,
    /// master_sync_left_bytes: total - read, whatever total is, as the peers do.
    pub left: i64,
    /// master_sync_last_io_seconds_ago.
    pub last_io_seconds: u64,
}

/// A link at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkFigures {
    /// master_link_status: up only while streaming.
    pub up: bool,
    /// master_last_io_seconds_ago; -1 while down.
    pub last_io_seconds: i64,
    /// The running full synchronisation, from the master's answer to the end of loading.
    pub transfer: Option<TransferFigures>,
    /// master_link_down_since_seconds: -1 if the link was never up since REPLICAOF; None while up.
    pub down_since_seconds: Option<i64>,
    /// ROLE's word: none, connect, connecting, handshake, sync or connected.
    pub role_word: &'static str,
    /// The last synchronisation that succeeded.
    pub last_sync: Option<LastSync>,
    /// How many full and partial synchronisations succeeded since REPLICAOF.
    pub full_syncs: u64,
    /// See `full_syncs`.
    pub partial_syncs: u64,
    /// Since when a full synchronisation is running.
    pub full_sync_since: Option<Time>,
}
