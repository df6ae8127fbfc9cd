//! SAVE, BGSAVE, save points, and loading at the start.

use std::time::Duration;

use base::{Time, UnixMs};
use commands::{Categories, Error, Flags, Meta, Outcome, Row, is};
use keyspace::{Keyspace, Snapshot};
use resp::Args;

use crate::aof::LoadedFiles;
use crate::client::ConnId;
use crate::host::{LogLevel, SaveJob, SnapshotFacts, StreamPosition};
use crate::node::Node;
use crate::output::Output;
use crate::replication::Incoming;
use crate::table::{ServerFn, ServerRow};

/// How long automatic saves pause after one that failed, in seconds.
const RETRY_SECONDS: i64 = 5;

/// What there is to know about files.
pub struct Persistence {
    /// Changes since the last save.
    pub dirty: u64,
    /// When the data set was last saved, or the server started.
    pub last_save: UnixMs,
    /// When a save was last tried.
    pub last_try: UnixMs,
    /// The last one failed.
    pub last_save_failed: bool,
    /// How long the last one took, in seconds; -1: none yet.
    pub last_save_seconds: i64,
    /// How many were made.
    pub saves: u64,
    /// The save that runs beside the executor.
    pub saving: Option<Saving>,
    /// BGSAVE inside a transaction asked for one behind it.
    pub scheduled: bool,
    /// The load at the start, while it runs.
    pub loading: Option<Loading>,
    /// The master's data set, while it comes in.
    pub(crate) incoming: Option<Incoming>,
    /// What the last load found: keys loaded, keys dropped because their time had passed.
    pub last_load: (u64, u64),
    /// How long the executor stood still for the last snapshot, be it for a file or for replicas.
    pub snapshot_pause: Duration,
    /// The most bytes that were kept for the present snapshots only, or if there are none for the last.
    pub retired_peak: usize,
    /// The database that the stream has selected, as the data set being received from the master says.
    pub transfer_stream_db: Option<usize>,
}

/// A save beside the executor.
#[derive(Clone, Copy, Debug)]
pub struct Saving {
    /// When it began.
    pub started: UnixMs,
    /// The changes that it does not miss.
    pub dirty: u64,
}

/// How far a load is.
#[derive(Clone, Copy, Debug)]
pub struct Loading {
    /// When it began.
    pub started: UnixMs,
    /// The file's size in bytes.
    pub total: u64,
    /// How much of it is read.
    pub read: u64,
    /// How much memory the server used that wrote it, in bytes: 0 as long as the file did not say so.
    pub used_memory: u64,
}

/// What a finished load hands over.
pub struct Loaded {
    /// The data set.
    pub keyspace: Keyspace,
    /// Where in which history it stands, if the file says so.
    pub position: Option<StreamPosition>,
    /// Keys that came.
    pub keys: u64,
    /// Keys that were dropped because their time had passed: database and name.
    pub expired: Vec<(usize, Vec<u8>)>,
    /// The append-only files that it came from, if it did.
    pub files: Option<LoadedFiles>,
}

impl Persistence {
    /// Nothing saved yet.
    pub fn new(now: UnixMs) -> Persistence {
        Persistence {
            dirty: 0,
            last_save: now,
            last_try: UnixMs(0),
            last_save_failed: false,
            last_save_seconds: -1,
            saves: 0,
            saving: None,
            scheduled: false,
            loading: None,
            incoming: None,
            last_load: (0, 0),
            snapshot_pause: Duration::ZERO,
            retired_peak: 0,
            transfer_stream_db: None,
        }
    }
}

/// The commands of this group.
pub const ROWS: &[ServerRow] = &[SAVE, BGSAVE, LASTSAVE];

/// Saves, and answers when it is done.
const SAVE: ServerRow = Row {
    name: "save",
    meta: Meta::new(
        "server",
        "1.0.0",
        1,
        Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::NO_ASYNC_LOADING).with(Flags::NO_MULTI),
    )
    .about("Saves the data set to its file before it answers.", "O(N) in the number of keys."),
    run: save as ServerFn,
    subcommands: &[],
};

fn save(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    if node.persistence.saving.is_some() {
        return Err(Error::text("ERR Background save already in progress"));
    }
    if !node.save_now() {
        // The cause is in the log, as with the peers; clients get no paths.
        return Err(Error::text("ERR"));
    }
    node.reply(conn).simple("OK");
    Ok(())
}

/// Saves beside the executor.
const BGSAVE: ServerRow = Row {
    name: "bgsave",
    meta: Meta::new("server", "1.0.0", -1, Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::NO_ASYNC_LOADING))
        .about("Saves the data set to its file in the background.", "O(1)")
        .usage("[SCHEDULE^3.2.2]"),
    run: bgsave as ServerFn,
    subcommands: &[],
};

fn bgsave(node: &mut Node, conn: ConnId, args: &Args<'_>) -> Outcome {
    let known = args.len() == 1 || (args.len() == 2 && is(&args[1], "SCHEDULE"));
    if !known {
        return Err(Error::Syntax);
    }
    if node.persistence.saving.is_some() {
        return Err(Error::text("ERR Background save already in progress"));
    }
    if node.running_inside_exec() {
        // What the transaction has done is not in the stream yet: a snapshot now would have half of it.
        node.persistence.scheduled = true;
        node.reply(conn).simple("Background saving scheduled");
        return Ok(());
    }
    node.start_save();
    node.reply(conn).simple("Background saving started");
    Ok(())
}

/// When the data set was last saved.
const LASTSAVE: ServerRow = Row {
    name: "lastsave",
    meta: Meta::new("server", "1.0.0", 1, Flags::FAST.with(Flags::LOADING).with(Flags::STALE))
        .about("Tells when the data set was last saved, in Unix seconds.", "O(1)")
        .acl(Categories::ADMIN.with(Categories::DANGEROUS))
        .tips(&["nondeterministic_output"]),
    run: lastsave as ServerFn,
    subcommands: &[],
};

fn lastsave(node: &mut Node, conn: ConnId, _args: &Args<'_>) -> Outcome {
    let seconds = node.persistence.last_save.seconds();
    node.reply(conn).int(seconds);
    Ok(())
}

impl Node {
    /// What stands beside the keys in a file or a synchronisation.
    pub(crate) fn snapshot_facts(&self) -> SnapshotFacts {
        let replication = &self.replication;
        let stream_db = if replication.is_replica() { Some(replication.apply.db) } else { replication.selected_db };
        let history = replication.active.then(|| StreamPosition {
            replid: replication.history.replid(),
            offset: replication.offset(),
            stream_db,
        });
        SnapshotFacts {
            history,
            taken_at: self.unix,
            // Asking the allocator would double the pause.
            used_memory: self.stats.memory_used,
            usage: self.config.maxmemory_policy.looks_at_use().then_some(self.keyspace.clock),
            compress: self.config.rdbcompression,
            checksum: self.config.rdbchecksum,
            keep_encodings: false,
        }
    }

    pub(crate) fn save_job(&mut self) -> SaveJob {
        let began = self.host.now();
        let facts = self.snapshot_facts();
        SaveJob { snapshot: self.take_snapshot(began), facts }
    }

    /// Takes a snapshot, for which the executor has stood still since `began`.
    pub(crate) fn take_snapshot(&mut self, began: Time) -> Snapshot {
        if self.keyspace.snapshots_live() == 0 {
            self.persistence.retired_peak = 0;
        }
        let snapshot = self.keyspace.snapshot();
        self.persistence.snapshot_pause = self.host.now().since(began);
        snapshot
    }

    /// Notes how much is kept for snapshots; called about ten times a second.
    pub(crate) fn sample_retired(&mut self) {
        let retired = self.keyspace.retired_bytes();
        self.persistence.retired_peak = self.persistence.retired_peak.max(retired);
    }

    /// Saves before it returns: false if it failed; the reason is in the log.
    pub(crate) fn save_now(&mut self) -> bool {
        self.save_at_once(false)
    }

    /// As [`Node::save_now`], for DEBUG RELOAD: every encoding comes back.
    pub(crate) fn save_for_reload(&mut self) -> bool {
        self.save_at_once(true)
    }

    fn save_at_once(&mut self, keep_encodings: bool) -> bool {
        if self.data_is_incomplete() {
            self.log(LogLevel::Warning, "Not saving while the data set is loaded.");
            return false;
        }
        let started = self.host.now();
        let mut job = self.save_job();
        job.facts.keep_encodings = keep_encodings;
        // A save beside the executor is older than this one, and no failure if it does not get its place.
        self.persistence.saving = None;
        let result = self.host.save_now(job);
        let seconds = self.host.now().seconds_since(started) as i64;
        let dirty = self.persistence.dirty;
        // Whoever asked hears of a failure; writes are refused only when saves beside the executor fail, as with the peers.
        let failed_before = self.persistence.last_save_failed;
        let saved = self.save_ended(result, seconds, dirty);
        self.persistence.last_save_failed &= failed_before;
        saved
    }

    /// Begins a save beside the executor.
    pub(crate) fn start_save(&mut self) {
        self.persistence.scheduled = false;
        self.persistence.last_try = self.unix;
        self.persistence.saving = Some(Saving { started: self.unix, dirty: self.persistence.dirty });
        self.log(LogLevel::Notice, "Background saving started");
        let job = self.save_job();
        self.outputs.push_back(Output::StartSave(job));
    }

    /// A save beside the executor ended: the file's size in bytes, or why not.
    pub fn save_done(&mut self, result: Result<u64, String>) {
        let Some(saving) = self.persistence.saving.take() else { return };
        let seconds = (self.unix - saving.started) / 1000;
        self.save_ended(result, seconds, saving.dirty);
    }

    /// Takes the outcome of a save down: true if it succeeded.
    fn save_ended(&mut self, result: Result<u64, String>, seconds: i64, dirty: u64) -> bool {
        let persistence = &mut self.persistence;
        persistence.last_save_seconds = seconds;
        persistence.last_save_failed = result.is_err();
        match result {
            Ok(bytes) => {
                persistence.dirty -= dirty.min(persistence.dirty);
                persistence.last_save = self.unix;
                persistence.saves += 1;
                self.log(LogLevel::Notice, &format!("DB saved on disk ({bytes} bytes)"));
                true
            }
            Err(reason) => {
                self.log(LogLevel::Warning, &format!("Error saving DB on disk: {reason}"));
                self.give_room_back(&reason);
                false
            }
        }
    }

    /// Begins an automatic save when a save point is reached. Called by the timer.
    pub(crate) fn check_save_points(&mut self) {
        let persistence = &self.persistence;
        if persistence.saving.is_some() || self.data_is_incomplete() {
            return;
        }
        if persistence.scheduled {
            return self.start_save();
        }
        let retry_due = !persistence.last_save_failed || (self.unix - persistence.last_try) / 1000 >= RETRY_SECONDS;
        let age = (self.unix - persistence.last_save) / 1000;
        let reached =
            self.config.save.iter().find(|point| persistence.dirty >= point.changes && age >= point.seconds as i64);
        if let Some(point) = reached
            && retry_due
        {
            let line = format!("{} changes in {} seconds. Saving...", point.changes, point.seconds);
            self.log(LogLevel::Notice, &line);
            self.start_save();
        }
    }

    /// The load at the start begins: until it ends, commands about data are refused. The program reads the file.
    pub fn start_loading(&mut self, total: u64) -> Box<Keyspace> {
        self.persistence.loading = Some(Loading { started: self.unix, total, read: 0, used_memory: 0 });
        self.host.notify_supervisor("STATUS=Lockstep is loading...\n");
        Box::new(self.keyspace.fresh(self.keyspace.seed()))
    }

    /// The load has read so many bytes.
    pub fn loading_progress(&mut self, read: u64) {
        let Persistence { loading, incoming, .. } = &mut self.persistence;
        if let Some(progress) = loading.as_mut().or(incoming.as_mut().map(|incoming| &mut incoming.progress)) {
            progress.read = read;
        }
    }

    /// The load has met how much memory the server used that wrote the file.
    pub fn loading_used_memory(&mut self, bytes: u64) {
        if let Some(loading) = &mut self.persistence.loading {
            loading.used_memory = bytes;
        }
    }

    /// A load ended: the one at the start, or that of the master's data set.
    pub fn load_done(&mut self, result: Result<Loaded, String>) {
        if self.persistence.loading.take().is_none() {
            let stream_db =
                result.as_ref().ok().and_then(|loaded| loaded.position).and_then(|position| position.stream_db);
            self.persistence.transfer_stream_db = stream_db;
            self.transfer_loaded(result.map(|loaded| loaded.keyspace));
            return;
        }
        match result {
            Ok(loaded) => self.loaded_at_start(loaded),
            Err(reason) => {
                self.log(
                    LogLevel::Warning,
                    &format!("Fatal error loading the DB, check server logs. Exiting. {reason}"),
                );
                self.outputs.push_back(Output::Exit { code: 1 });
            }
        }
    }

    fn loaded_at_start(&mut self, loaded: Loaded) {
        self.persistence.last_load = (loaded.keys, loaded.expired.len() as u64);
        self.log(
            LogLevel::Notice,
            &format!("DB loaded from disk: {} keys, {} expired", loaded.keys, loaded.expired.len()),
        );
        let empty = self.keyspace.replace_data(loaded.keyspace);
        drop(empty);
        let (older, tail) = loaded.files.as_ref().map_or((&[][..], &[][..]), |files| (&files.older, &files.tail));
        if loaded.files.as_ref().is_some_and(|files| files.foreign) {
            let offset = loaded.position.map_or(self.replication.offset(), |position| position.offset);
            self.begin_history_at(offset);
        } else if let Some(position) = loaded.position {
            self.resume_history(position, older, tail);
            self.delete_on_replicas(&loaded.expired);
        }
        match loaded.files {
            Some(files) if self.config.appendonly => self.resume_aof(files),
            _ if self.config.appendonly => self.begin_aof(true),
            _ => {}
        }
        self.enter_service();
    }

    /// There is nothing to load.
    pub fn start_empty(&mut self) {
        if self.config.appendonly {
            self.begin_aof(true);
        }
        self.enter_service();
    }

    /// The data set is there: the server follows its master if it has one, and says that it is ready. What files say came
    /// from a master is guarded as before the restart.
    fn enter_service(&mut self) {
        let replicaof = self.config.replicaof.clone();
        let status = match replicaof {
            None => "Ready to accept connections",
            Some(_) => "Ready to accept connections in read-only mode. Waiting for MASTER <-> REPLICA sync",
        };
        if let Some((host, port)) = replicaof {
            self.follow(host, port);
            if self.replication.active && !self.keyspace.is_empty() {
                self.replication.guard.arm();
            }
        }
        self.log(LogLevel::Notice, "Ready to accept connections");
        self.host.notify_supervisor(&format!("STATUS={status}\n"));
        self.host.notify_supervisor("READY=1\n");
    }

    /// Goes on in the history that the file names. A replica keeps its id and asks to go on from there; a master
    /// takes a fresh one, and lets replicas of the old one go on up to here.
    fn resume_history(&mut self, position: StreamPosition, older: &[(base::ReplId, u64)], tail: &[u8]) {
        let as_replica = self.config.replicaof.is_some();
        let fresh = base::ReplId::from_entropy(self.host.entropy());
        self.drop_archive(crate::replication::Loss::BegunAnew);
        let replication = &mut self.replication;
        replication.journal.restart(journal::Offset(position.offset - tail.len() as u64));
        replication.journal.append(tail);
        replication.history = if as_replica {
            replication::History::restored_as_replica(position.replid, position.offset, older)
        } else {
            replication::History::restored_as_master(fresh, position.replid, position.offset, older)
        };
        // A replica takes it over when it begins to follow; a master names the database of its first write anew.
        replication.selected_db = if as_replica { position.stream_db } else { None };
        self.activate_stream();
    }

    /// The stream stands at an offset, but under no id that anybody knows.
    fn begin_history_at(&mut self, offset: u64) {
        self.drop_archive(crate::replication::Loss::BegunAnew);
        let fresh = base::ReplId::from_entropy(self.host.entropy());
        self.replication.journal.restart(journal::Offset(offset));
        self.replication.history = replication::History::new(fresh);
        self.activate_stream();
    }

    /// Replicas that go on from the file's position still have the keys that it was too late for.
    fn delete_on_replicas(&mut self, expired: &[(usize, Vec<u8>)]) {
        if self.config.replicaof.is_some() {
            return;
        }
        self.effects.journal_wanted = true;
        for (db, key) in expired {
            self.effects.push(*db, [&b"DEL"[..], key].into_iter());
        }
        self.commit_unwrapped();
    }
}
