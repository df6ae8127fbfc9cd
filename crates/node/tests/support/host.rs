//! The program around the node under test: a clock that stands still unless told, and a file in memory.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::time::Duration;

use base::{Time, UnixMs};
use config::Config;
use keyspace::Keyspace;
use node::{CpuFigures, Host, LogLevel, MemoryFigures, ProcessFacts, SaveJob};
use persist::rdb::{EncodeError, Encoder, EncoderOptions, Header, LoadOptions, encode_snapshot, load_into};

use super::aof_disk::AofDisk;

/// The program around the node under test.
pub struct TestHost {
    /// The monotonic clock; the wall clock goes with it.
    pub clock: Rc<Cell<Time>>,
    /// How far the clock goes on with every look at it.
    pub tick: Rc<Cell<Duration>>,
    /// Memory used by what the host does not count, in bytes.
    pub uncounted: Rc<Cell<u64>>,
    /// What was saved last.
    pub file: Vec<u8>,
    /// The append-only files.
    pub aof: Rc<AofDisk>,
}

/// The wall clock when the monotonic one is at zero: a day in 2025.
pub const UNIX_START: UnixMs = UnixMs(1_750_000_000_000);

impl Host for TestHost {
    fn now(&self) -> Time {
        let now = self.clock.get();
        self.clock.set(now + self.tick.get());
        now
    }

    fn unix_micros(&self) -> i64 {
        UNIX_START.0 * 1000 + self.clock.get().0 as i64
    }

    fn log(&self, _level: LogLevel, _text: &str) {}

    fn role_changed(&self, _is_replica: bool) {}

    fn memory(&self) -> MemoryFigures {
        let used = 1 << 20;
        MemoryFigures { used, allocated: used, active: 2 << 20, resident: 3 << 20, rss: 4 << 20, system: 1 << 30 }
    }

    fn memory_used(&self, keyspace: &Keyspace) -> u64 {
        (1 << 20) + keyspace.memory_bytes() as u64 + self.uncounted.get()
    }

    fn cpu(&self) -> CpuFigures {
        CpuFigures::default()
    }

    fn process(&self) -> ProcessFacts {
        ProcessFacts::default()
    }

    fn entropy(&self) -> [u8; 20] {
        [7; 20]
    }

    fn read_config_file(&self) -> Result<Option<Vec<u8>>, String> {
        Err("there is none".to_owned())
    }

    fn write_config_file(&self, _text: &[u8]) -> Result<(), String> {
        Err("there is none".to_owned())
    }

    fn apply_setting(&mut self, _config: &Config, _name: &'static str) -> Result<(), String> {
        Ok(())
    }

    fn save_now(&mut self, mut job: SaveJob) -> Result<u64, String> {
        let mut encoder = Encoder::new(Vec::new(), EncoderOptions::default());
        encode_snapshot(&mut job.snapshot, &Header::default(), &mut encoder).map_err(|error| match error {
            EncodeError::Sink(never) => match never {},
            EncodeError::Unsupported(value) => value.to_string(),
        })?;
        let Ok(file) = encoder.into_sink();
        self.file = file;
        Ok(self.file.len() as u64)
    }

    fn load_now(&mut self, mut empty: Keyspace, now: UnixMs) -> Result<Keyspace, String> {
        let options = LoadOptions { now, drop_expired: true, ..LoadOptions::default() };
        load_into(&mut empty, &self.file[..], &options, &mut ()).map_err(|error| error.to_string())?;
        Ok(empty)
    }

    fn append_journal(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        slices.iter().for_each(|slice| self.aof.content.borrow_mut().extend_from_slice(slice));
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn switch_journal(&mut self, _header: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn await_journal_write(&mut self) -> (u64, Result<(), String>) {
        (self.aof.writing.take().expect("the writing thread has something to do"), Ok(()))
    }

    fn sync_journal(&mut self) -> Result<(), String> {
        self.aof.sync_fault.borrow().clone().map_or(Ok(()), Err)
    }

    fn note_unknown_command(&mut self, offset: u64) -> Result<(), String> {
        self.aof.unknown.borrow_mut().push(offset);
        Ok(())
    }

    fn sleep(&self, span: Duration) {
        self.clock.set(self.clock.get() + span);
    }
}
