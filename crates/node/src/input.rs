//! Hop 1: bytes from a connection become requests. What is left of a half-received request waits in the
//! client's inbox; a connection without one owns no buffer.

use resp::ParseLimits;

use crate::ahead::{Ahead, Stop};
use crate::client::{Blocked, ConnId, Kind, ReplyMode};
use crate::host::LogLevel;
use crate::node::Node;
use crate::table::CommandRow;

/// Before authentication a client gets no more than this for a request, in bytes.
const UNAUTHENTICATED_QUERY_MAX: usize = 1024 * 1024;

/// A client that waits for a job is read until so many bytes stand behind the command.
const INBOX_WAITING_MAX: usize = 64 * 1024;

/// How far requests that were parsed ahead could run.
#[derive(PartialEq, Eq)]
enum Ran {
    /// All of them did.
    All,
    /// What is behind was parsed under limits that no longer hold.
    UnderOldLimits,
    /// The next one must wait, or the connection ends.
    Held,
}

impl Node {
    /// Bytes arrived on a connection. Runs every whole request among them, in order.
    pub fn handle_input(&mut self, conn: ConnId, bytes: &[u8]) {
        self.count_received(conn, bytes.len());
        let Some(client) = self.clients.get_mut(conn) else { return };
        let bytes = &bytes[client.parser.receive(bytes)..];
        if client.parser.is_receiving() {
            // All of it was for a long argument, of which there is more to come.
        } else if client.inbox.is_empty() && client.blocked.is_none() {
            let done = self.run_requests(conn, bytes);
            if let Some(client) = self.clients.get_mut(conn) {
                client.inbox.extend_from_slice(&bytes[done..]);
                client.parser.set_apart(&mut client.inbox);
            }
        } else {
            client.inbox.extend_from_slice(bytes);
            self.resume(conn);
        }
        self.check_received(conn);
    }

    /// Whether no more should be read of a connection for now: its next command waits for a job beside the executor, and enough
    /// stands behind that. To be asked again when such a job is done.
    pub fn has_enough(&self, conn: ConnId) -> bool {
        let Some(client) = self.clients.get(conn) else { return false };
        matches!(client.blocked, Some(Blocked::Copy | Blocked::Payload)) && client.inbox.len() >= INBOX_WAITING_MAX
    }

    /// The long argument that a connection is sending, and how many bytes it lacks: these may be read right into it, which
    /// is to be told by [`Node::arrived`].
    pub fn arriving(&mut self, conn: ConnId) -> Option<(&mut Vec<u8>, usize)> {
        self.clients.get_mut(conn)?.parser.arriving()
    }

    /// So many bytes were read into what [`Node::arriving`] has returned.
    pub fn arrived(&mut self, conn: ConnId, count: usize) {
        self.count_received(conn, count);
        self.check_received(conn);
    }

    /// So many bytes arrived on a connection.
    pub(crate) fn count_received(&mut self, conn: ConnId, bytes: usize) {
        let Some(client) = self.clients.get_mut(conn) else { return };
        client.bytes_in += bytes as u64;
        client.active_at = self.now;
        self.stats.net_input_bytes += bytes as u64;
        self.stats.reads += 1;
    }

    /// What arrived on a connection has run, as far as it can now: is what waits within the limits?
    pub(crate) fn check_received(&mut self, conn: ConnId) {
        self.check_query_buffer(conn);
        self.count_client_memory(conn);
        self.evict_clients();
    }

    /// A connection sends no more. True: it is to be closed now; else when what it sent has run, where that waits for nothing
    /// but the disk or a job beside the executor, and its replies are written.
    pub fn input_ended(&mut self, conn: ConnId) -> bool {
        let Some(client) = self.clients.get_mut(conn) else { return true };
        match client.blocked {
            Some(Blocked::Held | Blocked::Copy | Blocked::Payload) => client.has_ended = true,
            None if client.waits_for_disk => self.close_after_reply(conn),
            _ => return true,
        }
        false
    }

    /// Runs what waits in the inbox of a connection: it was held back, or more of it has arrived.
    pub(crate) fn resume(&mut self, conn: ConnId) {
        self.run_inbox(conn);
        let Some(client) = self.clients.get(conn).filter(|client| client.has_ended) else { return };
        match client.blocked {
            None => self.close_after_reply(conn),
            Some(Blocked::Held | Blocked::Copy | Blocked::Payload) => {}
            // As if it had ended only now.
            Some(_) => self.close_now(conn),
        }
    }

    fn run_inbox(&mut self, conn: ConnId) {
        let Some(client) = self.clients.get_mut(conn) else { return };
        if client.blocked.is_some() || client.inbox.is_empty() {
            return;
        }
        let mut inbox = std::mem::take(&mut client.inbox);
        let done = self.run_requests(conn, &inbox);
        if let Some(client) = self.clients.get_mut(conn) {
            inbox.drain(..done);
            if inbox.capacity() > INBOX_KEPT_MAX && inbox.len() < inbox.capacity() / 8 {
                inbox.shrink_to_fit();
            }
            client.inbox = inbox;
            client.parser.set_apart(&mut client.inbox);
        }
    }

    /// Runs whole requests from the front of `input`: how many bytes they took.
    fn run_requests(&mut self, conn: ConnId, input: &[u8]) -> usize {
        let mut done = 0;
        let mut ahead = self.ahead.take().unwrap_or_default();
        while done < input.len() && self.may_run(conn) {
            let limits = self.parse_limits(conn);
            let Node { clients, table, keyspace, .. } = self;
            let client = &mut clients[conn];
            let stop = ahead.parse(&mut client.parser, input, done, &limits, table);
            ahead.prefetch(input, table, keyspace, client.db);
            self.share_time(ahead.len() > 1);
            let ran = self.run_ahead(conn, input, &ahead, &limits, &mut done);
            if ran != Ran::All
                && let Some(client) = self.clients.get_mut(conn)
            {
                // What was parsed behind it is parsed again when its turn comes.
                ahead.take_back(&mut client.parser, done);
            }
            ahead.clear();
            if ran != Ran::All {
                if ran == Ran::Held {
                    break;
                }
                continue;
            }
            match stop {
                Stop::Full => {}
                Stop::Incomplete => break,
                Stop::Empty(end) => {
                    done = end;
                    let Some(client) = self.clients.get_mut(conn) else { break };
                    if client.reply_mode == ReplyMode::SkipNext {
                        client.reply_mode = ReplyMode::On; // That was the one.
                    }
                    if client.kind == Kind::Replica {
                        self.replica_is_alive(conn);
                    }
                }
                Stop::Broken(error) => {
                    self.protocol_error(conn, &error.text());
                    done = input.len();
                }
            }
        }
        self.share_time(false);
        self.ahead = Some(ahead);
        done
    }

    /// Runs what was parsed ahead and moves `done` behind it.
    fn run_ahead(&mut self, conn: ConnId, input: &[u8], ahead: &Ahead, limits: &ParseLimits, done: &mut usize) -> Ran {
        for at in 0..ahead.len() {
            let (request, id, end) = ahead.get(at, input);
            // A request that is held back stays in the inbox.
            if !self.may_run(conn) || !self.handle_request(conn, &request, id) {
                return Ran::Held;
            }
            *done = end;
            // Data commands change no limits.
            let is_data = id.is_some_and(|id| matches!(self.table.get(id).row, CommandRow::Data(_)));
            if !is_data && self.may_run(conn) && self.parse_limits(conn) != *limits {
                return Ran::UnderOldLimits;
            }
        }
        if self.may_run(conn) { Ran::All } else { Ran::Held }
    }

    /// What the connection may send now.
    pub(crate) fn parse_limits(&self, conn: ConnId) -> ParseLimits {
        let unauthenticated = !self.clients[conn].authenticated && self.config.needs_password();
        ParseLimits { bulk_max: self.config.proto_max_bulk_len, unauthenticated }
    }

    /// Whether the next request of a connection may be looked at.
    pub(crate) fn may_run(&self, conn: ConnId) -> bool {
        // What is written behind the last save would be acknowledged and lost.
        !self.exiting
            && self.clients.get(conn).is_some_and(|client| !client.close_after_reply && client.blocked.is_none())
    }

    fn protocol_error(&mut self, conn: ConnId, text: &[u8]) {
        let client = &self.clients[conn];
        let whose = if client.kind == Kind::Replica { "a replica" } else { "a client" };
        let line = format!(
            "Protocol error from {whose} at {}: {}. The connection is closed.",
            client.peer.addr,
            String::from_utf8_lossy(text)
        );
        self.log(LogLevel::Verbose, &line);
        self.reply(conn).error(text);
        self.stats.count_error(text);
        self.clients[conn].inbox = Vec::new();
        self.close_after_reply(conn);
    }

    fn check_query_buffer(&mut self, conn: ConnId) {
        let Some(client) = self.clients.get(conn) else { return };
        let queued = client.transaction.as_ref().map_or(0, |transaction| transaction.bytes);
        let limit = self.config.client_query_buffer_limit as usize;
        let too_long = client.input_bytes() + queued > limit
            || (self.is_locked_out(client) && client.inbox.len() > UNAUTHENTICATED_QUERY_MAX);
        if too_long {
            let line = format!("Closing client {}: its query buffer is over the limit.", client.peer.addr);
            self.stats.query_buffer_limit_disconnections += 1;
            self.log(LogLevel::Warning, &line);
            self.close_now(conn);
        }
    }
}

/// An empty inbox of more than this many bytes is given back.
const INBOX_KEPT_MAX: usize = 64 * 1024;
