//! Builds a data set beside the executor: from the file at the start, or from the bytes that a master sends.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use base::UnixMs;
use config::Config;
use keyspace::Keyspace;
use node::{Loaded, StreamPosition};
use persist::rdb::{Crc64, LoadOptions, LoadReport, LoadWatch};

use super::two_threads::load_into;
use super::{Report, Reporter, beside_or_report, let_others_run};
use crate::files::path_of;
use crate::{clock, files, memory, reason};

/// For so many keys room is made if a master says that they come: about 190 MiB.
const KEYS_BELIEVED_MAX: u64 = 1 << 24;

/// How many bytes may wait for the loading thread before the master's socket is left alone.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Loads the file of the data set at the start.
pub fn load_file(path: PathBuf, mut keyspace: Box<Keyspace>, config: &Config, reporter: Reporter) {
    let options = options(config, config.replicaof.is_none());
    let sender = reporter.clone();
    let load = move || {
        let mut watch = Watch { reporter: Some(sender.clone()), expired: Vec::new() };
        let result = File::open(&path).map_err(|error| error.to_string()).and_then(|file| {
            let options = LoadOptions { keys_max: keys_in(&file), ..options };
            load_into(&mut keyspace, file, &options, &mut watch).map_err(|error| error.to_string())
        });
        let result = result
            .map(|report| loaded(*keyspace, &report, watch.expired))
            .map_err(|reason| format!("{}: {reason}. The file is left as it is.", path.display()));
        sender.send(Report::Loaded { attempt: 0, result });
    };
    beside_or_report("load", &reporter, load, |reason| Report::Loaded { attempt: 0, result: Err(reason) });
}

/// Loads the file of the data set before it returns: DEBUG RELOAD.
pub fn load_now(mut keyspace: Keyspace, config: &Config, now: UnixMs) -> Result<Keyspace, String> {
    let path = path_of(&config.dbfilename);
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let options = options(config, config.replicaof.is_none());
    let options = LoadOptions { now, keys_max: keys_in(&file), ..options };
    load_into(&mut keyspace, file, &options, &mut ()).map_err(|error| error.to_string())?;
    Ok(keyspace)
}

fn keys_in(file: &File) -> u64 {
    LoadOptions::keys_in(file.metadata().map_or(0, |found| found.len()))
}

fn options(config: &Config, drop_expired: bool) -> LoadOptions {
    LoadOptions { now: clock::unix_ms(), drop_expired, verify_checksum: config.rdbchecksum, ..LoadOptions::default() }
}

fn loaded(keyspace: Keyspace, report: &LoadReport, expired: Vec<(usize, Vec<u8>)>) -> Box<Loaded> {
    Box::new(Loaded { keyspace, position: StreamPosition::of(report), keys: report.keys_loaded, expired, files: None })
}

/// Passes on how far a load is, and remembers which keys it dropped.
struct Watch {
    reporter: Option<Reporter>,
    expired: Vec<(usize, Vec<u8>)>,
}

impl LoadWatch for Watch {
    fn progress(&mut self, bytes: u64, _keys: u64) {
        if let Some(reporter) = &self.reporter {
            reporter.send(Report::LoadProgress(bytes));
        }
    }

    fn used_memory(&mut self, bytes: u64) {
        if let Some(reporter) = &self.reporter {
            reporter.send(Report::LoadUsedMemory(bytes));
        }
    }

    fn expired(&mut self, db: usize, key: &[u8]) {
        self.expired.push((db, key.to_vec()));
    }
}

/// Up to this size a data set is built beside the old one, whatever the settings say: it needs little memory, and nothing
/// is given up before it is seen what is in it.
const SMALL_BYTES_MAX: u64 = 1024 * 1024;

/// The load of a master's data set, fed piece by piece. Dropped, it ends without a result.
pub struct LoadJob {
    pieces: Option<Sender<Vec<u8>>>,
    /// Takes the old data set when the new one is in a file.
    old: Option<Sender<Box<Keyspace>>>,
    waiting: Arc<Waiting>,
    attempt: u64,
}

/// What is on its way to the loading thread.
#[derive(Default)]
struct Waiting {
    bytes: AtomicUsize,
    /// All pieces were given: the end is no surprise.
    complete: AtomicBool,
}

impl LoadJob {
    /// Begins to build a data set in this empty keyspace: from the pieces as they come, or `staged`: from a file of them,
    /// once the old data set is given to be freed.
    pub fn start(keyspace: Box<Keyspace>, config: &Config, staged: bool, reporter: Reporter) -> LoadJob {
        static ATTEMPTS: AtomicU64 = AtomicU64::new(1);
        let attempt = ATTEMPTS.fetch_add(1, Ordering::Relaxed);
        let (pieces, receiver) = channel();
        let (old, old_receiver) = channel();
        let waiting = Arc::new(Waiting::default());
        // A replica keeps keys that are past their time until its master deletes them.
        let options = options(config, false);
        let source =
            Source { receiver, waiting: Arc::clone(&waiting), reporter: reporter.clone(), piece: Vec::new(), at: 0 };
        let sender = reporter.clone();
        let build = move || {
            let result = if staged {
                let staging = Staging { attempt, source, old: old_receiver, reporter: sender.clone() };
                staging.build(keyspace, &options)
            } else {
                build_from_socket(keyspace, source, &options)
            };
            sender.send(Report::Loaded { attempt, result });
        };
        beside_or_report("load", &reporter, build, |reason| Report::Loaded { attempt, result: Err(reason) });
        LoadJob { pieces: Some(pieces), old: Some(old), waiting, attempt }
    }

    /// Gives the old data set to be freed; then the new one is loaded from its file.
    pub fn go_on(&mut self, old: Box<Keyspace>) {
        if let Some(sender) = self.old.take() {
            drop(sender.send(old)); // A thread that has ended has reported why.
        }
    }

    /// Which load this is: reports of others are old.
    pub fn attempt(&self) -> u64 {
        self.attempt
    }

    /// Gives the next bytes.
    pub fn push(&self, bytes: Vec<u8>) {
        if let Some(pieces) = &self.pieces {
            self.waiting.bytes.fetch_add(bytes.len(), Ordering::Relaxed);
            drop(pieces.send(bytes)); // A thread that has ended has reported why.
        }
    }

    /// Whether no more should be given for now.
    pub fn is_full(&self) -> bool {
        self.waiting.bytes.load(Ordering::Relaxed) >= WAITING_BYTES_MAX
    }

    /// All bytes were given.
    pub fn end(&mut self) {
        self.waiting.complete.store(true, Ordering::Relaxed);
        self.pieces = None;
    }
}

fn build_from_socket(
    mut keyspace: Box<Keyspace>,
    mut source: Source,
    options: &LoadOptions,
) -> Result<Box<Loaded>, String> {
    memory::purge_if_much();
    let mut watch = Watch { reporter: None, expired: Vec::new() };
    // How much will come nobody knows; room that is not needed is given back.
    let options = LoadOptions { keys_max: KEYS_BELIEVED_MAX, ..*options };
    let report = load_into(&mut keyspace, &mut source, &options, &mut watch).map_err(|error| error.to_string())?;
    source.read_end()?;
    Ok(loaded(*keyspace, &report, watch.expired))
}

/// A data set that goes through a file.
struct Staging {
    attempt: u64,
    source: Source,
    old: Receiver<Box<Keyspace>>,
    reporter: Reporter,
}

impl Staging {
    fn build(mut self, mut keyspace: Box<Keyspace>, options: &LoadOptions) -> Result<Box<Loaded>, String> {
        let failed = |error: io::Error| format!("the file for the data set: {}", reason(&error));
        let mut file = files::unnamed(Path::new(".")).map_err(failed)?;
        let bytes = self.receive(&mut file, options.verify_checksum)?;
        let mut watch = Watch { reporter: None, expired: Vec::new() };
        if bytes > SMALL_BYTES_MAX {
            self.reporter.send(Report::LoadStaged { attempt: self.attempt, bytes });
            let old = self.old.recv().map_err(|_| "the transfer was given up")?;
            old.drop_in_pieces(&mut let_others_run);
            // What another thread's arenas keep of it this one could not use.
            if let Err(reason) = memory::purge() {
                self.reporter.send(Report::Log(format!("Freed memory could not be given back: {reason}")));
            }
            watch.reporter = Some(self.reporter.clone());
        }
        file.rewind().map_err(failed)?;
        let options = LoadOptions { keys_max: keys_in(&file), ..*options };
        let report = load_into(&mut keyspace, file, &options, &mut watch).map_err(|error| error.to_string())?;
        if !report.rest.is_empty() {
            return Err("there are bytes behind the end of the data set".to_owned());
        }
        Ok(loaded(*keyspace, &report, watch.expired))
    }

    /// Writes what comes into the file: how many bytes. The checksum at its end is compared, so that no data set is given up
    /// for one that was damaged on its way.
    fn receive(&mut self, file: &mut File, verify: bool) -> Result<u64, String> {
        let mut sum = Crc64::new();
        let mut tail: Vec<u8> = Vec::new();
        let mut buffer = vec![0; RECEIVE_BYTES];
        let mut bytes = 0;
        loop {
            let count = self.source.read(&mut buffer).map_err(|error| error.to_string())?;
            if count == 0 {
                break;
            }
            let piece = &buffer[..count];
            file.write_all(piece).map_err(|error| format!("the file for the data set: {}", reason(&error)))?;
            bytes += count as u64;
            tail.extend_from_slice(piece);
            let covered = tail.len().saturating_sub(CHECKSUM_BYTES);
            sum.update(&tail[..covered]);
            tail.drain(..covered);
        }
        let expected = tail.try_into().map(u64::from_le_bytes).unwrap_or(0);
        if verify && expected != 0 && expected != sum.value() {
            return Err("the checksum at the end of the data set does not fit".to_owned());
        }
        Ok(bytes)
    }
}

/// How much is written to the file at once.
const RECEIVE_BYTES: usize = 256 * 1024;

/// The checksum that ends a file; all zero if there is none.
const CHECKSUM_BYTES: usize = 8;

/// The pieces as one stream of bytes.
struct Source {
    receiver: Receiver<Vec<u8>>,
    waiting: Arc<Waiting>,
    reporter: Reporter,
    piece: Vec<u8>,
    at: usize,
}

impl Source {
    /// Waits for the end of the transfer: the data set is complete before, but the link takes no result until then.
    fn read_end(&mut self) -> Result<(), String> {
        match self.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err("there are bytes behind the end of the data set".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            let Ok(piece) = self.receiver.recv() else {
                let complete = self.waiting.complete.load(Ordering::Relaxed);
                return if complete { Ok(0) } else { Err(io::Error::other("the transfer was given up")) };
            };
            let before = self.waiting.bytes.fetch_sub(piece.len(), Ordering::Relaxed);
            if before >= WAITING_BYTES_MAX && before - piece.len() < WAITING_BYTES_MAX {
                self.reporter.send(Report::LoadHasRoom);
            }
            self.piece = piece;
            self.at = 0;
            let_others_run();
        }
        let count = buffer.len().min(self.piece.len() - self.at);
        buffer[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mio::{Poll, Token, Waker};
    use persist::rdb::{Encoder, EncoderOptions, Header};

    use super::*;

    fn begin(staged: bool) -> (LoadJob, Receiver<Report>) {
        let (sender, reports) = channel();
        let poll = Poll::new().unwrap();
        let reporter = Reporter::new(sender, Arc::new(Waker::new(poll.registry(), Token(0)).unwrap()));
        let keyspace = Keyspace::new(1, [1, 2], keyspace::Settings::default());
        (LoadJob::start(Box::new(keyspace), &Config::default(), staged, reporter), reports)
    }

    fn empty_file() -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new(), EncoderOptions::default());
        encoder.begin(&Header::default()).ok();
        encoder.finish().ok();
        let Ok(file) = encoder.into_sink();
        file
    }

    fn result(reports: &Receiver<Report>) -> Result<(), String> {
        match reports.recv_timeout(Duration::from_secs(10)).expect("a report") {
            Report::Loaded { result, .. } => result.map(drop),
            _ => panic!("another report"),
        }
    }

    // The result came before the link had seen the end of the transfer. It was dropped as one that nobody waits for, and
    // the replica stayed in its synchronisation for ever.
    #[test]
    fn a_data_set_is_reported_when_its_transfer_has_ended() {
        let (mut job, reports) = begin(false);
        job.push(empty_file());
        assert!(reports.recv_timeout(Duration::from_millis(50)).is_err(), "the end may still be on its way");
        job.end();
        assert_eq!(result(&reports), Ok(()));
    }

    #[test]
    fn bytes_behind_the_end_of_a_data_set_are_an_error() {
        let (job, reports) = begin(false);
        job.push(empty_file());
        job.push(b"x".to_vec());
        assert!(result(&reports).is_err_and(|reason| reason.contains("behind the end")));
    }
}
