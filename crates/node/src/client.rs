//! One connection as the node sees it: what it sent, what it will get, and its state between commands.

use std::collections::VecDeque;

use base::Time;
use resp::{Outbox, OwnedArgs, Protocol, RequestParser};

use crate::stats::Stats;
use crate::table::CommandId;

/// Names a connection. The slot is reused after it closed, the id never is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnId {
    /// Where the connection is kept; dense, so that a socket table can be indexed with it.
    pub slot: u32,
    /// What CLIENT ID replies.
    pub id: u64,
}

impl ConnId {
    /// The link to the master, which is none of the connections that came in.
    pub const LINK: ConnId = ConnId { slot: u32::MAX, id: 0 };
}

/// Where a connection comes from.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    /// The peer's address as CLIENT LIST shows it: `ip:port`, `[v6]:port`, or the socket's path and `:0`.
    pub addr: String,
    /// Our end of it.
    pub laddr: String,
    /// The peer's ip alone: what a replica is known by unless it announces another.
    pub ip: String,
    /// The file descriptor, for CLIENT LIST.
    pub fd: i32,
    /// Came through the Unix socket.
    pub unix: bool,
    /// Came from this machine: protected mode lets it in.
    pub local: bool,
    /// The identity in a verified certificate, where the connection is encrypted.
    pub certificate: Option<String>,
}

/// Transaction state between MULTI and EXEC.
#[derive(Default)]
pub struct Transaction {
    /// What EXEC will run.
    pub queued: Vec<(CommandId, OwnedArgs)>,
    /// A command was refused while queueing: EXEC must abort.
    pub aborted: bool,
    /// Bytes held by the queue.
    pub bytes: usize,
}

/// What CLIENT REPLY asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReplyMode {
    /// Replies are sent.
    #[default]
    On,
    /// No reply until ON.
    Off,
    /// The next command gets no reply.
    SkipNext,
    /// The running command gets no reply.
    Skip,
}

/// Why a client's input is not looked at for now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blocked {
    /// WAIT and WAITAOF: until an offset is acknowledged, or the time is up.
    Wait {
        /// The offset to be acknowledged.
        offset: u64,
        /// By whom.
        wait: WaitFor,
        /// Until when; None: for ever.
        until: Option<Time>,
    },
    /// BLPOP and its like: until a key can serve it.
    Keys,
    /// CLIENT PAUSE held its command back.
    Paused,
    /// Its SHUTDOWN waits for replicas.
    Shutdown,
    /// More replies than it should have wait for the disk.
    Held,
    /// What its command changes is being copied.
    Copy,
    /// The value that it asked for is laid out beside the executor, or its payload is read there.
    Payload,
}

/// Whose acknowledgement is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitFor {
    /// WAIT: so many replicas have it.
    Replicas(usize),
    /// WAITAOF: so many disks have it.
    Disks {
        /// Ours: 0 or 1.
        local: usize,
        /// Those of replicas.
        replicas: usize,
    },
}

/// What kind of peer is at the other end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An ordinary client.
    Normal,
    /// A replica that follows us.
    Replica,
    /// The master that we follow. It is listed as a client and is none of the connections that came in.
    Master,
}

/// One connection.
pub struct Client {
    /// Its name for us.
    pub id: ConnId,
    /// Where it comes from.
    pub peer: PeerInfo,
    /// What it is.
    pub kind: Kind,
    /// The start of a request that is not complete yet.
    pub inbox: Vec<u8>,
    /// How far that request was read.
    pub parser: RequestParser,
    /// Replies on their way.
    pub outbox: Outbox,
    /// Its own command runs: messages that it gets meanwhile must not stand inside the reply.
    pub executing: bool,
    /// Those messages.
    pub pushes: Outbox,
    /// To be closed as soon as its own command has ended: until then that command finds it in its place.
    pub closing: bool,
    /// RESP2 or RESP3.
    pub proto: Protocol,
    /// The selected database.
    pub db: usize,
    /// May run commands.
    pub authenticated: bool,
    /// CLIENT SETNAME.
    pub name: Vec<u8>,
    /// CLIENT SETINFO LIB-NAME.
    pub lib_name: Vec<u8>,
    /// CLIENT SETINFO LIB-VER.
    pub lib_ver: Vec<u8>,
    /// MULTI was sent.
    pub transaction: Option<Box<Transaction>>,
    /// A watched key changed: EXEC replies null.
    pub watch_broken: bool,
    /// What it watches: database and key.
    pub watching: Vec<(usize, Vec<u8>)>,
    /// What that takes, in bytes.
    pub watching_bytes: usize,
    /// How many channels, patterns and shard channels it listens to.
    pub subscriptions: [usize; 3],
    /// CLIENT REPLY.
    pub reply_mode: ReplyMode,
    /// CLIENT NO-TOUCH.
    pub no_touch: bool,
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    /// MONITOR was sent.
    pub monitor: bool,
    /// Input is held back for this reason.
    pub blocked: Option<Blocked>,
    /// What its next command is run with: its payload was read.
    pub restored: Option<Box<commands::RestoredValue>>,
    /// Close when what it has sent has run: nothing more comes.
    pub has_ended: bool,
    /// Close once the outbox is empty.
    pub close_after_reply: bool,
    /// A full synchronisation is being sent on it by another thread: nothing else may be written.
    pub transferring: bool,
    /// Is on the list of connections with something to write.
    pub is_dirty: bool,
    /// When it connected.
    pub connected_at: Time,
    /// When it last sent something.
    pub active_at: Time,
    /// Since when its outbox is above the soft limit.
    pub over_soft_limit_since: Option<Time>,
    /// The last command, for CLIENT LIST.
    pub last_command: Option<CommandId>,
    /// The stream's end after its last write: what WAIT waits for.
    pub write_offset: u64,
    /// Replies that wait for the disk: the position in the outbox behind each, and the stream's offset that must be safe.
    pub held: VecDeque<(u64, u64)>,
    /// Up to this position of the outbox nothing waits for the disk.
    pub free_until: u64,
    /// Is on the list of those whose replies wait.
    pub waits_for_disk: bool,
    /// What it takes as it was counted last, where `maxmemory-clients` is set.
    pub memory_counted: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Commands run.
    pub commands: u64,
}

/// So much of what a client has not taken yet counts for nothing, as with the peers, whose clients have a buffer of this
/// size in any case.
pub(crate) const REPLIES_FREE: usize = 16 * 1024;

impl Client {
    /// So many bytes of its outbox went out with one write.
    pub(crate) fn count_written(&mut self, bytes: usize, stats: &mut Stats) {
        self.outbox.advance(bytes);
        self.bytes_out += bytes as u64;
        stats.count_written(bytes);
    }

    /// The memory of replies that were not taken yet, as limits and CLIENT LIST count it, in bytes.
    #[inline]
    pub(crate) fn untaken_bytes(&self) -> usize {
        if self.outbox.len() > REPLIES_FREE { self.outbox.memory_bytes() } else { 0 }
    }

    /// What has arrived of a request that has not run yet, in bytes.
    pub(crate) fn input_bytes(&self) -> usize {
        self.inbox.len() + self.parser.bytes_and_memory().0
    }

    /// The memory that this takes, in bytes.
    pub(crate) fn input_memory(&self) -> usize {
        self.inbox.capacity() + self.parser.bytes_and_memory().1
    }

    /// The memory of its buffers, in bytes: what it has sent, and what it has not read yet.
    pub(crate) fn buffer_memory(&self) -> usize {
        self.outbox.memory_bytes() + self.input_memory()
    }

    /// A connection that was just accepted.
    pub fn new(id: ConnId, peer: PeerInfo, authenticated: bool, now: Time) -> Client {
        Client {
            id,
            peer,
            kind: Kind::Normal,
            inbox: Vec::new(),
            parser: RequestParser::new(),
            outbox: Outbox::new(),
            executing: false,
            pushes: Outbox::new(),
            closing: false,
            proto: Protocol::Resp2,
            db: 0,
            authenticated,
            name: Vec::new(),
            lib_name: Vec::new(),
            lib_ver: Vec::new(),
            transaction: None,
            watch_broken: false,
            watching: Vec::new(),
            watching_bytes: 0,
            subscriptions: [0; 3],
            reply_mode: ReplyMode::On,
            no_touch: false,
            no_evict: false,
            monitor: false,
            blocked: None,
            restored: None,
            has_ended: false,
            close_after_reply: false,
            transferring: false,
            is_dirty: false,
            connected_at: now,
            active_at: now,
            over_soft_limit_since: None,
            last_command: None,
            write_offset: 0,
            held: VecDeque::new(),
            free_until: 0,
            waits_for_disk: false,
            memory_counted: 0,
            bytes_in: 0,
            bytes_out: 0,
            commands: 0,
        }
    }

    /// Whether it listens to any channel.
    pub fn is_subscriber(&self) -> bool {
        self.subscriptions.iter().any(|count| *count > 0)
    }

    /// Whether commands must not run: a RESP2 subscriber may only manage its subscriptions.
    pub fn in_subscribed_context(&self) -> bool {
        self.proto == Protocol::Resp2 && self.is_subscriber()
    }
}
