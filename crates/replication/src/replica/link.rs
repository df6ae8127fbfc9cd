//! The link's state machine: when what is said, and what each answer leads to. How requests and answers look
//! is `handshake`'s, how a snapshot is delimited `transfer`'s.
//!
//! ```text
//!                                            ┌──────────────── Streaming ◀──────────────┐
//!                                     lost   │                     ▲ +CONTINUE          │ Loaded
//!          Follow                            ▼                     │                    │
//!   Idle ─────────────────────────▶ Connecting ─▶ Ping ─▶ Introduction ─▶ PsyncAsked    │
//!    ▲                                 ▲                                   │ +FULLRESYNC│
//!    │ Unfollow, from anywhere     due │                                   ▼ or -ERR    │
//!    └───────────────────────       BackOff ◀────────────── HeaderAwaited ─▶ Receiving ─▶ Loading
//!                                      any refusal, loss or silence before Streaming
//! ```

mod answers;

use super::backoff::{BackOff, Spent};
use super::handshake::{self, Introduction, NewId};
use super::transfer::TransferReader;
use super::{Input, LastSync, LinkFigures, LinkSettings, Output, Resume, SyncKind, TransferFigures};
use crate::log::Level;
use answers::shown;
use base::{ReplId, Time};
use std::collections::VecDeque;
use std::time::Duration;

/// A longer line is no answer to anything we say.
const LINE_MAX: usize = 4096;
/// Between two ACKs, and between two newlines while loading.
const BEAT: Duration = Duration::from_secs(1);
/// More timers than can be due at once.
const TIMERS_MAX: usize = 4;

/// Where a link stands, coarsely: what its node must know to feed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Follows nobody.
    Idle,
    /// Waits until the next attempt is due.
    BackOff,
    /// Waits for the connection.
    Connecting,
    /// Talks about the synchronisation.
    Handshake,
    /// Waits for a snapshot or receives one.
    Transfer,
    /// Waits for the node to load the snapshot; bytes that arrive are stream, to be kept for later.
    Loading,
    /// Bytes that arrive are stream and the node's.
    Streaming,
}

#[derive(Debug)]
enum State {
    Idle,
    BackOff { until: Time },
    Connecting,
    Ping,
    Introduction { expected: VecDeque<Introduction> },
    PsyncAsked,
    HeaderAwaited { sync: FullSync },
    Receiving { sync: FullSync, reader: TransferReader },
    Loading { sync: FullSync, connected: bool, newline_at: Time },
    Streaming { since: Time, acks: Acks },
}

/// A full synchronisation under way.
#[derive(Clone, Copy, Debug)]
struct FullSync {
    /// Where the snapshot stands; None if the master named nothing.
    position: Option<Resume>,
    since: Time,
    /// As INFO shows it.
    total: i64,
    read: u64,
}

/// Whether the master understands ACKs, and when the next is due.
#[derive(Clone, Copy, Debug)]
enum Acks {
    Never,
    Due(Time),
}

/// The clocks that may run out; at most two run at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    /// The back-off is over: try again.
    Attempt,
    /// Nothing came for repl-timeout: the attempt or the link has failed.
    Silence,
    /// The master shall know that we live while we load.
    Newline,
    /// The master shall know how far we are.
    Ack,
}

/// How long to wait after an attempt.
#[derive(Clone, Copy)]
enum Wait {
    /// Longer than the last time.
    Longer,
    /// The master is well and only asked for patience.
    Patience,
}

/// Whether the connection has to be closed still.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Connection {
    Open,
    Gone,
}

/// The replica's side of one link to a master.
#[derive(Debug)]
pub struct Link {
    settings: LinkSettings,
    rng: fastrand::Rng,
    /// By which a master knows this link again, whatever connection it comes on.
    instance: ReplId,
    state: State,
    target: Option<(String, u16)>,
    /// The target is to become the master (FAILOVER): there is one attempt.
    hand_over: bool,
    backoff: BackOff,
    /// What PSYNC asks to continue in this attempt.
    resume: Option<Resume>,
    /// When the last byte came, or the wait for the first began.
    last_io: Time,
    connected_at: Time,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    outputs: VecDeque<Output>,
    down_since: Option<Time>,
    last_sync: Option<LastSync>,
    full_syncs: u64,
    partial_syncs: u64,
}

impl Link {
    /// A link that follows nobody. `rng` decides the jitter of the back-off and by what masters know the link.
    pub fn new(settings: LinkSettings, mut rng: fastrand::Rng) -> Link {
        let mut instance = [0; 20];
        rng.fill(&mut instance);
        Link {
            settings,
            rng,
            instance: ReplId::from_entropy(instance),
            state: State::Idle,
            target: None,
            hand_over: false,
            backoff: BackOff::default(),
            resume: None,
            last_io: Time::default(),
            connected_at: Time::default(),
            line: Vec::new(),
            outputs: VecDeque::new(),
            down_since: None,
            last_sync: None,
            full_syncs: 0,
            partial_syncs: 0,
        }
    }

    /// Replaces the settings.
    pub fn set_settings(&mut self, settings: LinkSettings) {
        self.settings = settings;
    }

    /// Takes an event. One that no longer fits (a late report of something given up) is ignored.
    pub fn handle(&mut self, now: Time, input: Input) {
        use State::*;
        match (&mut self.state, input) {
            (_, Input::Follow { host, port }) => {
                self.leave("another master was given");
                self.target = Some((host, port));
                self.connect(now);
            }
            (_, Input::HandOver { host, port }) => {
                self.leave("a replica takes over");
                self.target = Some((host, port));
                self.hand_over = true;
                self.connect(now);
            }
            (_, Input::Unfollow) => self.leave("no master is followed any more"),
            (Connecting, Input::Connected { resume }) => {
                self.resume = resume;
                self.connected_at = now;
                self.last_io = now;
                self.line.clear();
                self.outputs.push_back(Output::Send(handshake::ping()));
                self.state = Ping;
            }
            (Connecting, Input::ConnectFailed(reason) | Input::Closed(reason)) => {
                self.give_up(now, Connection::Gone, Wait::Longer, format!("cannot connect: {reason}"));
            }
            (
                Ping | Introduction { .. } | PsyncAsked | HeaderAwaited { .. } | Receiving { .. },
                Input::Closed(reason),
            ) => self.give_up(now, Connection::Gone, Wait::Longer, format!("connection lost: {reason}")),
            (Receiving { .. } | Loading { connected: true, .. }, Input::LoadFailed(reason)) => {
                self.give_up(now, Connection::Open, Wait::Longer, format!("the snapshot is unusable: {reason}"));
            }
            (Loading { connected: false, .. }, Input::LoadFailed(reason)) => {
                self.give_up(now, Connection::Gone, Wait::Longer, format!("the snapshot is unusable: {reason}"));
            }
            // The snapshot is complete: loading goes on, and the next attempt continues from it.
            (Loading { connected, .. }, Input::Closed(_)) => *connected = false,
            (&mut Loading { sync, connected, .. }, Input::Loaded) => self.adopt(now, sync, connected),
            (&mut Streaming { since, .. }, Input::Closed(reason)) => {
                self.lose_stream(now, since, Connection::Gone, &reason);
            }
            (
                _,
                Input::Connected { .. }
                | Input::ConnectFailed(_)
                | Input::Closed(_)
                | Input::Loaded
                | Input::LoadFailed(_),
            ) => {}
        }
    }

    /// Takes bytes from the master and returns how many were used. Fewer than given means that the rest is
    /// stream: keep it until [`Link::phase`] is Streaming, then it is the node's to parse.
    pub fn handle_bytes(&mut self, now: Time, bytes: &[u8]) -> usize {
        if !bytes.is_empty() {
            self.last_io = now;
        }
        let mut used = 0;
        loop {
            match &mut self.state {
                State::Loading { .. } | State::Streaming { .. } => return used,
                // What an ended attempt left in the socket is worth nothing.
                State::Idle | State::BackOff { .. } | State::Connecting => return bytes.len(),
                State::Receiving { sync, reader } => {
                    let piece = reader.read(&bytes[used..]);
                    used += piece.used;
                    sync.read += piece.bytes.len() as u64;
                    if !piece.bytes.is_empty() {
                        self.outputs.push_back(Output::TransferBytes(piece.bytes));
                    }
                    if !piece.complete {
                        return used;
                    }
                    let sync = *sync;
                    self.outputs.push_back(Output::EndTransfer);
                    self.log(Level::Notice, format!("Snapshot of {} bytes received, loading it", sync.read));
                    self.state = State::Loading { sync, connected: true, newline_at: now + BEAT };
                }
                State::Ping | State::Introduction { .. } | State::PsyncAsked | State::HeaderAwaited { .. } => {
                    let (taken, line) = self.take_line(&bytes[used..]);
                    used += taken;
                    match line {
                        Some(line) => self.on_line(now, &line),
                        None if self.line.len() > LINE_MAX => {
                            let reason = "an answer without end".to_owned();
                            self.give_up(now, Connection::Open, Wait::Longer, reason);
                        }
                        None => return used,
                    }
                }
            }
        }
    }

    /// While streaming: bytes came from the master.
    pub fn note_received(&mut self, now: Time) {
        self.last_io = now;
    }

    /// Sends `REPLCONF ACK` for what is applied, with FACK if what is on disk is known too. Does nothing
    /// unless streaming, nor towards a master that only knows SYNC.
    pub fn send_ack(&mut self, applied: u64, fsynced: Option<u64>) {
        if matches!(self.state, State::Streaming { acks: Acks::Due(_), .. }) {
            self.outputs.push_back(Output::Send(handshake::ack(applied, fsynced)));
        }
    }

    /// To be called when [`Link::poll_timeout`] is reached; calls before that do nothing.
    pub fn handle_timeout(&mut self, now: Time) {
        for _ in 0..TIMERS_MAX {
            match self.next_timer() {
                Some((at, timer)) if at <= now => self.fire(now, timer),
                _ => return,
            }
        }
    }

    /// When [`Link::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.next_timer().map(|(at, _)| at)
    }

    /// The next thing to do. Poll until None after every call.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Where the link stands.
    pub fn phase(&self) -> Phase {
        match self.state {
            State::Idle => Phase::Idle,
            State::BackOff { .. } => Phase::BackOff,
            State::Connecting => Phase::Connecting,
            State::Ping | State::Introduction { .. } | State::PsyncAsked => Phase::Handshake,
            State::HeaderAwaited { .. } | State::Receiving { .. } => Phase::Transfer,
            State::Loading { .. } => Phase::Loading,
            State::Streaming { .. } => Phase::Streaming,
        }
    }

    /// Who is followed.
    pub fn master(&self) -> Option<(&str, u16)> {
        self.target.as_ref().map(|(host, port)| (host.as_str(), *port))
    }

    /// The figures for INFO and ROLE.
    pub fn figures(&self, now: Time) -> LinkFigures {
        let up = matches!(self.state, State::Streaming { .. });
        let last_io_seconds = now.seconds_since(self.last_io);
        let sync = self.full_sync();
        LinkFigures {
            up,
            last_io_seconds: if up { signed(last_io_seconds) } else { -1 },
            transfer: sync.map(|sync| TransferFigures {
                total: sync.total,
                read: signed(sync.read),
                left: sync.total.saturating_sub(signed(sync.read)),
                last_io_seconds,
            }),
            down_since_seconds: (!up).then(|| self.down_since.map_or(-1, |at| signed(now.seconds_since(at)))),
            role_word: self.role_word(),
            last_sync: self.last_sync,
            full_syncs: self.full_syncs,
            partial_syncs: self.partial_syncs,
            full_sync_since: sync.map(|sync| sync.since),
        }
    }

    fn role_word(&self) -> &'static str {
        match self.phase() {
            Phase::Idle => "none",
            Phase::BackOff => "connect",
            Phase::Connecting => "connecting",
            Phase::Handshake => "handshake",
            Phase::Transfer | Phase::Loading => "sync",
            Phase::Streaming => "connected",
        }
    }

    fn full_sync(&self) -> Option<FullSync> {
        match self.state {
            State::HeaderAwaited { sync } | State::Receiving { sync, .. } | State::Loading { sync, .. } => Some(sync),
            _ => None,
        }
    }

    fn resume_stream(&mut self, now: Time, resume: Resume, new_id: Option<NewId>) {
        self.note_take_over();
        let new_id = new_id.filter(|new| new.replid != resume.replid);
        let new_replid = new_id.as_ref().map(|new| new.replid);
        let named = new_replid.map_or(String::new(), |id| format!(" under the new id {id}"));
        self.log(Level::Notice, format!("Partial synchronisation from offset {}{named}", resume.offset));
        let older = new_id.map_or(Vec::new(), |new| new.older);
        self.outputs.push_back(Output::Continue { new_replid, older });
        self.note_sync(now, SyncKind::Partial);
        self.stream(now, Acks::Due(now + BEAT));
        self.outputs.push_back(Output::AckDue);
    }

    fn adopt(&mut self, now: Time, sync: FullSync, connected: bool) {
        self.outputs.push_back(Output::Adopt { position: sync.position });
        self.log(Level::Notice, format!("Full synchronisation done: {} bytes", sync.read));
        self.note_sync(now, SyncKind::Full);
        if !connected {
            // The snapshot made this attempt a success; what it lacks is a partial synchronisation away.
            self.backoff.reset();
            return self.connect(now);
        }
        if sync.position.is_none() {
            return self.stream(now, Acks::Never);
        }
        self.stream(now, Acks::Due(now + BEAT));
        self.outputs.push_back(Output::AckDue);
    }

    fn stream(&mut self, now: Time, acks: Acks) {
        self.last_io = now;
        self.state = State::Streaming { since: now, acks };
    }

    fn note_sync(&mut self, now: Time, kind: SyncKind) {
        self.last_sync = Some(LastSync { kind, at: now, took: now.since(self.connected_at) });
        match kind {
            SyncKind::Full => self.full_syncs += 1,
            SyncKind::Partial => self.partial_syncs += 1,
        }
    }

    fn connect(&mut self, now: Time) {
        let (host, port) = self.target.clone().expect("only who follows somebody connects");
        self.log(Level::Notice, format!("Connecting to master {host}:{port}"));
        self.outputs.push_back(Output::Connect { host, port });
        self.last_io = now;
        self.state = State::Connecting;
    }

    /// Ends the attempt because of an answer.
    fn refuse(&mut self, now: Time, asked: &str, line: &[u8]) {
        let reason = format!("the master answered {asked} with: {}", shown(line));
        self.give_up(now, Connection::Open, Wait::Longer, reason);
    }

    /// Ends an attempt that has not reached the stream.
    fn give_up(&mut self, now: Time, connection: Connection, wait: Wait, reason: String) {
        if std::mem::take(&mut self.hand_over) {
            self.outputs.push_back(Output::TakeOver(Err(reason.clone())));
        }
        let spent = match self.state {
            State::Receiving { .. } | State::Loading { .. } => Spent::Snapshot,
            _ => Spent::Answers,
        };
        let wait = match wait {
            Wait::Longer => self.backoff.lengthen(spent, &self.settings, &mut self.rng),
            Wait::Patience => self.backoff.patience(&self.settings, &mut self.rng),
        };
        self.log(Level::Warning, format!("Synchronisation failed, next attempt in {} ms: {reason}", wait.as_millis()));
        self.drop_connection(connection, &reason);
        self.state = State::BackOff { until: now + wait };
    }

    fn lose_stream(&mut self, now: Time, since: Time, connection: Connection, reason: &str) {
        self.log(Level::Warning, format!("Link to the master lost: {reason}"));
        self.drop_connection(connection, reason);
        self.down_since = Some(now);
        if now.since(since) >= self.settings.backoff_max {
            self.backoff.reset();
            self.connect(now);
        } else {
            // A master that takes us in and drops us at once must not be asked in a tight loop.
            let spent = match self.last_sync {
                Some(LastSync { kind: SyncKind::Partial, .. }) => Spent::Answers,
                _ => Spent::Snapshot,
            };
            let wait = self.backoff.lengthen(spent, &self.settings, &mut self.rng);
            self.state = State::BackOff { until: now + wait };
        }
    }

    /// The replica that was to become the master answers as one.
    fn note_take_over(&mut self) {
        if std::mem::take(&mut self.hand_over) {
            self.outputs.push_back(Output::TakeOver(Ok(())));
        }
    }

    /// REPLICAOF ends whatever goes on.
    fn leave(&mut self, reason: &str) {
        self.hand_over = false;
        let connection = match self.state {
            State::Idle | State::BackOff { .. } | State::Loading { connected: false, .. } => Connection::Gone,
            _ => Connection::Open,
        };
        self.drop_connection(connection, reason);
        self.state = State::Idle;
        self.target = None;
        self.backoff.reset();
        self.down_since = None;
        (self.last_sync, self.full_syncs, self.partial_syncs) = (None, 0, 0);
    }

    fn drop_connection(&mut self, connection: Connection, reason: &str) {
        if matches!(self.state, State::Receiving { .. } | State::Loading { .. }) {
            self.outputs.push_back(Output::AbortTransfer(reason.to_owned()));
        }
        if connection == Connection::Open {
            self.outputs.push_back(Output::Disconnect);
        }
        self.line = Vec::new();
    }

    fn next_timer(&self) -> Option<(Time, Timer)> {
        let silence = (self.last_io + self.settings.timeout, Timer::Silence);
        match self.state {
            State::Idle => None,
            State::BackOff { until } => Some((until, Timer::Attempt)),
            State::Loading { connected: true, newline_at, .. } => Some((newline_at, Timer::Newline)),
            State::Loading { connected: false, .. } => None,
            State::Streaming { acks: Acks::Due(at), .. } if at < silence.0 => Some((at, Timer::Ack)),
            _ => Some(silence),
        }
    }

    fn fire(&mut self, now: Time, timer: Timer) {
        match (&mut self.state, timer) {
            (State::BackOff { .. }, Timer::Attempt) => self.connect(now),
            (State::Loading { newline_at, .. }, Timer::Newline) => {
                *newline_at = now + BEAT;
                self.outputs.push_back(Output::Send(b"\n".to_vec()));
            }
            (State::Streaming { acks, .. }, Timer::Ack) => {
                *acks = Acks::Due(now + BEAT);
                self.outputs.push_back(Output::AckDue);
            }
            (&mut State::Streaming { since, .. }, Timer::Silence) => {
                self.lose_stream(now, since, Connection::Open, "nothing came for repl-timeout");
            }
            (_, Timer::Silence) => {
                let reason = format!("nothing came for repl-timeout ({})", self.role_word());
                self.give_up(now, Connection::Open, Wait::Longer, reason);
            }
            _ => unreachable!("next_timer names a timer of the state"),
        }
    }

    fn log(&mut self, level: Level, text: String) {
        self.outputs.push_back(Output::Log(level, text));
    }
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
