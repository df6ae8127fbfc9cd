//! How much of the stream is kept, where, and for whom. Memory keeps the backlog, and what is not on disk yet; files keep
//! the rest for replicas that fall behind, inside `repl-backlog-disk-size`. Which replica is cut is decided here too.
//!
//! With the append-only file the files are there: `archive` lists them. Without, the stream goes to nameless files when it
//! leaves the backlog (*spilling*).

use std::collections::VecDeque;
use std::time::Duration;

use base::{Time, UnixMs};
use journal::{Archive, Offset, Part, Place};

use super::cut::{Cut, CutReason, Loss};
use super::{Cursor, Replication};
use crate::client::ConnId;
use crate::host::LogLevel;
use crate::node::Node;
use crate::output::{DroppedFiles, Output};

/// The least and the most that is spilled at once, in bytes.
const SPILL_BYTES_MIN: u64 = 64 * 1024;
const SPILL_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// The least and the most bytes of one spill file.
const SPILL_FILE_BYTES_MIN: u64 = 256 * 1024;
const SPILL_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A disk that is further behind than this, in bytes, is too slow to spill to.
const UNSPILLED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How long after trouble with the disk spilling begins again.
const SPILL_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Units from this size on, in bytes, are remembered until nobody needs them.
const LARGE_UNIT_BYTES: u64 = 64 * 1024;

/// What is kept for replicas beside memory.
#[derive(Debug)]
pub(crate) struct Retention {
    /// The files that hold the stream.
    pub archive: Archive,
    /// Why files were let go of, the last time some were.
    loss: Loss,
    /// Bytes on their way to a spill file.
    spilling: Option<Spilling>,
    /// The number of the last spill file.
    last_spill: u64,
    /// After trouble: when spilling begins again.
    spill_again: Option<Time>,
    /// Where large units begin and end. A single command above the output limit is no reason to cut a replica: it would
    /// come back and meet it again.
    large_units: VecDeque<(u64, u64)>,
    /// The last question for a block.
    pub(super) last_ticket: u64,
    /// The replica that was cut last, and how many were.
    pub last_cut: Option<Cut>,
    pub cuts: u64,
}

#[derive(Debug)]
struct Spilling {
    file: u64,
    start: u64,
    end: u64,
    /// Nobody wants it any more.
    abandoned: bool,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention {
            archive: Archive::default(),
            loss: Loss::BegunAnew,
            spilling: None,
            last_spill: 0,
            spill_again: None,
            large_units: VecDeque::new(),
            last_ticket: 0,
            last_cut: None,
            cuts: 0,
        }
    }
}

impl Retention {
    /// Notes a unit that was appended to the stream.
    pub fn note_unit(&mut self, start: u64, end: u64) {
        if end - start >= LARGE_UNIT_BYTES {
            self.large_units.push_back((start, end));
        }
    }

    /// Bytes of the largest unit that a replica at `at` lacks, as far as it lacks it.
    fn largest_unit_behind(&self, at: u64) -> u64 {
        let lacked = self.large_units.iter().rev().take_while(|(_, end)| *end > at);
        lacked.map(|(start, end)| end - (*start).max(at)).max().unwrap_or(0)
    }
}

/// What a replica is measured by.
struct Bounds {
    now: Time,
    /// The stream's end.
    end: u64,
    in_memory_from: u64,
    /// None: replicas are not served from disk.
    on_disk_from: Option<u64>,
    /// Why what is no longer on disk is not.
    loss: Loss,
    /// Limits in bytes.
    hard: u64,
    soft: u64,
    soft_seconds: u64,
}

impl Bounds {
    /// Whether a replica is to be cut, and why.
    fn judge(&self, cursor: &mut Cursor, retention: &Retention) -> Option<CutReason> {
        let wants = cursor.supply.wants(cursor.at);
        let behind = self.end - cursor.at;
        let on_disk = self.on_disk_from.is_some_and(|from| from <= wants);
        if wants < self.in_memory_from && !on_disk {
            return Some(CutReason::NoLongerOnDisk { behind, why: self.loss });
        }
        // Where the disk has what it lacks, memory holds nothing for it: what is on its way to disk has to be there anyway,
        // and is bounded on its own.
        let mut held = if on_disk { 0 } else { behind };
        if held >= self.hard.min(self.soft) {
            held = held.saturating_sub(retention.largest_unit_behind(wants));
        }
        if held >= self.hard {
            return Some(CutReason::OutputLimit { held, limit: self.hard, seconds: None });
        }
        if held < self.soft {
            cursor.over_soft_limit_since = None;
            return None;
        }
        let since = *cursor.over_soft_limit_since.get_or_insert(self.now);
        let too_long = self.now.seconds_since(since) > self.soft_seconds;
        too_long.then_some(CutReason::OutputLimit { held, limit: self.soft, seconds: Some(self.soft_seconds) })
    }
}

impl Node {
    /// The files that replicas may be served from; None: they are not.
    pub(crate) fn usable_archive(&self) -> Option<&Archive> {
        let retention = &self.replication.retention;
        let connected = retention.archive.end().is_some_and(|end| end >= self.replication.journal.first());
        (connected && self.config.backlog_disk_bytes().is_some()).then_some(&retention.archive)
    }

    /// The oldest offset that a replica may go on from: in memory or on disk.
    pub(crate) fn retained_from(&self) -> u64 {
        let in_memory = self.replication.journal.first();
        let on_disk = self.usable_archive().and_then(Archive::first);
        on_disk.map_or(in_memory, |first| first.min(in_memory)).0
    }

    /// Keeps what is to be kept, lets go of the rest, and cuts who is left behind. Once per turn.
    pub(crate) fn settle_stream(&mut self) {
        // In this order: what is being written to is not let go of.
        self.shrink_archive();
        self.spill_stream();
        self.cut_left_behind();
        let memory_from = self.memory_needed_from();
        let replication = &mut self.replication;
        replication.journal.trim(memory_from.map(Offset));
        let first = replication.journal.first();
        let lowest = replication.cursors.values().map(|cursor| Offset(cursor.at)).min().unwrap_or(first).min(first);
        replication.journal.forget_marks_before(lowest);
        let units = &mut replication.retention.large_units;
        while units.front().is_some_and(|(_, end)| *end <= first.0) {
            units.pop_front();
        }
    }

    /// The oldest offset that must stay in memory, whatever the backlog is.
    fn memory_needed_from(&self) -> Option<u64> {
        let archive = self.usable_archive();
        let in_memory_only = |at: &u64| archive.is_none_or(|archive| !archive.reaches(Offset(*at)));
        let cursors = self.replication.cursors.values().map(|cursor| cursor.supply.wants(cursor.at));
        // What is on its way to disk is not there yet.
        let unwritten = archive.and_then(Archive::end).map(|end| end.0);
        let unspilled = self.spills().then(|| self.spill_from());
        cursors.filter(in_memory_only).chain(self.aof.needs_from()).chain(unwritten).chain(unspilled).min()
    }

    /// Cuts replicas whose bytes are gone, and those for which alone too much is held in memory.
    fn cut_left_behind(&mut self) {
        if self.replication.cursors.is_empty() {
            return;
        }
        let limit = &self.config.client_output_buffer_limit.replica;
        // Whoever is cut while the backlog has what it lacks comes back for just that, and would be cut again.
        let backlog = self.config.repl_backlog_size;
        let at_least_backlog = |limit: u64| if limit == 0 { u64::MAX } else { limit.max(backlog) };
        let on_disk_from = self.usable_archive().and_then(Archive::first);
        let is_off = self.config.backlog_disk_bytes().is_none();
        let bounds = Bounds {
            now: self.now,
            end: self.replication.offset(),
            in_memory_from: self.replication.journal.first().0,
            // Before the first file is there, everything is on its way to it.
            on_disk_from: on_disk_from.map(|from| from.0).or(self.spills().then(|| self.spill_from())),
            loss: if is_off { Loss::BegunAnew } else { self.replication.retention.loss },
            hard: at_least_backlog(limit.hard),
            soft: at_least_backlog(limit.soft),
            soft_seconds: limit.soft_seconds,
        };
        let Replication { cursors, retention, .. } = &mut self.replication;
        let judged = cursors.iter_mut().filter_map(|(conn, cursor)| Some((*conn, bounds.judge(cursor, retention)?)));
        let cuts: Vec<(ConnId, CutReason)> = judged.collect();
        for (conn, reason) in cuts {
            if matches!(reason, CutReason::OutputLimit { .. }) {
                self.stats.output_buffer_limit_disconnections += 1;
            }
            self.cut_replica(conn, reason);
        }
    }

    /// Closes a replica's connection, and says why.
    pub(super) fn cut_replica(&mut self, conn: ConnId, reason: CutReason) {
        let replica = self.clients.get(conn).map_or_else(String::new, |client| client.peer.addr.clone());
        let line = format!("Closing the connection of replica {replica}: {reason} ({}).", reason.setting());
        self.log(LogLevel::Warning, &line);
        let cut = Cut { replica, reason, at: self.now, unix: self.unix };
        self.replication.retention.cuts += 1;
        self.replication.retention.last_cut = Some(cut);
        self.close_now(conn);
    }

    // ---- files ----

    /// Lets go of files that are more than allowed, or too old.
    fn shrink_archive(&mut self) {
        let retention = &mut self.replication.retention;
        let has_spare = retention.archive.parts().next().is_some_and(|part| part.spare);
        if !has_spare || retention.spilling.is_some() {
            return;
        }
        let bytes = self.config.backlog_disk_bytes().unwrap_or(0);
        let seconds = self.config.repl_backlog_seconds;
        let oldest = if seconds == 0 { UnixMs(i64::MIN) } else { UnixMs(self.unix.0 - seconds as i64 * 1000) };
        let readers = self.replication.cursors.values().map(|cursor| Offset(cursor.at));
        let gone = retention.archive.shrink(bytes, oldest, readers.min());
        if !gone.is_empty() {
            let loss = if bytes == 0 { Loss::BegunAnew } else { Loss::Budget { bytes } };
            self.discard_parts(gone, loss);
        }
    }

    /// Forgets all files: what they hold is another stream's, or not to be relied on.
    pub(crate) fn drop_archive(&mut self, loss: Loss) {
        let parts = self.replication.retention.archive.clear();
        self.replication.retention.large_units.clear();
        if let Some(spilling) = &mut self.replication.retention.spilling {
            spilling.abandoned = true;
        }
        self.discard_parts(parts, loss);
    }

    /// The disk took no more, for this reason: if it is full, the room of files that are kept for replicas alone is given
    /// back.
    pub(crate) fn give_room_back(&mut self, reason: &str) {
        if !reason.contains("No space left") && !reason.contains("quota exceeded") {
            return;
        }
        if self.replication.retention.spilling.is_some() {
            return self.stop_spilling(reason);
        }
        let gone = self.replication.retention.archive.shrink(0, UnixMs(i64::MIN), None);
        if !gone.is_empty() {
            self.log(LogLevel::Warning, "Removing the files that were kept for replicas, to give the disk room.");
            self.discard_parts(gone, Loss::DiskTrouble);
        }
    }

    /// Has files deleted that were kept for replicas alone.
    pub(crate) fn discard_parts(&mut self, parts: Vec<Part>, loss: Loss) {
        if parts.is_empty() {
            return;
        }
        self.replication.retention.loss = loss;
        let mut dropped = DroppedFiles::default();
        for part in parts.into_iter().filter(|part| part.spare) {
            match part.place {
                Place::File(name) => dropped.names.push(name),
                Place::Spill(number) => dropped.spills.push(number),
            }
        }
        self.drop_files(dropped);
    }

    /// Has these files deleted, behind every read that was asked for before.
    pub(crate) fn drop_files(&mut self, dropped: DroppedFiles) {
        if !dropped.names.is_empty() || !dropped.spills.is_empty() {
            self.outputs.push_back(Output::DropJournalFiles(dropped));
        }
    }

    // ---- spilling ----

    /// Whether the stream is written to files of its own.
    fn spills(&self) -> bool {
        self.replication.active
            && !self.aof.is_on()
            && self.replication.retention.spill_again.is_none()
            && self.config.backlog_disk_bytes().is_some()
    }

    /// Up to where the stream is in such files, or where they would begin.
    fn spill_from(&self) -> u64 {
        let first = self.replication.journal.first();
        let end = self.replication.retention.archive.end().filter(|end| *end >= first);
        end.unwrap_or(first).0
    }

    /// Hands what has left the backlog to the disk.
    fn spill_stream(&mut self) {
        let now = self.now;
        self.replication.retention.spill_again.take_if(|again| *again <= now);
        if !self.spills() {
            return;
        }
        let from = self.spill_from();
        let until = self.replication.offset().saturating_sub(self.config.repl_backlog_size);
        let unspilled = until.saturating_sub(from);
        if unspilled >= UNSPILLED_BYTES_MAX + self.replication.retention.largest_unit_behind(from) {
            return self.stop_spilling("the disk does not keep up with the stream");
        }
        if unspilled < SPILL_BYTES_MIN || self.replication.retention.spilling.is_some() {
            return;
        }
        // A sixteenth of what is allowed, so that it goes in small steps.
        let budget = self.config.backlog_disk_bytes().unwrap_or(0);
        let file_bytes_max = (budget / 16).clamp(SPILL_FILE_BYTES_MIN, SPILL_FILE_BYTES_MAX);
        let replication = &mut self.replication;
        let retention = &mut replication.retention;
        let last = retention.archive.parts().last().filter(|part| part.end.0 == from && part.len() < file_bytes_max);
        let room = file_bytes_max - last.map_or(0, Part::len);
        let file = match last.map(|part| &part.place) {
            Some(Place::Spill(number)) => *number,
            _ => {
                retention.last_spill += 1;
                retention.last_spill
            }
        };
        let bytes = unspilled.min(SPILL_BYTES_MAX).min(room);
        let pieces = replication.journal.read_shared(Offset(from), bytes as usize);
        let pieces = pieces.expect("what is not on disk stays in memory");
        retention.spilling = Some(Spilling { file, start: from, end: from + bytes, abandoned: false });
        self.outputs.push_back(Output::SpillJournal { file, pieces });
    }

    /// Bytes of the stream are in a file of their own, or could not be written.
    pub fn journal_spilled(&mut self, result: Result<(), String>) {
        let Some(done) = self.replication.retention.spilling.take() else { return };
        if done.abandoned {
            // Others of that file may be wanted still; then it is in the list.
            let archive = &self.replication.retention.archive;
            if archive.parts().all(|part| part.place != Place::Spill(done.file)) {
                self.drop_files(DroppedFiles { spills: vec![done.file], ..DroppedFiles::default() });
            }
            return;
        }
        if let Err(reason) = result {
            self.drop_files(DroppedFiles { spills: vec![done.file], ..DroppedFiles::default() });
            return self.stop_spilling(&reason);
        }
        let place = Place::Spill(done.file);
        let archive = &mut self.replication.retention.archive;
        let goes_on = archive.parts().last().is_some_and(|part| part.place == place);
        let mut unconnected = Vec::new();
        if !goes_on {
            let start = Offset(done.start);
            unconnected = archive.begin(Part { place, skip: 0, start, end: start, spare: true, ended: self.unix });
        }
        archive.extend(Offset(done.end), self.unix);
        self.discard_parts(unconnected, Loss::BegunAnew);
    }

    fn stop_spilling(&mut self, reason: &str) {
        let line = format!("The stream can't be kept on disk for replicas (repl-backlog-disk-size): {reason}");
        self.log(LogLevel::Warning, &line);
        self.drop_archive(Loss::DiskTrouble);
        self.replication.retention.spill_again = Some(self.now + SPILL_AGAIN_AFTER);
    }
}
