//! What everybody in a simulated world shares: the clock, the random numbers, what will happen, the network, the trace.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use base::{Time, UnixMs};
use node::StreamFacts;

use crate::network::{Network, Party};
use crate::plan::Plan;
use crate::queue::{Event, Queue};
use crate::report::Figures;
use crate::sabotage::Sabotage;
use crate::trace::Trace;

/// The wall clock at the start of every run, in Unix milliseconds.
const UNIX_AT_START: i64 = 1_700_000_000_000;

/// The shared part of a world.
pub(crate) struct Env {
    /// The monotonic clock; the hosts of the nodes hold it too.
    pub clock: Rc<Cell<Time>>,
    /// All chance comes from here.
    pub rng: fastrand::Rng,
    /// What will happen.
    pub queue: Queue,
    /// Who can talk to whom.
    pub network: Network,
    /// What has happened.
    pub trace: Trace,
    /// How this run is laid out.
    pub plan: Plan,
    /// The bug that is put back, if any.
    pub sabotage: Option<Sabotage>,
    /// Where each node stood after its last turn; None while it is down.
    pub board: Vec<Option<StreamFacts>>,
    /// What is counted.
    pub figures: Figures,
}

impl Env {
    /// Now.
    pub fn now(&self) -> Time {
        self.clock.get()
    }

    /// The wall clock that all nodes agree on.
    pub fn unix(&self) -> UnixMs {
        UnixMs(UNIX_AT_START + (self.now().0 / 1000) as i64)
    }

    /// A random span between two numbers of milliseconds.
    pub fn span_ms(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_micros(self.rng.u64(from * 1000..=to * 1000))
    }

    /// Lets something happen after a while.
    pub fn after(&mut self, span: Duration, event: Event) {
        self.queue.after(self.clock.get(), span, event);
    }

    /// Adds a line to the trace.
    pub fn trace(&mut self, who: &str, what: &str) {
        self.trace.line(self.clock.get(), who, what);
    }

    /// Begins to connect.
    pub fn connect(&mut self, from: Party, to: usize) -> u64 {
        self.network.connect(self.clock.get(), from, to, &mut self.rng, &mut self.queue)
    }

    /// Writes to a connection.
    pub fn write(&mut self, end: (u64, usize), bytes: &[u8]) -> io::Result<usize> {
        self.network.write(self.clock.get(), end, bytes, &mut self.rng, &mut self.queue)
    }

    /// Reads from a connection.
    pub fn read(&mut self, end: (u64, usize), bytes_max: usize) -> io::Result<Vec<u8>> {
        self.network.read(self.clock.get(), end, bytes_max, &mut self.queue)
    }

    /// Closes one side of a connection.
    pub fn close(&mut self, end: (u64, usize)) {
        self.network.close(self.clock.get(), end, &mut self.queue);
    }
}
