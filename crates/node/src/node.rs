//! One whole server without I/O. The program around it hands in connections, bytes and time; it takes replies
//! out of the outboxes and carries out the wishes in [`Node::poll_output`].
//!
//! The way of a request: [`Node::handle_input`] parses (`input.rs`), `gate.rs` refuses, `execute.rs` runs, and
//! `commit.rs` journals and tells whoever must hear of it. Server commands stand in files by group.

use std::collections::VecDeque;

use base::{Time, UnixMs};
use config::Config;
use keyspace::{Effects, Keyspace};
use resp::Reply;

use crate::ahead::Ahead;
use crate::aof::Aof;
use crate::blocking::Waiters;
use crate::client::{Client, ConnId, PeerInfo, ReplyMode};
use crate::client_memory::ClientMemory;
use crate::clients::Clients;
use crate::copies::Copies;
use crate::eviction::Eviction;
use crate::glance::Glance;
use crate::host::{Host, LogLevel};
use crate::latency::LatencyMonitor;
use crate::output::Output;
use crate::pause::Pause;
use crate::payloads::Payloads;
use crate::persistence::Persistence;
use crate::pubsub::PubSub;
use crate::replication::Replication;
use crate::shutdown::Shutdown;
use crate::slowlog::SlowLog;
use crate::stats::Stats;
use crate::table::{CommandId, CommandTable};
use crate::timing::Timing;
use crate::watch::Watches;

/// One whole server without I/O.
pub struct Node {
    pub(crate) config: Config,
    pub(crate) host: Box<dyn Host>,
    pub(crate) table: CommandTable,
    pub(crate) keyspace: Keyspace,
    pub(crate) effects: Effects,
    pub(crate) clients: Clients,
    pub(crate) pubsub: PubSub,
    pub(crate) watches: Watches,
    pub(crate) waiters: Waiters,
    pub(crate) aof: Aof,
    /// What the command that just ran waits for.
    pub(crate) awaited: Option<commands::Awaited>,
    pub(crate) replication: Replication,
    pub(crate) persistence: Persistence,
    pub(crate) stats: Stats,
    pub(crate) slowlog: SlowLog,
    pub(crate) latency: LatencyMonitor,
    pub(crate) timing: Timing,
    pub(crate) eviction: Eviction,
    pub(crate) client_memory: ClientMemory,
    pub(crate) rng: fastrand::Rng,
    /// The monotonic time of this loop turn.
    pub(crate) now: Time,
    /// The wall-clock time of this loop turn, frozen for every unit in it.
    pub(crate) unix: UnixMs,
    pub(crate) started_at: Time,
    pub(crate) run_id: base::ReplId,
    pub(crate) pause: Pause,
    pub(crate) copies: Copies,
    pub(crate) payloads: Payloads,
    /// A shutdown that waits for replicas.
    pub(crate) shutdown: Option<Shutdown>,
    /// Who sees all commands.
    pub(crate) monitors: Vec<ConnId>,
    /// Who was above the soft limit of its output.
    pub(crate) over_soft_limit: Vec<ConnId>,
    /// Who waits in WAIT.
    pub(crate) waits: Vec<ConnId>,
    pub(crate) outputs: VecDeque<Output>,
    /// Requests parsed ahead; one buffer serves all connections. None: it is in use, or nobody has sent anything yet.
    pub(crate) ahead: Option<Box<Ahead>>,
    /// For the look at the inputs of several connections. As with `ahead`.
    pub(crate) glance: Option<Box<Glance>>,
    /// The command that runs, while one runs.
    pub(crate) running: Option<CommandId>,
    /// EXEC runs.
    pub(crate) in_exec: bool,
    /// When active expiry looks again.
    pub(crate) cycle_at: Time,
    /// Which keyspace events are published.
    pub(crate) notify_classes: keyspace::notify::Class,
    /// The server is about to end.
    pub(crate) exiting: bool,
    /// DEBUG SET-ACTIVE-EXPIRE.
    pub(crate) active_expire: bool,
}

/// What a node is made from.
pub struct Setup {
    /// The settings.
    pub config: Config,
    /// The program around it.
    pub host: Box<dyn Host>,
    /// Unpredictable numbers: the hash seed, and the start of the random numbers that are no secret.
    pub seeds: [u64; 3],
    /// The monotonic clock.
    pub now: Time,
    /// The wall clock.
    pub unix: UnixMs,
}

impl Node {
    /// A server with an empty data set and no connection.
    pub fn new(setup: Setup) -> Node {
        let Setup { config, host, seeds, now, unix } = setup;
        let settings = crate::settings::keyspace_settings(&config);
        let mut keyspace = Keyspace::new(config.databases as usize, [seeds[0], seeds[1]], settings);
        let table = CommandTable::of_config(&config);
        let run_id = base::ReplId::from_entropy(host.entropy());
        let replid = base::ReplId::from_entropy(host.entropy());
        let mut rng = fastrand::Rng::with_seed(seeds[2]);
        keyspace.rng = rng.fork();
        let mut node = Node {
            table,
            keyspace,
            effects: Effects::default(),
            clients: Clients::default(),
            pubsub: PubSub::default(),
            watches: Watches::default(),
            waiters: Waiters::default(),
            aof: Aof::off(now),
            awaited: None,
            replication: Replication::new(&config, replid, now, seeds[2]),
            persistence: Persistence::new(unix),
            stats: Stats::default(),
            slowlog: SlowLog::default(),
            latency: LatencyMonitor::default(),
            timing: Timing::default(),
            eviction: Eviction::default(),
            client_memory: ClientMemory::default(),
            rng,
            now,
            unix,
            started_at: now,
            run_id,
            pause: Pause::default(),
            copies: Copies::default(),
            payloads: Payloads::default(),
            shutdown: None,
            monitors: Vec::new(),
            over_soft_limit: Vec::new(),
            waits: Vec::new(),
            outputs: VecDeque::new(),
            ahead: None,
            glance: None,
            running: None,
            in_exec: false,
            cycle_at: now,
            notify_classes: keyspace::notify::Class::default(),
            exiting: false,
            active_expire: true,
            config,
            host,
        };
        node.stats.memory_at_start = node.host.memory().used;
        node.settings_changed();
        node
    }

    /// Begins a loop turn: the time that everything in it sees, until a command has taken a millisecond.
    pub fn begin_turn(&mut self, now: Time, unix: UnixMs) {
        self.now = now;
        self.unix = unix;
        self.keyspace.clock = self.keyspace.clock.at(unix);
    }

    /// A connection was accepted. Refused ones get the reply that is returned, and are to be closed.
    pub fn connect(&mut self, peer: PeerInfo) -> Result<ConnId, Vec<u8>> {
        if self.clients.len() >= self.config.maxclients as usize {
            self.stats.rejected_connections += 1;
            return Err(b"-ERR max number of clients reached\r\n".to_vec());
        }
        if self.config.protected_mode && !self.config.needs_password() && !peer.local {
            self.stats.rejected_connections += 1;
            return Err(PROTECTED_MODE.as_bytes().to_vec());
        }
        self.stats.connections_received += 1;
        self.log(LogLevel::Verbose, &format!("Accepted {}", peer.addr));
        let authenticated = !self.config.needs_password();
        let conn = self.clients.add(peer, authenticated, self.now);
        self.count_client_memory(conn);
        Ok(conn)
    }

    /// A connection is gone: the peer closed it, or a read or write failed.
    pub fn disconnected(&mut self, conn: ConnId) {
        if let Some(client) = self.clients.get(conn) {
            let line = format!("Client closed connection id={} addr={}", conn.id, client.peer.addr);
            self.log(LogLevel::Verbose, &line);
        }
        self.forget(conn);
    }

    fn forget(&mut self, conn: ConnId) {
        let Some(mut client) = self.clients.remove(conn) else { return };
        if let Some(value) = client.restored.take() {
            self.drop_restored(*value);
        }
        self.forget_client_memory(&client);
        self.pubsub.forget(conn);
        self.watches.forget(conn, &client.watching);
        self.pause.waiting.retain(|waiting| *waiting != conn);
        self.waits.retain(|waiting| *waiting != conn);
        self.waiters.remove(conn);
        self.forget_payload_jobs(conn);
        self.replication_closed(conn, &client);
    }

    /// How many commands have run since the start, or since CONFIG RESETSTAT.
    pub fn commands_run(&self) -> u64 {
        self.stats.commands
    }

    /// Whether more than one connection has something to write.
    pub fn has_several_dirty(&self) -> bool {
        self.clients.has_several_dirty()
    }

    /// The connections that have something to write, one at a time until None.
    pub fn pop_dirty(&mut self) -> Option<ConnId> {
        self.replication.is_awake = false; // Maybe it is a replica, which is not listed any more then.
        self.clients.pop_dirty()
    }

    /// The next wish.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The settings in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The data set, for tools and tests.
    pub fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    /// Writes a line that an operator wants to see.
    pub fn log_notice(&self, text: &str) {
        self.log(LogLevel::Notice, text);
    }

    /// Writes a line about something that went wrong.
    pub fn log_warning(&self, text: &str) {
        self.log(LogLevel::Warning, text);
    }

    /// Writes a log line.
    pub(crate) fn log(&self, level: LogLevel, text: &str) {
        self.host.log(level, text);
    }

    /// Whether the running command was queued and runs inside EXEC.
    pub(crate) fn running_inside_exec(&self) -> bool {
        self.in_exec
    }

    /// Where the reply to a client goes. Marks nothing: whoever writes outside of a running command calls
    /// [`Clients::mark_dirty`].
    pub(crate) fn reply(&mut self, conn: ConnId) -> Reply<'_> {
        let client = &mut self.clients[conn];
        reply_to(client)
    }

    /// Ends a connection as soon as possible: what it was not sent yet is lost. While its own command runs it stays in
    /// its place, without a voice, until that has ended.
    pub(crate) fn close_now(&mut self, conn: ConnId) {
        let Some(client) = self.clients.get_mut(conn) else { return };
        if client.executing {
            client.closing = true;
            client.outbox.clear();
            client.pushes.clear();
            return;
        }
        self.forget(conn);
        self.outputs.push_back(Output::Close(conn));
    }

    /// Ends a connection when its outbox is written.
    pub(crate) fn close_after_reply(&mut self, conn: ConnId) {
        if let Some(client) = self.clients.get_mut(conn) {
            client.close_after_reply = true;
            self.clients.mark_dirty(conn);
        }
    }
}

/// A reply to a client that obeys CLIENT REPLY.
pub(crate) fn reply_to(client: &mut Client) -> Reply<'_> {
    let silent = client.closing || matches!(client.reply_mode, ReplyMode::Off | ReplyMode::Skip);
    let mut reply = Reply::new(&mut client.outbox, client.proto);
    reply.set_silent(silent);
    reply
}

const PROTECTED_MODE: &str = "-DENIED Lockstep is running in protected mode because protected mode is enabled and \
no password is set for the default user. In this mode connections are only accepted from the loopback interface. \
To let other computers connect, do one of these: 1) send 'CONFIG SET protected-mode no' from the loopback interface \
of the server's own machine, after making sure that it is not reachable from the internet; CONFIG REWRITE makes it \
last. 2) Set 'protected-mode no' in the configuration file and restart. 3) Start the server with \
'--protected-mode no'. 4) Set a password for the default user.\r\n";
