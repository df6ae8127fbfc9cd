//! Replication as the node sees it: the stream of effects with its history, the machines of both roles, and
//! where each replica reads. The machines themselves are in the `replication` crate.
//!
//! `replication/stream.rs` writes the stream, `apply.rs` follows a master's, `replicas.rs` serves replicas, `retention.rs`
//! decides how much of the stream is kept, `from_disk.rs` serves from files, `commands.rs` are the commands.

mod apply;
mod commands;
mod cut;
mod doctor;
mod failover;
mod from_disk;
mod guard;
mod lag;
mod link;
mod receive;
mod replicas;
mod retention;
mod stream;
mod supply;
mod upstream_client;

use std::collections::BTreeMap;
use std::time::Duration;

use base::{ReplId, Time};
use config::Config;
use journal::{Journal, Offset};
use replication::master::{Event, PeersSettings, Upstream};
use replication::replica::{LinkSettings, Phase};
use replication::{History, Link, Peers};

use crate::client::ConnId;

pub use commands::ROWS;
pub(crate) use commands::is_over;
pub use replicas::Rest;

use apply::Apply;
pub(crate) use cut::Loss;
pub(crate) use doctor::{FullSyncReason, advice};
pub(crate) use failover::Failover;
use guard::Guard;
pub(crate) use receive::{Clients, Incoming};
use retention::Retention;
use supply::Supply;
use upstream_client::UpstreamClient;

/// Both roles of one server.
pub struct Replication {
    pub(crate) history: History,
    pub(crate) journal: Journal,
    /// Whether the stream is kept: with the first replica, or as a replica. Without it nothing is encoded or counted.
    pub(crate) active: bool,
    /// The database that the stream's end has selected; None: the next write must say.
    pub(crate) selected_db: Option<usize>,
    pub(crate) peers: Peers<ConnId>,
    pub(crate) link: Link,
    /// Bytes on their way to the master.
    pub(crate) link_outbox: Vec<u8>,
    pub(crate) apply: Apply,
    /// As a replica it has changed keys by itself since it was last equal to a master: clients wrote, keys were evicted or
    /// expired. So what is in memory is neither what its stream says nor what its files hold.
    pub(crate) own_effects: bool,
    /// The link as a client.
    pub(crate) upstream_client: UpstreamClient,
    /// Where each replica reads in the stream.
    pub(crate) cursors: BTreeMap<ConnId, Cursor>,
    /// All replicas that read the stream are listed as having something to write.
    pub(crate) is_awake: bool,
    /// What of the stream is kept for replicas beside memory.
    pub(crate) retention: Retention,
    /// Which commands from the master failed here, for the log: one line per command and error.
    pub(crate) upstream: Upstream,
    /// Against an empty master.
    pub(crate) guard: Guard,
    /// FAILOVER.
    pub(crate) failover: Failover,
    /// Why a replica needed everything, the last time one did.
    pub(crate) last_full_sync: Option<FullSyncReason>,
}

/// A replica's place in the stream.
#[derive(Debug)]
pub(crate) struct Cursor {
    /// The next byte that it gets.
    pub at: u64,
    /// It gets them now; else the place is only kept for it until its snapshot is there.
    pub live: bool,
    /// Since when it is further behind than the soft limit.
    pub over_soft_limit_since: Option<Time>,
    /// How old the oldest byte was that it lacked when it acknowledged last, in milliseconds.
    pub lag_ms: Option<u64>,
    /// Where it gets them from.
    pub supply: Supply,
}

impl Cursor {
    fn new(at: u64, live: bool) -> Cursor {
        Cursor { at, live, over_soft_limit_since: None, lag_ms: None, supply: Supply::Memory }
    }

    /// It got so many bytes more. A block that is used up is let go of at once.
    fn advance(&mut self, bytes: u64) {
        self.at += bytes;
        if matches!(&self.supply, Supply::Block { .. }) && self.supply.wants(self.at) == self.at {
            self.supply = Supply::Memory;
        }
    }
}

impl Replication {
    /// A top-level master without replicas, under a fresh id.
    pub fn new(config: &Config, replid: ReplId, now: Time, seed: u64) -> Replication {
        Replication {
            history: History::new(replid),
            journal: Journal::new(Offset(0)),
            active: false,
            selected_db: None,
            peers: Peers::new(peers_settings(config), now),
            link: Link::new(link_settings(config), fastrand::Rng::with_seed(seed)),
            link_outbox: Vec::new(),
            apply: Apply::default(),
            own_effects: false,
            upstream_client: UpstreamClient::default(),
            cursors: BTreeMap::new(),
            is_awake: false,
            retention: Retention::default(),
            upstream: Upstream::None,
            guard: Guard::default(),
            failover: Failover::None,
            last_full_sync: None,
        }
    }

    /// Whether it follows a master.
    pub fn is_replica(&self) -> bool {
        self.link.phase() != Phase::Idle
    }

    /// Whether it follows a master whose stream does not come in.
    pub fn link_is_down(&self) -> bool {
        !matches!(self.link.phase(), Phase::Idle | Phase::Streaming)
    }

    /// The stream's end: how many bytes it has had in all.
    pub fn offset(&self) -> u64 {
        self.journal.end().0
    }

    /// How many bytes of the stream are in memory.
    pub fn held_bytes(&self) -> u64 {
        self.journal.end().0 - self.journal.first().0
    }

    /// Whether a client's write goes into the stream: its effects must be encoded.
    pub fn journal_is_wanted(&self) -> bool {
        self.active && !self.is_replica()
    }

    /// Whether min-replicas-to-write lets writes through. Only a master asks for replicas.
    pub fn has_enough_replicas(&self, config: &Config, now: Time) -> bool {
        config.min_replicas_to_write == 0
            || config.min_replicas_max_lag == 0
            || self.is_replica()
            || self.peers.has_enough_good_replicas(now)
    }

    /// Hands changed settings on.
    pub fn settings_changed(&mut self, config: &Config) {
        self.peers.set_settings(peers_settings(config));
        self.link.set_settings(link_settings(config));
        self.journal.set_backlog_size(config.repl_backlog_size);
    }

    /// Takes note of whom the server follows, and tells the master's machine.
    pub(crate) fn note_upstream(&mut self, now: Time) {
        let upstream = match self.link.phase() {
            Phase::Idle => Upstream::None,
            Phase::Streaming => Upstream::Up,
            _ => Upstream::Down,
        };
        if upstream != self.upstream {
            if upstream == Upstream::Up {
                self.guard.arm();
            }
            self.upstream = upstream;
            self.peers.handle(now, Event::UpstreamChanged(upstream));
        }
    }
}

fn peers_settings(config: &Config) -> PeersSettings {
    let seconds = |n: u64| Duration::from_secs(n);
    PeersSettings {
        timeout: seconds(config.repl_timeout),
        ping_period: seconds(config.repl_ping_replica_period),
        // Zero: for ever. With the append-only file the stream never ends.
        backlog_ttl: seconds(if config.appendonly { 0 } else { config.repl_backlog_ttl }),
        diskless: config.repl_diskless_sync,
        diskless_delay: seconds(config.repl_diskless_sync_delay),
        diskless_max_replicas: config.repl_diskless_sync_max_replicas as usize,
        // A snapshot costs microseconds, so that one slow receiver need not make the others wait.
        syncs_max: 3,
        min_replicas_to_write: config.min_replicas_to_write as usize,
        min_replicas_max_lag: seconds(config.min_replicas_max_lag),
    }
}

fn link_settings(config: &Config) -> LinkSettings {
    let some = |text: &[u8]| (!text.is_empty()).then(|| text.to_vec());
    LinkSettings {
        listening_port: if config.replica_announce_port != 0 { config.replica_announce_port } else { config.port },
        announce_ip: some(&config.replica_announce_ip),
        user: some(&config.masteruser),
        password: some(&config.masterauth),
        timeout: Duration::from_secs(config.repl_timeout),
        ..LinkSettings::default()
    }
}
