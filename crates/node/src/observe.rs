//! What the simulation looks at between turns: where the stream stands, under which ids, and who reads it. Nothing
//! here changes anything, and nothing in the server uses it.

use base::ReplId;
use journal::Journal;
use replication::replica::Phase;

use crate::node::Node;

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
}

impl Node {
    /// Where it stands in replication.
    pub fn stream_facts(&self) -> StreamFacts {
        let replication = &self.replication;
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
        }
    }

    /// The stream's bytes.
    pub fn journal(&self) -> &Journal {
        &self.replication.journal
    }
}
