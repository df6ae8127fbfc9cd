//! One turn of a machine's loop: what came is handed to the node, its wishes are carried out, every socket is written
//! once. The order is that of the real server's shell.

use std::fmt::Write;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

use node::{ConnId, LogLevel, Node, Output, PeerInfo, Rest, SaveJob, StreamFacts, SyncTarget};

use super::{Asked, Expected, LinkSocket, Machine, PORT, Question, Receiving, index_of, name_of};
use crate::env::Env;
use crate::jobs::{Build, Job, JournalJob, Report, Save, Source, Sync};
use crate::network::Party;
use crate::relay::Relay;

/// What one connection may send in one turn, in bytes.
const READ_BYTES_MAX: usize = 64 * 1024;

/// So much of what the console was answered is kept.
const CONSOLE_BYTES_MAX: usize = 10_000;

impl Machine {
    /// Runs the loop once.
    pub fn turn(&mut self, env: &mut Env) {
        let Some(mut node) = self.node.take() else { return };
        node.begin_turn(env.now(), self.unix(env));
        let mut did = String::new();
        let evicted_before = node.keyspace().stats.evicted;
        self.accept(&mut node, env);
        self.carry_out_orders(&mut node, env);
        self.take_link_answer(&mut node, env);
        let mut ready: Vec<u64> = std::mem::take(&mut self.ready).into_iter().collect();
        env.rng.shuffle(&mut ready);
        for key in ready {
            if self.link.as_ref().is_some_and(|link| link.key == Some(key)) {
                self.read_link(&mut node, env, &mut did);
                self.write_link(&mut node, env);
            } else if let Some(conn) = self.sockets.conn(key) {
                self.read(&mut node, conn, key, env, &mut did);
                self.write(&mut node, conn, env);
            }
        }
        self.take_reports(&mut node, env);
        node.handle_timeout();
        self.settle(&mut node, env);
        node.end_turn();
        // What the shell does before it sleeps.
        self.settle(&mut node, env);
        env.figures.evictions += node.keyspace().stats.evicted.saturating_sub(evicted_before);
        let next = node.poll_timeout();
        self.node = Some(node);
        self.drain_log(env);
        self.show_turn(&did, env);
        if !self.ready.is_empty() {
            self.wake(env);
        }
        self.turn_no_later_than(next, env);
    }

    /// Brings what was done out: to disk, then to jobs and sockets.
    fn settle(&mut self, node: &mut Node, env: &mut Env) {
        node.persist_stream();
        self.carry_out(node, env);
        self.flush(node, env);
    }

    fn drain_log(&mut self, env: &mut Env) {
        for (level, text) in std::mem::take(&mut *self.log.borrow_mut()) {
            if text.contains("== CRITICAL ==") || text.contains("stream is broken") {
                self.complaint.get_or_insert(text.clone());
            }
            if level >= LogLevel::Verbose {
                env.trace(&self.name, &format!("log {text}"));
            }
        }
    }

    fn show_turn(&mut self, did: &str, env: &mut Env) {
        let facts = self.facts();
        if let Some(facts) = &facts
            && (!did.is_empty() || env.board[self.index] != Some(facts.clone()))
        {
            let role = match (&facts.master, facts.link_up) {
                (None, _) => "master",
                (Some(_), true) => "replica",
                (Some(_), false) => "replica(down)",
            };
            let id = &facts.replid.as_str()[..6];
            let kept = if facts.kept { "" } else { " unkept" };
            env.trace(&self.name, &format!("turn{did} -> {role} {id}:{}{kept}", facts.end));
        }
        env.board[self.index] = facts;
    }

    fn accept(&mut self, node: &mut Node, env: &mut Env) {
        for key in std::mem::take(&mut self.accepts) {
            let Some(connection) = env.network.get(key) else { continue };
            let ip = match connection.parties[0] {
                Party::Machine(other) => name_of(other),
                Party::Client(client) => format!("c{client}"),
            };
            match node.connect(peer_info(ip, key)) {
                Ok(conn) => {
                    self.sockets.add(key, conn);
                    self.ready.insert(key);
                }
                Err(_) => env.close((key, 1)),
            }
        }
    }

    fn carry_out_orders(&mut self, node: &mut Node, env: &mut Env) {
        while let Some(order) = self.orders.pop_front() {
            if self.console.is_none() {
                self.console = node.connect(peer_info("console".to_owned(), 0)).ok();
            }
            let Some(console) = self.console else { return };
            let words: Vec<&[u8]> = order.iter().map(Vec::as_slice).collect();
            let mut request = Vec::new();
            resp::encode::command(&mut request, &words);
            node.handle_input(console, &request);
            env.trace(&self.name, &format!("order {}", order.join(&b' ').escape_ascii()));
        }
    }

    fn lost(&mut self, node: &mut Node, conn: ConnId, env: &mut Env) {
        self.close(conn, env);
        node.disconnected(conn);
    }

    fn close(&mut self, conn: ConnId, env: &mut Env) {
        if let Some(key) = self.sockets.remove(conn) {
            env.close((key, 1));
        }
        if self.console == Some(conn) {
            self.console = None;
        }
    }

    fn read(&mut self, node: &mut Node, conn: ConnId, key: u64, env: &mut Env, did: &mut String) {
        match env.read((key, 1), READ_BYTES_MAX) {
            Ok(bytes) if bytes.is_empty() => self.lost(node, conn, env),
            Ok(bytes) => {
                if let Some(asked) = self.sockets.overhear(key, &bytes) {
                    let facts = node.stream_facts();
                    let expected = expected_answer(&facts, &asked);
                    env.trace(&self.name, &format!("hears {asked:?}, must answer {expected:?}"));
                    self.sockets.expect(key, Question { asked, expected, facts, at: env.now() });
                }
                let _ = write!(did, " {key}+{}", bytes.len());
                node.handle_input(conn, &bytes);
                self.ready.insert(key);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.lost(node, conn, env),
        }
    }

    fn write(&mut self, node: &mut Node, conn: ConnId, env: &mut Env) {
        if self.console == Some(conn) {
            // The operator reads at once what the console says.
            let said = &mut self.console_said;
            let mut write = |slices: &[io::IoSlice<'_>]| {
                slices.iter().for_each(|slice| said.extend_from_slice(slice));
                Ok(slices.iter().map(|slice| slice.len()).sum())
            };
            while matches!(node.write_connection(conn, &mut write), Ok(Rest::Later)) {}
            said.drain(..said.len().saturating_sub(CONSOLE_BYTES_MAX));
            return;
        }
        let Some(key) = self.sockets.key(conn) else { return };
        let sockets = &mut self.sockets;
        let mut write = |slices: &[io::IoSlice<'_>]| {
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            sockets.write(env, key, &bytes)
        };
        let outcome = loop {
            if node.has_short_reply(conn) {
                let piece = node.short_reply(conn).to_vec();
                match write(&[io::IoSlice::new(&piece)]) {
                    Ok(count) => break Ok(node.short_reply_sent(conn, count)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break Ok(Rest::Held),
                    Err(error) => break Err(error),
                }
            }
            match node.write_connection(conn, &mut write) {
                Ok(Rest::Later) => {}
                other => break other,
            }
        };
        match outcome {
            Ok(Rest::None) if node.is_to_close(conn) => self.lost(node, conn, env),
            Ok(_) => {}
            Err(_) => self.lost(node, conn, env),
        }
    }

    fn flush(&mut self, node: &mut Node, env: &mut Env) {
        while let Some(conn) = node.pop_dirty() {
            self.write(node, conn, env);
        }
        self.write_link(node, env);
    }

    // ---- the link to the master ----

    fn connect_master(&mut self, node: &mut Node, host: &str, env: &mut Env) {
        self.close_link(env);
        let Some(master) = index_of(host) else {
            return node.link_failed("no such machine".to_owned());
        };
        let key = env.connect(Party::Machine(self.index), master);
        let relay = self.link.as_mut().map_or_else(|| Relay::new(master), |link| link.relay.next(master));
        self.link = Some(LinkSocket { key: Some(key), connected: false, relay });
    }

    fn close_link(&mut self, env: &mut Env) {
        if let Some(link) = &mut self.link {
            link.connected = false;
            if let Some(key) = link.key.take() {
                env.close((key, 0));
            }
        }
    }

    fn take_link_answer(&mut self, node: &mut Node, env: &mut Env) {
        let Some((key, connected)) = self.link_answer.take() else { return };
        let Some(link) = self.link.as_mut().filter(|link| link.key == Some(key)) else { return };
        if !connected {
            self.close_link(env);
            return node.link_failed("connection refused".to_owned());
        }
        link.connected = true;
        node.link_connected();
        self.ready.insert(key);
    }

    fn read_link(&mut self, node: &mut Node, env: &mut Env, did: &mut String) {
        let Some(LinkSocket { key: Some(key), connected: true, relay }) = &mut self.link else { return };
        if !node.link_may_read() {
            return;
        }
        let key = *key;
        match env.read((key, 0), READ_BYTES_MAX) {
            Ok(bytes) if bytes.is_empty() => self.link_lost(node, "the master closed the connection", env),
            Ok(bytes) => {
                let _ = write!(did, " link+{}", bytes.len());
                let relayed = relay.down(bytes, env);
                node.link_input(&relayed);
                // What was read may be for the loading job: it gets it before more is read.
                self.carry_out(node, env);
                self.ready.insert(key);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => self.link_lost(node, &error.to_string(), env),
        }
    }

    fn link_lost(&mut self, node: &mut Node, reason: &str, env: &mut Env) {
        self.close_link(env);
        node.link_closed(reason.to_owned());
    }

    fn write_link(&mut self, node: &mut Node, env: &mut Env) {
        let facts = node.stream_facts();
        let Some(LinkSocket { key: Some(key), connected: true, relay }) = &mut self.link else { return };
        let key = *key;
        if let Err(error) = node.write_link(&mut |bytes| relay.up(key, bytes, &facts, env)) {
            self.link_lost(node, &error.to_string(), env);
        }
    }

    // ---- what the node wishes, and what jobs report ----

    fn carry_out(&mut self, node: &mut Node, env: &mut Env) {
        while let Some(wish) = node.poll_output() {
            match wish {
                Output::Close(conn) => self.close(conn, env),
                Output::ConnectMaster { host, .. } => self.connect_master(node, &host, env),
                Output::CloseLink => self.close_link(env),
                Output::StartSync { job, replicas } => self.start_sync(node, job, replicas, env),
                Output::StartSave(job) => {
                    let save = Save::new(job, Rc::clone(&self.disk));
                    self.start_job(Job::Save(save), env);
                }
                Output::BeginLoad(empty) => {
                    self.abort_load(env);
                    self.loads_started += 1;
                    self.receiving = Some(Receiving { attempt: self.loads_started, work: Some((empty, Vec::new())) });
                }
                Output::LoadBytes(bytes) => {
                    if let Some(Receiving { work: Some((_, received)), .. }) = &mut self.receiving {
                        received.extend(bytes);
                    }
                }
                Output::EndLoad => {
                    if let Some(Receiving { attempt, work }) = &mut self.receiving
                        && let Some((empty, bytes)) = work.take()
                    {
                        let build = Build::new(*attempt, empty, Ok(Source::Bytes(bytes)), false, env);
                        self.start_job(Job::Build(build), env);
                    }
                }
                Output::AbortLoad => self.abort_load(env),
                Output::Discard(discarded) => drop(discarded),
                Output::CopyString(wanted) => node.string_copied(wanted.make(|| {})),
                Output::Payload(job) => node.payload_done(job.run(|| {})),
                Output::WriteJournal(pieces) => {
                    let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).collect();
                    self.start_job(Job::Journal(JournalJob::write(&self.aof, bytes)), env);
                }
                Output::SyncJournal { ticket } => {
                    self.start_job(Job::Journal(JournalJob::sync(&self.aof, ticket)), env);
                }
                Output::PrepareJournal(wanted) => {
                    self.start_job(Job::Journal(JournalJob::prepare(&self.aof, wanted)), env);
                }
                Output::WriteBase { job, name } => {
                    self.start_job(Job::Journal(JournalJob::base(&self.aof, job, name)), env);
                }
                Output::PublishFiles(published) => {
                    self.start_job(Job::Journal(JournalJob::publish(&self.aof, published)), env);
                }
                Output::DropJournalFiles(dropped) => {
                    assert!(dropped.spills.is_empty(), "simulated servers keep no stream for replicas that are behind");
                    dropped.names.iter().for_each(|name| self.disk.borrow_mut().remove(name));
                }
                Output::ReadJournal(_) | Output::SpillJournal { .. } => {
                    unreachable!("simulated servers have no disk for replicas that are behind")
                }
                Output::Exit { code: 0 } => self.ended = true,
                Output::Exit { code } => {
                    self.complaint.get_or_insert(format!("it wants to exit with code {code}"));
                }
            }
        }
    }

    /// The loading thread is left alone: it ends with an error, or with the data set that it has all bytes of.
    fn abort_load(&mut self, env: &mut Env) {
        if let Some(Receiving { attempt, work: Some((empty, _)) }) = self.receiving.take() {
            env.figures.transfers_aborted += 1;
            let build = Build::new(attempt, empty, Err("the transfer was given up".to_owned()), false, env);
            self.start_job(Job::Build(build), env);
        }
    }

    fn start_sync(&mut self, node: &mut Node, job: SaveJob, replicas: Vec<SyncTarget>, env: &mut Env) {
        let mut targets = Vec::new();
        for replica in replicas {
            match self.sockets.key(replica.conn) {
                Some(key) => targets.push((replica, key)),
                None => node.transfer_done(replica.conn, Err("the connection is gone".to_owned())),
            }
        }
        if targets.is_empty() {
            return;
        }
        env.figures.full_syncs += targets.len() as u64;
        let stall_max = Duration::from_secs(node.config().repl_timeout.max(1));
        let sync = Sync::new(job, targets, stall_max, env);
        self.start_job(Job::Sync(sync), env);
    }

    fn take_reports(&mut self, node: &mut Node, env: &mut Env) {
        while let Some(report) = self.reports.pop_front() {
            match report {
                Report::Saved(result) => node.save_done(result),
                Report::LoadProgress(read) => node.loading_progress(read),
                Report::Loaded { attempt, result } => {
                    let current = self.receiving.as_ref().is_none_or(|load| load.attempt == attempt);
                    if current {
                        self.receiving = None;
                        if let Ok(loaded) = &result {
                            self.new_generation(env);
                            if self.loading {
                                self.recovered = loaded.position;
                            }
                        }
                        self.loading = false;
                        node.load_done(result.map(|loaded| *loaded));
                    }
                }
                Report::Sent { conn, result } => node.transfer_done(conn, result),
                Report::Sending(conn) => node.transfer_progress(conn),
                Report::JournalWritten => {
                    let written = self.aof.borrow_mut().take_written();
                    if let Some((count, result)) = written {
                        node.journal_written(count, result);
                    }
                }
                Report::JournalSynced { ticket, result } => node.journal_synced(ticket, result),
                Report::JournalPrepared(result) => node.journal_prepared(result),
                Report::BaseWritten { name, result } => node.base_written(&name, result),
                Report::FilesPublished(result) => node.files_published(result),
            }
        }
    }
}

fn peer_info(ip: String, key: u64) -> PeerInfo {
    let laddr = format!("server:{PORT}");
    PeerInfo { addr: format!("{ip}:{key}"), laddr, ip, fd: 10, unix: false, local: true, certificate: None }
}

/// What a PSYNC must be answered: the rule of docs/replication.md, section 1.
fn expected_answer(facts: &StreamFacts, asked: &Asked) -> Expected {
    let is_replica = facts.master.is_some();
    let own = asked.replid == Some(facts.replid);
    if asked.failover && !(is_replica && own) {
        return Expected::NotPartial; // An error.
    }
    if !asked.failover && (facts.failing_over || is_replica && !facts.link_up) {
        return Expected::NotPartial;
    }
    let (Some(replid), true) = (asked.replid, facts.kept) else { return Expected::NotPartial };
    // Who takes over first becomes a master, for which the byte behind its last one is another.
    let current = own;
    let is_replica = is_replica && !asked.failover;
    let older = facts.older.iter().any(|(id, end)| *id == replid && asked.wanted <= *end as i64 + 1);
    let Some(from) = u64::try_from(asked.wanted).ok().and_then(|wanted| wanted.checked_sub(1)) else {
        return Expected::NotPartial;
    };
    match from {
        _ if !current && !older => Expected::NotPartial,
        _ if from < facts.first => Expected::NotPartial,
        _ if from > facts.end && is_replica => Expected::Either,
        _ if from > facts.end => Expected::NotPartial,
        _ => Expected::Partial,
    }
}
