//! What the allocator says about memory.

use node::MemoryFigures;
use tikv_jemalloc_ctl::{epoch, stats};

use crate::system;

/// The figures of this moment. What the allocator can't tell is zero.
pub fn figures() -> MemoryFigures {
    // The allocator's statistics are as of the last advance.
    drop(epoch::advance());
    let figure = |value: Result<usize, _>| value.map_or(0, |bytes| bytes as u64);
    MemoryFigures {
        allocated: figure(stats::allocated::read()),
        active: figure(stats::active::read()),
        resident: figure(stats::resident::read()),
        rss: resident_set(),
        system: system::total_memory(),
    }
}

/// The process's resident set in bytes, from the second number of /proc/self/statm.
fn resident_set() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}
