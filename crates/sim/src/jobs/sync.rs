//! Sends a full synchronisation to all replicas that share a snapshot: one walk, encoded once for each version and way
//! of framing, written to the sockets as they take it. The slowest holds up the others, as in the real server.

use std::time::Duration;

use base::Time;
use node::{ConnId, SaveJob, SyncTarget};
use persist::rdb::Target;
use replication::framing::{self, Framing, MARK_LENGTH};

use super::{Report, Slice, SnapshotWalk};
use crate::env::Env;
use crate::machine::Sockets;

/// How often a replica that waits hears that the master is still there, and how often progress is reported.
const KEEPALIVE: Duration = Duration::from_secs(1);

/// One replica that is sent a data set.
struct Receiver {
    conn: ConnId,
    key: u64,
    group: usize,
    pending: Vec<u8>,
    failed: Option<String>,
    progressed_at: Time,
    reported_at: Time,
}

/// The replicas that get the same bytes.
struct Group {
    target: Target,
    /// The mark behind the data; None: its length stands before it.
    mark: Option<[u8; MARK_LENGTH]>,
    /// What is encoded, where the length must be known first.
    file: Vec<u8>,
    alive_at: Time,
}

/// A full synchronisation under way.
pub(crate) struct Sync {
    walk: Option<SnapshotWalk>,
    groups: Vec<Group>,
    receivers: Vec<Receiver>,
    stall_max: Duration,
}

impl Sync {
    /// Begins to send; each target comes with its connection.
    pub fn new(job: SaveJob, targets: Vec<(SyncTarget, u64)>, stall_max: Duration, env: &mut Env) -> Sync {
        let now = env.now();
        let mut groups: Vec<Group> = Vec::new();
        let mut receivers = Vec::new();
        for (target, key) in targets {
            let marked = target.framing == Framing::EndMark;
            let fits = |group: &Group| group.target == target.target && group.mark.is_some() == marked;
            let group = groups.iter().position(fits).unwrap_or_else(|| {
                let mark = marked.then(|| std::array::from_fn(|_| env.rng.alphanumeric() as u8));
                groups.push(Group { target: target.target, mark, file: Vec::new(), alive_at: now });
                groups.len() - 1
            });
            let mut pending = target.preamble;
            if let Some(mark) = &groups[group].mark {
                pending.extend(framing::end_mark_header(mark));
            }
            let conn = target.conn;
            receivers.push(Receiver { conn, key, group, pending, failed: None, progressed_at: now, reported_at: now });
        }
        let versions = groups.iter().map(|group| group.target).collect();
        Sync { walk: Some(SnapshotWalk::new(job, Some(versions))), groups, receivers, stall_max }
    }

    /// The next slice.
    pub fn step(&mut self, env: &mut Env, sockets: &mut Sockets) -> Slice {
        let mut reports = Vec::new();
        for receiver in &mut self.receivers {
            receiver.flush(env, sockets, self.stall_max, &mut reports);
        }
        let all_failed = self.receivers.iter().all(|receiver| receiver.failed.is_some());
        let waits = self.receivers.iter().any(|receiver| receiver.failed.is_none() && !receiver.pending.is_empty());
        if !all_failed && (waits || self.walk.is_some()) {
            if !waits {
                self.encode(env);
            }
            return Slice { reports, again: Some(env.span_ms(0, env.plan.sync_slice_ms)) };
        }
        for receiver in self.receivers.drain(..) {
            let result = receiver.failed.map_or(Ok(()), Err);
            reports.push(Report::Sent { conn: receiver.conn, result });
        }
        Slice { reports, again: None }
    }

    /// Encodes a little more, and hands it to the receivers.
    fn encode(&mut self, env: &mut Env) {
        let now = env.now();
        let Some(mut walk) = self.walk.take() else { return };
        let more = walk.step(env.rng.usize(1..=4));
        for (index, group) in self.groups.iter_mut().enumerate() {
            let bytes = walk.take(index);
            let mut out = Vec::new();
            match &group.mark {
                Some(mark) => {
                    out = bytes;
                    if !more {
                        out.extend_from_slice(mark);
                    }
                }
                None => {
                    group.file.extend(bytes);
                    if !more {
                        out = framing::sized_header(group.file.len() as u64);
                        out.append(&mut group.file);
                    } else if now.since(group.alive_at) >= KEEPALIVE {
                        group.alive_at = now;
                        out.push(b'\n');
                    }
                }
            }
            for receiver in self.receivers.iter_mut().filter(|receiver| receiver.group == index) {
                receiver.pending.extend_from_slice(&out);
                receiver.progressed_at = now;
                if let Some(reason) = walk.failure() {
                    receiver.failed.get_or_insert(reason.to_owned());
                }
            }
        }
        if more {
            self.walk = Some(walk);
        }
    }
}

impl Receiver {
    /// Writes what waits, as far as the connection takes it.
    fn flush(&mut self, env: &mut Env, sockets: &mut Sockets, stall_max: Duration, reports: &mut Vec<Report>) {
        let now = env.now();
        while !self.pending.is_empty() && self.failed.is_none() {
            // A slow reader is more interesting than a fast one: a write takes a part only.
            let length = self.pending.len().min(env.plan.sync_write_max);
            match sockets.write(env, self.key, &self.pending[..length]) {
                Ok(count) => {
                    self.pending.drain(..count);
                    self.progressed_at = now;
                    if now.since(self.reported_at) >= KEEPALIVE {
                        self.reported_at = now;
                        reports.push(Report::Sending(self.conn));
                    }
                    return;
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if now.since(self.progressed_at) >= stall_max {
                        self.failed = Some("it took nothing for repl-timeout seconds".to_owned());
                    }
                    return;
                }
                Err(error) => self.failed = Some(error.to_string()),
            }
        }
    }
}
