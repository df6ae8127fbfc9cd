//! Takes over what a start has loaded, and follows the settings and the history.

use base::{ReplId, UnixMs};
use config::Appendfsync;
use journal::{Offset, Part, Place};
use persist::aof::{FileInfo, Header, Manifest};

use super::State;
use crate::host::{LogLevel, StreamPosition};
use crate::node::Node;
use crate::replication::Loss;

/// A file with a part of the stream, found at the start.
#[derive(Clone, Debug)]
pub struct FoundPart {
    /// The replication id under which it was written.
    pub replid: ReplId,
    /// The part.
    pub part: Part,
}

impl FoundPart {
    /// The part in a file of so many bytes that begins with this header. `ended`: when it was last written to.
    pub fn new(name: &str, header: &Header, length: u64, spare: bool, ended: UnixMs) -> FoundPart {
        let skip = header.encode().len() as u64;
        let start = Offset(header.offset);
        let end = start + length.saturating_sub(skip);
        FoundPart {
            replid: header.replid,
            part: Part { place: Place::File(name.to_owned()), skip, start, end, spare, ended },
        }
    }
}

/// The append-only files that a start has loaded.
pub struct LoadedFiles {
    /// What the manifest names.
    pub manifest: Manifest,
    /// Those of its incremental files in which there is nothing.
    pub empty: Vec<FileInfo>,
    /// Bytes of the base.
    pub base_bytes: u64,
    /// Bytes of the incremental files.
    pub incr_bytes: u64,
    /// Older ids of the stream and where they end.
    pub older: Vec<(ReplId, u64)>,
    /// The last bytes of the stream, up to the position that was loaded.
    pub tail: Vec<u8>,
    /// Which files hold which part of the stream: of the manifest, and kept for replicas.
    pub parts: Vec<FoundPart>,
    /// Another server wrote to them since this one ended: no id names what is in them.
    pub foreign: bool,
}

impl Node {
    /// Files of an earlier life are on disk: what their manifest says, and the highest numbers of bases and incremental
    /// files among them. Their names are not used again, and those of the manifest go when there is a new one.
    pub fn note_old_files(&mut self, manifest: Manifest, last_base: u64, last_incr: u64) {
        self.aof.manifest = manifest;
        (self.aof.last_base_seq, self.aof.last_seq) = (last_base, last_incr);
    }

    /// Files on disk that an earlier life kept for replicas. Those that a load does not find of use go.
    pub fn note_old_spares(&mut self, names: Vec<String>) {
        self.aof.old_spares = names;
    }

    /// Begins the append-only file of a server that has loaded such files. The stream stands where they end.
    pub(crate) fn resume_aof(&mut self, files: LoadedFiles) {
        // Files of another server may name no offset: the stream begins behind them.
        if !self.replication.active {
            self.turn_backlog(true);
        }
        let end = self.replication.offset();
        self.aof.old_spares.clear();
        self.resume_archive(files.parts);
        let aof = &mut self.aof;
        aof.manifest = files.manifest;
        aof.empty_files = files.empty;
        aof.base_bytes = files.base_bytes;
        aof.incr_bytes = files.incr_bytes;
        aof.bytes_after_rewrite = files.base_bytes + files.incr_bytes;
        (aof.written, aof.synced, aof.released) = (end, end, end);
        if aof.manifest.base.is_none() && aof.manifest.incrs.is_empty() {
            self.start_anew(State::Starting { hold: true, refuse: None });
        } else {
            aof.state = State::On;
            let at = self.stream_position();
            self.begin_switch(Some(at));
        }
    }

    /// Begins the append-only file of a server that has none: from what is in memory.
    pub(crate) fn begin_aof(&mut self, hold: bool) {
        if !self.replication.active {
            self.turn_backlog(true);
        }
        self.aof.released = self.replication.offset();
        let old_spares = std::mem::take(&mut self.aof.old_spares);
        self.aof.garbage.extend(old_spares);
        self.start_anew(State::Starting { hold, refuse: None });
    }

    /// Ends the append-only file; what is on disk stays.
    fn end_aof(&mut self) {
        if let Err(reason) = self.bring_to_disk() {
            self.log(LogLevel::Warning, &format!("The append-only file could not be synced: {reason}"));
        }
        self.abandon_files();
        self.forget_sync();
        self.aof.state = State::Off;
        self.aof.rewrite_wanted = false;
        self.drop_archive(Loss::BegunAnew);
        self.refuse_waits_for_disk();
        self.release_held();
    }

    /// Follows the setting `appendonly`.
    pub(crate) fn appendonly_changed(&mut self) {
        match (self.config.appendonly, self.aof.is_on()) {
            (true, false) if !self.data_is_incomplete() => self.begin_aof(false),
            (false, true) => self.end_aof(),
            _ => {}
        }
    }

    /// The stream goes on under another id from here: so does the next file.
    pub(crate) fn note_new_id(&mut self) {
        let undecided = self.aof.switch.as_ref().is_some_and(|switch| switch.at.is_none());
        match self.aof.state {
            State::Off => return,
            // Its first file will say the id that holds then.
            State::Starting { .. } if undecided || !self.aof.has_file && self.aof.switch.is_none() => return,
            _ => {}
        }
        let at = self.stream_position();
        match &mut self.aof.switch {
            None => self.begin_switch(Some(at)),
            Some(switch) if undecided => {
                // The file serves the new id; the rewrite gets another.
                switch.at = Some(at);
                self.aof.rewrite = None;
                self.aof.rewrite_wanted = true;
            }
            Some(_) => self.aof.id_changes.push_back(at),
        }
    }

    /// The data set and its history are no longer what is on disk: a master's replaced them, or a replica that has changed
    /// keys by itself is promoted.
    pub(crate) fn restart_aof(&mut self) {
        // What a replica acknowledges is on no disk in any case; with `always`, what a master does is.
        let hold = !self.replication.is_replica() && self.config.appendfsync == Appendfsync::Always;
        if self.aof.is_on() {
            self.aof.released = self.aof.released.min(self.replication.offset());
            self.start_anew(State::Starting { hold, refuse: None });
        } else if self.config.appendonly && !self.data_is_incomplete() {
            // It was wished for while there was no data set.
            self.begin_aof(hold);
        }
    }

    /// Where the stream stands.
    fn stream_position(&self) -> StreamPosition {
        self.snapshot_facts().history.expect("with an append-only file the stream is kept")
    }

    /// Whether nothing that was executed waits for a file to be created or for the first base: an end of the program need
    /// not wait. A disk in trouble is not waited for.
    pub(crate) fn files_are_settled(&self) -> bool {
        match &self.aof.state {
            State::On => self.aof.write_error.is_some() || self.has_place_for_all(),
            State::Starting { hold: true, refuse: None } => self.data_is_incomplete() || self.nothing_is_new(),
            State::Starting { .. } | State::Off => true,
        }
    }

    /// Whether the whole stream is in the file in use, or goes there.
    fn has_place_for_all(&self) -> bool {
        let end = self.replication.offset();
        self.aof.written >= end || self.aof.has_file && self.aof.write_limit(end) >= end
    }

    /// Whether a start that has no base yet would find everything: nothing was executed since the last one.
    fn nothing_is_new(&self) -> bool {
        self.replication.offset() <= self.aof.released
    }

    /// Brings everything to disk before the program ends. False: that failed.
    pub(crate) fn finish_aof(&mut self) -> bool {
        if let Err(reason) = self.bring_to_disk() {
            // The system tells of a fault once: the next sync may succeed, and would say nothing about what was lost.
            self.distrust_files(reason);
            return false;
        }
        match &self.aof.state {
            State::On => {}
            State::Starting { hold: true, refuse: None } => return self.data_is_incomplete() || self.nothing_is_new(),
            State::Starting { .. } | State::Off => return true,
        }
        if self.aof.has_file {
            self.aof.synced = self.aof.written;
            self.aof.header_unsynced = false;
            self.finish_waits();
        }
        self.aof.written >= self.replication.offset()
    }

    /// Writes to the file in use what belongs there, and syncs it before it returns.
    fn bring_to_disk(&mut self) -> Result<(), String> {
        // Also if the file was given up: what the thread reports must not come when there is another, or none.
        if self.aof.writing {
            let (count, result) = self.host.await_journal_write();
            self.journal_written(count, result);
        }
        // Files of a base that is not complete are no matter to a restart.
        if self.aof.state != State::On || !self.aof.has_file {
            return Ok(());
        }
        self.forget_sync();
        self.aof.retry_at = self.now;
        let end = self.replication.offset();
        if self.aof.written < end {
            self.write_stream(end);
        }
        self.host.sync_journal()
    }

    /// What a thread that syncs will report is no matter any more.
    fn forget_sync(&mut self) {
        self.aof.syncing = None;
        self.aof.sync_ticket += 1;
    }
}
