//! Why a replica was cut: for the log, INFO and the doctor.

use std::fmt;

use base::{Time, UnixMs};

/// Why a replica was cut.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum CutReason {
    /// What only it still needed in memory was more than client-output-buffer-limit allows.
    OutputLimit {
        /// Bytes in memory.
        held: u64,
        /// The limit in bytes.
        limit: u64,
        /// It was above the limit for longer than so many seconds; None: the limit is a hard one.
        seconds: Option<u64>,
    },
    /// What it lacks was let go of.
    NoLongerOnDisk {
        /// Bytes of the stream that it lacks.
        behind: u64,
        /// Why it was let go of.
        why: Loss,
    },
    /// The file could not be read.
    ReadFailed(String),
}

/// Why files that were kept for replicas are gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Loss {
    /// They were more than allowed.
    Budget {
        /// repl-backlog-disk-size in bytes.
        bytes: u64,
    },
    /// The disk failed, or took too little.
    DiskTrouble,
    /// The append-only file was begun anew, or ended; or replicas are not served from disk any more.
    BegunAnew,
}

/// A replica that was cut.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    /// Its address.
    pub replica: String,
    /// Why.
    pub reason: CutReason,
    /// When, for durations.
    pub at: Time,
    /// When, by the wall clock.
    pub unix: UnixMs,
}

impl CutReason {
    /// The setting that decided.
    pub fn setting(&self) -> &'static str {
        match self {
            CutReason::OutputLimit { .. } => "client-output-buffer-limit",
            CutReason::NoLongerOnDisk { .. } => "repl-backlog-disk-size",
            CutReason::ReadFailed(_) => "none",
        }
    }

    /// What would have avoided it.
    pub fn advice(&self) -> &'static str {
        match self {
            CutReason::OutputLimit { .. } => {
                "A larger client-output-buffer-limit avoids that; with a repl-backlog-disk-size above 0 replicas that \
                 fall behind are served from disk instead."
            }
            CutReason::NoLongerOnDisk { why: Loss::Budget { .. }, .. } => {
                "A larger repl-backlog-disk-size avoids that."
            }
            CutReason::NoLongerOnDisk { why: Loss::DiskTrouble, .. } | CutReason::ReadFailed(_) => {
                "The log says what is wrong with the disk."
            }
            CutReason::NoLongerOnDisk { why: Loss::BegunAnew, .. } => {
                "Switching appendonly or repl-backlog-disk-size while every replica is close avoids that."
            }
        }
    }
}

impl fmt::Display for CutReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CutReason::OutputLimit { held, limit, seconds: None } => {
                write!(f, "{held} bytes of the stream were in memory for it alone, and the hard limit is {limit}")
            }
            CutReason::OutputLimit { held, limit, seconds: Some(seconds) } => write!(
                f,
                "{held} bytes of the stream were in memory for it alone, for longer than {seconds} seconds, and the soft \
                 limit is {limit}"
            ),
            CutReason::NoLongerOnDisk { behind, why } => {
                write!(f, "it was {behind} bytes behind, and what it lacked is no longer on disk: ")?;
                match why {
                    Loss::Budget { bytes } => write!(f, "{bytes} bytes are kept"),
                    Loss::DiskTrouble => f.write_str("the disk failed"),
                    Loss::BegunAnew => f.write_str("the files were begun anew, or are no longer used"),
                }
            }
            CutReason::ReadFailed(reason) => write!(f, "the file with what it lacked could not be read: {reason}"),
        }
    }
}
