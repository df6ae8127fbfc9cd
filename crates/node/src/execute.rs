//! Hop 3: runs one request of a client as one unit: freeze the time, call the handler, count, commit.

use commands::{Awaited, Blocking, Context, Error, Outcome};
use keyspace::{Db, Effects, ExpiryMode, Keyspace};
use resp::Args;

use crate::client::{Blocked, ConnId, Kind, ReplyMode};
use crate::eviction::Room;
use crate::gate::Verdict;
use crate::node::{Node, reply_to};
use crate::payloads::DumpReply;
use crate::table::{CommandId, CommandRow};

impl Node {
    /// One whole request of a client, for the command that it names if there is one. False: it is held back and must be
    /// looked at again.
    pub(crate) fn handle_request(&mut self, conn: ConnId, args: &Args<'_>, id: Option<CommandId>) -> bool {
        if self.clients[conn].reply_mode == ReplyMode::SkipNext {
            self.clients[conn].reply_mode = ReplyMode::Skip;
        }
        let gets_stream = self.clients[conn].kind == Kind::Replica;
        let replies_end = self.clients[conn].outbox.end();
        // A value that was read for it is in memory: there was room for it when the command came.
        let room = if self.clients[conn].restored.is_some() { Some(Room::Enough) } else { self.make_room_for(conn) };
        let Some(room) = room else { return true };
        match self.judge(conn, args, id, room) {
            Verdict::Run(id) => self.run(conn, id, args),
            Verdict::Queue(id) => self.queue(conn, id, args),
            Verdict::HoldBack => {
                self.clients[conn].blocked = Some(Blocked::Paused);
                self.pause.waiting.push(conn);
                return false;
            }
            Verdict::AwaitBeside => return false,
            Verdict::Cut => {
                self.cut_http(conn);
                return true;
            }
            Verdict::Refuse(error, id) => {
                if let Some(value) = self.clients[conn].restored.take() {
                    self.drop_restored(*value);
                }
                self.refuse(conn, &error, id);
            }
        }
        if let Some(client) = self.clients.get_mut(conn) {
            if client.reply_mode == ReplyMode::Skip && client.blocked.is_none() {
                client.reply_mode = ReplyMode::On;
            }
            // A reply in the middle of the stream would be taken for a part of it.
            if gets_stream && client.outbox.end() > replies_end {
                let name = String::from_utf8_lossy(&args[0]).into_owned();
                let line = format!("Replica generated a reply to command '{name}', disconnecting it");
                self.log(crate::host::LogLevel::Warning, &line);
                self.close_now(conn);
                return true;
            }
            if !client.outbox.is_empty() {
                self.clients.mark_dirty(conn);
                self.check_output_limit(conn);
            }
        }
        true
    }

    /// Cuts a connection whose client speaks HTTP: a page can make a browser send requests to a server that only the
    /// browser's machine can reach, and commands may stand in their bodies.
    fn cut_http(&mut self, conn: ConnId) {
        let text = format!(
            "Possible SECURITY ATTACK: POST or Host: came from {} as a command, as in a request of HTTP. Its connection \
             is closed.",
            self.clients[conn].peer.addr
        );
        self.log(crate::host::LogLevel::Warning, &text);
        self.close_now(conn);
    }

    pub(crate) fn refuse(&mut self, conn: ConnId, error: &Error, id: Option<CommandId>) {
        if let Some(id) = id {
            self.table.stats_mut(id).rejected += 1;
        }
        self.stats.count_error(error.message());
        let client = &mut self.clients[conn];
        let in_exec = id.is_some_and(|id| self.table.get(id).full_name == "exec");
        if let Some(transaction) = &mut client.transaction {
            transaction.aborted = true;
        }
        if in_exec {
            client.transaction = None;
            self.unwatch_all(conn);
            let mut text = b"EXECABORT Transaction discarded because of: ".to_vec();
            text.extend_from_slice(error.message().strip_prefix(b"ERR ").unwrap_or(error.message()));
            self.reply(conn).error(&text);
            return;
        }
        self.reply(conn).error(error.message());
    }

    /// Runs a command for a client and commits what it did.
    fn run(&mut self, conn: ConnId, id: CommandId, args: &Args<'_>) {
        self.begin_unit();
        self.clients[conn].executing = true;
        self.call(conn, id, args);
        self.feed_monitors(conn, id, args);
        match self.awaited.take() {
            None => {}
            Some(Awaited::Key(wait)) => self.block(conn, args, *wait),
            Some(Awaited::Dump(value)) => self.lay_out_beside(conn, value, DumpReply::Payload),
        }
        self.end_unit(conn);
        self.serve_waiters();
    }

    /// Begins an execution unit: who will want to hear of it.
    pub(crate) fn begin_unit(&mut self) {
        self.effects.journal_wanted = self.replication.journal_is_wanted();
        self.effects.touched_wanted = self.touched_wanted();
    }

    /// The client's own command runs no more: messages that it got meanwhile follow the reply.
    pub(crate) fn end_executing(&mut self, conn: ConnId) {
        if let Some(client) = self.clients.get_mut(conn) {
            client.executing = false;
            if !client.pushes.is_empty() {
                client.outbox.append(&mut client.pushes);
            }
        }
    }

    /// Ends the unit of a client: commits what it did.
    pub(crate) fn end_unit(&mut self, conn: ConnId) {
        self.end_executing(conn);
        let wrote = self.commit();
        if let Some(client) = self.clients.get_mut(conn)
            && wrote
        {
            client.write_offset = self.replication.offset();
        }
        if self.clients.get(conn).is_some_and(|client| client.closing) {
            self.close_now(conn);
        }
    }

    /// Calls the command's function: EXEC calls it for each queued command. The caller commits.
    pub(crate) fn call(&mut self, conn: ConnId, id: CommandId, args: &Args<'_>) {
        let started = self.clock_before(id);
        let outer = self.running.replace(id);
        self.clients[conn].commands += 1;
        self.stats.commands += 1;
        let outcome = match self.table.get(id).row {
            CommandRow::Data(row) => self.call_data(conn, row.run, args),
            CommandRow::Server(row) => {
                self.effects.begin_command();
                let outcome = (row.run)(self, conn, args);
                let db = self.clients.get(conn).map_or(0, |client| client.db);
                self.effects.end_command(db, args.iter());
                outcome
            }
        };
        self.running = outer;
        if let Some(Awaited::Key(_)) = self.awaited {
            return; // It counts when it has been served.
        }
        let failed = outcome.is_err();
        if let Err(error) = &outcome {
            self.stats.count_error(error.message());
            if self.clients.get(conn).is_some() {
                self.reply(conn).error(error.message());
            }
        }
        let stats = self.table.stats_mut(id);
        stats.calls += 1;
        stats.failed += u64::from(failed);
        self.clock_after(conn, id, started, args);
    }

    fn call_data(&mut self, conn: ConnId, run: commands::DataFn, args: &Args<'_>) -> Outcome {
        let expiry = self.expiry_mode();
        let client = &mut self.clients[conn];
        let db_index = client.db;
        self.effects.begin_command();
        let mut db = Db::new(&mut self.keyspace, db_index, &mut self.effects, self.unix, expiry);
        db.touch_on_read = !client.no_touch;
        let blocking = match client.restored.take() {
            Some(value) => Blocking::Restored(value),
            None if self.in_exec => Blocking::Refused,
            None => Blocking::Allowed,
        };
        let mut reply = reply_to(client);
        let hard_limit = self.config.client_output_buffer_limit.normal.hard;
        if hard_limit > 0 {
            reply.set_bytes_max(hard_limit as usize);
        }
        let mut context = Context { db, reply, rng: &mut self.rng, blocking };
        let outcome = run(&mut context, args);
        let blocking = context.blocking;
        match blocking {
            Blocking::Asked(awaited) => self.awaited = Some(awaited),
            Blocking::Restored(unused) => self.drop_restored(*unused),
            Blocking::Refused | Blocking::Allowed => {}
        }
        self.effects.end_command_as_sent(db_index, args.iter(), || args.as_encoded());
        outcome
    }

    /// Opens the selected database of a client, for server commands that look at values.
    pub(crate) fn with_db<R>(&mut self, conn: ConnId, look: impl FnOnce(&mut Db<'_>) -> R) -> R {
        let expiry = self.expiry_mode();
        let index = self.clients[conn].db;
        let mut db = Db::new(&mut self.keyspace, index, &mut self.effects, self.unix, expiry);
        look(&mut db)
    }

    /// Runs a data command that came from the master, or from a file: no client, no reply, nothing counts as expired.
    /// Returns the refusal if there is one.
    pub(crate) fn apply_data(&mut self, db_index: usize, run: commands::DataFn, args: &Args<'_>) -> Outcome {
        let Node { keyspace, effects, rng, unix, .. } = self;
        run_data(keyspace, effects, rng, *unix, db_index, run, args)
    }

    /// What a client's command meets when a key is past its time.
    pub(crate) fn expiry_mode(&self) -> ExpiryMode {
        let paused = self.pause.holds_writes(self.now);
        if self.replication.is_replica() || paused { ExpiryMode::Hide } else { ExpiryMode::Delete }
    }

    /// Whether somebody wants to hear which keys were touched.
    pub(crate) fn touched_wanted(&mut self) -> bool {
        let notify = self.notify_classes;
        self.effects.misses_wanted = notify.has(keyspace::notify::Class::KEY_MISS);
        !self.watches.is_empty() || !self.waiters.is_empty() || !notify.is_empty()
    }
}

/// Runs a data command for nobody: no client, no reply, nothing counts as expired.
pub(crate) fn run_data(
    keyspace: &mut Keyspace,
    effects: &mut Effects,
    rng: &mut fastrand::Rng,
    unix: base::UnixMs,
    db_index: usize,
    run: commands::DataFn,
    args: &Args<'_>,
) -> Outcome {
    effects.begin_command();
    let db = Db::new(keyspace, db_index, effects, unix, ExpiryMode::Ignore);
    let mut nowhere = resp::Outbox::new();
    let mut reply = resp::Reply::new(&mut nowhere, resp::Protocol::Resp2);
    reply.set_silent(true);
    let outcome = run(&mut Context { db, reply, rng, blocking: Blocking::Refused }, args);
    effects.end_command(db_index, args.iter());
    outcome
}
