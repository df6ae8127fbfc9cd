//! The append-only files of the node under test: they take everything, and nothing of it is kept. Syncs and the writing
//! thread take until they are told to end.

use std::cell::{Cell, RefCell};

/// The append-only files.
#[derive(Default)]
pub struct AofDisk {
    /// Syncs last until they are ended; otherwise they are done at once.
    pub hold_syncs: Cell<bool>,
    /// The syncs under way: their tickets.
    pub syncs: RefCell<Vec<u64>>,
    /// Bytes on their way through the writing thread.
    pub writing: Cell<Option<u64>>,
}
