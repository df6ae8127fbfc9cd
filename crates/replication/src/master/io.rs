//! What goes into a master's side and what comes out of it.

use crate::framing::Framing;
use crate::history::{History, Refusal, Retained};
use crate::log::Level;

/// Whom the server itself follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// Nobody: a top-level master.
    None,
    /// A master whose stream is coming in.
    Up,
    /// A master that is not reached, or not in sync yet.
    Down,
}

/// The stream as it is at this moment.
#[derive(Clone, Copy, Debug)]
pub struct StreamView<'a> {
    /// The ids.
    pub history: &'a History,
    /// What can be sent; None if there is no backlog. Whoever follows a master always has one.
    pub retained: Option<Retained>,
    /// Whom we follow.
    pub upstream: Upstream,
}

/// The arguments of PSYNC.
#[derive(Clone, Copy, Debug)]
pub struct PsyncRequest<'a> {
    /// The id, or `?`.
    pub id: &'a [u8],
    /// The next byte wanted, counted from 1; -1 with `?`.
    pub wanted: i64,
    /// A fourth word FAILOVER was given.
    pub failover: bool,
    /// The connection still has replies that are not written.
    pub pending_output: bool,
}

/// What to do about a PSYNC or SYNC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PsyncOutcome {
    /// Write `reply`, then the stream from offset `from`.
    Continue {
        /// `+CONTINUE…`.
        reply: Vec<u8>,
        /// The offset to send from.
        from: u64,
    },
    /// Say nothing: it waits, either for its snapshot or for the byte it wants. Outputs will tell.
    Waiting,
    /// Write this error.
    Refused(Vec<u8>),
    /// Say nothing: the connection is a replica already.
    Ignored,
    /// PSYNC … FAILOVER of our own history: become a master (as REPLICAOF NO ONE does, but without dropping
    /// this connection), then ask again with `failover: false`.
    PromoteFirst,
}

/// What to do about a REPLCONF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplconfOutcome {
    /// Write this.
    Reply(Vec<u8>),
    /// Say nothing: an ACK, or a GETACK from somebody who is not our master (the node answers its master's itself).
    Silent,
}

/// Which parts of the data set a snapshot has (REPLCONF rdb-filter-only).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotParts {
    /// The keys.
    pub data: bool,
    /// The function libraries.
    pub functions: bool,
}

/// One receiver of a snapshot, and what it can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncTarget<K> {
    /// Its connection.
    pub conn: K,
    /// How its snapshot is delimited. Write the header with [`crate::framing`].
    pub framing: Framing,
    /// The version it announced, as major, minor, patch.
    pub version: Option<(u8, u8, u8)>,
    /// It said `capa rdb-channel-repl`, as Redis 8 does.
    pub rdb_channel_repl: bool,
    /// What it wants of the data set.
    pub parts: SnapshotParts,
}

/// What the node reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<K> {
    /// A connection that spoke REPLCONF, PSYNC or SYNC is gone.
    Closed(K),
    /// The snapshot for this target is taken at `offset`; yields the +FULLRESYNC line. Poll the outputs before
    /// anything else is written to it.
    SyncStarted {
        /// Who.
        conn: K,
        /// Where the snapshot stands.
        offset: u64,
        /// The id that names it.
        replid: base::ReplId,
    },
    /// The `$…` header is about to be written; no keep-alive newline may follow. With an end mark SyncStarted
    /// implies it.
    BulkStarted(K),
    /// Some of the snapshot's bytes left the socket buffer.
    TransferProgress(K),
    /// The snapshot's last byte (with its end mark) was handed to the connection.
    TransferDone(K),
    /// The snapshot for this target cannot be made or sent.
    TransferFailed(K, String),
    /// The data set has no form that this target is known to read: it is told why, and goes.
    SyncRefused(K, String),
    /// An empty line came from a replica: it is alive, and loading.
    Newline(K),
    /// Whom the server follows has changed: REPLICAOF, promotion, link up or down.
    UpstreamChanged(Upstream),
    /// The backlog now exists, or no longer does.
    BacklogActive(bool),
    /// The history's id changed, or the data was replaced: every replica must go and come back.
    DropAll(&'static str),
    /// A FAILOVER is going on, or no longer: no PING goes into the stream and no synchronisation begins.
    FailingOver(bool),
}

/// What a master's side asks of its node, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeersOutput<K> {
    /// Write this to the connection.
    Send(K, Vec<u8>),
    /// Take one snapshot and send it to all of these. Report SyncStarted (or SyncRefused, or
    /// TransferFailed) for each, at once.
    StartSync(Vec<SyncTarget<K>>),
    /// From now on the connection gets the stream from this offset. For a full synchronisation the journal
    /// must be kept from SyncStarted's offset until then.
    StartStream {
        /// Who.
        conn: K,
        /// The first offset to send.
        from: u64,
    },
    /// Close the connection. No Closed event is wanted for it.
    Close {
        /// Who.
        conn: K,
        /// Only after what is queued for it is written.
        after_flush: bool,
        /// Why, for the log.
        reason: String,
    },
    /// Put a PING into the stream.
    FeedPing,
    /// The first replica came and there is no backlog: rotate the history, start the journal, report BacklogActive.
    CreateBacklog,
    /// No replica for repl-backlog-ttl: free the journal, rotate the history, report BacklogActive.
    FreeBacklog,
    /// The replica needs a snapshot, and why: for our own statistics. The log line comes by itself.
    FullSyncReason(K, Refusal),
    /// A line for the log; name the connection's address before it.
    Log(K, Level, String),
}
