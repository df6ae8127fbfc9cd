//! What the allocator says about memory.

use node::MemoryFigures;
use tikv_jemalloc_ctl::{Access, AsName, arenas, epoch, stats, stats_print};

use crate::system;

/// The figures of this moment. What the allocator can't tell is zero.
pub fn figures() -> MemoryFigures {
    // The allocator's statistics are as of the last advance; if it can't advance they are old.
    epoch::advance().ok();
    let figure = |value: Result<usize, _>| value.map_or(0, |bytes| bytes as u64);
    MemoryFigures {
        allocated: figure(stats::allocated::read()),
        active: figure(stats::active::read()),
        resident: figure(stats::resident::read()),
        rss: resident_set(),
        system: system::total_memory(),
    }
}

/// The allocator's own report.
pub fn report() -> String {
    let mut text = Vec::new();
    match stats_print::stats_print(&mut text, stats_print::Options::default()) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) => error.to_string(),
    }
}

/// Gives free pages back to the system. Setting the decay time of an arena to zero does that at once, and unlike the
/// allocator's `purge` needs no unsafe call; then the old time is set again. An arena that nobody used yet has
/// no such time.
pub fn purge() -> Result<(), String> {
    let count = arenas::narenas::read().map_err(|error| error.to_string())?;
    for arena in 0..count {
        let name = format!("arena.{arena}.dirty_decay_ms\0").into_bytes();
        let decay = name.name();
        let Ok(before) = Access::<isize>::read(decay) else { continue };
        decay.write(0_isize).and_then(|()| decay.write(before)).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The process's resident set in bytes, from the second number of /proc/self/statm.
fn resident_set() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}
