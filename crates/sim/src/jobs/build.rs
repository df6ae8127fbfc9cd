//! Builds a data set from bytes: the file at the start, or what a master sent. The bytes are given at once and the
//! result comes after a while, as from a thread whose progress nobody sees.

use base::UnixMs;
use keyspace::Keyspace;
use node::{Loaded, StreamPosition};
use persist::rdb::{LoadOptions, LoadWatch, load_into};

use super::{Report, Slice};
use crate::env::Env;

/// Slices that one load takes at most.
const SLICES_MAX: u32 = 5;

/// An empty data set, and the bytes to fill it with or why there are none.
type Work = (Box<Keyspace>, Result<Vec<u8>, String>);

/// A data set being built.
pub(crate) struct Build {
    attempt: u64,
    work: Option<Work>,
    drop_expired: bool,
    slices: u32,
}

impl Build {
    /// Begins to build. `bytes` are none if the transfer was given up.
    pub fn new(
        attempt: u64,
        keyspace: Box<Keyspace>,
        bytes: Result<Vec<u8>, String>,
        drop_expired: bool,
        env: &mut Env,
    ) -> Build {
        let slices = env.rng.u32(0..=SLICES_MAX);
        Build { attempt, work: Some((keyspace, bytes)), drop_expired, slices }
    }

    /// The next slice.
    pub fn step(&mut self, env: &mut Env) -> Slice {
        if self.slices > 0 {
            self.slices -= 1;
            let read = self.work.as_ref().and_then(|(_, bytes)| bytes.as_ref().ok()).map_or(0, Vec::len) as u64;
            let progress = Report::LoadProgress(read / u64::from(self.slices + 1));
            let reports = if self.attempt == 0 { vec![progress] } else { Vec::new() };
            return Slice { reports, again: Some(env.span_ms(0, 200)) };
        }
        let (keyspace, bytes) = self.work.take().expect("a build ends once");
        let result = bytes.and_then(|bytes| load(keyspace, &bytes, env.unix(), self.drop_expired));
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
    let position = report.info.replication.map(|place| StreamPosition {
        replid: place.id,
        offset: place.offset,
        stream_db: usize::try_from(place.stream_db).ok(),
    });
    Ok(Loaded { keyspace: *keyspace, position, keys: report.keys_loaded, expired: dropped.0, files: None })
}

/// The keys that were past their time.
struct Dropped(Vec<(usize, Vec<u8>)>);

impl LoadWatch for Dropped {
    fn expired(&mut self, db: usize, key: &[u8]) {
        self.0.push((db, key.to_vec()));
    }
}
