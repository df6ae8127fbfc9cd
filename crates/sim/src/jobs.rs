//! What runs beside a node's loop: writing a file, sending a data set, building one. As the threads of the real server
//! do, but in slices of simulated time, so that the node goes on between them.

mod build;
mod journal;
mod save;
mod sync;
mod walk;

use std::time::Duration;

use node::{ConnId, Loaded};

pub(crate) use build::{Build, Source, load};
pub(crate) use journal::{JournalJob, SharedFiles};
pub(crate) use save::Save;
pub(crate) use sync::Sync;
pub(crate) use walk::SnapshotWalk;

use crate::env::Env;
use crate::machine::Sockets;

/// What a job tells the loop.
pub(crate) enum Report {
    /// A file is written, or not.
    Saved(Result<u64, String>),
    /// The load at the start has read so many bytes.
    LoadProgress(u64),
    /// A load ended.
    Loaded {
        /// Which one; 0 is the load at the start.
        attempt: u64,
        /// The data set, or why not.
        result: Result<Box<Loaded>, String>,
    },
    /// A data set is sent to a replica, or not.
    Sent {
        /// The replica.
        conn: ConnId,
        /// Why not.
        result: Result<(), String>,
    },
    /// Bytes of a data set left for a replica.
    Sending(ConnId),
    /// The writing thread is done with what it was given.
    JournalWritten,
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
}

/// One job.
pub(crate) enum Job {
    /// Writes the file.
    Save(Save),
    /// Sends a full synchronisation.
    Sync(Sync),
    /// Builds a data set.
    Build(Build),
    /// Does something to append-only files.
    Journal(JournalJob),
}

/// What one slice of a job came to.
pub(crate) struct Slice {
    /// What the loop is told.
    pub reports: Vec<Report>,
    /// When it goes on; None: it is done.
    pub again: Option<Duration>,
}

impl Job {
    /// Does the next slice.
    pub fn step(&mut self, env: &mut Env, sockets: &mut Sockets) -> Slice {
        match self {
            Job::Save(save) => save.step(env),
            Job::Sync(sync) => sync.step(env, sockets),
            Job::Build(build) => build.step(env),
            Job::Journal(journal) => journal.step(env),
        }
    }

    /// Its name in the trace.
    pub fn name(&self) -> &'static str {
        match self {
            Job::Save(_) => "save",
            Job::Sync(_) => "sync",
            Job::Build(_) => "load",
            Job::Journal(journal) => journal.name(),
        }
    }
}
