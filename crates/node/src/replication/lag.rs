//! How far replicas are behind: in bytes, in milliseconds at the moment they acknowledged, and how long the backlog
//! would still reach for them.

use journal::Offset;

use crate::client::ConnId;
use crate::node::Node;

/// The stream's rate is that of this many milliseconds.
const RATE_WINDOW_MS: i64 = 10_000;

/// How far a replica is behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Lag {
    /// Bytes of the stream that it has not acknowledged.
    pub bytes: u64,
    /// When it acknowledged last, the oldest byte that it lacked was this old; None: it never did.
    pub milliseconds: Option<u64>,
    /// How long it could be away at the present rate and still go on from the backlog; None: for ever.
    pub backlog_seconds: Option<u64>,
}

impl Node {
    /// Notes when the stream's present end was reached. Once per turn.
    pub(crate) fn mark_stream(&mut self) {
        self.replication.journal.mark(self.unix);
    }

    /// A replica has acknowledged: takes down how old the oldest byte is that it lacks.
    pub(super) fn note_lag(&mut self, conn: ConnId) {
        let now = self.unix;
        let acked = self.replication.peers.acked(conn);
        let lacks_since = acked.and_then(|acked| self.replication.journal.time_at(Offset(acked)));
        if let Some(cursor) = self.replication.cursors.get_mut(&conn) {
            cursor.lag_ms = Some(lacks_since.map_or(0, |since| (now - since).max(0) as u64));
        }
    }

    /// How far a replica is behind that has acknowledged this much.
    pub(crate) fn lag_of(&self, conn: ConnId, acked: u64) -> Lag {
        let journal = &self.replication.journal;
        let bytes = self.replication.offset().saturating_sub(acked);
        let since = base::UnixMs(self.unix.0 - RATE_WINDOW_MS);
        let rate = journal.rate_since(since, self.unix);
        let on_disk = self.config.backlog_disk_bytes().unwrap_or(0);
        let room = self.config.repl_backlog_size.saturating_add(on_disk).saturating_sub(bytes);
        Lag {
            bytes,
            milliseconds: self.replication.cursors.get(&conn).and_then(|cursor| cursor.lag_ms),
            backlog_seconds: room.checked_div(rate),
        }
    }
}
