//! Sends a full synchronisation: one walk over the snapshot, encoded once for each version of the format and way of
//! framing, and written straight to the sockets of all replicas that share it.

use std::fs::File;
use std::io::{ErrorKind, IoSlice, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use config::Config;
use node::{ConnId, SaveJob, SyncTarget};
use persist::rdb::{EncodeError, Encoder, PIECE_BYTES_MAX, Sink, Target, Written, encode_snapshot_many};
use replication::framing::{self, Framing, MARK_LENGTH};

use super::save::{header, options};
use super::{Report, Reporter, let_others_run, try_beside};
use crate::sockets::Connection;
use crate::{files, system};

/// How often a replica that waits hears that the master is still there.
const KEEPALIVE: Duration = Duration::from_secs(1);

const STALLED: &str = "it took nothing for repl-timeout seconds";

/// Sends a snapshot to these replicas, on a thread of its own.
pub fn sync_beside(job: SaveJob, targets: Vec<(SyncTarget, Connection)>, config: &Config, reporter: Reporter) {
    if targets.is_empty() {
        return;
    }
    let stall_max = Duration::from_secs(config.repl_timeout.max(1));
    let conns: Vec<ConnId> = targets.iter().map(|(target, _)| target.conn).collect();
    let sender = reporter.clone();
    let started = try_beside("sync", move || {
        let receivers = targets.into_iter().map(|(target, connection)| {
            let reporter = sender.clone();
            let now = Instant::now();
            Receiver { conn: target.conn, connection, stall_max, reporter, reported_at: now, failed: None, target }
        });
        send(job, receivers.collect());
    });
    if let Err(reason) = started {
        conns.into_iter().for_each(|conn| reporter.send(Report::Sent { conn, result: Err(reason.clone()) }));
    }
}

/// One replica that is sent a data set.
struct Receiver {
    conn: ConnId,
    connection: Connection,
    target: SyncTarget,
    stall_max: Duration,
    reporter: Reporter,
    reported_at: Instant,
    failed: Option<String>,
}

impl Receiver {
    /// Writes all of these bytes, waiting for room as long as repl-timeout allows. After a failure it writes nothing.
    fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.failed.is_none() {
            match self.connection.write_vectored(&[IoSlice::new(bytes)]) {
                Ok(0) => self.failed = Some("the connection takes no more".to_owned()),
                Ok(count) => {
                    bytes = &bytes[count..];
                    self.report_progress();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !system::wait_writable(&self.connection, self.stall_max) {
                        self.failed = Some(STALLED.to_owned());
                    }
                }
                Err(error) => self.failed = Some(error.to_string()),
            }
        }
    }

    /// Notes why it can't be sent the data set; the first reason stays.
    fn fail(&mut self, reason: &str) {
        self.failed.get_or_insert_with(|| reason.to_owned());
    }

    /// The same, for one that has sent nothing then.
    fn fail_with(&mut self, reason: &str) -> bool {
        self.fail(reason);
        false
    }

    fn report_progress(&mut self) {
        if self.reported_at.elapsed() >= KEEPALIVE {
            self.reported_at = Instant::now();
            self.reporter.send(Report::Sending(self.conn));
        }
    }

    fn finish(self) {
        let result = self.failed.map_or(Ok(()), Err);
        self.reporter.send(Report::Sent { conn: self.conn, result });
    }
}

/// The replicas that get the same bytes.
struct Group {
    target: Target,
    with_data: bool,
    receivers: Vec<Receiver>,
    out: GroupOut,
}

enum GroupOut {
    /// Straight to the sockets, ended by this mark.
    Marked([u8; MARK_LENGTH]),
    /// Into a file without a name first, because the length stands in front.
    File { file: File, length: u64, alive_at: Instant },
}

/// No replica of a group is left: what it was to be sent need not be made.
struct NobodyLeft;

impl Sink for &mut Group {
    type Error = NobodyLeft;

    /// Failures stay with the receivers they concern, so that one does not end the others' transfer.
    fn write(&mut self, bytes: &[u8]) -> Result<(), NobodyLeft> {
        match &mut self.out {
            GroupOut::Marked(_) => self.receivers.iter_mut().for_each(|receiver| receiver.write(bytes)),
            GroupOut::File { file, length, alive_at } => {
                if let Err(error) = file.write_all(bytes) {
                    let reason = format!("the file for the data set: {error}");
                    self.receivers.iter_mut().for_each(|receiver| receiver.fail(&reason));
                }
                *length += bytes.len() as u64;
                if alive_at.elapsed() >= KEEPALIVE {
                    *alive_at = Instant::now();
                    self.receivers.iter_mut().for_each(|receiver| receiver.write(b"\n"));
                }
            }
        }
        let_others_run();
        let left = self.receivers.iter().any(|receiver| receiver.failed.is_none());
        if left { Ok(()) } else { Err(NobodyLeft) }
    }
}

fn send(mut job: SaveJob, receivers: Vec<Receiver>) {
    let (mut groups, without_data): (Vec<Group>, Vec<Group>) =
        group(receivers).into_iter().partition(|group| group.with_data);
    for group in without_data {
        send_without_data(&job, group);
    }
    let mut encoders: Vec<Encoder<&mut Group>> = groups
        .iter_mut()
        .map(|group| {
            let options = options(&job.facts, group.target);
            Encoder::new(group, options)
        })
        .collect();
    let results = encode_snapshot_many(&mut job.snapshot, &header(&job.facts), &mut encoders);
    // The walk is over: what the keyspace kept for it may go while the rest is sent.
    drop(job);
    let flush = |(encoder, result): (Encoder<&mut Group>, Result<Written, _>)| {
        result.and_then(|_| encoder.into_sink().map(drop).map_err(EncodeError::Sink))
    };
    let results: Vec<_> = encoders.into_iter().zip(results).map(flush).collect();
    groups.into_iter().zip(results).for_each(|(group, result)| group.finish(result));
}

/// Sends what stands beside the keys, and no key: a replica asked for that alone.
fn send_without_data(job: &SaveJob, mut group: Group) {
    let options = options(&job.facts, group.target);
    let mut encoder = Encoder::new(&mut group, options);
    let written = encoder.begin(&header(&job.facts)).and_then(|()| encoder.finish());
    let result = written.and_then(|_| encoder.into_sink().map(drop).map_err(EncodeError::Sink));
    group.finish(result);
}

/// Puts together who gets the same bytes, and writes what stands before them.
fn group(receivers: Vec<Receiver>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for mut receiver in receivers {
        let preamble = std::mem::take(&mut receiver.target.preamble);
        receiver.write(&preamble);
        let (target, marked) = (receiver.target.target, receiver.target.framing == Framing::EndMark);
        let with_data = receiver.target.with_data;
        let fits = |group: &&mut Group| {
            let same = group.target == target && group.with_data == with_data;
            same && matches!(group.out, GroupOut::Marked(_)) == marked
        };
        let mark = match groups.iter_mut().find(fits) {
            Some(group) => {
                group.receivers.push(receiver);
                continue;
            }
            None => marked.then(fresh_mark),
        };
        let out = match mark {
            Some(mark) => GroupOut::Marked(mark),
            None => match files::unnamed(Path::new(".")) {
                Ok(file) => GroupOut::File { file, length: 0, alive_at: Instant::now() },
                Err(error) => {
                    receiver.failed = Some(format!("no file for the data set: {error}"));
                    receiver.finish();
                    continue;
                }
            },
        };
        groups.push(Group { target, with_data, receivers: vec![receiver], out });
    }
    for group in &mut groups {
        if let GroupOut::Marked(mark) = &group.out {
            let header = framing::end_mark_header(mark);
            group.receivers.iter_mut().for_each(|receiver| receiver.write(&header));
        }
    }
    groups
}

/// Forty characters that will not stand in the data by chance.
fn fresh_mark() -> [u8; MARK_LENGTH] {
    *base::ReplId::from_entropy(crate::entropy()).as_bytes()
}

impl Group {
    /// Writes what stands behind the data, or all of it where it went to a file first.
    fn finish(mut self, result: Result<(), EncodeError<NobodyLeft>>) {
        match result {
            // Each has failed for a reason of its own.
            Err(EncodeError::Sink(NobodyLeft)) => {}
            Err(EncodeError::Unsupported(value)) => {
                let reason = value.to_string();
                self.receivers.iter_mut().for_each(|receiver| receiver.fail(&reason));
            }
            Ok(()) => match &mut self.out {
                GroupOut::Marked(mark) => self.receivers.iter_mut().for_each(|receiver| receiver.write(&*mark)),
                GroupOut::File { file, length, .. } => {
                    send_file(file, *length, self.receivers);
                    return;
                }
            },
        }
        self.receivers.into_iter().for_each(Receiver::finish);
    }
}

/// A receiver of a file: each goes through it at its own pace.
struct Reader {
    receiver: Receiver,
    /// The next byte of the file that it gets.
    at: u64,
    /// Since when it has taken nothing.
    idle_since: Instant,
}

/// Sends a file to all of these, none of whom waits for another.
fn send_file(file: &File, length: u64, receivers: Vec<Receiver>) {
    let mut readers: Vec<Reader> = Vec::new();
    for mut receiver in receivers {
        receiver.write(&framing::sized_header(length));
        readers.push(Reader { receiver, at: 0, idle_since: Instant::now() });
    }
    let mut buffer = vec![0; PIECE_BYTES_MAX];
    loop {
        let mut moved = false;
        for reader in &mut readers {
            moved |= reader.send_piece(file, &mut buffer);
        }
        let is_done = |reader: &mut Reader| reader.at == length || reader.receiver.failed.is_some();
        readers.extract_if(.., is_done).for_each(|reader| reader.receiver.finish());
        if readers.is_empty() {
            return;
        }
        if !moved {
            let connections: Vec<&Connection> = readers.iter().map(|reader| &reader.receiver.connection).collect();
            system::wait_any_writable(&connections, WAIT_MAX);
        }
    }
}

/// After that long all receivers are looked at, whether or not one takes bytes.
const WAIT_MAX: Duration = Duration::from_millis(500);

impl Reader {
    /// Sends what the connection takes at once of one piece: whether that was anything.
    fn send_piece(&mut self, file: &File, buffer: &mut [u8]) -> bool {
        let receiver = &mut self.receiver;
        if receiver.failed.is_some() {
            return false;
        }
        let count = match file.read_at(buffer, self.at) {
            Ok(0) => return receiver.fail_with("the file for the data set is cut short"),
            Ok(count) => count,
            Err(error) => return receiver.fail_with(&format!("the file for the data set: {error}")),
        };
        match receiver.connection.write_vectored(&[IoSlice::new(&buffer[..count])]) {
            Ok(0) => receiver.fail_with("the connection takes no more"),
            Ok(taken) => {
                self.at += taken as u64;
                self.idle_since = Instant::now();
                receiver.report_progress();
                true
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if self.idle_since.elapsed() >= receiver.stall_max {
                    receiver.fail(STALLED);
                }
                false
            }
            Err(error) => receiver.fail_with(&error.to_string()),
        }
    }
}
