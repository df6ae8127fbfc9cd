//! What INFO, ROLE and our own status pages show of the replicas.

use std::time::Duration;

/// One replica at one moment, in the order they attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaFigures<K> {
    /// Its connection.
    pub conn: K,
    /// The address it announced; without one show the connection's.
    pub announced_ip: Option<Vec<u8>>,
    /// The port it announced; 0 if none. As wide as the peers keep it.
    pub port: i32,
    /// INFO's state: wait_bgsave, send_bulk or online. ROLE lists the online ones only.
    pub state: &'static str,
    /// The offset it acknowledged; 0 before the first ACK.
    pub acked: u64,
    /// The offset it says is on its disk; 0 if it never did.
    pub fsynced: u64,
    /// INFO's lag: whole seconds since its last ACK, 0 unless online.
    pub lag_seconds: u64,
    /// The same, finer.
    pub silent_for: Duration,
    /// The offset its stream began at: its snapshot's, or the one it continued from. None while waiting.
    pub start_offset: Option<u64>,
}

/// INFO stats' counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeersStats {
    /// sync_full.
    pub full: u64,
    /// sync_partial_ok.
    pub partial_ok: u64,
    /// sync_partial_err: refused although an id was named.
    pub partial_err: u64,
}
