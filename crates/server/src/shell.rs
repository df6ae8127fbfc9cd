//! The loop: wait for sockets, hand bytes to the node, carry out what it wishes, write every socket once, sleep. One
//! thread executes; threads beside it write files, send data sets and build them, and report through [`Report`].

mod link;

use std::io::{self, ErrorKind};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use base::Time;
use mio::{Interest, Token, Waker};
use node::{ConnId, Discarded, Node, Output, Rest};
use smallvec::SmallVec;

use crate::clock;
use crate::gather::Gather;
use crate::host::SharedListeners;
use crate::jobs::aof::AofFiles;
use crate::jobs::aof_load::FoundFiles;
use crate::jobs::{self, JournalFiles, LoadJob, Report, Reporter};
use crate::poller::{Poller, Ready};
use crate::reads::Reads;
use crate::ring::{Ring, SENDS_MAX};
use crate::signals::Signals;
use crate::sockets::Connection;
use crate::system;

use link::Link;

const WAKER: Token = Token(0);
const SIGNALS: Token = Token(1);
const LINK: Token = Token(2);
/// Listeners have the tokens from here on, connections those above.
const LISTENERS: usize = 3;
const CONNECTIONS: usize = 1000;

/// What is read from the link to the master at a time, in bytes.
const LINK_BYTES_MAX: usize = 64 * 1024;
/// What is read of a long argument at a time, in bytes.
const REST_BYTES_MAX: usize = 1024 * 1024;

/// Connections taken in one turn; more of them wait for the next.
const ACCEPT_PER_TURN_MAX: usize = 1000;

/// A listener whose next connection the system did not give is asked again after this time, with the regular work.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// The loop and all it holds.
pub struct Shell {
    poller: Poller,
    gather: Gather,
    node: Node,
    signals: Signals,
    listeners: SharedListeners,
    connections: Vec<Option<Socket>>,
    link: Option<Link>,
    /// How many turns there were, the present one included.
    turn: u64,
    /// Connections that may have more to read than one turn took.
    unread: Vec<ConnId>,
    /// Connections that are not read before a job that their commands wait for is done, so that they send no more than that.
    held: Vec<ConnId>,
    /// Those with more to get than a turn's share, and room for it.
    unsent: Vec<ConnId>,
    /// Those whose replies are sent together, empty between turns.
    together: Vec<ConnId>,
    /// Listeners that may have more connections waiting.
    accepting: Vec<usize>,
    /// Those whose next connection the system did not give, and when they are asked again.
    refused: Vec<usize>,
    ask_again_at: Time,
    reports: Receiver<Report>,
    reporter: Reporter,
    load: Option<LoadJob>,
    aof: Arc<AofFiles>,
    journal_files: JournalFiles,
    free: Sender<Discarded>,
    reads: Reads,
    link_buffer: Vec<u8>,
    /// A signal asked for the end.
    ending: bool,
    exit: Option<i32>,
}

/// A connection of a client or replica.
struct Socket {
    conn: ConnId,
    connection: Connection,
    /// Nothing more will come behind what is there, and nobody will say so again: it is read up to its end.
    ended: bool,
    /// The last write did not take everything: the rest follows when the socket says that it has room.
    full: bool,
    /// It stands among those that go on with the next turn.
    unsent: bool,
    /// In which turn something was read from it last.
    read_in: u64,
    /// See [`Gather::note_sender`].
    heard_in: u32,
    /// It stands among those that are read with the next turn.
    unread: bool,
    /// It stands among those whose replies are sent together.
    together: bool,
    /// The last read took all that there was room for: perhaps it sends a long argument.
    sends_much: bool,
}

impl Socket {
    fn new(conn: ConnId, connection: Connection) -> Socket {
        Socket {
            conn,
            connection,
            ended: false,
            full: false,
            unsent: false,
            read_in: 0,
            heard_in: 0,
            unread: false,
            together: false,
            sends_much: false,
        }
    }
}

impl Shell {
    /// A loop around a node whose listeners are open.
    pub fn new(
        node: Node,
        signals: Signals,
        listeners: SharedListeners,
        aof: Arc<AofFiles>,
        ring: Option<Ring>,
    ) -> io::Result<Shell> {
        let poller = Poller::new(ring)?;
        let waker = Arc::new(Waker::new(poller.registry(), WAKER)?);
        let (sender, reports) = channel();
        let reporter = Reporter::new(sender, waker);
        let free = jobs::start_free_thread()?;
        let mut shell = Shell {
            poller,
            gather: Gather::new(clock::now()),
            node,
            signals,
            listeners,
            connections: Vec::new(),
            link: None,
            turn: 0,
            unread: Vec::new(),
            held: Vec::new(),
            unsent: Vec::new(),
            together: Vec::new(),
            accepting: Vec::new(),
            refused: Vec::new(),
            ask_again_at: Time::default(),
            reports,
            reporter,
            load: None,
            aof,
            journal_files: JournalFiles::default(),
            free,
            reads: Reads::new(),
            link_buffer: vec![0; LINK_BYTES_MAX],
            ending: false,
            exit: None,
        };
        shell.signals.register(shell.poller.registry(), SIGNALS)?;
        shell.register_listeners()?;
        Ok(shell)
    }

    /// The node, before the loop runs.
    pub fn node(&mut self) -> &mut Node {
        &mut self.node
    }

    /// Begins to load append-only files; commands about data are refused until it is there.
    pub fn start_loading_aof(&mut self, found: FoundFiles) {
        let empty = self.node.start_loading(found.bytes);
        jobs::aof_load::load(Arc::clone(&self.aof), found, empty, self.node.config(), self.reporter.clone());
    }

    /// Begins to load the file of the data set; commands about data are refused until it is there.
    pub fn start_loading(&mut self, path: std::path::PathBuf, bytes: u64) {
        let empty = self.node.start_loading(bytes);
        jobs::load_file(path, empty, self.node.config(), self.reporter.clone());
    }

    /// Runs until the node wants to end: the exit code.
    pub fn run(&mut self) -> io::Result<i32> {
        let mut ready: Vec<Ready> = Vec::new();
        let mut woken = clock::now();
        let mut commands = self.node.commands_run();
        self.node.begin_turn(woken, clock::unix_ms());
        loop {
            self.settle()?;
            if let Some(code) = self.exit {
                if code == 0
                    && let Err(error) = self.aof.note_end()
                {
                    let line = format!("How the append-only file ends could not be noted: {}", crate::reason(&error));
                    self.node.log_warning(&line);
                }
                // The ring would hold them open until the kernel has taken it apart.
                self.connections.iter().flatten().for_each(|socket| socket.connection.shut_down());
                return Ok(code);
            }
            let asleep = clock::now();
            let gather = self.gather.wanted(Duration::from_micros(self.node.config().io_gather_usec.into()));
            // Who waits for a report or an acknowledgement does not wait for other clients as well.
            let gather = gather.filter(|_| !self.node.is_waited_for());
            self.poller.wait(self.timeout(asleep), gather, &mut ready)?;
            let now = clock::now();
            if now >= self.ask_again_at {
                self.accepting.append(&mut self.refused);
            }
            let before = std::mem::replace(&mut commands, self.node.commands_run());
            let ran = commands.saturating_sub(before); // CONFIG RESETSTAT begins anew.
            self.gather.note_turn(std::mem::replace(&mut woken, now), asleep, now, ran, ready.len());
            self.turn += 1;
            self.node.begin_turn(now, clock::unix_ms());
            // Before the events: what these leave unread waits for the next turn, when its replies are written.
            self.continue_unread();
            for ready in &ready {
                self.handle_ready(*ready);
            }
            self.handle_reads();
            // After the sockets that are ready: a new one may take the place of one of them that is gone.
            for at in std::mem::take(&mut self.accepting) {
                self.accept(at);
            }
            self.continue_unsent();
            self.take_reports();
            self.node.handle_timeout();
            // Before whoever aborted a shutdown has the answer, and may send the next signal.
            self.note_end_of_shutdown();
            self.settle()?;
            self.node.end_turn();
            self.note_end_of_shutdown();
        }
    }

    /// Brings what was done out: to disk, then to threads and sockets.
    fn settle(&mut self) -> io::Result<()> {
        self.node.persist_stream();
        self.carry_out();
        self.flush()?;
        // Replicas that are served from disk have asked for what is next.
        self.carry_out();
        Ok(())
    }

    /// How long the loop may sleep.
    fn timeout(&self, now: Time) -> Duration {
        if !self.unread.is_empty()
            || !self.unsent.is_empty()
            || !self.accepting.is_empty()
            || self.link.as_ref().is_some_and(|link| link.may_have_more)
        {
            return Duration::ZERO;
        }
        self.node.poll_timeout().since(now)
    }

    fn handle_ready(&mut self, ready: Ready) {
        match ready.token {
            WAKER => {}
            SIGNALS => self.take_signals(),
            LINK => {
                if let Some(link) = &mut self.link {
                    link.ended |= ready.ended;
                }
                self.link_ready(ready.writable, ready.readable || ready.ended);
            }
            Token(at) if at < CONNECTIONS => {
                let listener = at - LISTENERS;
                if !self.accepting.contains(&listener) {
                    self.accepting.push(listener);
                }
            }
            Token(at) => {
                let slot = at - CONNECTIONS;
                let Some(Some(socket)) = self.connections.get_mut(slot) else { return };
                let conn = socket.conn;
                socket.ended |= ready.ended;
                let wants_room = socket.full;
                if ready.readable || ready.ended {
                    self.read(conn);
                }
                if ready.writable && wants_room {
                    self.write(conn);
                }
            }
        }
    }

    fn take_signals(&mut self) {
        for signal in self.signals.pending() {
            self.node.shut_down_on(signal);
        }
        self.ending = true;
    }

    /// A shutdown that was aborted or failed leaves the next SIGINT a polite one.
    fn note_end_of_shutdown(&mut self) {
        if self.ending && !self.node.is_shutting_down() {
            self.ending = false;
            self.signals.set_ending(false);
        }
    }

    // ---- connections ----

    fn register_listeners(&mut self) -> io::Result<()> {
        for (at, listener) in self.listeners.borrow_mut().all.iter_mut().enumerate() {
            self.poller.registry().register(listener.source(), Token(LISTENERS + at), Interest::READABLE)?;
        }
        Ok(())
    }

    /// The addresses to listen on have changed: the new ones are open, the old ones closed.
    fn refresh_listeners(&mut self) {
        if std::mem::take(&mut self.listeners.borrow_mut().changed)
            && let Err(error) = self.register_listeners()
        {
            self.node.log_warning(&format!("Could not poll the new listening sockets: {error}"));
        }
    }

    fn accept(&mut self, at: usize) {
        for _ in 0..ACCEPT_PER_TURN_MAX {
            let accepted = match self.listeners.borrow().all.get(at) {
                Some(listener) => listener.accept(),
                None => return,
            };
            match accepted {
                Ok((connection, peer)) => self.add_connection(connection, peer),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.node.log_warning(&format!("Accepting client connection: {error}"));
                    // Nobody says when there are descriptors again.
                    self.refused.push(at);
                    self.ask_again_at = clock::now() + ACCEPT_AGAIN;
                    return;
                }
            }
        }
        self.accepting.push(at);
    }

    fn add_connection(&mut self, mut connection: Connection, peer: node::PeerInfo) {
        // A client without keep-alive is better than none.
        drop(connection.set_keepalive(self.node.config().tcp_keepalive));
        match self.node.connect(peer) {
            Err(refusal) => drop(connection.write_vectored(&[io::IoSlice::new(&refusal)])),
            Ok(conn) => {
                let slot = conn.slot as usize;
                // One that the node has closed in this turn may still stand there.
                self.close_slot(slot);
                if let Err(error) = self.poller.watch(&mut connection, Token(CONNECTIONS + slot)) {
                    self.node.log_warning(&format!("Could not poll a new connection: {error}"));
                    self.node.disconnected(conn);
                    return;
                }
                if self.connections.len() <= slot {
                    self.connections.resize_with(slot + 1, || None);
                }
                self.connections[slot] = Some(Socket::new(conn, connection));
            }
        }
    }

    fn socket(&mut self, conn: ConnId) -> Option<&mut Socket> {
        self.connections.get_mut(conn.slot as usize)?.as_mut().filter(|socket| socket.conn == conn)
    }

    /// Closes a socket; a thread that still writes to it sees an error.
    fn close(&mut self, conn: ConnId) {
        if self.socket(conn).is_some() {
            self.close_slot(conn.slot as usize);
        }
    }

    fn close_slot(&mut self, slot: usize) {
        if let Some(mut socket) = self.connections.get_mut(slot).and_then(Option::take) {
            self.poller.unwatch(&mut socket.connection, Token(CONNECTIONS + slot));
            socket.connection.shut_down();
        }
    }

    fn lost(&mut self, conn: ConnId) {
        self.close(conn);
        self.node.disconnected(conn);
    }

    /// Reads what a connection has sent; the node gets it with what others have sent, in [`Shell::handle_reads`]. The rest of
    /// a long argument is read to where it is to stay.
    fn read(&mut self, conn: ConnId) {
        if self.node.has_enough(conn) {
            let Some(socket) = self.socket(conn) else { return };
            if !std::mem::replace(&mut socket.unread, true) {
                self.held.push(conn);
            }
            return;
        }
        let sends_much = self.socket(conn).is_some_and(|socket| socket.sends_much);
        let is_arriving = sends_much && self.node.arriving(conn).is_some();
        // What was read before may belong to that argument too.
        if is_arriving || !self.reads.has_room() {
            self.handle_reads();
        }
        let Shell { connections, reads, gather, turn, node, .. } = self;
        let Some(Some(socket)) = connections.get_mut(conn.slot as usize) else { return };
        if socket.conn != conn {
            return;
        }
        gather.note_sender(&mut socket.heard_in);
        let space = reads.space();
        let arriving = if is_arriving { node.arriving(conn) } else { None };
        let (length, outcome, is_rest) = match arriving {
            Some((argument, lacks)) if lacks >= space.len() => {
                let length = lacks.min(REST_BYTES_MAX);
                (length, system::read_behind(&socket.connection, argument, length), true)
            }
            _ => (space.len(), socket.connection.read(space), false),
        };
        let goes_on = match outcome {
            Ok(count @ 1..) => {
                socket.read_in = *turn;
                if is_rest {
                    node.arrived(conn, count);
                } else {
                    reads.add(conn, count);
                    socket.sends_much = count == length;
                }
                socket.ended || count == length
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            // It ends, but what it sent in this turn has not run yet, or the reply has not gone out.
            _ if socket.read_in == *turn => true,
            Ok(_) if !node.input_ended(conn) => false,
            _ => return self.lost(conn),
        };
        if goes_on && !std::mem::replace(&mut socket.unread, true) {
            self.unread.push(conn);
        }
    }

    /// Hands over what was read, in the order in which it was.
    fn handle_reads(&mut self) {
        let Shell { node, reads, .. } = self;
        node.handle_inputs(reads.inputs());
        reads.clear();
    }

    fn continue_unread(&mut self) {
        for conn in std::mem::take(&mut self.unread) {
            if let Some(socket) = self.socket(conn) {
                socket.unread = false;
                self.read(conn);
            }
        }
        self.handle_reads();
        if self.link.as_ref().is_some_and(|link| link.may_have_more) {
            self.read_link();
        }
    }

    fn write(&mut self, conn: ConnId) {
        let Shell { connections, node, .. } = self;
        let Some(Some(socket)) = connections.get_mut(conn.slot as usize) else { return };
        if socket.conn == conn {
            let outcome = node.write_connection(conn, &mut |slices| socket.connection.write_vectored(slices));
            self.note_written(conn, outcome);
        }
    }

    fn note_written(&mut self, conn: ConnId, outcome: io::Result<Rest>) {
        let Some(Some(socket)) = self.connections.get_mut(conn.slot as usize) else { return };
        socket.full = matches!(outcome, Ok(Rest::Held));
        match outcome {
            Ok(Rest::Later) if !socket.unsent => {
                socket.unsent = true;
                self.unsent.push(conn);
            }
            Ok(Rest::None) if self.node.is_to_close(conn) => self.lost(conn),
            // What is left is written when the socket says that it has room.
            Ok(_) => {}
            Err(_) => self.lost(conn),
        }
    }

    /// Sends short replies of several connections with one call.
    fn write_together(&mut self) -> io::Result<()> {
        let Shell { connections, node, poller, together, .. } = self;
        let Some(ring) = poller.ring() else { return Ok(()) };
        let mut pieces: SmallVec<[(RawFd, &[u8]); SENDS_MAX]> = SmallVec::new();
        together.retain(|conn| match connections.get_mut(conn.slot as usize) {
            Some(Some(socket)) if socket.conn == *conn => {
                socket.together = false;
                pieces.push((socket.connection.as_raw_fd(), node.short_reply(*conn)));
                true
            }
            _ => false,
        });
        let mut sent = [0; SENDS_MAX];
        ring.send_together(&pieces, &mut sent)?;
        drop(pieces);
        let mut together = std::mem::take(&mut self.together);
        for (conn, result) in together.drain(..).zip(sent) {
            match u32::try_from(result) {
                Ok(count @ 1..) => {
                    let rest = self.node.short_reply_sent(conn, count as usize);
                    self.note_written(conn, Ok(rest));
                }
                // No room, interrupted, gone, or no short reply any more: what that means is decided in one place.
                _ => self.write(conn),
            }
        }
        self.together = together;
        Ok(())
    }

    /// Goes on with those that had their share of the turn before.
    fn continue_unsent(&mut self) {
        for conn in std::mem::take(&mut self.unsent) {
            if let Some(Some(socket)) = self.connections.get_mut(conn.slot as usize)
                && socket.conn == conn
            {
                socket.unsent = false;
                self.write(conn);
            }
        }
    }

    /// Writes every socket that has something to get.
    fn flush(&mut self) -> io::Result<()> {
        let several = self.node.has_several_dirty() && self.poller.ring().is_some();
        while let Some(conn) = self.node.pop_dirty() {
            if !several || !self.node.has_short_reply(conn) {
                self.write(conn);
            } else if let Some(socket) = self.socket(conn)
                && !std::mem::replace(&mut socket.together, true)
            {
                self.together.push(conn);
                if self.together.len() == SENDS_MAX {
                    self.write_together()?;
                }
            }
        }
        match self.together.len() {
            0 => {}
            1 => {
                let conn = self.together.remove(0);
                if let Some(socket) = self.socket(conn) {
                    socket.together = false;
                }
                self.write(conn);
            }
            _ => self.write_together()?,
        }
        self.write_link();
        Ok(())
    }

    // ---- what the node wishes, and what threads report ----

    fn carry_out(&mut self) {
        while let Some(wish) = self.node.poll_output() {
            match wish {
                Output::Close(conn) => self.close(conn),
                Output::ConnectMaster { host, port } => self.connect_master(host, port),
                Output::CloseLink => self.close_link(),
                Output::StartSync { job, replicas } => self.start_sync(job, replicas),
                Output::StartSave(job) => {
                    jobs::save_beside(job, self.node.config(), self.reporter.clone());
                }
                Output::BeginLoad(empty) => {
                    let staged = self.node.receives_into_file();
                    self.load = Some(LoadJob::start(empty, self.node.config(), staged, self.reporter.clone()));
                }
                Output::LoadBytes(bytes) => {
                    if let Some(load) = &self.load {
                        load.push(bytes);
                    }
                }
                Output::EndLoad => {
                    if let Some(load) = &mut self.load {
                        load.end();
                    }
                }
                Output::AbortLoad => self.load = None,
                Output::WriteJournal(pieces) => self.aof.begin_write(pieces, &self.reporter),
                Output::SyncJournal { ticket } => self.aof.begin_sync(ticket, &self.reporter),
                Output::ReadJournal(wanted) => {
                    self.journal_files.read(wanted, self.aof.directory(), &self.reporter);
                }
                Output::SpillJournal { file, pieces } => {
                    self.journal_files.spill(file, pieces, self.aof.directory(), &self.reporter);
                }
                Output::DropJournalFiles(dropped) => {
                    self.journal_files.drop_files(dropped, self.aof.directory(), &self.reporter);
                }
                Output::PrepareJournal(wanted) => self.aof.prepare(wanted, &self.reporter),
                Output::WriteBase { job, name } => {
                    self.aof.write_base(job, name, self.node.config(), &self.reporter);
                }
                Output::PublishFiles(published) => self.aof.begin_publish(published, &self.reporter),
                // If the thread is gone the program is ending, and so is what it would have freed.
                Output::Discard(discarded) => drop(self.free.send(discarded)),
                Output::CopyString(wanted) => jobs::copy_beside(wanted, &self.reporter),
                Output::Payload(job) => jobs::payload_beside(job, &self.reporter),
                Output::Exit { code } => self.exit = Some(code),
            }
        }
        self.refresh_listeners();
    }

    fn start_sync(&mut self, job: node::SaveJob, replicas: Vec<node::SyncTarget>) {
        let mut targets = Vec::new();
        for replica in replicas {
            let conn = replica.conn;
            let handle = match self.socket(conn) {
                Some(socket) => socket.connection.second_handle().map_err(|error| error.to_string()),
                None => Err("the connection is gone".to_owned()),
            };
            match handle {
                Ok(connection) => targets.push((replica, connection)),
                Err(reason) => self.node.transfer_done(conn, Err(reason)),
            }
        }
        jobs::sync_beside(job, targets, self.node.config(), self.reporter.clone());
    }

    fn take_reports(&mut self) {
        while let Ok(report) = self.reports.try_recv() {
            match report {
                Report::Saved(result) => self.node.save_done(result),
                Report::LoadProgress(read) => self.node.loading_progress(read),
                Report::LoadUsedMemory(bytes) => self.node.loading_used_memory(bytes),
                Report::Loaded { attempt, result } => {
                    let current = self.load.as_ref().is_none_or(|load| load.attempt() == attempt);
                    if current {
                        self.load = None;
                        self.node.load_done(result.map(|loaded| *loaded));
                        self.go_on_reading_link();
                    }
                }
                Report::LoadStaged { attempt, bytes } => {
                    if let Some(load) = self.load.as_mut().filter(|load| load.attempt() == attempt)
                        && let Some(old) = self.node.transfer_staged(bytes)
                    {
                        load.go_on(old);
                    }
                }
                Report::Log(line) => self.node.log_warning(&line),
                Report::JournalWritten => {
                    if let Some((count, result)) = self.aof.take_written() {
                        self.node.journal_written(count, result);
                    }
                }
                Report::JournalRead { conn, ticket, result } => self.node.journal_read(conn, ticket, result),
                Report::JournalSpilled(result) => self.node.journal_spilled(result),
                Report::JournalSynced { ticket, result } => self.node.journal_synced(ticket, result),
                Report::JournalPrepared(result) => self.node.journal_prepared(result),
                Report::BaseWritten { name, result } => self.node.base_written(&name, result),
                Report::FilesPublished(result) => self.node.files_published(result),
                Report::LoadHasRoom => self.go_on_reading_link(),
                Report::StringCopied(copied) => {
                    self.node.string_copied(copied);
                    self.unread.append(&mut self.held);
                    self.go_on_reading_link();
                }
                Report::StringNotCopied(reason) => {
                    self.node.string_copies_failed(&reason);
                    self.unread.append(&mut self.held);
                    self.go_on_reading_link();
                }
                Report::PayloadDone(result) => {
                    self.node.payload_done(result);
                    self.unread.append(&mut self.held);
                }
                Report::Sent { conn, result } => self.node.transfer_done(conn, result),
                Report::Sending(conn) => self.node.transfer_progress(conn),
                Report::Resolved { attempt, address } => {
                    let current =
                        self.link.as_ref().is_some_and(|link| link.attempt == attempt && link.connection.is_none());
                    match address {
                        Ok(address) if current => self.open_link(address),
                        Err(reason) if current => self.node.link_failed(reason),
                        _ => {}
                    }
                }
            }
        }
    }
}
