//! What the node asks of the program it runs in: the few things that need an answer at once. Everything
//! that takes time goes through [`crate::Output`] instead. The simulation has a host of its own.

use std::io::{self, IoSlice};
use std::time::Duration;

use base::{Time, UnixMs};
use keyspace::Snapshot;

/// How important a log line is: the four levels of loglevel, and what is always shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LogLevel {
    /// `.`
    Debug,
    /// `-`
    Verbose,
    /// `*`
    Notice,
    /// `#`
    Warning,
}

/// What the allocator and the system say about memory, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryFigures {
    /// What the program holds.
    pub used: u64,
    /// Given out by the allocator: that, and what its threads keep for next time.
    pub allocated: u64,
    /// In the pages that hold what was given out.
    pub active: u64,
    /// Physically held by the allocator.
    pub resident: u64,
    /// Physically held by the process.
    pub rss: u64,
    /// The machine's memory.
    pub system: u64,
}

/// Processor time used, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuFigures {
    /// In the kernel, all threads.
    pub system: u64,
    /// In the program, all threads.
    pub user: u64,
    /// In the kernel, the executor thread.
    pub system_main: u64,
    /// In the program, the executor thread.
    pub user_main: u64,
}

/// What INFO server tells about the program and its machine.
#[derive(Clone, Debug, Default)]
pub struct ProcessFacts {
    /// Process id.
    pub pid: u32,
    /// Path of the program.
    pub executable: String,
    /// Path of the configuration file, empty without one.
    pub config_file: String,
    /// Name, release and machine of the operating system.
    pub os: String,
    /// The port in use, 0 if none.
    pub tcp_port: u16,
    /// What tells it of sockets that are ready.
    pub multiplexing: &'static str,
    /// Who restarts the program: `no`, `systemd`, `upstart`.
    pub supervised: String,
    /// What is listened on, as `name=tcp,bind=…,port=…`.
    pub listeners: Vec<String>,
}

/// The program around the node.
pub trait Host {
    /// The monotonic clock: only for durations, where one loop turn is too coarse.
    fn now(&self) -> Time;
    /// The wall clock, with microseconds: only for TIME.
    fn unix_micros(&self) -> i64;
    /// Writes a log line.
    fn log(&self, level: LogLevel, text: &str);
    /// The server is a replica now, or a master: log lines say so.
    fn role_changed(&self, is_replica: bool);
    /// Tells the supervisor that started the program how it is doing: lines of `NAME=value`, as systemd reads them. Nobody
    /// need listen.
    fn notify_supervisor(&self, _lines: &str) {}
    /// Memory figures.
    fn memory(&self) -> MemoryFigures;
    /// What the program holds at this very moment, in bytes: asked before each command where there is a limit, so it must
    /// be quick. A host that shares its allocator with others tells what this data set would need.
    fn memory_used(&self, keyspace: &keyspace::Keyspace) -> u64;
    /// The allocator's own report: MEMORY MALLOC-STATS.
    fn allocator_report(&self) -> String {
        "Stats not supported for the current allocator".to_owned()
    }
    /// Gives memory that is free back to the system, where the allocator can: MEMORY PURGE. Says why not.
    fn purge_memory(&self) -> Result<(), String> {
        Ok(())
    }
    /// Processor time.
    fn cpu(&self) -> CpuFigures;
    /// Facts about the program.
    fn process(&self) -> ProcessFacts;
    /// Twenty fresh random bytes, for replication ids.
    fn entropy(&self) -> [u8; 20];
    /// Reads the configuration file that the program was started with; None if it is gone.
    fn read_config_file(&self) -> Result<Option<Vec<u8>>, String>;
    /// Replaces the configuration file in one step.
    fn write_config_file(&self, text: &[u8]) -> Result<(), String>;
    /// The directory that relative paths begin in: its absolute path, where there is one.
    fn working_directory(&self) -> Option<Vec<u8>> {
        None
    }
    /// Puts a changed setting into effect outside the node: ports, addresses, log file. Says why not.
    fn apply_setting(&mut self, config: &config::Config, name: &'static str) -> Result<(), String>;
    /// Writes a snapshot to the file that SAVE names, before it returns.
    fn save_now(&mut self, job: SaveJob) -> Result<u64, String>;
    /// Loads the file that SAVE names into an empty keyspace, before it returns: DEBUG RELOAD.
    fn load_now(&mut self, empty: keyspace::Keyspace, now: UnixMs) -> Result<keyspace::Keyspace, String>;
    /// Appends to the incremental file in use: how many bytes it took.
    fn append_journal(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Removes that many bytes from the end of the file in use, which a write that failed left there.
    fn retract_journal(&mut self, _bytes: u64) -> Result<(), String> {
        Err("files are not cut here".to_owned())
    }
    /// Makes the file that was prepared last the one in use, and begins it with this header.
    fn switch_journal(&mut self, header: &[u8]) -> Result<(), String>;
    /// Waits for the thread that writes to the file in use: how many bytes it took, and whether that was all.
    fn await_journal_write(&mut self) -> (u64, Result<(), String>);
    /// Syncs the file in use before it returns.
    fn sync_journal(&mut self) -> Result<(), String>;
    /// Notes beside the append-only files that a command stands at this offset of the stream, or is about to, which this
    /// server does not know: it came from the master.
    fn note_unknown_command(&mut self, offset: u64) -> Result<(), String>;
    /// Keeps the executor busy for that long: DEBUG SLEEP.
    fn sleep(&self, span: Duration);
}

/// What a data set is written with, to a file or to replicas.
pub struct SaveJob {
    /// The data set.
    pub snapshot: Snapshot,
    /// What the file says of itself besides.
    pub facts: SnapshotFacts,
}

/// What stands beside the keys of a snapshot: everything a restart or a replica needs to go on from it.
#[derive(Clone, Debug)]
pub struct SnapshotFacts {
    /// The history it belongs to, if there is a replication stream.
    pub history: Option<StreamPosition>,
    /// When it was taken.
    pub taken_at: UnixMs,
    /// Memory used at that moment, in bytes.
    pub used_memory: u64,
    /// Reads what the policy of eviction wants to be kept of the use of keys; None: it wants nothing.
    pub usage: Option<keyspace::UsageClock>,
    /// Whether values are compressed.
    pub compress: bool,
    /// Whether a checksum ends the file.
    pub checksum: bool,
    /// Whether every encoding is to come back from the file, though older servers can't read it then.
    pub keep_encodings: bool,
}

/// Where in which history a snapshot stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamPosition {
    /// The history.
    pub replid: base::ReplId,
    /// Bytes of the stream before it.
    pub offset: u64,
    /// The database that the stream has selected at that point; None: none yet.
    pub stream_db: Option<usize>,
}
