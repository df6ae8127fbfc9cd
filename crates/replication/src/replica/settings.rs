//! What a link needs to know of the configuration.

use std::time::Duration;

/// The settings of a link; change them at run time with [`super::Link::set_settings`]. What is said in the
/// handshake applies from the next attempt on, times at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSettings {
    /// The port announced to the master: replica-announce-port, or the one we listen on.
    pub listening_port: u16,
    /// replica-announce-ip, if set.
    pub announce_ip: Option<Vec<u8>>,
    /// masteruser, if set.
    pub user: Option<Vec<u8>>,
    /// masterauth; without it no AUTH is sent.
    pub password: Option<Vec<u8>>,
    /// The version announced. A Valkey 9.1 master chooses the snapshot's format by it, so name the newest
    /// whose format we decode.
    pub version: String,
    /// repl-timeout: bounds connecting, each wait of the handshake, a stalled transfer and a silent master.
    pub timeout: Duration,
    /// The first wait after a failed attempt that cost the master nothing.
    pub backoff_min: Duration,
    /// The longest wait between such attempts, and the first after one that cost it a snapshot. The peers ask once a
    /// second: who waits longer may find the backlog gone.
    pub backoff_max: Duration,
    /// The longest wait after snapshots that were sent in vain.
    pub backoff_snapshot_max: Duration,
}

impl Default for LinkSettings {
    fn default() -> LinkSettings {
        LinkSettings {
            listening_port: 6379,
            announce_ip: None,
            user: None,
            password: None,
            version: "9.1.2".to_owned(),
            timeout: Duration::from_secs(60),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(1),
            backoff_snapshot_max: Duration::from_secs(10),
        }
    }
}
