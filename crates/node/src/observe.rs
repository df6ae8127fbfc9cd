//! What the simulation looks at between turns: where the stream stands, under which ids, and who reads it. Nothing
//! here changes anything, and nothing in the server uses it.

use base::ReplId;
use config::Appendfsync;
use journal::Journal;
use replication::replica::Phase;

use crate::aof::State;
use crate::node::Node;
use crate::replication::Failover;

/// Where a node stands in replication.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamFacts {
    /// Whether writes are counted and kept; without it the offset says nothing about the data.
    pub kept: bool,
    /// The id of what is written now.
    pub replid: ReplId,
    /// The id before, zeros if none.
    pub replid2: ReplId,
    /// The last byte, counted from 1, that may be asked for under it; -1 without one.
    pub second_offset: i64,
    /// All older ids, the newest first, and the stream's end when each stopped naming what is written.
    pub older: Vec<(ReplId, u64)>,
    /// The oldest offset a reader may start from.
    pub first: u64,
    /// The stream's end.
    pub end: u64,
    /// Whom it follows.
    pub master: Option<(String, u16)>,
    /// Whether that one's stream comes in.
    pub link_up: bool,
    /// Where the replica that is furthest behind reads; None without replicas.
    pub lowest_reader: Option<u64>,
    /// Up to where the replica was sent the stream that was sent most, and the number of its connection; None without
    /// replicas that are sent it.
    pub highest_reader: Option<(u64, u64)>,
    /// A FAILOVER is under way.
    pub failing_over: bool,
    /// The append-only file.
    pub aof: AofFacts,
}

/// How far the append-only file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AofFacts {
    /// A restart finds everything up to `written`.
    pub on: bool,
    /// Replies to writes wait for the disk.
    pub holds: bool,
    /// They wait until it is synced.
    pub always: bool,
    /// The last write failed.
    pub failing: bool,
    /// Up to where of the stream it is written.
    pub written: u64,
    /// Up to where it is synced.
    pub synced: u64,
    /// The oldest offset that it still needs from memory.
    pub needs_from: Option<u64>,
}

impl Node {
    /// Where it stands in replication.
    pub fn stream_facts(&self) -> StreamFacts {
        let replication = &self.replication;
        let live = replication.cursors.iter().filter(|(_, cursor)| cursor.live);
        StreamFacts {
            kept: replication.active,
            replid: replication.history.replid(),
            replid2: replication.history.replid2(),
            second_offset: replication.history.second_offset(),
            older: replication.history.older().to_vec(),
            first: replication.journal.first().0,
            end: replication.journal.end().0,
            master: replication.link.master().map(|(host, port)| (host.to_owned(), port)),
            link_up: replication.link.phase() == Phase::Streaming,
            lowest_reader: replication.cursors.values().map(|cursor| cursor.at).min(),
            highest_reader: live.map(|(conn, cursor)| (cursor.at, conn.id)).max(),
            failing_over: replication.failover != Failover::None,
            aof: AofFacts {
                on: self.aof.state == State::On,
                holds: self.aof.holds(),
                always: self.config.appendfsync == Appendfsync::Always,
                failing: self.aof.write_error.is_some(),
                written: self.aof.written,
                synced: self.aof.synced,
                needs_from: self.aof.needs_from(),
            },
        }
    }

    /// The stream's bytes.
    pub fn journal(&self) -> &Journal {
        &self.replication.journal
    }
}
