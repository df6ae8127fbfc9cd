//! Writes a snapshot to the machine's disk, beside the old file, then in its place.

use std::cell::RefCell;
use std::rc::Rc;

use node::SaveJob;

use super::{Report, Slice, SnapshotWalk};
use crate::disk::{DATA_FILE, Disk};
use crate::env::Env;

/// A file being written.
pub(crate) struct Save {
    walk: SnapshotWalk,
    bytes: Vec<u8>,
    disk: Rc<RefCell<Disk>>,
}

impl Save {
    /// Begins to write.
    pub fn new(job: SaveJob, disk: Rc<RefCell<Disk>>) -> Save {
        Save { walk: SnapshotWalk::new(job, None), bytes: Vec::new(), disk }
    }

    /// The next slice.
    pub fn step(&mut self, env: &mut Env) -> Slice {
        let blocks = env.rng.usize(1..=4);
        let more = self.walk.step(blocks);
        self.bytes.extend(self.walk.take(0));
        if more {
            return Slice { reports: Vec::new(), again: Some(env.span_ms(0, 10)) };
        }
        let result = match self.walk.failure() {
            Some(reason) => Err(reason.to_owned()),
            None => self.disk.borrow_mut().replace(DATA_FILE, std::mem::take(&mut self.bytes)),
        };
        Slice { reports: vec![Report::Saved(result)], again: None }
    }
}
