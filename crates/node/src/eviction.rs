//! maxmemory: before a command runs, keys are evicted until memory is below it, for a bounded time; what is left to do goes
//! on in later turns. Who chooses them: `keyspace/src/eviction.rs`.
//!
//! What counts is what the allocator has given out, less what goes without anybody's doing or is no reason to evict: the
//! stream beyond its backlog, which replicas and files still have to get (else the deletions of evictions cause evictions),
//! and what is dead and only waits for a snapshot or the thread that frees.

use std::sync::atomic::Ordering;
use std::time::Duration;

use base::Time;
use config::MaxmemoryPolicy;
use keyspace::{Db, Evictor, ExpiryMode, Order, Rule};

use crate::client::ConnId;
use crate::host::LogLevel;
use crate::node::Node;

/// How many flushed keys are counted between two looks at the clock.
const COUNTED_PER_LOOK: usize = 256;

/// How many keys are evicted between two looks at the clock.
const KEYS_PER_LOOK: usize = 16;

/// The journal holds whole blocks, so that it is never exactly as long as its backlog.
const JOURNAL_SLACK_BYTES: u64 = 128 * 1024;

/// Whether there is room for what a command needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Room {
    /// There is.
    Enough,
    /// Memory is above the limit, and being freed: commands go on meanwhile.
    Soon,
    /// Memory is above the limit, and nothing can be evicted.
    None,
}

/// What is remembered between evictions.
#[derive(Default)]
pub(crate) struct Eviction {
    evictor: Evictor,
    /// The time was up before memory was below the limit.
    pub goes_on: bool,
    /// Since when memory is above the limit.
    exceeded_since: Option<Time>,
    /// How long it was before, in all.
    exceeded: Duration,
}

impl Eviction {
    /// How long memory was above the limit since the start or CONFIG RESETSTAT, and how long it is now.
    pub fn exceeded(&self, now: Time) -> (Duration, Duration) {
        let current = self.exceeded_since.map_or(Duration::ZERO, |since| now.since(since));
        (self.exceeded + current, current)
    }

    /// CONFIG RESETSTAT.
    pub fn reset_stats(&mut self) {
        self.exceeded = Duration::ZERO;
        self.exceeded_since = None;
    }

    fn note(&mut self, room: Room, now: Time) {
        match room {
            Room::Enough => {
                if let Some(since) = self.exceeded_since.take() {
                    self.exceeded += now.since(since);
                }
            }
            Room::Soon | Room::None => {
                self.exceeded_since.get_or_insert(now);
            }
        }
    }
}

impl Node {
    /// Evicts keys if memory is above maxmemory.
    #[inline]
    pub(crate) fn make_room(&mut self) -> Room {
        if self.config.maxmemory == 0 { Room::Enough } else { self.make_room_below_maxmemory() }
    }

    /// The same for a client's command. None: the client is gone, because of what it was told about evictions.
    #[inline]
    pub(crate) fn make_room_for(&mut self, conn: ConnId) -> Option<Room> {
        if self.config.maxmemory == 0 { Some(Room::Enough) } else { self.make_room_beside(conn) }
    }

    fn make_room_beside(&mut self, conn: ConnId) -> Option<Room> {
        self.clients[conn].executing = true;
        let room = self.make_room_below_maxmemory();
        self.end_executing(conn);
        if self.clients[conn].closing {
            self.close_now(conn);
            return None;
        }
        Some(room)
    }

    fn make_room_below_maxmemory(&mut self) -> Room {
        self.eviction.goes_on = false;
        let room = if !self.may_evict() || self.is_within_maxmemory() { Room::Enough } else { self.evict() };
        self.eviction.note(room, self.now);
        room
    }

    /// Goes on with what a turn before had no time for.
    pub(crate) fn continue_eviction(&mut self) {
        if self.eviction.goes_on {
            self.make_room();
        }
    }

    /// A replica has what its master has, a load what the file has, and a pause holds everything as it is.
    fn may_evict(&self) -> bool {
        let follows = self.replication.is_replica() && self.config.replica_ignore_maxmemory;
        !follows && self.persistence.loading.is_none() && !self.pause.holds_writes(self.now)
    }

    fn is_within_maxmemory(&self) -> bool {
        let used = self.host.memory_used(&self.keyspace);
        // Looking closer is only worth it where it matters.
        used <= self.config.maxmemory || self.is_within_as_counted(used)
    }

    /// The same without what does not count.
    fn is_within_as_counted(&self, used: u64) -> bool {
        let limit = self.config.maxmemory;
        // Dead collections that share elements are subtracted once each; what lives in the tables counts in any case.
        used.saturating_sub(self.memory_not_counted()) <= limit && self.keyspace.memory_bytes() as u64 <= limit
    }

    /// Counts what flushed collections take that a snapshot needs, before anything is evicted for it: whether all of it is
    /// counted.
    fn count_dead(&mut self, began: Time, limit: Option<Duration>) -> bool {
        while self.keyspace.count_dead(COUNTED_PER_LOOK) {
            if limit.is_some_and(|limit| self.took(began) > limit) {
                return false;
            }
        }
        true
    }

    /// Bytes that are no reason to evict.
    fn memory_not_counted(&self) -> u64 {
        let pending = self.stats.free.pending_bytes.load(Ordering::Relaxed) as u64;
        self.memory_not_counted_for_evict() + pending
    }

    /// What INFO shows of that.
    pub(crate) fn memory_not_counted_for_evict(&self) -> u64 {
        let journal = self.replication.journal.memory_bytes() as u64;
        let beyond = journal.saturating_sub(self.replication.journal.backlog_size() + JOURNAL_SLACK_BYTES);
        beyond + self.keyspace.dead_bytes() as u64
    }

    fn evict(&mut self) -> Room {
        let (began, limit) = (self.host.now(), time_limit(self.config.maxmemory_eviction_tenacity));
        if !self.count_dead(began, limit) {
            self.eviction.goes_on = true;
            return Room::Soon;
        }
        let Some(rule) = self.eviction_rule() else {
            return if self.is_within_maxmemory() { Room::Enough } else { Room::None };
        };
        let mut evicted = 0;
        let room = loop {
            if self.is_within_maxmemory() {
                break Room::Enough;
            }
            if evicted > 0 && evicted % KEYS_PER_LOOK == 0 && limit.is_some_and(|limit| self.took(began) > limit) {
                self.eviction.goes_on = true;
                break Room::Soon;
            }
            let Node { eviction, keyspace, rng, .. } = self;
            let Some((db, key)) = eviction.evictor.choose(keyspace, rule, rng) else {
                let freeing = self.stats.free.pending_bytes.load(Ordering::Relaxed) > 0;
                break if freeing || self.keyspace.has_garbage() { Room::Soon } else { Room::None };
            };
            self.evict_key(db, &key);
            evicted += 1;
        };
        if self.config.latency_monitor_threshold > 0 {
            let took = self.took(began);
            self.latency.add(&self.config, self.unix, "eviction-cycle", took);
        }
        room
    }

    fn took(&self, since: Time) -> Duration {
        self.host.now().since(since)
    }

    fn eviction_rule(&self) -> Option<Rule> {
        let policy = self.config.maxmemory_policy;
        let order = match policy {
            MaxmemoryPolicy::Noeviction => return None,
            MaxmemoryPolicy::VolatileTtl => Order::Deadline,
            MaxmemoryPolicy::VolatileRandom | MaxmemoryPolicy::AllkeysRandom => Order::Random,
            MaxmemoryPolicy::VolatileLru
            | MaxmemoryPolicy::AllkeysLru
            | MaxmemoryPolicy::VolatileLfu
            | MaxmemoryPolicy::AllkeysLfu => Order::Use,
        };
        Some(Rule { volatile: policy.is_volatile(), order, samples: self.config.maxmemory_samples as usize })
    }

    /// Evicts one key, as a unit of its own.
    fn evict_key(&mut self, index: usize, key: &[u8]) {
        let began = (self.config.latency_monitor_threshold > 0).then(|| self.host.now());
        self.begin_unit();
        let Node { keyspace, effects, unix, .. } = self;
        Db::new(keyspace, index, effects, *unix, ExpiryMode::Ignore).evict(key);
        self.commit_unwrapped();
        if let Some(began) = began {
            let took = self.took(began);
            self.latency.add(&self.config, self.unix, "eviction-del", took);
        }
    }

    /// maxmemory or its policy was set.
    pub(crate) fn maxmemory_changed(&mut self) {
        self.eviction.evictor.clear();
        if self.config.maxmemory == 0 {
            self.eviction.note(Room::Enough, self.now);
            return;
        }
        let used = self.host.memory_used(&self.keyspace);
        if used > self.config.maxmemory {
            let line = format!(
                "The new maxmemory, {} bytes, is below the {used} bytes in use: keys are evicted or writes refused, as \
                 maxmemory-policy says.",
                self.config.maxmemory
            );
            self.log(LogLevel::Warning, &line);
        }
        self.eviction.goes_on = true;
    }
}

/// How long one command may be held up by `maxmemory-eviction-tenacity`: up to half a millisecond for 0 to 10, then 15 %
/// more for each, and without end for 100.
fn time_limit(tenacity: u32) -> Option<Duration> {
    const STEP_US: u64 = 50;
    match tenacity {
        0..=10 => Some(Duration::from_micros(STEP_US * u64::from(tenacity))),
        11..100 => Some(Duration::from_micros((10.0 * STEP_US as f64 * 1.15_f64.powi(tenacity as i32 - 10)) as u64)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenacity_goes_from_nothing_over_half_a_millisecond_to_for_ever() {
        assert_eq!(time_limit(0), Some(Duration::ZERO));
        assert_eq!(time_limit(10), Some(Duration::from_micros(500)));
        assert_eq!(time_limit(11), Some(Duration::from_micros(575)));
        assert!(time_limit(99).is_some_and(|limit| limit > Duration::from_secs(100)));
        assert_eq!(time_limit(100), None);
    }

    #[test]
    fn the_time_above_the_limit_is_summed_up() {
        let mut eviction = Eviction::default();
        eviction.note(Room::None, Time(1_000_000));
        eviction.note(Room::Soon, Time(2_000_000));
        assert_eq!(eviction.exceeded(Time(3_000_000)), (Duration::from_secs(2), Duration::from_secs(2)));
        eviction.note(Room::Enough, Time(4_000_000));
        assert_eq!(eviction.exceeded(Time(9_000_000)), (Duration::from_secs(3), Duration::ZERO));
    }
}
