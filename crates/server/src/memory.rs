//! What the allocator says about memory. Its statistics of the whole process take a walk over all arenas; between two of
//! those, the counters that it keeps for each thread say how much came and went.

use std::cell::Cell;
use std::sync::atomic::{AtomicI64, Ordering};

use node::MemoryFigures;
use tikv_jemalloc_ctl::thread::{ThreadLocal, allocatedp, deallocatedp};
use tikv_jemalloc_ctl::{Access, AsName, arenas, background_thread, epoch, stats, stats_print};

use crate::system;

/// What all threads keep for next time although it was given back, of all arenas together.
const TCACHE_BYTES: &[u8] = b"stats.arenas.4096.tcache_bytes\0";

/// What threads that give memory to the executor, or take it from there, have taken less what they gave back, as of their last
/// jobs.
static TAKEN_BESIDE: AtomicI64 = AtomicI64::new(0);

thread_local! {
    /// What of it is the calling thread's.
    static PUBLISHED: Cell<i64> = const { Cell::new(0) };
}

/// What one thread has taken from the allocator and given back.
struct Balance {
    taken: Option<ThreadLocal<u64>>,
    given: Option<ThreadLocal<u64>>,
}

impl Balance {
    /// Of the calling thread. An allocator that does not count leaves it at zero.
    fn of_this_thread() -> Balance {
        Balance { taken: allocatedp::read().ok(), given: deallocatedp::read().ok() }
    }

    /// Bytes.
    fn get(&self) -> i64 {
        let count = |counter: Option<ThreadLocal<u64>>| counter.map_or(0, ThreadLocal::get) as i64;
        count(self.taken).wrapping_sub(count(self.given))
    }
}

/// Has the allocator give memory back to the system on a thread of its own, or in whatever thread frees something.
pub fn set_background_thread(on: bool) -> Result<(), String> {
    let failed = |error| format!("The allocator cannot {} its thread: {error}", if on { "start" } else { "end" });
    background_thread::write(on).map_err(failed)
}

/// Tells the executor what the calling thread has allocated and freed, after each job whose memory changes hands: what the
/// executor frees of it would otherwise count as freed without ever having been taken, or the other way round.
pub fn publish_balance() {
    let balance = Balance::of_this_thread().get();
    let change = balance - PUBLISHED.replace(balance);
    TAKEN_BESIDE.fetch_add(change, Ordering::Relaxed);
}

/// How much the allocator has given out, for the executor.
pub struct Allocated {
    executor: Balance,
    /// What the allocator said when it was asked last, less what the executor and the threads beside it had counted by then.
    rest: Cell<i64>,
}

impl Allocated {
    /// For the calling thread, the executor.
    pub fn new() -> Allocated {
        let allocated = Allocated { executor: Balance::of_this_thread(), rest: Cell::new(0) };
        allocated.figures();
        allocated
    }

    fn counted(&self) -> i64 {
        self.executor.get() + TAKEN_BESIDE.load(Ordering::Relaxed)
    }

    /// As of now, as far as the executor and those who publish their balance know; others count with the next figures.
    pub fn now(&self) -> u64 {
        u64::try_from(self.rest.get() + self.counted()).unwrap_or(0)
    }

    /// The allocator's figures of this moment. What it can't tell is zero.
    pub fn figures(&self) -> MemoryFigures {
        // The allocator's statistics are as of the last advance; if it can't advance they are old.
        epoch::advance().ok();
        let figure = |value: Result<usize, _>| value.map_or(0, |bytes| bytes as u64);
        let allocated = figure(stats::allocated::read());
        let kept = TCACHE_BYTES.name().read().map_or(0, |bytes: usize| bytes as u64);
        let used = allocated.saturating_sub(kept);
        self.rest.set(used as i64 - self.counted());
        MemoryFigures {
            used,
            allocated,
            active: figure(stats::active::read()),
            resident: figure(stats::resident::read()),
            rss: resident_set(),
            system: system::total_memory(),
        }
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

/// Has the allocator keep large pieces that were freed for its decay time, as it keeps small ones: the next large value is made
/// of pages that are there already. `oversize_threshold:0` in its configuration does that for all arenas but the first, which
/// is made before the configuration counts, and which is the executor's.
pub fn keep_large_pieces() {
    let Ok(count) = arenas::narenas::read() else { return };
    for arena in 0..count {
        let name = format!("arena.{arena}.oversize_threshold\0").into_bytes();
        // An arena that nobody used yet has no such value; the configuration that was compiled in gives it the right one.
        name.name().write(usize::MAX).ok();
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

/// Gives free pages back to the system if there are many: before this thread takes as much from an arena of its own.
pub fn purge_if_much() {
    const BYTES_MIN: usize = 64 << 20;
    epoch::advance().ok();
    if let (Ok(resident), Ok(active)) = (stats::resident::read(), stats::active::read())
        && resident.saturating_sub(active) >= BYTES_MIN
    {
        // What cannot be given back is there for later.
        purge().ok();
    }
}

/// The process's resident set in bytes, from the second number of /proc/self/statm.
fn resident_set() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Does a job as the threads beside the executor do theirs.
    fn beside<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
        let thread = std::thread::spawn(move || {
            let result = job();
            publish_balance();
            result
        });
        thread.join().expect("it only allocates and frees")
    }

    // Its large pieces went back to the system whenever they were freed, since it is made before the configuration counts.
    #[test]
    fn every_arena_keeps_large_pieces() {
        let of_first = b"arena.0.oversize_threshold\0".name();
        assert_ne!(Access::<usize>::read(of_first), Ok(usize::MAX), "there is nothing to do");
        keep_large_pieces();
        assert_eq!(Access::<usize>::read(of_first), Ok(usize::MAX));
    }

    #[test]
    fn the_running_count_stays_within_five_percent_of_the_allocator() {
        let allocated = Allocated::new();
        let mut kept: Vec<Vec<u8>> = Vec::new();
        for round in 0..20 {
            let some = move || -> Vec<Vec<u8>> {
                let size = |place: usize| 1 + [16, 100, 1000, 20_000][place % 4] * (place % 97) / 97;
                (0..5000).map(|place| vec![0; size(place)]).collect()
            };
            // Taken here, or on a thread that hands it over.
            kept.extend(if round % 3 == 0 { beside(some) } else { some() });
            let half: Vec<Vec<u8>> = kept.split_off(kept.len() / 2);
            // One half goes here, or on the thread that frees.
            if round % 2 == 0 {
                drop(half);
            } else {
                beside(move || drop(half));
            }
            let counted = allocated.now();
            let told = allocated.figures().used;
            assert!(counted.abs_diff(told) * 20 < told, "round {round}: counted {counted}, the allocator says {told}");
        }
    }
}
