//! The threads beside the executor: writing files, sending data sets, building them, freeing them. Each does one
//! job and reports through [`Report`]; none of them sees the node.

pub mod aof;
mod aof_claim;
pub mod aof_load;
mod aof_notes;
mod journal_files;
mod load;
mod save;
mod sync;
mod two_threads;

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use base::Time;
use mio::Waker;
use node::{ConnId, CopiedString, Discarded, Loaded, PayloadJob, PayloadResult, StringCopy};

use crate::{clock, memory};

pub use journal_files::JournalFiles;
pub use load::{LoadJob, load_file, load_now};
pub use save::{save, save_beside};
pub use sync::sync_beside;

/// What a thread tells the loop.
pub enum Report {
    /// A file is written, or not: its size in bytes.
    Saved(Result<u64, String>),
    /// The load at the start has read so many bytes.
    LoadProgress(u64),
    /// The server that wrote the file being loaded at the start used so many bytes of memory.
    LoadUsedMemory(u64),
    /// A load ended; which one.
    Loaded {
        /// The load's number.
        attempt: u64,
        /// The data set, or why not.
        result: Result<Box<Loaded>, String>,
    },
    /// A master's data set is in a file, whole and sound: it waits until the old one is given to be freed.
    LoadStaged {
        /// The load's number.
        attempt: u64,
        /// The file's size in bytes.
        bytes: u64,
    },
    /// A line for the log from a thread.
    Log(String),
    /// The writing thread is done with what it was given.
    JournalWritten,
    /// Bytes of the stream are read for a replica, or not.
    JournalRead {
        /// The replica.
        conn: ConnId,
        /// Which question it was.
        ticket: u64,
        /// Them, or why not.
        result: Result<Vec<u8>, String>,
    },
    /// Bytes of the stream are in a nameless file, or not.
    JournalSpilled(Result<(), String>),
    /// The append-only file is synced, or not.
    JournalSynced {
        /// Which sync it was.
        ticket: u64,
        /// Why not.
        result: Result<(), String>,
    },
    /// The next incremental file is there, or not.
    JournalPrepared(Result<(), String>),
    /// A base file is written, or not.
    BaseWritten {
        /// Its name.
        name: String,
        /// Its size in bytes.
        result: Result<u64, String>,
    },
    /// The manifest is replaced, or not.
    FilesPublished(Result<(), String>),
    /// The loading thread has caught up: more of the master's bytes may be read.
    LoadHasRoom,
    /// A string is copied.
    StringCopied(CopiedString),
    /// A string could not be copied for this reason.
    StringNotCopied(String),
    /// A value is laid out or a payload is read, or not.
    PayloadDone(PayloadResult),
    /// A data set is sent to a replica, or not.
    Sent {
        /// The replica.
        conn: ConnId,
        /// Why not.
        result: Result<(), String>,
    },
    /// Bytes of a data set left for a replica.
    Sending(ConnId),
    /// The master's name is resolved, or not.
    Resolved {
        /// Which attempt to connect it is for.
        attempt: u64,
        /// Its address.
        address: Result<SocketAddr, String>,
    },
}

/// Runs a job on a thread of its own. A machine that can't start a thread is out of something that everything
/// else needs too.
pub fn beside(name: &str, job: impl FnOnce() + Send + 'static) {
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(job);
    drop(started.expect("the system starts a thread"));
}

/// Runs a job on a thread of its own. If the system starts none, this is reported in its stead.
pub fn beside_or_report(
    name: &str,
    reporter: &Reporter,
    job: impl FnOnce() + Send + 'static,
    failed: impl FnOnce(String) -> Report,
) {
    if let Err(reason) = try_beside(name, job) {
        reporter.send(failed(reason));
    }
}

/// Runs a job on a thread of its own, if the system starts one.
fn try_beside(name: &str, job: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(job);
    started.map(drop).map_err(|error| format!("no thread could be started: {error}"))
}

thread_local! {
    /// Until when the calling thread does not give its core up again.
    static WORKS_UNTIL: Cell<Time> = const { Cell::new(Time(0)) };
}

/// Called by threads with much to do, after each piece of it: where they share a core with the executor, that one need not
/// wait for the end of their time slice to go on. On a core of its own a thread goes on at once.
///
/// Who has as much to do as the thread keeps the core for a whole time slice whenever it is given up. So the thread does that
/// only when it has worked for as long as it was away the last time: it gets its half of the core at least.
fn let_others_run() {
    let before = clock::now();
    if before >= WORKS_UNTIL.get() {
        std::thread::yield_now();
        let after = clock::now();
        WORKS_UNTIL.set(after + after.since(before));
    }
}

/// Copies a string beside the executor.
pub fn copy_beside(wanted: StringCopy, reporter: &Reporter) {
    let sender = reporter.clone();
    let copy = move || {
        let copied = wanted.make(let_others_run);
        memory::publish_balance();
        sender.send(Report::StringCopied(copied));
    };
    beside_or_report("copy", reporter, copy, Report::StringNotCopied);
}

/// Lays a value out, or reads a payload, beside the executor.
pub fn payload_beside(job: PayloadJob, reporter: &Reporter) {
    let sender = reporter.clone();
    let failed = job.failed();
    let run = move || {
        let result = job.run(|| {
            // Piece by piece, so that the regular figures do not hold most of it already when all of it is told.
            memory::publish_balance();
            let_others_run();
        });
        memory::publish_balance();
        sender.send(Report::PayloadDone(result));
    };
    beside_or_report("payload", reporter, run, |reason| Report::PayloadDone(failed(reason)));
}

/// The thread that frees what is large.
pub fn start_free_thread() -> io::Result<Sender<Discarded>> {
    let (sender, receiver) = channel::<Discarded>();
    std::thread::Builder::new().name("free".to_owned()).spawn(move || {
        for discarded in receiver {
            let is_table = discarded.is_table();
            discarded.free(let_others_run, memory::publish_balance);
            if is_table {
                memory::purge_if_much();
            }
        }
    })?;
    Ok(sender)
}

/// How a thread tells the loop something, and wakes it.
#[derive(Clone)]
pub struct Reporter {
    sender: Sender<Report>,
    waker: Arc<Waker>,
}

impl Reporter {
    /// Through this channel, waking with this.
    pub fn new(sender: Sender<Report>, waker: Arc<Waker>) -> Reporter {
        Reporter { sender, waker }
    }

    /// Tells the loop.
    pub fn send(&self, what: Report) {
        // If the loop is gone the program is ending.
        if self.sender.send(what).is_ok() {
            drop(self.waker.wake());
        }
    }
}
