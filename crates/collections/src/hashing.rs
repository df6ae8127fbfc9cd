//! The hash behind tables: one seed for the whole process, so that SCAN cursors mean the same after a restart.

use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;

use foldhash::quality::FixedState;

/// Used when nobody sets a seed: tests, tools, and the simulator's repeatable runs.
const DEFAULT_SEED: u64 = 0x6c6f_636b_7374_6570;

static STATE: OnceLock<FixedState> = OnceLock::new();

/// Sets the process's hash seed; to be called before the first table is built. Returns false, and changes nothing, if
/// a seed is already in use. A server should always set a secret one: it is what keeps chosen keys from colliding.
pub fn set_hash_seed(seed: u64) -> bool {
    STATE.set(FixedState::with_seed(seed)).is_ok()
}

/// Hash of an element's text. Its leading bits choose the node, its last byte is the tag.
pub(crate) fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hasher = STATE.get_or_init(|| FixedState::with_seed(DEFAULT_SEED)).build_hasher();
    hasher.write(bytes);
    hasher.finish()
}
