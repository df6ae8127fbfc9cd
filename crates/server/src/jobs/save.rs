//! Writes a snapshot to the file of the data set: beside the old one, then in its place.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use config::Config;
use node::{REDIS_VERSION, SaveJob, SnapshotFacts};
use persist::rdb::{
    Contents, EncodeError, Encoder, EncoderOptions, Header, ReplicationInfo, Sink, Target, encode_snapshot,
};

use super::{Report, Reporter, beside_or_report, let_others_run};
use crate::files::{Place, Replacement, path_of};
use crate::reason;

/// Bytes between two syncs of a file being written, so that the last one does not stall the disk.
const SYNC_EVERY_BYTES: u64 = 32 * 1024 * 1024;

/// Writes beside the executor.
pub fn save_beside(job: SaveJob, config: &Config, reporter: Reporter) {
    let (path, target, sync) = file_settings(&job, config);
    let sender = reporter.clone();
    let place = Place::take();
    let write = move || sender.send(Report::Saved(write_file(job, place, &path, target, sync, false)));
    beside_or_report("save", &reporter, write, |reason| Report::Saved(Err(reason)));
}

/// Writes before it returns: the file's size in bytes.
pub fn save(job: SaveJob, config: &Config) -> Result<u64, String> {
    let (path, target, sync) = file_settings(&job, config);
    write_file(job, Place::take(), &path, target, sync, false)
}

fn file_settings(job: &SaveJob, config: &Config) -> (PathBuf, Target, bool) {
    let path = path_of(&config.dbfilename).to_owned();
    // A change of directory while a thread writes must not move it. Without a present directory nothing can be written.
    let path = std::path::absolute(&path).unwrap_or(path);
    (path, file_target(job, config), config.rdb_save_incremental_fsync)
}

/// The version of the format that a file of this snapshot is written in.
pub(super) fn file_target(job: &SaveJob, config: &Config) -> Target {
    let minimum = crate::file_version(config);
    let minimum = if job.facts.keep_encodings { minimum.with_encodings() } else { minimum };
    Target::for_disk(Contents::of(&job.snapshot), minimum)
}

/// Writes a snapshot to a file; one that is the base of an append-only file says so.
pub(super) fn write_file(
    mut job: SaveJob,
    place: Place,
    path: &Path,
    target: Target,
    sync: bool,
    aof_base: bool,
) -> Result<u64, String> {
    let failed = |error: io::Error| format!("{}: {}", path.display(), reason(&error));
    let file = Replacement::create_at(place, path).map_err(failed)?;
    let sink = FileSink { file, sync_every: sync.then_some(SYNC_EVERY_BYTES), unsynced: 0 };
    let mut encoder = Encoder::new(sink, options(&job.facts, target));
    let header = Header { aof_base, ..header(&job.facts) };
    let written = encode_snapshot(&mut job.snapshot, &header, &mut encoder).map_err(|error| match error {
        EncodeError::Sink(error) => failed(error),
        EncodeError::Unsupported(value) => value.to_string(),
    })?;
    let sink = encoder.into_sink().map_err(failed)?;
    sink.file.finish().map_err(failed)?;
    Ok(written.bytes)
}

/// How a snapshot is encoded.
pub(super) fn options(facts: &SnapshotFacts, target: Target) -> EncoderOptions {
    EncoderOptions { target, compression: facts.compress, checksum: facts.checksum, usage: facts.usage }
}

/// What a snapshot says of itself.
pub(super) fn header(facts: &SnapshotFacts) -> Header {
    Header {
        server_version: REDIS_VERSION.to_owned(),
        created_s: facts.taken_at.seconds(),
        used_memory: facts.used_memory,
        replication: facts.history.map(|position| ReplicationInfo {
            // Peers forget the whole position where no database is selected. Who selected none names it anyway.
            stream_db: position.stream_db.unwrap_or(0) as i64,
            id: position.replid,
            offset: position.offset,
        }),
        aof_base: false,
        functions: Vec::new(),
    }
}

struct FileSink {
    file: Replacement,
    sync_every: Option<u64>,
    unsynced: u64,
}

impl Sink for FileSink {
    type Error = io::Error;

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        let_others_run();
        self.unsynced += bytes.len() as u64;
        if self.sync_every.is_some_and(|every| self.unsynced >= every) {
            self.unsynced = 0;
            self.file.sync_data()?;
        }
        Ok(())
    }
}
