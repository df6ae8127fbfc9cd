//! What a master's side needs to know of the configuration.

use std::time::Duration;

/// The settings; change them at run time with [`super::Peers::set_settings`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeersSettings {
    /// repl-timeout: a replica silent for longer, or whose transfer stands still for longer, is dropped.
    pub timeout: Duration,
    /// repl-ping-replica-period.
    pub ping_period: Duration,
    /// repl-backlog-ttl; zero means never. Give zero when the journal exists for other reasons (AOF).
    pub backlog_ttl: Duration,
    /// repl-diskless-sync.
    pub diskless: bool,
    /// repl-diskless-sync-delay: how long the first waiting replica waits for others.
    pub diskless_delay: Duration,
    /// repl-diskless-sync-max-replicas: so many waiting replicas end the delay early; 0 means any number waits.
    pub diskless_max_replicas: usize,
    /// How many snapshots may be under way at once; the others wait.
    pub syncs_max: usize,
    /// min-replicas-to-write.
    pub min_replicas_to_write: usize,
    /// min-replicas-max-lag, compared in whole seconds.
    pub min_replicas_max_lag: Duration,
}

impl Default for PeersSettings {
    fn default() -> PeersSettings {
        PeersSettings {
            timeout: Duration::from_secs(60),
            ping_period: Duration::from_secs(10),
            backlog_ttl: Duration::from_secs(3600),
            diskless: true,
            diskless_delay: Duration::from_secs(5),
            diskless_max_replicas: 0,
            syncs_max: 1,
            min_replicas_to_write: 0,
            min_replicas_max_lag: Duration::from_secs(10),
        }
    }
}
