//! A whole node with its connections, driven as the server's loop drives it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use base::{Time, UnixMs};
use config::{Config, ProtectedAction};
use keyspace::Keyspace;
use node::{ConnId, Loaded, Node, Output, PayloadJob, PeerInfo, Rest, SaveJob, Setup, ShutdownSignal, StringCopy};

use super::aof_disk::{AofDisk, FileTask};
use super::host::{TestHost, UNIX_START};
use super::script::{Action, take_replies};
use super::spill_disk::SpillDisk;

/// A reply that takes longer than this is none.
const REPLY_WITHIN_MS: u64 = 5000;

/// A node and those who are connected to it.
pub struct Session {
    node: Node,
    clock: Rc<Cell<Time>>,
    connections: BTreeMap<char, Connection>,
    exit: Option<i32>,
    /// How far the clock goes on with every look at it.
    tick: Rc<Cell<Duration>>,
    uncounted: Rc<Cell<u64>>,
    saves: Saves,
    /// Strings that are to be copied.
    copies: Vec<StringCopy>,
    payloads: Vec<PayloadJob>,
    /// How often something was handed over to be dropped.
    pub discards: usize,
    /// Whether the last input was read right into a long argument, if one was arriving.
    reads_directly: bool,
    /// What a master sends.
    loading: Option<Box<Keyspace>>,
    /// Where the stream goes when it leaves the backlog.
    pub disk: SpillDisk,
    /// The append-only files.
    pub aof: Rc<AofDisk>,
}

/// What becomes of saves beside the executor.
enum Saves {
    /// They are done at once.
    Done,
    /// They wait to be finished.
    Held(Vec<SaveJob>),
}

struct Connection {
    id: ConnId,
    got: Vec<u8>,
    closed: bool,
    /// It takes nothing.
    stalled: bool,
}

impl Session {
    /// An empty server.
    pub fn new() -> Session {
        Session::with(false)
    }

    /// An empty server that was started with an append-only file.
    pub fn with_append_only_file(hold_files: bool) -> Session {
        let mut session = Session::with(true);
        session.aof.hold_files.set(hold_files);
        session.turn(Node::start_empty);
        session
    }

    fn with(appendonly: bool) -> Session {
        let clock = Rc::new(Cell::new(Time(1_000_000)));
        let mut config = Config::default();
        config.appendonly = appendonly;
        config.save.clear();
        config.enable_debug_command = ProtectedAction::Yes;
        let tick = Rc::new(Cell::new(Duration::ZERO));
        let (uncounted, aof): (Rc<Cell<u64>>, Rc<AofDisk>) = Default::default();
        let host = TestHost {
            clock: Rc::clone(&clock),
            tick: Rc::clone(&tick),
            uncounted: Rc::clone(&uncounted),
            file: Vec::new(),
            aof: Rc::clone(&aof),
        };
        let host = Box::new(host);
        let node = Node::new(Setup { config, host, seeds: [1, 2, 3], now: clock.get(), unix: UNIX_START });
        Session {
            node,
            clock,
            connections: BTreeMap::new(),
            exit: None,
            tick,
            uncounted,
            saves: Saves::Done,
            copies: Vec::new(),
            payloads: Vec::new(),
            discards: 0,
            reads_directly: false,
            loading: None,
            disk: SpillDisk::default(),
            aof,
        }
    }

    /// Follows a master that has nothing: its stream begins at offset 0.
    pub fn follow_master(&mut self) {
        const ANSWERS: &[u8] =
            b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n+FULLRESYNC 0123456789012345678901234567890123456789 0\r\n";
        self.turn(|node| node.follow("127.0.0.1".to_owned(), 1));
        self.turn(Node::link_connected);
        self.master_sends(ANSWERS);
        self.master_sends(b"$1\r\nx");
    }

    /// Connects to the master again, after the link was cut: what it is asked for.
    pub fn connect_again(&mut self) -> String {
        self.act(&Action::Sleep(2000));
        self.sent_to_master();
        self.turn(Node::link_connected);
        self.master_sends(b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n");
        self.sent_to_master()
    }

    /// The link to the master is cut.
    pub fn cut_link(&mut self) {
        self.turn(|node| node.link_closed("cut".to_owned()));
    }

    /// Bytes come from the master.
    pub fn master_sends(&mut self, bytes: &[u8]) {
        self.turn(|node| node.link_input(bytes));
    }

    /// What was sent to the master since the last time.
    pub fn sent_to_master(&mut self) -> String {
        let mut sent = Vec::new();
        let written = self.node.write_link(&mut |bytes| {
            sent.extend_from_slice(bytes);
            Ok(bytes.len())
        });
        assert!(written.expect("memory takes all"));
        String::from_utf8_lossy(&sent).into_owned()
    }

    /// Carries out one step.
    pub fn act(&mut self, action: &Action) {
        match action {
            Action::Send(name, bytes) => {
                let id = self.connection(*name);
                self.reads_directly = !self.reads_directly;
                let directly = self.reads_directly;
                self.turn(|node| {
                    let mut bytes = bytes.as_slice();
                    // A long argument comes by either way.
                    if directly && let Some((argument, lacks)) = node.arriving(id) {
                        let (first, rest) = bytes.split_at(lacks.min(bytes.len()));
                        argument.extend_from_slice(first);
                        node.arrived(id, first.len());
                        bytes = rest;
                    }
                    node.handle_input(id, bytes);
                });
            }
            Action::Sleep(ms) => self.pass(*ms),
            Action::Close(name) => {
                let connection = self.connections.remove(name).expect("an open connection");
                self.turn(|node| node.disconnected(connection.id));
            }
        }
    }

    /// Sends commands in one piece on a connection: what came of them on each, as `name: lines`.
    pub fn send(&mut self, name: char, lines: &[&str]) -> Vec<String> {
        self.send_together(&[(name, lines)])
    }

    /// Sends commands on several connections in one turn: what came of them on each.
    pub fn send_together(&mut self, requests: &[(char, &[&str])]) -> Vec<String> {
        let requests: Vec<(ConnId, Vec<u8>)> =
            requests.iter().map(|(name, lines)| (self.connection(*name), encode(lines))).collect();
        self.turn(|node| node.handle_inputs(requests.iter().map(|(id, bytes)| (*id, bytes.as_slice()))));
        self.taken()
    }

    /// What came to each connection of its own accord, as `name: lines`.
    pub fn taken(&mut self) -> Vec<String> {
        self.take_all(false).into_iter().map(|(name, lines)| format!("{name}: {}", lines.join(" "))).collect()
    }

    /// A replica, `r`, that has everything.
    pub fn add_replica(&mut self) {
        self.send('r', &["REPLCONF capa eof capa psync2"]);
        self.send('r', &["PSYNC ? -1"]);
        self.pass(6000);
        self.acknowledge();
        self.taken();
    }

    /// The replica acknowledges all there is.
    pub fn acknowledge(&mut self) {
        let offset = self.offset();
        self.send('r', &[&format!("REPLCONF ACK {offset}")]);
    }

    /// The stream's end.
    pub fn offset(&mut self) -> u64 {
        let text = self.send('i', &["INFO replication"]).concat();
        let at = text.split("master_repl_offset:").nth(1).expect("the field is there");
        let digits: String = at.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    }

    /// A connection sends no more: whether it is closed at once.
    pub fn end_input(&mut self, name: char) -> bool {
        let (id, mut closes) = (self.connection(name), false);
        self.turn(|node| closes = node.input_ended(id));
        closes
    }

    /// Lets time pass until a connection got something.
    pub fn wait_for(&mut self, name: char) {
        const STEP_MS: u64 = 10;
        for _ in 0..REPLY_WITHIN_MS / STEP_MS {
            let connection = &self.connections[&name];
            if !connection.got.is_empty() || connection.closed {
                return;
            }
            self.pass(STEP_MS);
        }
    }

    /// What each connection got since the last time, a line each.
    pub fn take_all(&mut self, sorted: bool) -> BTreeMap<char, Vec<String>> {
        let mut all = BTreeMap::new();
        for (name, connection) in &mut self.connections {
            let mut lines = take_replies(&mut connection.got, sorted);
            if connection.closed {
                lines.push("! closed".to_owned());
            }
            if !lines.is_empty() {
                all.insert(*name, lines);
            }
        }
        self.connections.retain(|_, connection| !connection.closed);
        all
    }

    /// The exit code, once the server wants to end.
    pub fn exit_code(&self) -> Option<i32> {
        self.exit
    }

    /// From now on the clock goes on by so much whenever the node looks at it.
    pub fn set_tick(&mut self, tick: Duration) {
        self.tick.set(tick);
    }

    /// From now on so many bytes more are in use than the host counts.
    pub fn set_uncounted(&mut self, bytes: u64) {
        self.uncounted.set(bytes);
    }

    /// From now on saves beside the executor last until they are finished.
    pub fn hold_saves(&mut self) {
        self.saves = Saves::Held(Vec::new());
    }

    /// Finishes the saves that were held.
    pub fn finish_saves(&mut self) {
        let Saves::Held(jobs) = std::mem::replace(&mut self.saves, Saves::Done) else { return };
        for job in jobs {
            drop(job);
            self.turn(|node| node.save_done(Ok(0)));
        }
    }

    /// Makes the copies that are wanted: how many.
    pub fn finish_copies(&mut self) -> usize {
        let wanted = std::mem::take(&mut self.copies);
        let count = wanted.len();
        for copy in wanted {
            self.turn(|node| node.string_copied(copy.make(|| {})));
        }
        count
    }

    /// Has no copy made, now and later: how many were wanted.
    pub fn refuse_copies(&mut self) -> usize {
        let wanted = std::mem::take(&mut self.copies);
        self.turn(|node| node.string_copies_failed("no thread could be started"));
        wanted.len()
    }

    /// Lays out the values and reads the payloads that are wanted, one after the other: how many.
    pub fn finish_payloads(&mut self) -> usize {
        let mut count = 0;
        while let Some(job) = self.payloads.pop() {
            assert!(self.payloads.is_empty(), "one at a time");
            self.turn(|node| node.payload_done(job.run(|| {})));
            count += 1;
        }
        count
    }

    /// Whether no more should be read of a connection for now.
    pub fn has_enough(&mut self, name: char) -> bool {
        let id = self.connection(name);
        self.node.has_enough(id)
    }

    /// Has what is wanted not done.
    pub fn refuse_payload(&mut self) {
        let job = self.payloads.pop().expect("a job is wanted");
        self.turn(|node| node.payload_done(job.failed()("no thread could be started".to_owned())));
    }

    /// The syncs under way end.
    pub fn finish_syncs(&mut self, result: Result<(), String>) {
        for ticket in self.aof.syncs.take() {
            self.turn(|node| node.journal_synced(ticket, result.clone()));
        }
    }

    /// The file tasks under way end, and those that follow are done at once.
    pub fn finish_file_tasks(&mut self) {
        self.aof.hold_files.set(false);
        for task in self.aof.file_tasks.take() {
            self.run_file_task(task, Ok(()));
            self.turn(|_| {});
        }
    }

    /// The bases being written are complete.
    pub fn finish_bases(&mut self) {
        self.aof.hold_bases.set(false);
        for name in self.aof.bases.take() {
            self.write_base(&name);
            self.turn(|_| {});
        }
    }

    /// The thread that writes to the append-only file is done, if it has anything to do.
    pub fn finish_writing(&mut self) {
        if let Some(count) = self.aof.writing.take() {
            self.turn(|node| node.journal_written(count, Ok(())));
        }
    }

    /// A client no longer takes what is sent to it.
    pub fn stall(&mut self, name: char) {
        self.connection(name);
        self.connections.get_mut(&name).expect("it was just opened").stalled = true;
    }

    /// It takes it again, with the next that it is sent.
    pub fn unstall(&mut self, name: char) {
        self.connections.get_mut(&name).expect("it is open").stalled = false;
    }

    /// A signal came.
    pub fn signal(&mut self, signal: ShutdownSignal) {
        self.turn(|node| node.shut_down_on(signal));
    }

    fn connection(&mut self, name: char) -> ConnId {
        let Session { node, connections, .. } = self;
        let port = 50_000 + u32::from(name);
        let opened = connections.entry(name).or_insert_with(|| {
            let peer = PeerInfo {
                addr: format!("127.0.0.1:{port}"),
                laddr: "127.0.0.1:6379".to_owned(),
                ip: "127.0.0.1".to_owned(),
                fd: 8,
                unix: false,
                local: true,
                certificate: None,
            };
            let id = node.connect(peer).expect("room for a connection");
            Connection { id, got: Vec::new(), closed: false, stalled: false }
        });
        opened.id
    }

    fn pass(&mut self, ms: u64) {
        self.clock.set(self.clock.get() + Duration::from_millis(ms));
        self.turn(|_| {});
    }

    /// One turn of the loop.
    fn turn(&mut self, what: impl FnOnce(&mut Node)) {
        let now = self.clock.get();
        self.node.begin_turn(now, UnixMs(UNIX_START.0 + (now.0 / 1000) as i64));
        what(&mut self.node);
        self.node.handle_timeout();
        self.node.persist_stream();
        if self.carry_out() {
            self.node.persist_stream();
        }
        self.flush();
        // What was written may have led to further wishes.
        while self.carry_out() {
            self.node.persist_stream();
            self.flush();
        }
        self.node.end_turn();
    }

    /// Whether there was anything to do.
    fn carry_out(&mut self) -> bool {
        let mut any = false;
        while let Some(output) = self.node.poll_output() {
            any = true;
            match output {
                Output::Close(id) => self.note_closed(id),
                Output::StartSave(job) => match &mut self.saves {
                    Saves::Done => self.node.save_done(Ok(0)),
                    Saves::Held(jobs) => jobs.push(job),
                },
                Output::Discard(_) => self.discards += 1,
                Output::CopyString(wanted) => self.copies.push(wanted),
                Output::Payload(job) => self.payloads.push(job),
                Output::Exit { code } => self.exit = Some(code),
                // Snapshots are sent in no time, and what is in them is no matter here.
                Output::StartSync { replicas, .. } => {
                    for replica in replicas {
                        self.node.transfer_done(replica.conn, Ok(()));
                    }
                }
                // The master is played by the test.
                Output::ConnectMaster { .. } | Output::CloseLink | Output::LoadBytes(_) => {}
                Output::BeginLoad(empty) => self.loading = Some(empty),
                Output::EndLoad => {
                    let keyspace = *self.loading.take().expect("a load that began");
                    let loaded = Loaded { keyspace, position: None, keys: 0, expired: Vec::new(), files: None };
                    self.node.load_done(Ok(loaded));
                }
                Output::AbortLoad => self.loading = None,
                Output::SpillJournal { file, pieces } => {
                    if let Some(result) = self.disk.spill(file, &pieces) {
                        self.node.journal_spilled(result);
                    }
                }
                Output::ReadJournal(wanted) => {
                    let result = self.disk.read(&wanted.extent);
                    self.node.journal_read(wanted.conn, wanted.ticket, result);
                }
                Output::DropJournalFiles(dropped) => {
                    self.disk.files.retain(|number, _| !dropped.spills.contains(number));
                    self.aof.remove(&dropped.names);
                }
                Output::PrepareJournal(file) => self.run_or_hold(FileTask::Prepare(file)),
                Output::PublishFiles(published) => self.run_or_hold(FileTask::Publish(published)),
                Output::WriteBase { name, .. } if self.aof.hold_bases.get() => self.aof.bases.borrow_mut().push(name),
                Output::WriteBase { name, .. } => self.write_base(&name),
                Output::SyncJournal { ticket } if self.aof.hold_syncs.get() => self.aof.syncs.borrow_mut().push(ticket),
                Output::SyncJournal { ticket } => self.node.journal_synced(ticket, Ok(())),
                Output::WriteJournal(pieces) => {
                    self.aof.writing.set(Some(pieces.iter().map(|piece| piece.len() as u64).sum()));
                }
            }
        }
        any
    }

    fn write_base(&mut self, name: &str) {
        let fault = self.aof.base_fault.borrow().clone();
        if fault.is_none() {
            self.aof.names.borrow_mut().insert(name.to_owned());
        }
        self.node.base_written(name, fault.map_or(Ok(1), Err));
    }

    fn run_or_hold(&mut self, task: FileTask) {
        if self.aof.hold_files.get() {
            self.aof.file_tasks.borrow_mut().push(task);
        } else {
            self.run_file_task(task, Ok(()));
        }
    }

    fn run_file_task(&mut self, task: FileTask, result: Result<(), String>) {
        if result.is_ok() {
            self.aof.run(&task);
        }
        match task {
            FileTask::Prepare(_) => self.node.journal_prepared(result),
            FileTask::Publish(_) => self.node.files_published(result),
        }
    }

    fn note_closed(&mut self, id: ConnId) {
        if let Some(connection) = self.connections.values_mut().find(|connection| connection.id == id) {
            connection.closed = true;
        }
    }

    /// Writes to a connection once, whatever room it wants: how many bytes, and what is left.
    pub fn write_once(&mut self, name: char) -> (usize, Rest) {
        let (id, mut bytes) = (self.connections[&name].id, 0);
        let rest = self.node.write_connection(id, &mut |slices| {
            let some = slices.iter().map(|slice| slice.len()).sum::<usize>();
            bytes += some;
            Ok(some)
        });
        (bytes, rest.expect("memory takes all"))
    }

    fn flush(&mut self) {
        while let Some(id) = self.node.pop_dirty() {
            let Some(connection) = self.connections.values_mut().find(|connection| connection.id == id) else {
                continue;
            };
            if connection.stalled {
                continue;
            }
            let got = &mut connection.got;
            let written = loop {
                // As the loop of the program does.
                if self.node.has_short_reply(id) {
                    let piece = self.node.short_reply(id).to_vec();
                    got.extend_from_slice(&piece);
                    break Ok(self.node.short_reply_sent(id, piece.len()));
                }
                let mut write = |slices: &[std::io::IoSlice<'_>]| {
                    slices.iter().for_each(|slice| got.extend_from_slice(slice));
                    Ok(slices.iter().map(|slice| slice.len()).sum())
                };
                match self.node.write_connection(id, &mut write) {
                    Ok(Rest::Later) => {}
                    other => break other,
                }
            };
            // What is left waits for the append-only file.
            let held = self.aof.hold_syncs.get() || self.aof.hold_files.get() || self.aof.base_fault.borrow().is_some();
            let all = written.expect("memory takes all") == Rest::None || held;
            assert!(all, "a connection takes all that is written");
            if self.node.is_to_close(id) {
                connection.closed = true;
                self.node.disconnected(id);
            }
        }
    }
}

fn encode(lines: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        resp::encode::command(&mut bytes, &words);
    }
    bytes
}
