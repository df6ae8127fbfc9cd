//! Serves replicas: snapshots for those that need one, and the stream to each from where it stands.

use std::io::{self, ErrorKind, IoSlice};

use journal::Offset;
use persist::rdb::{Announced, Contents, Target, Unreadable};
use replication::Retained;
use replication::master::{Event, PeersOutput, StreamView};
use smallvec::SmallVec;

use super::link::log_level;
use super::supply::Step;
use super::{Cursor, FullSyncReason, Loss};
use crate::client::{Client, ConnId, Kind};
use crate::host::{LogLevel, SaveJob, StreamPosition};
use crate::node::Node;
use crate::output::{Output, SyncTarget};

/// Whoever reads as fast as we write gets no more bytes than this in a turn, so that others need not wait for the end of it.
const SHARE_BYTES: usize = 1024 * 1024;
/// The most pieces that one write hands to the system.
const WRITE_SLICES_MAX: usize = 64;
/// A reply of more bytes is worth a call of its own.
const SHORT_BYTES_MAX: usize = 16 * 1024;

impl Node {
    /// The stream as the master's machine wants to see it.
    pub(crate) fn with_view<R>(
        &mut self,
        call: impl FnOnce(&mut replication::Peers<ConnId>, &StreamView<'_>) -> R,
    ) -> R {
        let first = self.retained_from();
        let replication = &mut self.replication;
        let retained = replication.active.then(|| Retained { first, end: replication.journal.end().0 });
        let view = StreamView { history: &replication.history, retained, upstream: replication.upstream };
        call(&mut replication.peers, &view)
    }

    /// Carries out what the master's machine asks for.
    pub(crate) fn run_peers(&mut self) {
        while let Some(wish) = self.replication.peers.poll_output() {
            match wish {
                PeersOutput::Send(conn, bytes) => self.send_to_replica(conn, &bytes),
                PeersOutput::StartSync(targets) => self.start_sync(targets),
                PeersOutput::StartStream { conn, from } => self.start_stream(conn, from),
                PeersOutput::Close { conn, after_flush, reason } => {
                    self.log(LogLevel::Notice, &format!("Closing a replica's connection: {reason}"));
                    if after_flush { self.close_after_reply(conn) } else { self.close_now(conn) }
                }
                PeersOutput::FeedPing => {
                    self.replication.feed_ping();
                    self.wake_replicas();
                }
                PeersOutput::CreateBacklog | PeersOutput::FreeBacklog => {
                    self.turn_backlog(wish == PeersOutput::CreateBacklog)
                }
                PeersOutput::FullSyncReason(conn, refusal) => {
                    let replica = self.clients.get(conn).map_or_else(String::new, |client| client.peer.addr.clone());
                    self.replication.last_full_sync = Some(FullSyncReason { replica, refusal, at: self.now });
                }
                PeersOutput::Log(conn, level, text) => {
                    let who = self.clients.get(conn).map_or("?", |client| &client.peer.addr);
                    self.log(log_level(level), &format!("Replica {who}: {text}"));
                }
            }
        }
    }

    /// From now on the connection gets the stream from this offset.
    pub(super) fn start_stream(&mut self, conn: ConnId, from: u64) {
        self.replication.cursors.insert(conn, Cursor::new(from, true));
        self.clients.mark_dirty(conn);
    }

    fn send_to_replica(&mut self, conn: ConnId, bytes: &[u8]) {
        let Some(client) = self.clients.get_mut(conn) else { return };
        client.outbox.extend(bytes);
        self.clients.mark_dirty(conn);
    }

    /// The stream begins to be kept, or no longer is: either way nobody may go on from before.
    pub(crate) fn turn_backlog(&mut self, on: bool) {
        self.drop_archive(Loss::BegunAnew);
        let fresh = base::ReplId::from_entropy(self.host.entropy());
        let replication = &mut self.replication;
        replication.history.rotate(fresh);
        let end = replication.journal.end();
        // The first byte kept must not stand for one that was written before it was counted.
        replication.journal.restart(if on { end + 1 } else { end });
        replication.selected_db = None;
        replication.active = on;
        replication.peers.handle(self.now, Event::BacklogActive(on));
    }

    /// The stream is kept from now on, under the history that was just set.
    pub(crate) fn activate_stream(&mut self) {
        self.replication.active = true;
        self.replication.peers.handle(self.now, Event::BacklogActive(true));
    }

    /// Sends all replicas away: they come back and see what they can go on from.
    pub(crate) fn drop_replicas(&mut self, reason: &'static str) {
        self.replication.peers.handle(self.now, Event::DropAll(reason));
        self.run_peers();
    }

    /// One snapshot for all who wait for one.
    fn start_sync(&mut self, targets: Vec<replication::master::SyncTarget<ConnId>>) {
        let began = self.host.now();
        let facts = self.snapshot_facts();
        let position = facts.history.unwrap_or(StreamPosition {
            replid: self.replication.history.replid(),
            offset: self.replication.offset(),
            stream_db: None,
        });
        let mut replicas = Vec::new();
        for target in targets {
            let version = match self.rdb_target(&target) {
                Ok(version) => version,
                Err(reason) => {
                    self.refuse_sync(target.conn, reason.to_string());
                    continue;
                }
            };
            let started = Event::SyncStarted { conn: target.conn, offset: position.offset, replid: position.replid };
            self.replication.peers.handle(self.now, started);
            self.run_peers();
            let Some(client) = self.clients.get_mut(target.conn) else {
                self.transfer_done(target.conn, Err("the connection is gone".to_owned()));
                continue;
            };
            let preamble = client.outbox.to_vec();
            client.outbox.clear();
            client.transferring = true;
            self.replication.cursors.insert(target.conn, Cursor::new(position.offset, false));
            self.replication.peers.handle(self.now, Event::BulkStarted(target.conn));
            replicas.push(SyncTarget {
                conn: target.conn,
                framing: target.framing,
                target: version,
                preamble,
                with_data: target.parts.data,
            });
        }
        // The next write must name its database: these replicas know of no SELECT before it.
        if !self.replication.is_replica() {
            self.replication.selected_db = None;
        }
        if replicas.is_empty() {
            return;
        }
        self.log(LogLevel::Notice, &format!("Starting a full synchronisation with {} replica(s)", replicas.len()));
        let job = SaveJob { snapshot: self.take_snapshot(began), facts };
        self.outputs.push_back(Output::StartSync { job, replicas });
    }

    /// The version of the snapshot that a replica can read, by what it said of itself and by what there is to be sent.
    fn rdb_target(&self, target: &replication::master::SyncTarget<ConnId>) -> Result<Target, Unreadable> {
        let version = target.version.map(|(major, minor, patch)| format!("{major}.{minor}.{patch}"));
        let announced = Announced {
            version: version.as_ref().map(String::as_bytes),
            capa_rdb_channel_repl: target.rdb_channel_repl,
            assumed: self.config.rdb_version.and_then(Target::of_number),
        };
        let has_deadlines = |db| self.keyspace.hashes_with_deadlines(db) > 0;
        let field_deadlines = target.parts.data && (0..self.keyspace.count()).any(has_deadlines);
        let streams = target.parts.data && self.keyspace.may_hold_streams();
        Target::for_replica(announced, Contents { field_deadlines, streams, ..Contents::default() })
    }

    /// Sends a replica away that could not read what it would be sent. It keeps what it has.
    fn refuse_sync(&mut self, conn: ConnId, reason: String) {
        let who = self.clients.get(conn).map_or("?", |client| &client.peer.addr);
        self.log(LogLevel::Warning, &format!("Replica {who}: full synchronisation refused: {reason}"));
        self.replication.peers.handle(self.now, Event::SyncRefused(conn, reason));
        self.run_peers();
    }

    /// A replica's snapshot is sent, or could not be.
    pub fn transfer_done(&mut self, conn: ConnId, result: Result<(), String>) {
        if let Some(client) = self.clients.get_mut(conn) {
            client.transferring = false;
        }
        let event = match result {
            Ok(()) => Event::TransferDone(conn),
            Err(reason) => Event::TransferFailed(conn, reason),
        };
        self.replication.peers.handle(self.now, event);
        self.run_peers();
    }

    /// Bytes of a snapshot left for a replica: it is not stuck.
    pub fn transfer_progress(&mut self, conn: ConnId) {
        self.replication.peers.handle(self.now, Event::TransferProgress(conn));
        self.run_peers();
    }

    /// A replica sent an empty line: it is there, and busy with its data set.
    pub(crate) fn replica_is_alive(&mut self, conn: ConnId) {
        self.replication.peers.handle(self.now, Event::Newline(conn));
        self.run_peers();
    }

    /// There is more of the stream: every replica that reads it has something to write. Every write of a client comes here:
    /// after the first one they are all listed, until the list is worked off.
    pub(crate) fn wake_replicas(&mut self) {
        let Node { replication, clients, .. } = self;
        if std::mem::replace(&mut replication.is_awake, true) {
            return;
        }
        for (conn, cursor) in &replication.cursors {
            if cursor.live {
                clients.mark_dirty(*conn);
            }
        }
    }

    /// A connection is gone, maybe a replica's.
    pub(crate) fn replication_closed(&mut self, conn: ConnId, client: &Client) {
        self.replication.cursors.remove(&conn);
        self.replication.peers.handle(self.now, Event::Closed(conn));
        if client.kind == Kind::Replica {
            self.log(LogLevel::Notice, &format!("Connection with replica {} lost.", client.peer.addr));
        }
        self.run_peers();
    }

    /// Writes what a connection has to get: its replies, then for a replica the stream, and how it goes on.
    pub fn write_connection(&mut self, conn: ConnId, write: &mut Write<'_>) -> io::Result<Rest> {
        let outcome = self.write_free(conn, write);
        self.count_client_memory(conn);
        outcome
    }

    /// Whether all that a connection has to get is a reply in one piece that may go now: it can be sent together with those of
    /// others, see [`Node::short_reply`].
    pub fn has_short_reply(&mut self, conn: ConnId) -> bool {
        let free_output = self.free_output(conn);
        let Some(client) = self.clients.get(conn).filter(|client| !client.transferring) else { return false };
        let is_short = client.outbox.only_chunk().is_some_and(|chunk| (1..=SHORT_BYTES_MAX).contains(&chunk.len()));
        is_short && client.outbox.end() <= free_output && !self.replication.cursors.contains_key(&conn)
    }

    /// The reply that [`Node::has_short_reply`] has found; empty otherwise.
    pub fn short_reply(&self, conn: ConnId) -> &[u8] {
        self.clients.get(conn).and_then(|client| client.outbox.only_chunk()).unwrap_or_default()
    }

    /// So many bytes of [`Node::short_reply`] went to the connection.
    pub fn short_reply_sent(&mut self, conn: ConnId, written: usize) -> Rest {
        let Node { clients, stats, .. } = self;
        let Some(client) = clients.get_mut(conn) else { return Rest::None };
        client.count_written(written, stats);
        let rest = if client.outbox.is_empty() { Rest::None } else { Rest::Held };
        self.count_client_memory(conn);
        rest
    }

    fn write_free(&mut self, conn: ConnId, write: &mut Write<'_>) -> io::Result<Rest> {
        let (free_output, free_stream) = (self.free_output(conn), self.free_stream());
        let Node { clients, stats, .. } = self;
        let Some(client) = clients.get_mut(conn).filter(|client| !client.transferring) else {
            return Ok(Rest::None);
        };
        let mut share = SHARE_BYTES;
        while client.outbox.start() < free_output {
            if share == 0 {
                return Ok(Rest::Later);
            }
            let free = (free_output - client.outbox.start()).min(share as u64) as usize;
            let (written, all) = match client.outbox.only_chunk() {
                Some(chunk) => write_slices(write, &[IoSlice::new(&chunk[..chunk.len().min(free)])])?,
                None => write_slices(write, &client.outbox.io_slices(WRITE_SLICES_MAX, free))?,
            };
            client.count_written(written, stats);
            share -= written;
            if !all {
                return Ok(Rest::Held);
            }
        }
        if !client.outbox.is_empty() {
            return Ok(Rest::Held); // It waits for the disk, and the stream goes behind it.
        }
        if self.replication.cursors.is_empty() {
            return Ok(Rest::None);
        }
        self.write_stream_to(conn, free_stream, share, write)
    }

    /// Writes a replica its part of the stream up to `free`, at most `share` bytes of it, from memory or from a block of a file.
    fn write_stream_to(
        &mut self,
        conn: ConnId,
        free: u64,
        mut share: usize,
        write: &mut Write<'_>,
    ) -> io::Result<Rest> {
        // What the file may still lose again is not read from there; it is in memory.
        let until = self.aof.needs_from().map_or(free, |from| from.min(free));
        loop {
            let archive = self.usable_archive();
            let replication = &self.replication;
            let Some(cursor) = replication.cursors.get(&conn).filter(|cursor| cursor.live) else {
                return Ok(Rest::None);
            };
            if cursor.at >= free {
                return Ok(Rest::None);
            }
            if share == 0 {
                return Ok(Rest::Later);
            }
            let wanted = (free - cursor.at).min(share as u64) as usize;
            let step = cursor.supply.step(cursor.at, until, &replication.journal, archive);
            let (written, all) = match step {
                Step::Memory => {
                    let chunks = replication.journal.read(Offset(cursor.at), wanted);
                    let chunks = chunks.expect("it is in memory").take(WRITE_SLICES_MAX);
                    let slices: SmallVec<[IoSlice<'_>; 16]> = chunks.map(IoSlice::new).collect();
                    write_slices(write, &slices)?
                }
                Step::Write(bytes) => write_slices(write, &[IoSlice::new(&bytes[..bytes.len().min(wanted)])])?,
                Step::Ask(extent) => {
                    self.ask_block(conn, extent);
                    return Ok(Rest::None);
                }
                // The end of the turn cuts whoever is lost.
                Step::Wait | Step::Lost => return Ok(Rest::None),
            };
            share -= written;
            let Node { clients, replication, stats, .. } = self;
            if let (Some(cursor), Some(client)) = (replication.cursors.get_mut(&conn), clients.get_mut(conn)) {
                cursor.advance(written as u64);
                client.bytes_out += written as u64;
            }
            stats.count_written(written);
            stats.net_repl_output_bytes += written as u64;
            if !all {
                return Ok(Rest::Held);
            }
        }
    }

    /// Whether a connection is to be closed now that its outbox is written.
    pub fn is_to_close(&self, conn: ConnId) -> bool {
        self.clients.get(conn).is_some_and(|client| client.close_after_reply && client.outbox.is_empty())
    }
}

/// What a connection has still to get after it was written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rest {
    /// Nothing, or nothing before it is told of again.
    None,
    /// It has had its share of this turn, and room for more: others come first, then it is written to again.
    Later,
    /// It has no room, or what is left waits for the disk.
    Held,
}

/// Writes to a connection: how many bytes it took.
pub type Write<'a> = dyn FnMut(&[IoSlice<'_>]) -> io::Result<usize> + 'a;

/// Writes once: how many bytes went, and whether those were all. A connection without room takes none.
fn write_slices(write: &mut Write<'_>, slices: &[IoSlice<'_>]) -> io::Result<(usize, bool)> {
    let wanted: usize = slices.iter().map(|slice| slice.len()).sum();
    loop {
        match write(slices) {
            Ok(written) => return Ok((written, written == wanted)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok((0, false)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
