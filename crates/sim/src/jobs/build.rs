//! Builds a data set: from bytes, which are the file at the start or what a master sent, or from append-only files. They
//! are given at once and the result comes after a while, as from a thread whose progress nobody sees.

use std::cell::RefCell;
use std::rc::Rc;

use base::UnixMs;
use config::Config;
use keyspace::Keyspace;
use node::{AofLoad, Loaded, StreamPosition};
use persist::aof::Manifest;
use persist::rdb::{LoadOptions, LoadWatch, load_into};

use super::{Report, Slice};
use crate::aof::Folder;
use crate::disk::Disk;
use crate::env::Env;

/// Slices that one load takes at most.
const SLICES_MAX: u32 = 5;

/// What a data set is built from.
pub(crate) enum Source {
    /// An RDB file.
    Bytes(Vec<u8>),
    /// Append-only files.
    Files {
        /// What the manifest names.
        manifest: Manifest,
        /// Where they are.
        disk: Rc<RefCell<Disk>>,
        /// The settings of the start.
        config: Box<Config>,
    },
}

/// An empty data set, and what to fill it with or why there is nothing.
type Work = (Box<Keyspace>, Result<Source, String>);

/// A data set being built.
pub(crate) struct Build {
    attempt: u64,
    work: Option<Work>,
    drop_expired: bool,
    slices: u32,
}

impl Build {
    /// Begins to build. There is no source if the transfer was given up.
    pub fn new(
        attempt: u64,
        keyspace: Box<Keyspace>,
        source: Result<Source, String>,
        drop_expired: bool,
        env: &mut Env,
    ) -> Build {
        let slices = env.rng.u32(0..=SLICES_MAX);
        Build { attempt, work: Some((keyspace, source)), drop_expired, slices }
    }

    /// The next slice.
    pub fn step(&mut self, env: &mut Env) -> Slice {
        if self.slices > 0 {
            self.slices -= 1;
            let progress = Report::LoadProgress(u64::from(SLICES_MAX - self.slices));
            let reports = if self.attempt == 0 { vec![progress] } else { Vec::new() };
            return Slice { reports, again: Some(env.span_ms(0, 200)) };
        }
        let (keyspace, source) = self.work.take().expect("a build ends once");
        let result = source.and_then(|source| match source {
            Source::Bytes(bytes) => load(keyspace, &bytes, env.unix(), self.drop_expired),
            Source::Files { manifest, disk, config } => {
                AofLoad::new(&Folder(disk), &config, env.unix(), &mut |_| {}).run(manifest, keyspace)
            }
        });
        Slice { reports: vec![Report::Loaded { attempt: self.attempt, result: result.map(Box::new) }], again: None }
    }
}

/// Reads a file into an empty keyspace.
pub(crate) fn load(
    mut keyspace: Box<Keyspace>,
    file: &[u8],
    now: UnixMs,
    drop_expired: bool,
) -> Result<Loaded, String> {
    let options = LoadOptions { now, drop_expired, ..LoadOptions::default() };
    let mut dropped = Dropped(Vec::new());
    let report = load_into(&mut keyspace, file, &options, &mut dropped).map_err(|error| error.to_string())?;
    let position = StreamPosition::of(&report);
    Ok(Loaded { keyspace: *keyspace, position, keys: report.keys_loaded, expired: dropped.0, files: None })
}

/// The keys that were past their time.
struct Dropped(Vec<(usize, Vec<u8>)>);

impl LoadWatch for Dropped {
    fn expired(&mut self, db: usize, key: &[u8]) {
        self.0.push((db, key.to_vec()));
    }
}
