//! What will happen, ordered by simulated time; what is due at the same moment happens in the order in which it was
//! scheduled.

use std::collections::BTreeMap;
use std::time::Duration;

use base::Time;

/// One thing that will happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    /// A machine's loop runs once.
    Turn(usize),
    /// Bytes, room or the end may have reached this side of a connection.
    Arrive {
        /// The connection.
        key: u64,
        /// 0: who opened it; 1: who accepted it.
        side: usize,
    },
    /// An attempt to connect is answered.
    ConnectDone(u64),
    /// A client does something.
    Client(usize),
    /// A job beside a machine's loop goes on.
    Job {
        /// The machine.
        machine: usize,
        /// Its number.
        job: u64,
    },
    /// Something goes wrong.
    Fault,
    /// The operator compares what is with what should be.
    Operator,
    /// A process is killed.
    Kill(usize),
    /// A killed machine starts.
    Restart(usize),
    /// A stopped machine goes on.
    Resume(usize),
}

/// The events to come.
#[derive(Default)]
pub(crate) struct Queue {
    events: BTreeMap<(Time, u64), Event>,
    scheduled: u64,
}

impl Queue {
    /// Lets something happen then.
    pub fn at(&mut self, at: Time, event: Event) {
        self.scheduled += 1;
        self.events.insert((at, self.scheduled), event);
    }

    /// Lets something happen after a while.
    pub fn after(&mut self, now: Time, span: Duration, event: Event) {
        self.at(now + span, event);
    }

    /// The next event and its time.
    pub fn pop(&mut self) -> Option<(Time, Event)> {
        self.events.pop_first().map(|((at, _), event)| (at, event))
    }
}
