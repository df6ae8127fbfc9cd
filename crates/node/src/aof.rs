//! The append-only file: the replication stream on disk, byte for byte. This file is the state; `aof/write.rs` hands the
//! stream to the disk and holds replies until it is there, `aof/rewrite.rs` replaces base and files, `aof/start.rs`
//! takes over what was loaded, `aof/spares.rs` keeps for replicas what a rewrite leaves over, `aof/commands.rs` are BGREWRITEAOF and WAITAOF.
//!
//! A file covers the stream from one offset to the next; where a new one begins is decided first, and the stream is
//! withheld there until the program has created the file and the manifest names it. So every byte that `write` took is
//! in a file that a restart finds.

mod commands;
mod rewrite;
mod spares;
mod start;
mod write;

use std::collections::VecDeque;

use base::{Time, UnixMs};
use persist::aof::{FileInfo, Manifest};

use crate::client::ConnId;
use crate::host::StreamPosition;

pub use commands::ROWS;
pub use spares::SPARE_ENDING;
pub use start::{FoundPart, LoadedFiles};

/// What an append-only file can be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// There is none.
    Off,
    /// What is on disk is not the data set: a new base is on its way.
    Starting {
        /// Replies to writes wait for it.
        hold: bool,
        /// Writes are refused until then, for this reason.
        refuse: Option<String>,
    },
    /// A restart finds everything up to `written`.
    On,
}

/// Where the next file begins.
#[derive(Clone, Debug)]
struct Switch {
    /// The file.
    file: FileInfo,
    /// Where it begins in the stream; None: it is the first of a rewrite, and begins where the snapshot will be.
    at: Option<StreamPosition>,
    /// The program was asked to create it.
    requested: bool,
    /// The program has created it.
    prepared: bool,
}

/// A rewrite under way.
#[derive(Clone, Debug)]
struct Rewrite {
    started: UnixMs,
    /// The base being written, once the snapshot is taken.
    base: Option<FileInfo>,
    /// The files behind that base. None of them: the stream is not written at all (BGREWRITEAOF with `appendonly no`).
    incrs: Vec<FileInfo>,
    /// Bytes in the incremental files that will go.
    incr_bytes_before: u64,
    /// The base is complete: its size in bytes.
    complete: Option<u64>,
}

impl Rewrite {
    /// The base, if it is complete.
    fn complete_base(self) -> Option<FileInfo> {
        self.complete.and(self.base)
    }
}

/// What the program is doing to the manifest: one thing at a time.
#[derive(Clone, Debug)]
enum InFlight {
    /// Creates this file.
    Prepare {
        file: FileInfo,
        /// The manifest names it from then on: the files before it are the data set.
        attached: bool,
        /// Files without content that go on that occasion.
        dropped: Vec<FileInfo>,
    },
    /// Replaces the manifest by this one.
    Publish {
        manifest: Manifest,
        /// What is kept for replicas of the files that it does without: their old names, and what they are then.
        kept: Vec<(String, journal::Part)>,
    },
}

/// What INFO persistence tells of past rewrites.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RewriteStats {
    /// How long the last one took, in seconds; -1: none yet.
    pub last_seconds: i64,
    /// It succeeded.
    pub last_ok: bool,
    /// How many succeeded.
    pub done: u64,
    /// How many failed since the last that succeeded.
    pub failures: u64,
}

/// The append-only file.
pub struct Aof {
    pub(crate) state: State,
    /// The files that the manifest on disk names.
    manifest: Manifest,
    /// The stream's offset up to which `write` took it.
    pub(crate) written: u64,
    /// Up to which whole commands and transactions are in the file: what stands behind it is half of one.
    whole: u64,
    /// Where the write under way ends: behind a whole command or transaction.
    unit_end: u64,
    /// Up to which it is synced.
    pub(crate) synced: u64,
    /// Up to which replies may leave.
    released: u64,
    /// A sync is under way: up to where, since when.
    syncing: Option<(u64, Time)>,
    /// Tells the answer to an old sync from that to the present one.
    sync_ticket: u64,
    /// When the last sync ended.
    synced_at: Time,
    /// There is a file that is written to.
    has_file: bool,
    /// Its header was not synced yet.
    header_unsynced: bool,
    /// Bytes are on their way through the writing thread.
    writing: bool,
    /// They go to a file that was given up meanwhile: what becomes of them says nothing about the present one.
    write_given_up: bool,
    /// The last write failed.
    pub(crate) write_error: Option<String>,
    /// When it is tried again.
    retry_at: Time,
    switch: Option<Switch>,
    in_flight: Option<InFlight>,
    /// Files of the manifest in which there is nothing: they go when it is next replaced.
    empty_files: Vec<FileInfo>,
    /// The numbers of the last base and of the last incremental file that were ever named: a name given up is not used
    /// again, since a thread may still be busy with it.
    last_base_seq: u64,
    last_seq: u64,
    /// Files that an earlier life kept for replicas, until it is known whether they are of use.
    old_spares: Vec<String>,
    /// Files that belong to nothing, to be deleted with the next manifest.
    garbage: Vec<String>,
    /// Further ids that the stream has got meanwhile: a file begins for each.
    id_changes: VecDeque<StreamPosition>,
    rewrite: Option<Rewrite>,
    /// A rewrite is wanted as soon as nothing else is under way.
    pub(crate) rewrite_wanted: bool,
    /// Not before this time, after failures.
    rewrite_not_before: Time,
    pub(crate) rewrites: RewriteStats,
    /// Bytes of the base, and of the incremental files.
    pub(crate) base_bytes: u64,
    pub(crate) incr_bytes: u64,
    /// Bytes of all files after the last rewrite or at the start: what growth is measured by.
    bytes_after_rewrite: u64,
    /// How often a sync took so long that replies waited for it.
    pub(crate) delayed_syncs: u64,
    /// Clients whose replies wait.
    held: Vec<ConnId>,
}

impl Aof {
    /// None.
    pub fn off(now: Time) -> Aof {
        Aof {
            state: State::Off,
            manifest: Manifest::default(),
            written: 0,
            whole: 0,
            unit_end: 0,
            synced: 0,
            released: 0,
            syncing: None,
            synced_at: now,
            has_file: false,
            header_unsynced: false,
            writing: false,
            write_given_up: false,
            write_error: None,
            retry_at: now,
            switch: None,
            in_flight: None,
            empty_files: Vec::new(),
            sync_ticket: 0,
            last_base_seq: 0,
            last_seq: 0,
            old_spares: Vec::new(),
            garbage: Vec::new(),
            id_changes: VecDeque::new(),
            rewrite: None,
            rewrite_wanted: false,
            rewrite_not_before: now,
            rewrites: RewriteStats { last_seconds: -1, last_ok: true, done: 0, failures: 0 },
            base_bytes: 0,
            incr_bytes: 0,
            bytes_after_rewrite: 0,
            delayed_syncs: 0,
            held: Vec::new(),
        }
    }

    /// Whether the stream goes to disk, or is about to.
    pub fn is_on(&self) -> bool {
        self.state != State::Off
    }

    /// Whether clients were told of writes that a restart would not find, as long as there is no new base. Those that
    /// wait for the first base of a start do not count: what was loaded is on disk, and nobody was told of more.
    pub(crate) fn owes_base(&self) -> bool {
        match &self.state {
            State::Starting { hold, refuse } => !hold || refuse.is_some(),
            State::On | State::Off => false,
        }
    }

    /// Whether a rewrite is under way, and since when.
    pub fn rewriting_since(&self) -> Option<UnixMs> {
        self.rewrite.as_ref().map(|rewrite| rewrite.started)
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.base_bytes + self.incr_bytes
    }

    /// Whether a sync is under way.
    pub fn is_syncing(&self) -> bool {
        self.syncing.is_some()
    }

    /// Up to where a crash of the machine can take nothing back; None: as long as the first base is not complete,
    /// nothing of what is written counts.
    pub(crate) fn on_disk(&self) -> Option<u64> {
        (self.state == State::On).then_some(self.synced)
    }

    /// Why writes are refused, if they are.
    pub(crate) fn refusal(&self) -> Option<&str> {
        match &self.state {
            State::Starting { refuse, .. } => refuse.as_deref(),
            State::On => self.write_error.as_deref(),
            State::Off => None,
        }
    }

    /// Whether the next file waits for nothing but a sync of the one before it.
    fn switch_wants_sync(&self) -> bool {
        let at = self.switch.as_ref().filter(|switch| switch.prepared && self.has_file).and_then(|switch| switch.at);
        let unsynced = self.header_unsynced || self.syncing.is_some() || self.synced < self.written;
        unsynced && at.is_some_and(|at| self.written >= at.offset)
    }

    /// Up to where the stream may be written to the present file.
    fn write_limit(&self, end: u64) -> u64 {
        let switch = self.switch.as_ref().and_then(|switch| switch.at);
        switch.map_or(end, |at| at.offset)
    }

    /// The oldest offset that the disk still needs from memory.
    pub(crate) fn needs_from(&self) -> Option<u64> {
        match self.state {
            State::Off => None,
            // What may still be taken back is written once more.
            State::On if self.has_file => Some(self.whole.min(self.written)),
            State::On => Some(self.written),
            // Before the first file of a new base begins nothing is needed.
            State::Starting { .. } if !self.has_file => {
                self.switch.as_ref().and_then(|switch| switch.at).map(|at| at.offset)
            }
            State::Starting { .. } => Some(self.written),
        }
    }

    /// Whether replies to writes are held at all.
    pub(crate) fn holds(&self) -> bool {
        matches!(self.state, State::On | State::Starting { hold: true, .. })
    }
}
