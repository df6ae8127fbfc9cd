//! What the node wants done by the program around it, in its own time: connections, threads, the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base::ReplId;

use crate::client::ConnId;
use crate::copies::StringCopy;
use crate::host::SaveJob;
use crate::payloads::PayloadJob;

/// One wish of the node.
pub enum Output {
    /// Close this connection; what is in its outbox is lost.
    Close(ConnId),
    /// Connect to the master; answer with `Node::link_connected` or `Node::link_closed`.
    ConnectMaster {
        /// Its host name or address.
        host: String,
        /// Its port.
        port: u16,
    },
    /// Close the connection to the master.
    CloseLink,
    /// Send a full synchronisation to these replicas, from one snapshot, beside the executor; answer with
    /// `Node::transfer_done` for each.
    StartSync {
        /// What to send.
        job: SaveJob,
        /// To whom and how.
        replicas: Vec<SyncTarget>,
    },
    /// Write a file beside the executor; answer with `Node::save_done`.
    StartSave(SaveJob),
    /// Begin to build a data set beside the executor from bytes that follow; answer with `Node::load_done`.
    BeginLoad(Box<keyspace::Keyspace>),
    /// Bytes of that data set.
    LoadBytes(Vec<u8>),
    /// All bytes were given: finish and check it.
    EndLoad,
    /// Forget what was built.
    AbortLoad,
    /// Write these bytes to the append-only file, on a thread, behind what was written before; answer with
    /// `Node::journal_written`.
    WriteJournal(Vec<bytes::Bytes>),
    /// Sync what was written to the append-only file up to now; answer with `Node::journal_synced`.
    SyncJournal {
        /// To be given back.
        ticket: u64,
    },
    /// Read bytes of the stream from a file, on a thread; answer with `Node::journal_read`.
    ReadJournal(JournalRead),
    /// Write these bytes of the stream to the end of a nameless file, on the same thread; answer with
    /// `Node::journal_spilled`. A number that was not used yet is a new file.
    SpillJournal {
        /// The file's number.
        file: u64,
        /// The bytes.
        pieces: Vec<bytes::Bytes>,
    },
    /// Delete files of the stream, on the same thread: what was asked for before is read before.
    DropJournalFiles(DroppedFiles),
    /// Create the next incremental file; answer with `Node::journal_prepared`.
    PrepareJournal(JournalFile),
    /// Write a snapshot as a base file, beside the executor; answer with `Node::base_written`.
    WriteBase {
        /// What to write.
        job: SaveJob,
        /// The file's name.
        name: String,
    },
    /// Replace the manifest; answer with `Node::files_published`.
    PublishFiles(PublishedFiles),
    /// A data set that is not needed any more: drop it where that disturbs nobody.
    Discard(Discarded),
    /// Copy a large string beside the executor; answer with `Node::string_copied`.
    CopyString(StringCopy),
    /// Lay out a value, or read a payload, beside the executor; answer with `Node::payload_done`.
    Payload(PayloadJob),
    /// End the program.
    Exit {
        /// The exit code.
        code: i32,
    },
}

/// Something large to be dropped off the executor, which hears of it through the counters.
pub struct Discarded {
    waste: Option<Waste>,
    /// Objects that INFO counts.
    objects: usize,
    /// What it takes, as far as that is known.
    bytes: usize,
    counters: Arc<FreeCounters>,
}

/// What is to be dropped.
pub(crate) enum Waste {
    /// A whole data set.
    Keyspace(Box<keyspace::Keyspace>),
    /// A flushed table.
    Table(keyspace::table::Garbage<keyspace::Object>),
    /// Large values that were deleted or overwritten, and large parts of others.
    Values(keyspace::table::Costly<keyspace::Object>),
}

impl Discarded {
    pub(crate) fn new(waste: Waste, counters: &Arc<FreeCounters>) -> Discarded {
        let (objects, bytes) = match &waste {
            Waste::Keyspace(keyspace) => (0, keyspace.memory_bytes()),
            Waste::Table(garbage) => (0, garbage.memory_bytes()),
            Waste::Values(costly) => (costly.objects.len(), costly.bytes),
        };
        counters.pending.fetch_add(objects, Ordering::Relaxed);
        counters.pending_bytes.fetch_add(bytes, Ordering::Relaxed);
        Discarded { waste: Some(waste), objects, bytes, counters: Arc::clone(counters) }
    }

    /// Whether it is a whole table or more, after which there may be much free memory that nobody needs soon.
    pub fn is_table(&self) -> bool {
        matches!(self.waste, Some(Waste::Keyspace(_) | Waste::Table(_)))
    }

    /// Drops it, with calls of `between` behind pieces of it. `freed` is called when its memory is free and the counters do not
    /// say so yet.
    pub fn free(mut self, mut between: impl FnMut(), freed: impl FnOnce()) {
        match self.waste.take() {
            Some(Waste::Values(costly)) => costly.drop_in_pieces(&mut between),
            Some(Waste::Table(garbage)) => garbage.drop_in_pieces(&mut between),
            Some(Waste::Keyspace(keyspace)) => keyspace.drop_in_pieces(&mut between),
            None => {}
        }
        freed();
    }
}

impl Drop for Discarded {
    fn drop(&mut self) {
        drop(self.waste.take());
        self.counters.pending_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.counters.pending.fetch_sub(self.objects, Ordering::Relaxed);
        self.counters.freed.fetch_add(self.objects, Ordering::Relaxed);
    }
}

/// How many values were handed over to be dropped, as INFO shows it.
#[derive(Default)]
pub(crate) struct FreeCounters {
    /// Not dropped yet.
    pub pending: AtomicUsize,
    /// Bytes of what was not dropped yet, tables and data sets included.
    pub pending_bytes: AtomicUsize,
    /// Dropped since the start or CONFIG RESETSTAT.
    pub freed: AtomicUsize,
}

/// One receiver of a full synchronisation.
#[derive(Clone, Debug)]
pub struct SyncTarget {
    /// The replica's connection.
    pub conn: ConnId,
    /// How the data set is delimited.
    pub framing: replication::framing::Framing,
    /// What the replica can read.
    pub target: persist::rdb::Target,
    /// What must be written before it.
    pub preamble: Vec<u8>,
    /// Whether it wants the keys; else only what stands beside them.
    pub with_data: bool,
}

/// An incremental file to be created, empty.
pub struct JournalFile {
    /// Its name, without a directory.
    pub name: String,
    /// What is to be on disk before it is used; nothing if the manifest does not name it yet.
    pub published: Option<PublishedFiles>,
}

/// Bytes of the stream that a replica needs and memory does not have.
pub struct JournalRead {
    /// The replica.
    pub conn: ConnId,
    /// To be given back.
    pub ticket: u64,
    /// Where they are.
    pub extent: journal::Extent,
}

/// Files of the stream that nobody needs any more.
#[derive(Debug, Default)]
pub struct DroppedFiles {
    /// Of the append-only kind: their names, without a directory.
    pub names: Vec<String>,
    /// Nameless ones: their numbers.
    pub spills: Vec<u64>,
}

/// A file that the append-only file does without, and that is kept for replicas.
#[derive(Clone, Debug)]
pub struct KeptFile {
    /// Its name.
    pub name: String,
    /// The name under which it is kept. The old one is deleted later.
    pub kept_as: String,
    /// Only its end is kept: from this place in the file on, behind this header.
    pub from: Option<(u64, Vec<u8>)>,
}

/// What is to be on disk, in one step as far as a restart can see.
pub struct PublishedFiles {
    /// The manifest's text.
    pub manifest: String,
    /// The older replication ids, and the last byte that each names; the newest first.
    pub older: Vec<(ReplId, u64)>,
    /// Files that get a second name before: what they hold is kept for replicas.
    pub keep: Vec<KeptFile>,
    /// Files to be deleted afterwards.
    pub remove: Vec<String>,
}
