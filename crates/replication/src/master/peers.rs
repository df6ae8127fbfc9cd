//! The master's machine: what every replica is at, what each event does to it, and which timers run. How one
//! request is judged is `psync`'s, when a snapshot is due `schedule`'s, how a replica's states hang together
//! `state`'s.

use super::psync::{NO_MASTER_LINK, Verdict, judge, judge_position};
use super::replconf::{Negotiated, Said};
use super::schedule::{Waiter, snapshot_due};
use super::state::{Replica, State};
use super::*;
use crate::framing::Framing;
use crate::history::Refusal;
use crate::log::Level;
use base::{ReplId, Time};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Between two keep-alive newlines.
const BEAT: Duration = Duration::from_secs(1);

/// The clocks that may run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer<K> {
    /// Those who wait get their snapshot.
    Snapshot,
    /// A replica that waits shall know that we live.
    Newline(K),
    /// A replica said nothing, or took nothing of its snapshot, for repl-timeout.
    Silence(K),
    /// The replicas shall know that we live.
    Ping,
    /// Nobody has needed the backlog for repl-backlog-ttl.
    BacklogTtl,
}

/// Everything a master knows of its replicas. `K` names a connection.
#[derive(Debug)]
pub struct Peers<K> {
    settings: PeersSettings,
    /// What connections said that are no replicas yet.
    negotiations: BTreeMap<K, Negotiated>,
    /// In the order they attached, as INFO numbers them.
    replicas: Vec<Replica<K>>,
    upstream: Upstream,
    backlog_active: bool,
    failing_over: bool,
    /// When the last replica left, or since when it matters.
    empty_since: Time,
    pinged_at: Time,
    /// The last snapshot run's number.
    run: u64,
    /// Whose snapshots are being sent, and in which run: until that is reported, also for connections that are gone.
    sending: BTreeMap<K, u64>,
    acks_wanted: bool,
    stats: PeersStats,
    outputs: VecDeque<PeersOutput<K>>,
}

impl<K: Copy + Eq + Ord> Peers<K> {
    /// A top-level master without replicas and without a backlog.
    pub fn new(settings: PeersSettings, now: Time) -> Peers<K> {
        Peers {
            settings,
            negotiations: BTreeMap::new(),
            replicas: Vec::new(),
            upstream: Upstream::None,
            backlog_active: false,
            failing_over: false,
            empty_since: now,
            pinged_at: now,
            run: 0,
            sending: BTreeMap::new(),
            acks_wanted: false,
            stats: PeersStats::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Replaces the settings.
    pub fn set_settings(&mut self, settings: PeersSettings) {
        self.settings = settings;
    }

    /// REPLCONF; `options` are the arguments behind the name.
    pub fn replconf(&mut self, now: Time, conn: K, options: &[&[u8]]) -> ReplconfOutcome {
        let said = match self.find(conn) {
            Some(at) => self.replicas[at].negotiated.take(options),
            None => self.negotiations.entry(conn).or_default().take(options),
        };
        match said {
            Ok(Said::Options) => ReplconfOutcome::Reply(b"+OK\r\n".to_vec()),
            Ok(Said::Ack { applied, fsynced }) => {
                self.acknowledge(now, conn, applied, fsynced);
                ReplconfOutcome::Silent
            }
            Ok(Said::GetAck) => ReplconfOutcome::Silent,
            Err(text) => ReplconfOutcome::Reply(format!("-{text}\r\n").into_bytes()),
        }
    }

    /// PSYNC.
    pub fn psync(&mut self, now: Time, conn: K, request: PsyncRequest<'_>, view: &StreamView<'_>) -> PsyncOutcome {
        self.synchronise(now, conn, Some(request), request.pending_output, view)
    }

    /// The old SYNC.
    pub fn sync(&mut self, now: Time, conn: K, pending_output: bool, view: &StreamView<'_>) -> PsyncOutcome {
        self.synchronise(now, conn, None, pending_output, view)
    }

    fn synchronise(
        &mut self,
        now: Time,
        conn: K,
        request: Option<PsyncRequest<'_>>,
        pending_output: bool,
        view: &StreamView<'_>,
    ) -> PsyncOutcome {
        if self.find(conn).is_some() {
            return PsyncOutcome::Ignored;
        }
        let negotiated = self.negotiations.get(&conn).cloned().unwrap_or_default();
        let legacy = request.is_none();
        match judge(request.as_ref(), pending_output, self.failing_over, &negotiated, view) {
            Verdict::Refused(error) => PsyncOutcome::Refused(error.to_vec()),
            Verdict::PromoteFirst => PsyncOutcome::PromoteFirst,
            Verdict::Continue { reply, from } => {
                self.attach(now, conn, State::Online { from }, negotiated, legacy);
                self.note_partial(conn, from);
                PsyncOutcome::Continue { reply, from }
            }
            Verdict::Hold(_) => {
                let request = request.expect("only a PSYNC names a position");
                let state = State::Held { id: request.id.to_vec(), wanted: request.wanted, since: now };
                self.attach(now, conn, state, negotiated, legacy);
                self.log(conn, Level::Notice, format!("wants byte {}, which is still to come", request.wanted));
                PsyncOutcome::Waiting
            }
            Verdict::Full(refusal) => {
                self.attach(now, conn, State::Waiting { since: now }, negotiated, legacy);
                if view.retained.is_none() && view.upstream == Upstream::None {
                    self.backlog_active = true;
                    self.outputs.push_back(PeersOutput::CreateBacklog);
                }
                self.note_full(conn, refusal);
                PsyncOutcome::Waiting
            }
        }
    }

    fn attach(&mut self, now: Time, conn: K, state: State, negotiated: Negotiated, legacy: bool) {
        self.negotiations.remove(&conn);
        self.supersede(now, negotiated.instance);
        if self.replicas.is_empty() {
            self.pinged_at = now;
        }
        self.replicas.push(Replica {
            conn,
            state,
            framing: framing(&negotiated, &self.settings),
            negotiated,
            legacy,
            has_acked: false,
            acked: 0,
            fsynced: 0,
            heard: now,
            newline_at: now + BEAT,
        });
    }

    /// A replica that is back on another connection has lost the one before, whether or not that was noticed here. It must
    /// not count twice for who waits for replicas.
    fn supersede(&mut self, now: Time, instance: Option<ReplId>) {
        let same = |replica: &Replica<K>| instance.is_some() && replica.negotiated.instance == instance;
        if let Some(at) = self.replicas.iter().position(same) {
            self.close(now, at, false, "it is back on another connection");
        }
    }

    fn note_partial(&mut self, conn: K, from: u64) {
        self.stats.partial_ok += 1;
        self.log(conn, Level::Notice, format!("partial synchronisation from offset {from}"));
    }

    fn note_full(&mut self, conn: K, refusal: Refusal) {
        self.stats.full += 1;
        if refusal != Refusal::AskedForFull {
            self.stats.partial_err += 1;
        }
        self.log(conn, Level::Notice, format!("full synchronisation needed: {refusal}"));
        self.outputs.push_back(PeersOutput::FullSyncReason(conn, refusal));
    }

    /// An ACK. From somebody who is no replica it means nothing.
    fn acknowledge(&mut self, now: Time, conn: K, applied: Option<u64>, fsynced: Option<u64>) {
        let (Some(at), Some(applied)) = (self.find(conn), applied) else { return };
        let replica = &mut self.replicas[at];
        replica.has_acked = true;
        replica.acked = replica.acked.max(applied);
        replica.fsynced = replica.fsynced.max(fsynced.unwrap_or(0));
        replica.heard = now;
        if let State::AckAwaited { from } = replica.state {
            self.go_online(at, from);
        }
    }

    fn go_online(&mut self, at: usize, from: u64) {
        let replica = &mut self.replicas[at];
        replica.state = State::Online { from };
        let conn = replica.conn;
        self.log(conn, Level::Notice, "synchronised".to_owned());
        self.outputs.push_back(PeersOutput::StartStream { conn, from });
    }

    /// Takes an event. One about a connection that is no replica, or that no longer fits, is ignored.
    pub fn handle(&mut self, now: Time, event: Event<K>) {
        if let Event::TransferDone(conn) | Event::TransferFailed(conn, _) | Event::SyncRefused(conn, _) = &event {
            self.sending.remove(conn);
        }
        match event {
            Event::Closed(conn) => {
                self.negotiations.remove(&conn);
                if let Some(at) = self.find(conn) {
                    self.replicas.remove(at);
                    self.note_departure(now);
                }
            }
            Event::DropAll(reason) => {
                for replica in std::mem::take(&mut self.replicas) {
                    self.outputs.push_back(close(replica.conn, false, reason));
                }
                self.note_departure(now);
            }
            Event::UpstreamChanged(upstream) => self.change_upstream(now, upstream),
            Event::BacklogActive(active) => self.backlog_active = active,
            Event::FailingOver(failing_over) => self.failing_over = failing_over,
            Event::SyncStarted { conn, .. }
            | Event::BulkStarted(conn)
            | Event::TransferProgress(conn)
            | Event::TransferDone(conn)
            | Event::TransferFailed(conn, _)
            | Event::SyncRefused(conn, _)
            | Event::Newline(conn) => {
                if let Some(at) = self.find(conn) {
                    self.step(now, at, event);
                }
            }
        }
    }

    /// One replica's step.
    fn step(&mut self, now: Time, at: usize, event: Event<K>) {
        let replica = &mut self.replicas[at];
        let conn = replica.conn;
        match (&mut replica.state, event) {
            (_, Event::Newline(_)) => replica.heard = now,
            (State::Starting, Event::SyncStarted { offset: from, replid, .. }) => {
                replica.state = match replica.framing {
                    Framing::Sized => State::Encoding { from },
                    Framing::EndMark => State::Sending { from, progress: now },
                };
                if !replica.legacy {
                    let reply = format!("+FULLRESYNC {replid} {from}\r\n").into_bytes();
                    self.outputs.push_back(PeersOutput::Send(conn, reply));
                }
            }
            (&mut State::Encoding { from }, Event::BulkStarted(_)) => {
                replica.state = State::Sending { from, progress: now };
            }
            (State::Sending { progress, .. }, Event::TransferProgress(_)) => *progress = now,
            (&mut State::Sending { from, .. }, Event::TransferDone(_)) => {
                replica.heard = now;
                match replica.framing {
                    _ if replica.negotiated.rdb_only => self.close(now, at, true, "it has the snapshot it asked for"),
                    Framing::Sized => self.go_online(at, from),
                    Framing::EndMark => replica.state = State::AckAwaited { from },
                }
            }
            (State::Starting, Event::TransferFailed(_, reason)) => {
                let error = b"-ERR BGSAVE failed, replication can't continue\r\n".to_vec();
                self.outputs.push_back(PeersOutput::Send(conn, error));
                self.close(now, at, true, &reason);
            }
            (State::Starting, Event::SyncRefused(_, reason)) => {
                // This word makes real replicas wait a second before they try again; they would at once after others.
                let error = format!("-NOMASTERLINK Can't SYNC: {reason}\r\n");
                self.outputs.push_back(PeersOutput::Send(conn, error.into_bytes()));
                self.close(now, at, true, "it could not read the data set");
            }
            (State::Encoding { .. } | State::Sending { .. }, Event::TransferFailed(_, reason)) => {
                self.close(now, at, false, &reason);
            }
            // Late reports about a transfer that is over.
            (
                _,
                Event::SyncStarted { .. }
                | Event::BulkStarted(_)
                | Event::TransferProgress(_)
                | Event::TransferDone(_)
                | Event::TransferFailed(..)
                | Event::SyncRefused(..),
            ) => {}
            (
                _,
                Event::Closed(_)
                | Event::DropAll(_)
                | Event::UpstreamChanged(_)
                | Event::BacklogActive(_)
                | Event::FailingOver(_),
            ) => unreachable!("events about no replica alone were taken before"),
        }
    }

    fn change_upstream(&mut self, now: Time, upstream: Upstream) {
        if upstream == Upstream::None && self.upstream != Upstream::None {
            // A new top-level master: both clocks begin now.
            self.empty_since = now;
            self.pinged_at = now;
        }
        self.upstream = upstream;
        match upstream {
            Upstream::Up => {}
            Upstream::None => self.end_holding(now, |_| true),
            Upstream::Down => self.send_held_away(now),
        }
    }

    /// Call once per turn of the loop while [`Peers::holds_requests`]: the stream may have reached what they
    /// wait for, or will never.
    pub fn stream_advanced(&mut self, now: Time, view: &StreamView<'_>) {
        for at in 0..self.replicas.len() {
            let replica = &mut self.replicas[at];
            let State::Held { id, wanted, .. } = &replica.state else { continue };
            match judge_position(id, *wanted, &replica.negotiated, view) {
                Verdict::Continue { reply, from } => {
                    let conn = replica.conn;
                    replica.heard = now;
                    self.outputs.push_back(PeersOutput::Send(conn, reply));
                    self.note_partial(conn, from);
                    self.go_online(at, from);
                }
                Verdict::Full(refusal) => self.stop_holding(now, at, refusal),
                Verdict::Hold(_) | Verdict::Refused(_) | Verdict::PromoteFirst => {}
            }
        }
    }

    /// Whether some replica waits for a byte that does not exist yet.
    pub fn holds_requests(&self) -> bool {
        self.replicas.iter().any(|replica| matches!(replica.state, State::Held { .. }))
    }

    fn end_holding(&mut self, now: Time, which: impl Fn(K) -> bool) {
        for at in 0..self.replicas.len() {
            if matches!(self.replicas[at].state, State::Held { .. }) && which(self.replicas[at].conn) {
                self.stop_holding(now, at, Refusal::NeverCame);
            }
        }
    }

    /// The byte may still come when our master is back. Until then they hear what everybody hears who asks now.
    fn send_held_away(&mut self, now: Time) {
        while let Some(at) = self.replicas.iter().position(|replica| matches!(replica.state, State::Held { .. })) {
            let conn = self.replicas[at].conn;
            self.outputs.push_back(PeersOutput::Send(conn, NO_MASTER_LINK.to_vec()));
            self.close(now, at, true, "it waits for bytes of our master, which is gone");
        }
    }

    fn stop_holding(&mut self, now: Time, at: usize, refusal: Refusal) {
        self.replicas[at].state = State::Waiting { since: now };
        self.note_full(self.replicas[at].conn, refusal);
    }

    /// To be called when [`Peers::poll_timeout`] is reached; calls before that do nothing.
    pub fn handle_timeout(&mut self, now: Time) {
        let mut due = Vec::new();
        self.each_timer(|at, timer| {
            if at <= now {
                due.push(timer);
            }
        });
        for timer in due {
            self.fire(now, timer);
        }
    }

    /// When [`Peers::handle_timeout`] wants to be called next. A past time means at the end of this turn, so
    /// that all who asked in it share a snapshot.
    pub fn poll_timeout(&self) -> Option<Time> {
        let mut next: Option<Time> = None;
        self.each_timer(|at, _| next = Some(next.map_or(at, |next| next.min(at))));
        next
    }

    fn each_timer(&self, mut visit: impl FnMut(Time, Timer<K>)) {
        let waiters = self.replicas.iter().filter_map(|replica| match replica.state {
            State::Waiting { since } => Some(Waiter { framing: framing(&replica.negotiated, &self.settings), since }),
            _ => None,
        });
        if let Some(at) = snapshot_due(waiters, self.runs_under_way(), &self.settings) {
            visit(at, Timer::Snapshot);
        }
        for replica in &self.replicas {
            if replica.hears_newlines() {
                visit(replica.newline_at, Timer::Newline(replica.conn));
            }
            let silent_since = match replica.state {
                State::Held { since, .. } => Some(since),
                State::Sending { progress, .. } => Some(progress),
                State::AckAwaited { .. } => Some(replica.heard),
                State::Online { .. } if !replica.legacy => Some(replica.heard),
                _ => None,
            };
            if let Some(since) = silent_since {
                visit(since + self.settings.timeout, Timer::Silence(replica.conn));
            }
        }
        if self.upstream != Upstream::None {
            return;
        }
        if !self.replicas.is_empty() && !self.failing_over {
            visit(self.pinged_at + self.settings.ping_period, Timer::Ping);
        }
        if self.replicas.is_empty() && self.backlog_active && !self.settings.backlog_ttl.is_zero() {
            visit(self.empty_since + self.settings.backlog_ttl, Timer::BacklogTtl);
        }
    }

    fn fire(&mut self, now: Time, timer: Timer<K>) {
        match timer {
            Timer::Snapshot => self.start_snapshot(),
            Timer::Newline(conn) => {
                let at = self.find(conn).expect("no timer of another removes a replica that hears newlines");
                self.replicas[at].newline_at = now + BEAT;
                self.outputs.push_back(PeersOutput::Send(conn, b"\n".to_vec()));
            }
            Timer::Silence(conn) => {
                let at = self.find(conn).expect("each replica has one such timer");
                match self.replicas[at].state {
                    State::Held { .. } => self.end_holding(now, |held| held == conn),
                    State::Sending { .. } => self.close(now, at, false, "its snapshot stood still for repl-timeout"),
                    _ => self.close(now, at, false, "it said nothing for repl-timeout"),
                }
            }
            Timer::Ping => {
                self.pinged_at = now;
                self.outputs.push_back(PeersOutput::FeedPing);
            }
            Timer::BacklogTtl => {
                self.backlog_active = false;
                self.outputs.push_back(PeersOutput::FreeBacklog);
            }
        }
    }

    fn runs_under_way(&self) -> usize {
        let mut runs: Vec<u64> = self.sending.values().copied().collect();
        runs.sort_unstable();
        runs.dedup();
        runs.len()
    }

    /// One snapshot for all who wait.
    fn start_snapshot(&mut self) {
        self.run += 1;
        let mut targets = Vec::new();
        for replica in &mut self.replicas {
            if !matches!(replica.state, State::Waiting { .. }) {
                continue;
            }
            replica.state = State::Starting;
            self.sending.insert(replica.conn, self.run);
            replica.framing = framing(&replica.negotiated, &self.settings);
            targets.push(SyncTarget {
                conn: replica.conn,
                framing: replica.framing,
                version: replica.negotiated.version,
                rdb_channel_repl: replica.negotiated.rdb_channel_repl,
                parts: replica.negotiated.parts,
            });
        }
        self.outputs.push_back(PeersOutput::StartSync(targets));
    }

    /// The next thing to do. Poll until None after every call.
    pub fn poll_output(&mut self) -> Option<PeersOutput<K>> {
        self.outputs.pop_front()
    }

    /// Whether to put a REPLCONF GETACK * into the stream. Ask once at the end of a turn.
    pub fn take_acks_wanted(&mut self) -> bool {
        std::mem::take(&mut self.acks_wanted)
    }

    /// Asks all replicas to acknowledge: one GETACK at the end of the turn, however often it is called, and none if
    /// nobody could answer.
    pub fn request_acks(&mut self) {
        self.acks_wanted = self.replicas.iter().any(Replica::is_online);
    }

    /// How many online replicas acknowledged at least `offset` (WAIT). What was written before the stream was kept is
    /// at offset 0: a replica that acknowledged anything has loaded it with its snapshot.
    pub fn acked_at_least(&self, offset: u64) -> usize {
        let has = |replica: &&Replica<K>| replica.is_online() && replica.has_acked && replica.acked >= offset;
        self.replicas.iter().filter(has).count()
    }

    /// What a replica has acknowledged.
    pub fn acked(&self, conn: K) -> Option<u64> {
        self.find(conn).map(|at| self.replicas[at].acked)
    }

    /// How many online replicas have at least `offset` on disk (WAITAOF).
    pub fn fsynced_at_least(&self, offset: u64) -> usize {
        self.replicas.iter().filter(|replica| replica.is_online() && replica.fsynced >= offset.max(1)).count()
    }

    /// min_slaves_good_slaves: online replicas whose lag is within min-replicas-max-lag.
    pub fn good_replicas(&self, now: Time) -> usize {
        let lag_max = self.settings.min_replicas_max_lag.as_secs();
        let good = |replica: &&Replica<K>| replica.is_shown_online() && now.seconds_since(replica.heard) <= lag_max;
        self.replicas.iter().filter(good).count()
    }

    /// Whether min-replicas-to-write allows writes; it does if either of its settings is zero.
    pub fn has_enough_good_replicas(&self, now: Time) -> bool {
        let wanted = self.settings.min_replicas_to_write;
        wanted == 0 || self.settings.min_replicas_max_lag.is_zero() || self.good_replicas(now) >= wanted
    }

    /// Whether the connection is a replica: its PSYNC or SYNC was not refused.
    pub fn is_replica(&self, conn: K) -> bool {
        self.find(conn).is_some()
    }

    /// connected_slaves.
    pub fn len(&self) -> usize {
        self.replicas.len()
    }

    /// Whether there is no replica.
    pub fn is_empty(&self) -> bool {
        self.replicas.is_empty()
    }

    /// The replicas in the order they attached.
    pub fn replicas(&self, now: Time) -> Vec<ReplicaFigures<K>> {
        let figures = |replica: &Replica<K>| ReplicaFigures {
            conn: replica.conn,
            announced_ip: replica.negotiated.announced_ip.clone(),
            port: replica.negotiated.listening_port,
            state: replica.state_word(),
            acked: replica.acked,
            fsynced: replica.fsynced,
            lag_seconds: if replica.is_shown_online() { now.seconds_since(replica.heard) } else { 0 },
            silent_for: now.since(replica.heard),
            start_offset: replica.start_offset(),
        };
        self.replicas.iter().map(figures).collect()
    }

    /// The counters of INFO stats.
    pub fn stats(&self) -> PeersStats {
        self.stats
    }

    /// CONFIG RESETSTAT.
    pub fn reset_stats(&mut self) {
        self.stats = PeersStats::default();
    }

    fn find(&self, conn: K) -> Option<usize> {
        self.replicas.iter().position(|replica| replica.conn == conn)
    }

    fn close(&mut self, now: Time, at: usize, after_flush: bool, reason: &str) {
        let replica = self.replicas.remove(at);
        self.outputs.push_back(close(replica.conn, after_flush, reason));
        self.note_departure(now);
    }

    fn note_departure(&mut self, now: Time) {
        if self.replicas.is_empty() {
            self.empty_since = now;
        }
    }

    fn log(&mut self, conn: K, level: Level, text: String) {
        self.outputs.push_back(PeersOutput::Log(conn, level, text));
    }
}

fn close<K>(conn: K, after_flush: bool, reason: &str) -> PeersOutput<K> {
    PeersOutput::Close { conn, after_flush, reason: reason.to_owned() }
}

/// A filtered snapshot goes over the wire directly: as a file it would be taken for the whole data set.
fn framing(negotiated: &Negotiated, settings: &PeersSettings) -> Framing {
    let end_mark = negotiated.eof && (settings.diskless || negotiated.is_filtered());
    if end_mark { Framing::EndMark } else { Framing::Sized }
}
