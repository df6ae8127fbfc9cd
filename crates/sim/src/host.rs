//! What a simulated node asks of the program around it: the world's clock, entropy from the world's seed, a log that is
//! kept, and its machine's disk.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::time::Duration;

use base::{Time, UnixMs};
use config::Config;
use keyspace::Keyspace;
use node::{CpuFigures, Host, LogLevel, MemoryFigures, ProcessFacts, SaveJob};

use crate::disk::{DATA_FILE, Disk};
use crate::jobs::{self, SharedFiles};

/// Log lines of one turn.
pub(crate) type Log = Rc<RefCell<Vec<(LogLevel, String)>>>;

/// What a key with a deadline counts towards `maxmemory`; nothing else does. So only such keys are ever evicted, never a
/// marker that somebody was told to be written, and no command is refused.
pub(crate) const VOLATILE_KEY_BYTES: u64 = 1 << 20;

/// The program around one node.
pub(crate) struct SimHost {
    /// The world's clock.
    pub clock: Rc<Cell<Time>>,
    /// This node's own chance, from the world's seed.
    pub rng: RefCell<fastrand::Rng>,
    /// Where log lines go.
    pub log: Log,
    /// The machine's disk.
    pub disk: Rc<RefCell<Disk>>,
    /// Its append-only files.
    pub aof: SharedFiles,
}

impl Host for SimHost {
    fn now(&self) -> Time {
        self.clock.get()
    }

    fn unix_micros(&self) -> i64 {
        self.clock.get().0 as i64
    }

    fn log(&self, level: LogLevel, text: &str) {
        self.log.borrow_mut().push((level, text.to_owned()));
    }

    fn role_changed(&self, _is_replica: bool) {}

    fn memory(&self) -> MemoryFigures {
        MemoryFigures::default()
    }

    fn memory_used(&self, keyspace: &Keyspace) -> u64 {
        let volatile: usize = (0..keyspace.count()).map(|db| keyspace.expires_len(db)).sum();
        volatile as u64 * VOLATILE_KEY_BYTES
    }

    fn cpu(&self) -> CpuFigures {
        CpuFigures::default()
    }

    fn process(&self) -> ProcessFacts {
        ProcessFacts::default()
    }

    fn entropy(&self) -> [u8; 20] {
        let mut bytes = [0; 20];
        self.rng.borrow_mut().fill(&mut bytes);
        bytes
    }

    fn read_config_file(&self) -> Result<Option<Vec<u8>>, String> {
        Err("a simulated server has no configuration file".to_owned())
    }

    fn write_config_file(&self, _text: &[u8]) -> Result<(), String> {
        Err("a simulated server has no configuration file".to_owned())
    }

    fn apply_setting(&mut self, _config: &Config, _name: &'static str) -> Result<(), String> {
        Ok(())
    }

    fn save_now(&mut self, job: SaveJob) -> Result<u64, String> {
        let bytes = jobs::SnapshotWalk::new(job, None).finish_into_vec()?;
        self.disk.borrow_mut().replace(DATA_FILE, bytes)
    }

    fn load_now(&mut self, empty: Keyspace, now: UnixMs) -> Result<Keyspace, String> {
        let file = self.disk.borrow().read(DATA_FILE).ok_or("no file")?.to_vec();
        jobs::load(Box::new(empty), &file, now, false).map(|loaded| loaded.keyspace)
    }

    fn append_journal(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.aof.borrow_mut().append(slices)
    }

    fn switch_journal(&mut self, header: &[u8]) -> Result<(), String> {
        self.aof.borrow_mut().switch(header)
    }

    fn await_journal_write(&mut self) -> (u64, Result<(), String>) {
        self.aof.borrow_mut().await_write()
    }

    fn retract_journal(&mut self, bytes: u64) -> Result<(), String> {
        self.aof.borrow_mut().retract(bytes as usize);
        Ok(())
    }

    fn sync_journal(&mut self) -> Result<(), String> {
        let mut aof = self.aof.borrow_mut();
        let begun = aof.begin_sync();
        aof.end_sync(&begun)
    }

    fn note_unknown_command(&mut self, offset: u64) -> Result<(), String> {
        Err(format!("the command at {offset} is not known, but all simulated servers are of one version"))
    }

    fn sleep(&self, _span: Duration) {}
}
